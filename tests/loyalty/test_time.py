"""When points lapse, and when tiers rise and fall: dates, by themselves."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from querencia.loyalty import tiers
from querencia.loyalty.expiry import Policy, day_ends, expires_at, period_starts, rounded_up
from querencia.loyalty.tiers import BadScheme, Scheme, Standing, Tier, judged, progress

MADRID = "Europe/Madrid"


def last_day(granted: date, policy: Policy, zone: str = MADRID) -> date:
    moment = datetime(granted.year, granted.month, granted.day, 23, 30, tzinfo=ZoneInfo(zone))
    ends = expires_at(moment, policy, zone=zone)
    assert ends is not None
    local = ends.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute, local.second) == (0, 0, 0)
    return date.fromordinal(local.date().toordinal() - 1)


@pytest.mark.parametrize(
    ("granted", "policy", "last"),
    [
        (date(2026, 1, 31), Policy(1, "month"), date(2026, 2, 28)),
        (date(2028, 1, 31), Policy(1, "month"), date(2028, 2, 29)),
        (date(2028, 2, 29), Policy(1, "year"), date(2029, 2, 28)),
        (date(2026, 3, 2), Policy(90, "day"), date(2026, 5, 31)),
        (date(2026, 12, 31), Policy(2, "month"), date(2027, 2, 28)),
        (date(2026, 1, 15), Policy(1, "month", "month"), date(2026, 2, 28)),
        (date(2026, 1, 15), Policy(1, "month", "quarter"), date(2026, 3, 31)),
        (date(2026, 1, 15), Policy(6, "month", "half"), date(2026, 12, 31)),
        (date(2026, 1, 15), Policy(1, "year", "year"), date(2027, 12, 31)),
    ],
)
def test_points_lapse_at_the_end_of_a_local_day(granted: date, policy: Policy, last: date) -> None:
    assert last_day(granted, policy) == last


def test_points_without_a_period_never_lapse() -> None:
    assert expires_at(datetime(2026, 1, 1, tzinfo=UTC), Policy(), zone=MADRID) is None


def test_a_midnight_that_clocks_skip_is_the_moment_they_do() -> None:
    assert day_ends(date(2026, 9, 5), zone="America/Santiago") == datetime(2026, 9, 6, 4, tzinfo=UTC)
    assert day_ends(date(2026, 3, 28), zone=MADRID) == datetime(2026, 3, 28, 23, tzinfo=UTC)


def test_periods_begin_on_local_days() -> None:
    late = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)  # the first of July in Madrid
    assert period_starts(late, "month", zone=MADRID) == date(2026, 7, 1)
    assert period_starts(late, "half", zone=MADRID) == date(2026, 7, 1)
    assert period_starts(late, "quarter", zone="UTC") == date(2026, 4, 1)
    assert rounded_up(date(2026, 6, 30), "half") == date(2026, 6, 30)


TIERS = Scheme("spend", (Tier("silver", 500), Tier("gold", 1_000, 800)), months=12, grace_days=30)
GOLD = Standing("gold", date(2026, 1, 10), date(2027, 1, 10))


def test_up_at_once_and_further_than_one_step() -> None:
    assert judged(TIERS, Standing(), rolling=1_200, kept=0, day=date(2026, 1, 10)) == GOLD


def test_down_only_when_the_period_and_the_grace_are_over() -> None:
    for day in (date(2026, 6, 1), date(2027, 1, 10), date(2027, 2, 8)):
        assert judged(TIERS, GOLD, rolling=0, kept=0, day=day) == GOLD
    fell = judged(TIERS, GOLD, rolling=0, kept=0, day=date(2027, 2, 9))
    assert fell == Standing("silver", date(2027, 2, 9), date(2028, 2, 9))


def test_down_to_what_was_earned_where_that_is_the_rule() -> None:
    scheme = Scheme("spend", TIERS.tiers, grace_days=0, down="to_earned")
    assert judged(scheme, GOLD, rolling=0, kept=0, day=date(2027, 1, 10)).tier == ""
    assert judged(scheme, GOLD, rolling=600, kept=0, day=date(2027, 1, 10)).tier == "silver"


def test_less_may_keep_a_tier_than_reaches_it() -> None:
    kept = judged(TIERS, GOLD, rolling=0, kept=800, day=date(2027, 2, 9))
    assert kept == Standing("gold", GOLD.since, date(2028, 1, 10))
    assert progress(TIERS, GOLD, rolling=300, kept=500) == tiers.Progress("", 0, 300)
    assert progress(TIERS, Standing(), rolling=300, kept=300) == tiers.Progress("silver", 200, 0)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"metric": "balance", "tiers": [{"key": "a", "reach": 1}]},
        {"metric": "spend", "tiers": []},
        {"metric": "spend", "tiers": [{"key": "a", "reach": 5}, {"key": "b", "reach": 5}]},
        {"metric": "spend", "tiers": [{"key": "a", "reach": 5, "keep": 6}]},
        {"metric": "spend", "tiers": [{"key": "a", "reach": 5}], "down": "all"},
        {"metric": "spend", "tiers": [{"key": "a", "reach": 5}], "months": 0},
        {"metric": "spend", "tiers": [{"key": "a", "reach": 5}], "colour": "red"},
    ],
)
def test_what_is_no_scheme_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(BadScheme):
        tiers.read(document)
