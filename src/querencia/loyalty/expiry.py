"""When points become usable and when they lapse. Both are instants; a lot is usable from the first on and no more at
the second (`available_at <= now < expires_at`)."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

UNITS = ("day", "month", "year")
ROUNDINGS = ("", "month", "quarter", "half", "year")
MONTHS_OF = {"month": 1, "quarter": 3, "half": 6, "year": 12}


@dataclass(frozen=True)
class Policy:
    """How long points live. ``count`` 0: they never lapse. ``rounding``: up to the end of which part of the year."""

    count: int = 0
    unit: str = "month"
    rounding: str = ""

    def __post_init__(self) -> None:
        if self.count < 0 or self.unit not in UNITS or self.rounding not in ROUNDINGS:
            raise ValueError(f"{self} is no policy: a count from 0 on, a unit of {UNITS}, a rounding of {ROUNDINGS}")


def expires_at(granted_at: datetime, policy: Policy, *, zone: str) -> datetime | None:
    """The first instant at which points granted then are usable no more; None: never.

    It is the end of the local day that lies the period after the day of the grant, clamped to the end of its month
    (31 January and one month: the end of 28 or 29 February), then rounded up.
    """
    if policy.count == 0:
        return None
    local = ZoneInfo(zone)
    last = rounded_up(later(granted_at.astimezone(local).date(), policy.count, policy.unit), policy.rounding)
    return day_ends(last, zone=zone)


def available_at(granted_at: datetime, pending_days: int) -> datetime:
    """From when on points granted then can be spent: so many days later, to the second."""
    return granted_at + timedelta(days=pending_days)


def day_ends(day: date, *, zone: str) -> datetime:
    """The instant at which a local day is over: midnight, or when clocks skip it, the moment they do."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


@lru_cache(maxsize=50_000)
def later(day: date, count: int, unit: str) -> date:
    """So many days, months or years later; months and years are clamped to the end of the month."""
    if unit == "day":
        return day + timedelta(days=count)
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def rounded_up(day: date, rounding: str) -> date:
    """The last day of the month, quarter, half or year that the day lies in; the day itself without a rounding."""
    if not rounding:
        return day
    of = MONTHS_OF[rounding]
    month = (day.month - 1) // of * of + of
    return date(day.year, month, monthrange(day.year, month)[1])


def period_starts(moment: datetime, period: str, *, zone: str) -> date:
    """The first local day of the day, month, quarter, half or year that a moment lies in; ``ever``: of time."""
    if period == "ever":
        return date(1970, 1, 1)
    day = moment.astimezone(ZoneInfo(zone)).date()
    if period == "day":
        return day
    of = MONTHS_OF[period]
    return date(day.year, (day.month - 1) // of * of + 1, 1)
