"""Closing the books of months: from then on they are as they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from querencia.business.models import Staff
from querencia.loyalty import closing, journal, settling
from querencia.loyalty.actions.results import CREATED, UNCHANGED
from querencia.loyalty.breakage import Breakage, breakage
from querencia.loyalty.models import Close, Partner, Programme
from querencia.loyalty.models.ledger import ACCOUNTS, OF_MEMBER
from querencia.loyalty.queries import checking, partners
from querencia.loyalty.queries import closing as reading

SHOWN = 100


@dataclass(frozen=True)
class Closed:
    """``created`` now, ``unchanged`` since it was closed before, or why it was not closed: ``not_over``; ``too_early``
    (a month before it is open, or nothing was recorded yet); ``differs``: the books do not agree, and
    ``differences`` says in what."""

    month: date
    result: str
    row: Close | None = None
    differences: tuple[checking.Difference, ...] = ()

    @property
    def is_done(self) -> bool:
        return self.row is not None


def close(*, programme: Programme, months: Iterable[date], at: datetime, staff: Staff | None = None) -> list[Closed]:
    """Close months, the oldest first; what became of each. Nothing can be recorded in them afterwards: whatever is
    still under way lands in the month that is open."""
    found: list[Closed] = []
    differences: tuple[checking.Difference, ...] | None = None
    for month in sorted({closing.first_day(each) for each in months}):
        row = reading.close_of(programme, month)
        if row is not None:
            found.append(Closed(month, UNCHANGED, row))
            continue
        why = _unfit(programme, month, at)
        if not why and differences is None:
            differences = tuple(islice(checking.check(programme), SHOWN))
        if why or differences:
            found.append(Closed(month, why or "differs", None, differences or ()))
            continue
        found.append(_close(programme, month, at, staff))
    return found


def set_accounting(*, programme: Programme, terms: Mapping[str, Any]) -> Programme:
    """How points are put into the books of the business from the next month that is closed on. Raises
    ValidationError."""
    try:
        journal.read(terms, value_per_thousand=0)
    except journal.BadTerms as fault:
        raise ValidationError(str(fault)) from None
    programme.accounting = dict(terms)
    programme.save(update_fields=["accounting"])
    return programme


def _unfit(programme: Programme, month: date, at: datetime) -> str:
    if closing.begins(closing.following(month), programme.time_zone) > at:
        return "not_over"
    return "" if month == reading.next_month(programme) else "too_early"


def _close(programme: Programme, month: date, at: datetime, staff: Staff | None) -> Closed:
    zone = programme.time_zone
    starts, ends = (closing.begins(each, zone) for each in (month, closing.following(month)))
    _seal(programme, ends)
    with transaction.atomic():
        # Whoever closes the same month waits here; whoever moves points does not.
        row = Programme.objects.select_for_update(no_key=True).get(pk=programme.pk)
        before = list(Close.objects.filter(programme=row).order_by("month"))
        if before and before[-1].month >= month:
            return Closed(month, UNCHANGED, reading.close_of(row, month))
        document = _document(row, reading.Span(row.pk, month, starts, ends), before)
        if differences := _untied(row, document, ends):
            return Closed(month, "differs", None, differences)
        made = Close.objects.create(
            programme=row,
            month=month,
            starts_at=starts,
            ends_at=ends,
            document=document,
            fingerprint=closing.fingerprint(document),
            closed_at=at,
            closed_by=staff,
        )
    return Closed(month, CREATED, made)


@transaction.atomic
def _seal(programme: Programme, ends: datetime) -> None:
    """From now on nothing is recorded before that instant. Those who were about to are waited for."""
    Programme.objects.select_for_update().get(pk=programme.pk)
    still_open = Q(closed_before=None) | Q(closed_before__lt=ends)
    Programme.objects.filter(still_open, pk=programme.pk).update(closed_before=ends)


# -- the document ------------------------------------------------------------------------------------------------------


def _document(programme: Programme, span: reading.Span, before: Sequence[Close]) -> dict[str, Any]:
    moved, entries = reading.moved(span)
    lots = reading.lots_moved(span, [(each.month, each.starts_at) for each in reversed(before)])
    earlier = before[-1].document if before else None
    document: dict[str, Any] = {
        "programme": programme.pk,
        "name": programme.name,
        "currency": programme.currency,
        "time_zone": programme.time_zone,
        "month": closing.said(span.month),
        "previous": before[-1].fingerprint if before else "",
        "accounts": _accounts(moved, earlier),
        "moved": moved,
        "entries": entries,
        "members": reading.members_granted(span),
        "lots": _by_cohort(lots),
        "partners": reading.partners_moved(span),
    }
    told = breakage([*(each.document for each in before), document])
    document["breakage"] = {
        "why": told.why,
        "share": told.share and round(told.share, 6),
        "intervals": [[round(end, 6) for end in each] for each in told.intervals],
    }
    document["own"] = _own(span, lots, earlier)
    document["journal"] = _journal(programme, document, told, [each.document for each in before])
    return document


def _accounts(moved: Mapping[str, Mapping[str, int]], earlier: closing.Document | None) -> dict[str, dict[str, int]]:
    opening = {name: earlier["accounts"][name]["closing"] if earlier else 0 for name in ACCOUNTS}
    changes = {name: sum(each.get(name, 0) for each in moved.values()) for name in ACCOUNTS}
    return {name: {"opening": opening[name], "closing": opening[name] + changes[name]} for name in ACCOUNTS}


def _by_cohort(lots: Iterable[reading.LotsMoved]) -> list[dict[str, Any]]:
    found: dict[tuple[date, int | None], dict[str, Any]] = {}
    for each in lots:
        row = found.setdefault(
            (each.cohort, each.partner_id),
            {"cohort": closing.said(each.cohort), "partner": each.partner_id}
            | dict.fromkeys(("granted", "spent", "lapsed", "left"), 0),
        )
        row["granted"] += each.granted
        row["spent"] += each.redeemed
        row["lapsed"] -= each.remaining if each.kind == "expire" else 0
        row["left"] += each.left
    return list(found.values())


def _own(span: reading.Span, lots: Iterable[reading.LotsMoved], earlier: closing.Document | None) -> dict[str, int]:
    """What became of points that no partner pays for."""
    sales, earned = reading.sales(span)
    mine = [each for each in lots if each.partner_id is None]
    granted = sum(each.granted for each in mine)
    # What a step of a refund took too much of comes back as a lot of its own: it was never given.
    returned = sum(each.granted for each in mine if each.kind == "restore")
    spent = sum(each.redeemed for each in mine)
    lapsed = -sum(each.remaining for each in mine if each.kind == "expire")
    change = sum(each.left for each in mine)
    return {
        "sales": sales,
        "earned": earned,
        "given": granted - returned - earned,
        "spent": spent,
        "lapsed": lapsed,
        "taken_back": granted - change - spent - lapsed - returned,
        "left": change + (earlier["own"]["left"] if earlier else 0),
    }


def _journal(
    programme: Programme, document: closing.Document, told: Breakage, earlier: Sequence[closing.Document]
) -> dict[str, Any] | None:
    """None: nobody said yet what points are worth."""
    terms = journal.read(programme.accounting, value_per_thousand=programme.cost_per_thousand)
    if not terms.value_per_thousand:
        return None
    figures = {name: document["own"][name] for name in ("sales", "earned", "given", "spent", "taken_back")}
    kept = earlier[-1]["journal"] if earlier else None
    opening = kept["deferred"] if kept else 0
    cohorts = _cohorts([*earlier, document], told, kept["cohorts"] if kept else {})
    made = journal.journal(journal.Month(**figures), list(cohorts.values()), terms)
    theirs = _of_partners(document, kept["partners"] if kept else {})
    funded = {pk: journal.of_partner(each, terms) for pk, each in theirs.items()}
    return {
        "terms": asdict(terms),
        "opening": opening,
        "deferred": made.deferred,
        "cohorts": {
            month: {"deferred": each.deferred, "released": each.released}
            for month, each in zip(cohorts, made.cohorts, strict=True)
        },
        "partners": {pk: {"left": theirs[pk].left, "balance": balance} for pk, (_lines, balance) in funded.items()},
        "lines": [line.told() for some in (made.lines, *(each[0] for each in funded.values())) for line in some],
    }


def _of_partners(document: closing.Document, kept: Mapping[str, Mapping[str, int]]) -> dict[str, journal.OfPartner]:
    """By partner (their id) the month in money; without an agreement points are worth nothing to each other."""
    month = closing.read_month(document["month"])
    rows = [row for row in document["lots"] if row["partner"] is not None]
    wanted = {*map(int, document["partners"]), *(row["partner"] for row in rows), *map(int, kept)}
    agreed = partners.agreed(wanted, month)
    found = {}
    for partner in Partner.objects.filter(pk__in=wanted).order_by("pk"):
        mine = [row for row in rows if row["partner"] == partner.pk]
        granted, change = (sum(row[name] for row in mine) for name in ("granted", "left"))
        terms, before = agreed.get(partner.pk), kept.get(str(partner.pk), {})
        settled = settling.settle(
            0,
            document["partners"].get(str(partner.pk), {}),
            funds_per_thousand=terms.funds_per_thousand if terms else 0,
            takes_per_thousand=terms.takes_per_thousand if terms else 0,
        )
        found[str(partner.pk)] = journal.OfPartner(
            name=partner.name,
            granted=settled.granted - settled.taken_back,
            funded=settled.funded,
            redeemed=settled.redeemed - settled.restored,
            taken=settled.taken,
            gone=granted - change,
            left=before.get("left", 0) + change,
            balance=before.get("balance", 0),
        )
    return found


def _cohorts(
    documents: Sequence[closing.Document], told: Breakage, kept: Mapping[str, Mapping[str, int]]
) -> dict[str, journal.Cohort]:
    """Points that no partner pays for, by the month in which they were granted, the oldest first."""
    names = ("granted", "lapsed", "left")
    sums = {document["month"]: dict.fromkeys(names, 0) for document in documents}
    for document in documents:
        for row in document["lots"]:
            if row["partner"] is None:
                for name in names:
                    sums[row["cohort"]][name] += row[name]
    return {
        month: journal.Cohort(
            **each,
            used=each["granted"] - each["lapsed"] - each["left"],
            share=told.share_of(closing.read_month(month)),
            **kept.get(month, {}),
        )
        for month, each in sums.items()
    }


def _untied(programme: Programme, document: closing.Document, ends: datetime) -> tuple[checking.Difference, ...]:
    """Where what the month closes with is not what members have: never, unless the books were meddled with."""
    held = reading.held_before(programme, ends)
    closed = {name: document["accounts"][name]["closing"] for name in ACCOUNTS}
    found = [
        checking.Difference("programme", programme.pk, name, held[name], closed[name])
        for name in OF_MEMBER
        if held[name] != closed[name]
    ]
    if whole := sum(closed.values()):
        found.append(checking.Difference("programme", programme.pk, "all accounts", whole, 0))
    if not closing.bridge(document).ties:
        line = closing.bridge(document)
        found.append(checking.Difference("programme", programme.pk, "bridge", line.closing, line.opening))
    return tuple(found)
