"""Rules of earning, by themselves: what they mean, what they refuse, what they cost."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querencia.loyalty.allocation import spread
from querencia.loyalty.earning import BadRule, Facts, Line, Outcome, Rule, Snapshot, evaluate, read
from querencia.loyalty.earning.rules import agree

WHEN = datetime(2026, 3, 3, 18, 30)  # a Tuesday


def facts(*lines: Line, **more: Any) -> Facts:
    return Facts(WHEN, lines or (Line(1, 10_000, sku="a", category="coffee"),), **more)


def earned(*documents: dict[str, Any], of: Facts | None = None, member: Snapshot | None = None, **more: Any) -> Outcome:
    rules = [read(document, key=f"r{number}") for number, document in enumerate(documents)]
    return evaluate(of or facts(), member or Snapshot(), rules, **more)


def per_euro(points: int = 1, **more: Any) -> dict[str, Any]:
    return {"then": {"points": points, "per": 100}, **more}


def once(points: int, **more: Any) -> dict[str, Any]:
    return {"then": {"points": points}, **more}


def test_points_are_rounded_once_and_spread_over_lines() -> None:
    lines = tuple(Line(number, 333, sku=str(number)) for number in range(1, 4))
    [effect] = earned(per_euro(), of=facts(*lines)).effects
    assert effect.points == 9
    assert effect.lines == {1: 3, 2: 3, 3: 3}
    [effect] = earned(per_euro(), of=facts(Line(1, 150), Line(2, 250))).effects
    assert effect.lines == {1: 2, 2: 2}  # 1.5 and 2.5: of equal remainders the first line has it


@given(total=st.integers(0, 10**6), weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_parts_add_up_and_are_within_one_of_their_share(total: int, weights: list[int]) -> None:
    parts = spread(total, weights)
    assert sum(parts) == total
    if sum(weights):
        shares = zip(parts, weights, strict=True)
        assert all(abs(part * sum(weights) - total * weight) < sum(weights) for part, weight in shares)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("amount >= 10000 && channel == 'web'", True),
        ("weekday == 2 && hour >= 18", True),
        ("categories.exists(c, c == 'coffee')", True),
        ("'b' in skus", False),
        ("tier == 'gold' || tenure_days > 365", True),
        ("is_birthday", False),
        ("amount / (hour - 18) > 0", False),  # a division by nothing does not hold
        ("size(categories) == 1 && categories[0].startsWith('co')", True),
    ],
)
def test_conditions_speak_of_the_purchase_and_of_the_member(condition: str, holds: bool) -> None:
    found = earned(once(5, **{"if": condition}), of=facts(channel="web"), member=Snapshot(tenure_days=400))
    assert found.points == (5 if holds else 0)
    assert found.passed_over == ({} if holds else {"r0": "condition"})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "then"),
        ({"then": {"points": 0}}, "then.points"),
        ({"then": {"points": 1.5}}, "then.points"),
        ({"then": {"points": True}}, "then.points"),
        (once(1, **{"if": "amount >"}), "if"),
        (once(1, **{"if": "amount"}), "neither yes nor no"),
        (once(1, **{"if": "income > 3"}), "income"),
        (once(1, **{"if": "'a'.matches('(a+)+$')"}), "matches"),
        (once(1, **{"if": "skus.all(a, skus.all(b, a == b))"}), "a loop within a loop"),
        (once(1, **{"if": "x" * 3_000}), "longer than"),
        (once(1, lines="tier == 'gold'"), "tier"),
        (once(1, round="sideways"), "one of down"),
        (once(1, cap={"points": 5}), "cap"),
        (once(1, counts=["gifts"]), "counts"),
        (once(1, until="soon"), "a day such as"),
        (once(1, colour="red"), "not a part of a rule"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_part_that_is_wrong(document: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRule, match=said.replace("(", r"\(")):
        read(document, key="r")


def test_loops_beside_each_other_are_allowed_and_words_in_quotes_are_no_loops() -> None:
    said = "skus.exists(a, a == 'x.all(') || categories.all(c, c != \"it's.map(\")"
    assert earned(once(1, **{"if": said})).points == 1


def test_what_is_no_goods_earns_only_where_the_rule_says_so() -> None:
    lines = (Line(1, 5_000), Line(2, 1_050, "tax"), Line(3, 500, "shipping"), Line(4, -1_000, "discount"))
    of = facts(*lines, paid_with_points=800)
    assert earned(per_euro(), of=of).points == 32
    assert earned(per_euro(counts=["points"]), of=of).points == 40
    assert earned(per_euro(counts=["discount"]), of=of).points == 42
    assert earned(per_euro(counts=["tax", "shipping", "discount", "points"]), of=of).points == 65


def test_rules_of_a_group_add_up_or_the_best_the_first_or_one_alone_counts() -> None:
    def group(stacking: str, *more: dict[str, Any]) -> Outcome:
        return earned(
            per_euro(group="g", stacking=stacking, priority=1), once(150, group="g", stacking=stacking), *more
        )

    assert group("sum").points == 250
    assert group("best").points == 150
    assert group("priority").points == 100
    assert group("priority").passed_over == {"r1": "beaten"}
    assert group("sum", once(7)).points == 257
    assert group("exclusive", once(7)).points == 100


def test_which_is_best_is_judged_by_what_it_really_gives() -> None:
    capped = once(150, group="g", stacking="best", cap={"points": 150, "per": "month"})
    found = earned(capped, per_euro(group="g", stacking="best"), room=lambda rule: 20)
    assert found.points == 100


def test_a_limit_keeps_both_figures() -> None:
    [effect] = earned(per_euro(cap={"points": 500, "per": "month"}), room=lambda rule: 30).effects
    assert (effect.points, effect.uncapped, effect.room) == (30, 100, 30)
    [effect] = earned(per_euro(cap={"points": 40, "per": "purchase"})).effects
    assert (effect.points, effect.uncapped) == (40, 100)
    assert earned(per_euro(cap={"points": 500, "per": "month"}), room=lambda rule: 0).passed_over == {"r0": "cap"}


def test_a_rule_is_valid_from_its_first_day_until_before_its_last() -> None:
    assert earned(once(1, **{"from": "2026-03-03"})).points == 1
    assert earned(once(1, until="2026-03-03")).passed_over == {"r0": "validity"}


def test_rules_of_one_group_have_to_agree() -> None:
    rules: list[Rule] = [read(once(1, group="g", stacking=stacking), key=stacking) for stacking in ("sum", "best")]
    with pytest.raises(BadRule, match="best says best and sum says sum"):
        agree(rules)
