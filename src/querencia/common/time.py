"""Days and moments. Clocks are read in `web`, `cli` and the worker only; everything below is told the time."""

from datetime import UTC, date, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01, the integer that insight counts in."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    return date.fromordinal(EPOCH.toordinal() + number)


@cache
def known_time_zones() -> frozenset[str]:
    """The names of IANA: read once a process, since they are found by opening every file of theirs."""
    return frozenset(available_timezones())


def now() -> datetime:
    """The clock, for those who may read it."""
    return datetime.now(UTC)


def local_day(moment: datetime, zone: str | tzinfo) -> date:
    """The calendar day of a moment where the business is."""
    return moment.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone).date()
