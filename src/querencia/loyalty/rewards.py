"""Rewards: what a document of one may say, what it costs whom, and what it takes off an order. Documents are versioned
and never changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from querencia.common.money import MINOR_MAX

AMOUNT, PERCENT, VOUCHER, PAY = "amount", "percent", "voucher", "pay"
PRIZE, EXPERIENCE, CHARITY = "prize", "experience", "charity"
KINDS = (AMOUNT, PERCENT, VOUCHER, PAY, PRIZE, EXPERIENCE, CHARITY)
OFF_AN_ORDER = frozenset({AMOUNT, PERCENT, VOUCHER, PAY})
HANDED_OVER = frozenset({PRIZE, EXPERIENCE})
# Points are set aside when it is asked for, and spent when it is used or handed over.
CHARGED_AT_USE = HANDED_OVER | {PAY}
# What is paid with points cannot be had for none.
NO_GIFTS = frozenset({PAY, CHARITY})
LANGUAGES = ("es", "pt", "en")
PERIODS = ("day", "month", "quarter", "half", "year", "ever")
CLASSES = ("A", "B", "C")
OWN, IMPORTED, SHARED = "own", "imported", "shared"
CODES = (OWN, IMPORTED, SHARED)
POINTS_MAX = 10**12
WAITS_DAYS = 30
DAYS_MAX = 3_660
NAME_MAX, DESCRIPTION_MAX = 80, 600
PARTS = frozenset(
    {
        *("name", "description", "kind", "points", "tier_points", "cost", "amount", "percent", "from", "until"),
        *("limit", "tiers", "classes", "protect_days", "valid_days", "codes"),
    }
)


class BadReward(ValueError):
    """A document that is no reward: ``part`` of it, and what is wrong."""

    def __init__(self, part: str, said: str) -> None:
        super().__init__(f"{part}: {said}")
        self.part = part


@dataclass(frozen=True)
class Terms:
    """What a reward is. ``points`` buy it, by tier perhaps fewer; of `pay`, so many are worth ``amount``. ``amount``:
    the discount in minor units, or the most that ``percent`` takes off (0: no ceiling). ``cost``: to the business.
    ``limit``: so many to one person in a period. ``valid_days``: how long a code can be used, or a prize be picked up
    (0: without end). ``protect_days``: for so long a price that went up does not count against members of before."""

    kind: str
    points: int
    name: Mapping[str, str]
    description: Mapping[str, str] = field(default_factory=dict)
    tier_points: Mapping[str, int] = field(default_factory=dict)
    cost: int = 0
    amount: int = 0
    percent: int = 0
    starts_on: date | None = None
    ends_on: date | None = None
    limit: int = 0
    per: str = "ever"
    tiers: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    protect_days: int = 0
    valid_days: int = 0
    codes: str = OWN

    @property
    def is_off_an_order(self) -> bool:
        return self.kind in OFF_AN_ORDER

    @property
    def is_handed_over(self) -> bool:
        return self.kind in HANDED_OVER

    @property
    def is_charged_at_use(self) -> bool:
        return self.kind in CHARGED_AT_USE

    @property
    def keeps_the_rest(self) -> bool:
        """Whether what one order leaves of it pays for the next. A code that many share has no rest."""
        return self.kind == VOUCHER and self.codes != SHARED

    @property
    def days(self) -> int:
        """How long it lasts; what waits with points set aside cannot do so without end."""
        return self.valid_days or (WAITS_DAYS if self.is_charged_at_use else 0)

    def price(self, tier: str) -> int:
        return min(self.points, self.tier_points.get(tier, self.points))

    def is_valid(self, day: date) -> bool:
        return (self.starts_on is None or self.starts_on <= day) and (self.ends_on is None or day <= self.ends_on)

    def named(self, language: str) -> str:
        return said_in(self.name, language)

    def described(self, language: str) -> str:
        return said_in(self.description, language)

    def discount(self, order: int, points: int) -> int:
        """What it takes off an order of so many minor units, never more than that. ``points``: set aside for it."""
        match self.kind:
            case "percent":
                off = (order * self.percent + 50) // 100
                return min(order, off, self.amount) if self.amount else min(order, off)
            case "pay":
                return min(order, points * self.amount // self.points)
            case _:
                return min(order, self.amount) if self.kind in OFF_AN_ORDER else 0

    def charge(self, discount: int, points: int) -> int:
        """How many of the points that are set aside a discount costs."""
        return min(points, -(-discount * self.points // self.amount)) if self.kind == PAY else points


def said_in(words: Mapping[str, str], language: str) -> str:
    """In that language, else in the first in which it is said."""
    return words.get(language) or next((words[each] for each in LANGUAGES if words.get(each)), "")


@dataclass(frozen=True)
class Priced:
    """A version of a reward with the moments between which it was in force; ``ended``: None, it still is."""

    terms: Terms
    ended: datetime | None = None


def price(versions: Iterable[Priced], *, tier: str, joined_at: datetime, at: datetime) -> int:
    """What a member pays: the price now, or a lower one of before that still protects them (they were a member when it
    ended, fewer than its days of protection ago)."""
    return min(
        each.terms.price(tier)
        for each in versions
        if each.ended is None or (joined_at < each.ended and at < each.ended + timedelta(days=each.terms.protect_days))
    )


# -- reading -----------------------------------------------------------------------------------------------------------


def read(document: Mapping[str, Any]) -> Terms:
    """What a document says. Raises BadReward with what is wrong where."""
    if unknown := sorted(set(document) - PARTS):
        raise BadReward(unknown[0], "not a part of a reward")
    kind = _one_of(document, "kind", KINDS)
    codes = _one_of(document, "codes", CODES, OWN)
    if codes != OWN and kind not in (AMOUNT, PERCENT, VOUCHER):
        raise BadReward("codes", "only discounts and vouchers have codes that are shared or imported")
    points = _whole(document, "points", least=1, most=POINTS_MAX)
    starts_on, ends_on = _day(document, "from"), _day(document, "until")
    if starts_on and ends_on and ends_on < starts_on:
        raise BadReward("until", "before it begins")
    limit, per = _limit(document)
    name = _words(document, "name", NAME_MAX)
    if not name:
        raise BadReward("name", "in one language at least")
    return Terms(
        kind=kind,
        points=points,
        name=name,
        description=_words(document, "description", DESCRIPTION_MAX),
        tier_points=_tier_points(document, points),
        cost=_whole(document, "cost", most=MINOR_MAX),
        amount=_whole(document, "amount", least=1 if kind in (AMOUNT, VOUCHER, PAY) else 0, most=MINOR_MAX),
        percent=_whole(document, "percent", least=1 if kind == PERCENT else 0, most=100),
        starts_on=starts_on,
        ends_on=ends_on,
        limit=limit,
        per=per,
        tiers=_list(document, "tiers"),
        classes=_list(document, "classes", CLASSES),
        protect_days=_whole(document, "protect_days", most=DAYS_MAX),
        valid_days=_whole(document, "valid_days", most=DAYS_MAX),
        codes=codes,
    )


def _whole(document: Mapping[str, Any], part: str, *, least: int = 0, most: int) -> int:
    value = document.get(part, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadReward(part, f"a whole number from {least} to {most}")
    return value


def _one_of(document: Mapping[str, Any], part: str, known: Sequence[str], default: str = "") -> str:
    value = document.get(part, default)
    if value not in known:
        raise BadReward(part, f"one of {', '.join(known)}")
    return str(value)


def _words(document: Mapping[str, Any], part: str, longest: int) -> dict[str, str]:
    given = document.get(part, {})
    if not isinstance(given, Mapping) or not set(given) <= set(LANGUAGES):
        raise BadReward(part, f"texts by language, of {', '.join(LANGUAGES)}")
    words = {code: text.strip() for code, text in given.items() if isinstance(text, str) and text.strip()}
    if any(not isinstance(text, str) or len(text) > longest for text in given.values()):
        raise BadReward(part, f"texts of {longest} characters at most")
    return words


def _day(document: Mapping[str, Any], part: str) -> date | None:
    value = document.get(part)
    try:
        return date.fromisoformat(value) if value is not None else None
    except (TypeError, ValueError):
        raise BadReward(part, "a day as 2026-12-31") from None


def _limit(document: Mapping[str, Any]) -> tuple[int, str]:
    given = document.get("limit")
    if given is None:
        return 0, "ever"
    if not isinstance(given, Mapping) or set(given) - {"number", "per"}:
        raise BadReward("limit", "a number, and per which period")
    return _whole(given, "number", least=1, most=POINTS_MAX), _one_of(given, "per", PERIODS, "ever")


def _list(document: Mapping[str, Any], part: str, known: Sequence[str] = ()) -> tuple[str, ...]:
    given = document.get(part, [])
    if not isinstance(given, list) or any(not isinstance(each, str) or (known and each not in known) for each in given):
        raise BadReward(part, f"a list of {', '.join(known) or 'keys'}")
    return tuple(given)


def _tier_points(document: Mapping[str, Any], points: int) -> dict[str, int]:
    given = document.get("tier_points", {})
    if not isinstance(given, Mapping):
        raise BadReward("tier_points", "points by tier")
    found = {str(tier): _whole(given, tier, least=1, most=POINTS_MAX) for tier in given}
    if any(value > points for value in found.values()):
        raise BadReward("tier_points", "a tier pays no more than everybody")
    return found
