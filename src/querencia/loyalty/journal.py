"""Points in the books of the business: the journal of a closed month, by IFRS 15 and ASC 606. Pure.

A purchase that earns points sells two things: goods, and a right to more goods later (a material right, IFRS 15 B40).
The price is shared between them by their stand-alone prices (paragraph 74): points count with what one is worth, less
the share that will lapse (B42). That part is deferred, and becomes revenue in proportion as members spend (B46), so
that what is expected to lapse is recognised along with what is spent; a changed estimate is caught up with. Purchases
of a month are taken together (paragraph 4): they are one cohort. Illustrative example 52 is in the tests.

Points that no purchase earned defer nothing: what they are worth is an expense when they are given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from querencia.loyalty.allocation import spread

BASIS = 10_000
# The accounts of the journal, and what they are called where the operator has not named them.
ACCOUNTS = {
    "revenue": "Revenue",
    "deferred": "Contract liability: loyalty points",
    "expense": "Loyalty expense",
    "receivable": "Receivable from partners",
    "payable": "Payable to partners",
    "funded": "Points funded by partners",
}


@dataclass(frozen=True)
class Terms:
    """What the operator says: what a thousand points are worth to members in minor units, how much tax prices hold,
    the share that lapses (both in hundredths of a percent; None: as estimated), and what accounts are called."""

    value_per_thousand: int
    tax: int = 0
    breakage: int | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)

    def account(self, name: str) -> str:
        return self.accounts.get(name) or ACCOUNTS[name]


class BadTerms(ValueError):
    """What is no terms; ``part`` says where."""

    def __init__(self, part: str, said: str) -> None:
        super().__init__(f"{part}: {said}")
        self.part = part


def read(document: Mapping[str, Any], *, value_per_thousand: int) -> Terms:
    """Terms out of what a programme says; ``value_per_thousand``: where it does not. Raises BadTerms."""
    if unknown := set(document) - {"value_per_thousand", "tax", "breakage", "accounts"}:
        raise BadTerms(min(unknown), "no part of the terms")
    accounts = document.get("accounts", {})
    if not isinstance(accounts, Mapping) or set(accounts) - set(ACCOUNTS):
        raise BadTerms("accounts", f"names of {', '.join(ACCOUNTS)}")
    if any(not isinstance(name, str) or len(name) > 120 for name in accounts.values()):
        raise BadTerms("accounts", "texts of at most 120 characters")
    breakage = document.get("breakage")
    return Terms(
        value_per_thousand=_whole(document, "value_per_thousand", value_per_thousand, 10**12),
        tax=_whole(document, "tax", 0, 10 * BASIS),
        breakage=None if breakage is None else _whole(document, "breakage", 0, BASIS),
        accounts={name: said.strip() for name, said in accounts.items() if said.strip()},
    )


def _whole(document: Mapping[str, Any], part: str, default: int, most: int) -> int:
    value = document.get(part, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadTerms(part, f"a whole number from 0 to {most}")
    return value


@dataclass(frozen=True, slots=True)
class Cohort:
    """Points granted in one month, none of which a partner pays for: how many, how many of them were used (spent or
    taken back) or have lapsed so far, and how many are left; the share that will have lapsed in the end, where it could
    be estimated; what was deferred for them, and released of it before."""

    granted: int
    used: int
    lapsed: int
    left: int
    share: float | None = None
    deferred: int = 0
    released: int = 0


@dataclass(frozen=True, slots=True)
class Month:
    """Of points that no partner pays for: ``sales`` (what purchases that earned came to, with tax) and the points they
    earned, points given without a purchase, spent, and taken back."""

    sales: int
    earned: int
    given: int
    spent: int
    taken_back: int


@dataclass(frozen=True, slots=True)
class Line:
    """One side of an entry in the journal, in minor units; ``what`` names it (see `WHAT`)."""

    account: str
    what: str
    points: int
    debit: int = 0
    credit: int = 0
    partner: str = ""

    def told(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in LINE}


LINE = ("account", "what", "points", "debit", "credit", "partner")
WHAT = ("earned", "given", "spent", "taken_back", "funded", "used", "taken")


@dataclass(frozen=True, slots=True)
class Journal:
    """``lines`` whose debits and credits are equal; ``cohorts`` as they are afterwards; ``deferred`` is what is still
    to be released of all of them."""

    lines: tuple[Line, ...]
    cohorts: tuple[Cohort, ...]

    @property
    def deferred(self) -> int:
        return sum(each.deferred - each.released for each in self.cohorts)


def journal(month: Month, cohorts: Sequence[Cohort], terms: Terms) -> Journal:
    """What a month brings into the books of the business. ``cohorts``: the oldest first, the last of the month itself
    (which has nothing deferred yet)."""
    own = _share(cohorts[-1], terms)
    net = Fraction(month.sales * BASIS, BASIS + terms.tax)
    worth = _worth(month.earned, terms) * (1 - own)
    deferred = round(net * worth / (net + worth)) if net > 0 and worth > 0 else 0
    expense = round(_worth(month.given, terms) * (1 - own))
    before = [*cohorts[:-1], replace(cohorts[-1], deferred=deferred + expense)]
    after = [replace(each, released=_released(each, terms)) for each in before]
    released = sum(each.released for each in after) - sum(each.released for each in before)
    spent, taken_back = _shared(released, month)
    entries = [
        ("earned", "revenue", "deferred", month.earned, deferred),
        ("given", "expense", "deferred", month.given, expense),
        ("spent", "deferred", "revenue", month.spent, spent),
        ("taken_back", "deferred", "revenue", month.taken_back, taken_back),
    ]
    return Journal(tuple(line for each in entries for line in pair(terms, *each)), tuple(after))


def _worth(points: int, terms: Terms) -> Fraction:
    return Fraction(points * terms.value_per_thousand, 1_000)


def _share(cohort: Cohort, terms: Terms) -> Fraction:
    """What will lapse: as the operator says, or as it is estimated; nothing, where nothing is known, so that too little
    revenue is shown and never too much."""
    if terms.breakage is not None:
        return Fraction(terms.breakage, BASIS)
    return Fraction(round((cohort.share or 0.0) * BASIS), BASIS)


def _released(cohort: Cohort, terms: Terms) -> int:
    """How much of what was deferred is revenue by now: the share that was used of all that ever will be."""
    if cohort.left == 0:
        return cohort.deferred
    lapsing = max(Fraction(0), min(Fraction(cohort.left), _share(cohort, terms) * cohort.granted - cohort.lapsed))
    ever = cohort.used + cohort.left - lapsing
    return round(cohort.deferred * cohort.used / ever) if ever else 0


@dataclass(frozen=True, slots=True)
class OfPartner:
    """Points of one partner in a month: ``funded`` (what it owes for those granted at its expense) and ``taken`` (what
    it is owed for those it took in), in minor units; how many of the points it paid for were used or lapsed, how many
    are left, and what was still to be released for them."""

    name: str
    granted: int
    funded: int
    redeemed: int
    taken: int
    gone: int
    left: int
    balance: int = 0


def of_partner(month: OfPartner, terms: Terms) -> tuple[tuple[Line, ...], int]:
    """Lines, and what is still to be released: what a partner paid is revenue as its points are used or lapse."""
    whole, points = month.balance + month.funded, month.gone + month.left
    released = round(Fraction(whole * month.gone, points)) if month.left > 0 and points > 0 else whole
    entries = [
        ("funded", "receivable", "funded", month.granted, month.funded),
        ("used", "funded", "revenue", month.gone, released),
        ("taken", "expense", "payable", month.redeemed, month.taken),
    ]
    lines = tuple(line for each in entries for line in pair(terms, *each, partner=month.name))
    return lines, whole - released


def _shared(released: int, month: Month) -> tuple[int, int]:
    """What is released, by points spent and points taken back."""
    if month.spent < 0 or month.taken_back <= 0:
        return released, 0
    spent, taken_back = spread(abs(released), [month.spent, month.taken_back])
    return (spent, taken_back) if released >= 0 else (-spent, -taken_back)


def pair(terms: Terms, what: str, debit: str, credit: str, points: int, amount: int, partner: str = "") -> list[Line]:
    """The two sides of an amount; below zero they are changed over. Nothing of nothing."""
    if not amount:
        return []
    if amount < 0:
        debit, credit, amount = credit, debit, -amount
    return [
        Line(terms.account(debit), what, points, debit=amount, partner=partner),
        Line(terms.account(credit), what, points, credit=amount, partner=partner),
    ]
