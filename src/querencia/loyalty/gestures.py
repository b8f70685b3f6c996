"""On which days the business gives without a purchase, and to whom: pure rules."""

from calendar import isleap, monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from querencia.loyalty.expiry import later

# So many missed days are caught up when the worker was down.
CATCH_UP_DAYS = 7
MOST = 10**12
DAYS_MAX = 3_650


class BadGesture(ValueError):
    """A document that is none of a gesture."""


@dataclass(frozen=True)
class Yearly:
    """A day of every year: by date (29 February falls on the 28th), or the nth weekday (Monday is 1) of a month; nth 5
    is the last one."""

    month: int
    day: int = 0
    weekday: int = 0
    nth: int = 0

    def of(self, year: int) -> date:
        length = monthrange(year, self.month)[1]
        if self.day:
            return date(year, self.month, min(self.day, length))
        first = date(year, self.month, 1)
        place = 1 + (self.weekday - first.isoweekday()) % 7 + 7 * (self.nth - 1)
        return date(year, self.month, place if place <= length else place - 7)


@dataclass(frozen=True)
class Terms:
    """So many points, which lapse after ``valid_days`` (0: as all do), or a ``reward`` of the catalogue by its key, for
    members in ``tiers`` (none: all) who joined ``member_days`` before at least. ``on``: the day of those that have
    one."""

    points: int
    valid_days: int = 0
    member_days: int = 0
    tiers: frozenset[str] = frozenset()
    on: Yearly | None = None
    reward: str = ""


def read(kind: str, document: Mapping[str, Any]) -> Terms:
    """Terms out of their document. Raises BadGesture with what is wrong where."""
    if unknown := set(document) - {"points", "reward", "valid_days", "member_days", "tiers", "on"}:
        raise BadGesture(f"{sorted(unknown)}: not a part of a gesture")
    reward = document.get("reward", "")
    if "reward" in document and (not isinstance(reward, str) or not reward or {"points", "valid_days"} & set(document)):
        raise BadGesture("reward: the key of one, with neither points nor valid_days: it lasts as it does for points")
    points = 0 if reward else _number("points", document.get("points"), 1, MOST)
    days = {name: _number(name, document.get(name, 0), 0, DAYS_MAX) for name in ("valid_days", "member_days")}
    tiers = document.get("tiers", [])
    if not isinstance(tiers, list) or not all(isinstance(each, str) and each for each in tiers):
        raise BadGesture("tiers: a list of tiers")
    if (kind == "appreciation") != ("on" in document):
        raise BadGesture("on: the day of an appreciation, and of nothing else")
    on = _yearly(document["on"]) if "on" in document else None
    return Terms(points, **days, tiers=frozenset(tiers), on=on, reward=reward)


def _yearly(given: Any) -> Yearly:
    if not isinstance(given, Mapping) or set(given) not in ({"month", "day"}, {"month", "weekday", "nth"}):
        raise BadGesture("on: needs month and day, or month, weekday and nth")
    most = {"month": 12, "day": 31, "weekday": 7, "nth": 5}
    return Yearly(**{name: _number(f"on.{name}", value, 1, most[name]) for name, value in given.items()})


def _number(name: str, value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadGesture(f"{name}: a whole number from {least} to {most}")
    return value


def celebrated(on: date) -> list[tuple[int, int]]:
    """Which days of birth and of joining (month, day) are celebrated on a day: 29 February on the 28th, too."""
    return [(on.month, on.day), *([(2, 29)] if (on.month, on.day) == (2, 28) and not isleap(on.year) else [])]


def is_due(last: date | None, on: date) -> bool:
    """Whether a year has passed since the last one: a birthday that was told anew brings no second gift before."""
    return last is None or later(last, 1, "year") <= on


def missed(last: date | None, today: date) -> list[date]:
    """The days to be looked at by now: since the last one that was, and no more than can be caught up."""
    first = max(last + timedelta(1), today - timedelta(CATCH_UP_DAYS - 1)) if last else today
    return [first + timedelta(n) for n in range((today - first).days + 1)]
