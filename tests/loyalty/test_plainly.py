"""Conditions as people choose them: written as CEL, and read back as the same choices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querencia.loyalty.earning import plainly, read
from querencia.loyalty.earning.plainly import Chosen

CHOICES = st.builds(
    Chosen,
    amount_min=st.integers(0, 10**9),
    weekdays=st.sets(st.integers(1, 7)).map(lambda days: tuple(sorted(days))),
    tier=st.text(max_size=40),
    is_birthday=st.booleans(),
    is_birth_month=st.booleans(),
    more=st.sampled_from(["", "hour < 12", "channel == 'web' || branch == 'a'", "(hour < 9) && (day > 3)"]),
)


@given(CHOICES)
def test_choices_come_back_as_they_were(chosen: Chosen) -> None:
    assert plainly.chosen(plainly.condition(chosen)) == chosen


@given(CHOICES)
def test_choices_are_conditions(chosen: Chosen) -> None:
    if written := plainly.condition(chosen):
        read({"then": {"points": 1}, "if": written}, key="base")


@given(st.one_of(st.text(max_size=60), st.sampled_from(["is_birthday && ", "amount >= 5 || hour < 3", "(a) && (b)"])))
def test_whatever_was_written_stays_what_it_is(written: str) -> None:
    again = plainly.condition(plainly.chosen(written))
    assert again == written.strip()


@pytest.mark.parametrize(
    ("written", "chosen"),
    [
        ("", Chosen()),
        ("amount >= 2000", Chosen(amount_min=2000)),
        ("amount >= 2000 && (hour < 9 || hour > 20)", Chosen(amount_min=2000, more="hour < 9 || hour > 20")),
        ("amount >= 2000 || is_birthday", Chosen(more="amount >= 2000 || is_birthday")),
        ('is_birthday || tier == "a"', Chosen(more='is_birthday || tier == "a"')),
    ],
)
def test_known_conditions(written: str, chosen: Chosen) -> None:
    assert plainly.chosen(written) == chosen
