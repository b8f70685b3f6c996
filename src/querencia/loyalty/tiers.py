"""Tiers: what qualifies for them, when one goes up, and when one goes down.

What qualifies (spend, visits, points earned, tenure) has nothing to do with the points in the purse: spending them
demotes nobody. Up at once; down at the period's end only, after a grace, one step or to what was earned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from querencia.loyalty.expiry import later

METRICS = ("spend", "visits", "points", "tenure")
DOWN = ("one_step", "to_earned")
NONE = ""


@dataclass(frozen=True)
class Tier:
    """``reach``: how much of the metric leads there; ``keep``: how much keeps it, if not as much."""

    key: str
    reach: int
    keep: int | None = None

    @property
    def keeps(self) -> int:
        return self.reach if self.keep is None else self.keep


@dataclass(frozen=True)
class Scheme:
    """Tiers from the lowest to the highest. ``months``: how long a tier holds before it is looked at again; grace is
    so many days more. Spend in minor units, tenure in days."""

    metric: str
    tiers: Sequence[Tier]
    months: int = 12
    grace_days: int = 0
    down: str = "one_step"
    names: Mapping[str, str] = field(default_factory=dict)

    def rank(self, key: str) -> int:
        """-1 for no tier, and for one that this version does not know."""
        return next((n for n, tier in enumerate(self.tiers) if tier.key == key), -1)

    def earned(self, metric: int) -> str:
        return next((tier.key for tier in reversed(self.tiers) if metric >= tier.reach), NONE)


@dataclass(frozen=True)
class Standing:
    """Where a member stands: since when, and until when it holds at least (exclusive)."""

    tier: str = NONE
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Progress:
    """``next_tier`` with what is missing to it; ``to_keep`` what is missing to keep the present one."""

    next_tier: str
    missing: int
    to_keep: int


class BadScheme(ValueError):
    """A document that is no scheme of tiers."""


def read(document: Mapping[str, Any]) -> Scheme:
    """A scheme out of its document. Raises BadScheme with what is wrong where."""
    unknown = set(document) - {"metric", "tiers", "months", "grace_days", "down"}
    if unknown:
        raise BadScheme(f"{sorted(unknown)}: not a part of a scheme of tiers")
    if document.get("metric") not in METRICS:
        raise BadScheme(f"metric: one of {', '.join(METRICS)}")
    given = document.get("tiers")
    if not isinstance(given, list) or not given:
        raise BadScheme("tiers: a list, the lowest first")
    tiers = [_tier(each, number) for number, each in enumerate(given, 1)]
    if len({tier.key for tier in tiers}) != len(tiers):
        raise BadScheme("tiers: each needs a key of its own")
    if any(one.reach >= other.reach for one, other in pairwise(tiers)):
        raise BadScheme("tiers: each needs more than the one before it")
    months, grace, down = document.get("months", 12), document.get("grace_days", 0), document.get("down", "one_step")
    if not _is_whole(months, least=1) or not _is_whole(grace):
        raise BadScheme("months: a whole number from 1 on; grace_days: from 0 on")
    if down not in DOWN:
        raise BadScheme(f"down: one of {', '.join(DOWN)}")
    names = {each["key"]: str(each.get("name", each["key"])) for each in given}
    return Scheme(document["metric"], tuple(tiers), months, grace, down, names)


def _tier(each: Any, number: int) -> Tier:
    if not isinstance(each, Mapping) or not isinstance(each.get("key"), str) or not 1 <= len(each["key"]) <= 40:
        raise BadScheme(f"tier {number}: a key of 1 to 40 letters")
    if not _is_whole(each.get("reach")) or not _is_whole(each.get("keep", 0)):
        raise BadScheme(f"tier {number}: reach and keep are whole numbers from 0 on")
    if each.get("keep") is not None and each["keep"] > each["reach"]:
        raise BadScheme(f"tier {number}: to keep it cannot take more than to reach it")
    return Tier(each["key"], each["reach"], each.get("keep"))


def _is_whole(value: Any, *, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def judged(scheme: Scheme, standing: Standing, *, rolling: int, kept: int, day: date) -> Standing:
    """Where a member stands on a day. ``rolling``: what the last months brought, which leads up; ``kept``: what the
    tier's own period brought, which keeps it. The same standing comes back when nothing changes.
    """
    now = scheme.rank(standing.tier)
    earned = scheme.earned(rolling)
    if scheme.rank(earned) > now:
        return Standing(earned, day, later(day, scheme.months, "month"))
    if now < 0 or standing.until is None or day < later(standing.until, scheme.grace_days, "day"):
        return standing
    most = max(rolling, kept)
    if most >= scheme.tiers[now].keeps:
        return Standing(standing.tier, standing.since, _next_end(standing.until, scheme.months, day))
    target = scheme.rank(scheme.earned(most)) if scheme.down == "to_earned" else now - 1
    lower = scheme.tiers[target].key if target >= 0 else NONE
    return Standing(lower, day, later(day, scheme.months, "month") if lower else None)


def _next_end(until: date, months: int, day: date) -> date:
    while until <= day:
        until = later(until, months, "month")
    return until


def rolling_period(scheme: Scheme, today: date) -> tuple[date, date]:
    """The days (from, to and without) that lead up: so many months up to today."""
    tomorrow = later(today, 1, "day")
    return later(tomorrow, -scheme.months, "month"), tomorrow


def kept_period(scheme: Scheme, standing: Standing, today: date) -> tuple[date, date]:
    """The days whose metric keeps the present tier: its period, and the grace after it as far as it has come."""
    if standing.until is None:
        return rolling_period(scheme, today)
    return later(standing.until, -scheme.months, "month"), max(later(today, 1, "day"), standing.until)


def progress(scheme: Scheme, standing: Standing, *, rolling: int, kept: int) -> Progress:
    """What members see: how far the next tier is, and what keeps the present one."""
    now = scheme.rank(standing.tier)
    above = next((tier for n, tier in enumerate(scheme.tiers) if n > now), None)
    keeps = scheme.tiers[now].keeps if now >= 0 else 0
    missing = max(0, above.reach - rolling) if above else 0
    return Progress(above.key if above else NONE, missing, max(0, keeps - max(rolling, kept)))
