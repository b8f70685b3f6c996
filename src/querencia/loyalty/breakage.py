"""Points that will never be spent: by the month in which they were granted, what share has lapsed, and what share will
have in the end. Pure: documents of closed months in, figures out.

A cohort's triangle holds what of its points is not used yet at each age: all of them when they are granted, in the end
those that lapsed. Nothing is said before some cohorts have run their whole life, since nobody knows how others end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from querencia.insight.development import chain_ladder, share_between
from querencia.loyalty.closing import Document, read_month

# As many cohorts have to have come to their end, and so many members to have been granted points in them: the spread
# between fewer says nothing of what the next will do.
COMPLETE_MIN = 3
MEMBERS_MIN = 100
CONFIDENCES = (0.8, 0.95)

type Interval = tuple[float, float]


@dataclass(slots=True)
class Cohort:
    """Points granted in one month. ``unused`` at each age so far: granted, then what was neither spent nor taken back
    at the end of each month; ``over_at`` the age at which none was left (None: some are). ``share``: what will have
    lapsed of them, with intervals of 80 and 95 % (none, where too few cohorts tell)."""

    month: date
    granted: int = 0
    members: int = 0
    spent: int = 0
    lapsed: int = 0
    left: int = 0
    unused: list[int] = field(default_factory=list)
    over_at: int | None = None
    share: float | None = None
    intervals: tuple[Interval, ...] = ()

    @property
    def share_so_far(self) -> float:
        return self.lapsed / self.granted if self.granted else 0.0


@dataclass(frozen=True, slots=True)
class Breakage:
    """``why`` nothing is estimated, or nothing: ``empty``; ``never`` (no point has lapsed); ``young`` (fewer than
    `COMPLETE_MIN` cohorts have run their life); ``few`` members; ``open`` (older points than those whose life is over
    are still there). ``share`` of all points, with intervals of 80 and 95 %."""

    cohorts: tuple[Cohort, ...]
    why: str = ""
    share: float | None = None
    intervals: tuple[Interval, ...] = ()

    def share_of(self, month: date) -> float | None:
        return next((each.share for each in self.cohorts if each.month == month), None)


def cohorts(documents: Iterable[Document]) -> list[Cohort]:
    """Out of closed months, the oldest first."""
    found: dict[date, Cohort] = {}
    for document in documents:
        month = read_month(document["month"])
        mine = found.setdefault(month, Cohort(month))
        mine.members = document["members"]
        for row in document["lots"]:
            cohort = found[read_month(row["cohort"])]
            cohort.granted += row["granted"]
            cohort.spent += row["spent"]
            cohort.lapsed += row["lapsed"]
            cohort.left += row["left"]
        for cohort in found.values():
            cohort.unused = cohort.unused or [cohort.granted]
            cohort.unused.append(cohort.left + cohort.lapsed)
            age = len(cohort.unused) - 1
            cohort.over_at = None if cohort.left else cohort.over_at or age
    return [each for each in found.values() if each.granted]


def breakage(documents: Iterable[Document]) -> Breakage:
    """What these months, the oldest first, say of what will lapse."""
    found = cohorts(documents)
    if why := _too_thin(found):
        return Breakage(tuple(found), why)
    life = max(each.over_at for each in found if each.over_at)
    developed = chain_ladder([each.unused[: life + 1] for each in found])
    for cohort, ends in zip(found, developed.cohorts, strict=True):
        cohort.share = ends.ultimate / cohort.granted
        # Where the few that came as far did not differ at all, nothing tells how far this one may be off.
        if ends.error or not cohort.left:
            cohort.intervals = _intervals(cohort.share, ends.error / cohort.granted, least=cohort.share_so_far)
    granted = sum(each.granted for each in found)
    share, error = developed.total.ultimate / granted, developed.total.error / granted
    least = sum(each.lapsed for each in found) / granted
    return Breakage(tuple(found), "", share, _intervals(share, error, least=least))


def _too_thin(found: Sequence[Cohort]) -> str:
    over = [each for each in found if each.over_at]
    if not found:
        return "empty"
    if len(over) < COMPLETE_MIN:
        return "young" if any(each.lapsed for each in found) else "never"
    if sum(each.members for each in over) < MEMBERS_MIN:
        return "few"
    life = max(each.over_at for each in over if each.over_at)
    return "open" if any(len(each.unused) > life + 1 and not each.over_at for each in found) else ""


def _intervals(share: float, error: float, *, least: float) -> tuple[Interval, ...]:
    """What has lapsed has: no interval goes below it."""
    pairs = (share_between(share, error, confidence) for confidence in CONFIDENCES)
    return tuple((max(low, least), max(high, least)) for low, high in pairs)
