"""What a figure needs, and what is said where it is missing."""

import pytest

from querencia.insight import gates
from querencia.insight.gates import Gate
from tests.insight.logs import log


def named(*rows_sold: tuple[object, int, int], as_of: int = 1_000, horizon_days: int | None = None) -> dict[str, Gate]:
    return {gate.name: gate for gate in gates.check(log(*rows_sold), as_of=as_of, horizon_days=horizon_days)}  # type: ignore[arg-type]


def test_an_empty_log_closes_every_gate() -> None:
    closed = named()
    assert not any(gate.is_open for gate in closed.values())
    assert closed["recent"].reason == "There are no purchases yet."


def test_a_good_log_opens_every_gate() -> None:
    sold = [(n, day, 100) for n in range(60) for day in (700 + n, 980)]
    assert all(gate.is_open for gate in named(*sold).values())


@pytest.mark.parametrize(
    ("sold", "name", "fact"),
    [
        ([(n, 900 + 40 * k, 100) for n in range(29) for k in range(3)], "customers", {"count": 29, "least": 30}),
        ([(n, 900, 100) for n in range(40)] + [(n, 990, 1) for n in range(9)], "repeaters", {"count": 9, "least": 50}),
        ([(n, 990, 100) for n in range(40)], "history", {"days": 11, "least": 56, "horizon": 0}),
        ([(n, 900, 100) for n in range(40)], "recent", {"days": 100, "least": 28}),
        ([(n, 900, 0) for n in range(40)], "money", {"count": 0}),
    ],
)
def test_each_gate_says_what_is_missing(sold: list[tuple[int, int, int]], name: str, fact: dict[str, int]) -> None:
    gate = named(*sold)[name]
    assert not gate.is_open
    assert gate.facts == fact
    assert all(str(number) in gate.reason for key, number in fact.items() if key in ("days", "least") or number)


def test_looking_far_ahead_takes_long_history() -> None:
    sold = [(n, 700, 100) for n in range(60)]
    assert named(*sold, horizon_days=150)["history"].is_open
    assert not named(*sold, horizon_days=365)["history"].is_open


def test_a_figure_names_the_gates_in_its_way() -> None:
    found = gates.check(log(*[(n, 995, 0) for n in range(40)]), as_of=1_000)
    assert [gate.name for gate in gates.closed(found, "value")] == ["repeaters", "history", "money"]
    assert gates.closed(found, "rfm") == []
