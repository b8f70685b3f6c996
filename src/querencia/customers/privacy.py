"""What this room knows of a person, and how it forgets them. Every room has a module of this shape; `flows.privacy`
gathers them, and a test holds each model of the house against them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched
from typing import Any

from django.db.models import F, Model, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from querencia.customers.actions import erasing, pruning
from querencia.customers.erasing.words import Words
from querencia.customers.kinds import KINDS
from querencia.customers.models import (
    Consent,
    ContactPoint,
    Customer,
    Event,
    Identifier,
    Merge,
    OptOut,
    PreferenceLink,
    Purchase,
    Reject,
    Score,
    ScoreCell,
)

ROWS = 2_000
MONEY = frozenset(
    field.name
    for model in (Purchase, Score)
    for field in model._meta.concrete_fields
    if field.name.startswith(("amount", "cost", "value_year", "expected_spend", "at_stake"))
)

# Fields that may name somebody, by model: erasing empties them, or takes the row away.
HOLDS: Mapping[str, tuple[str, ...]] = {
    "Customer": (
        *("key", "given_name", "family_name", "language", "time_zone", "country", "city", "birthday", "branch"),
        *("value_answers", "created_from"),
    ),
    "Identifier": ("value",),
    "ContactPoint": ("value",),
    "Consent": ("evidence", "source"),
    "SearchTerm": ("term",),
    "OptOut": ("value", "source"),
    "PreferenceLink": ("token",),
    "Merge": ("evidence",),
    "Purchase": ("key", "tenders", "refund_of"),
    "PurchaseLine": ("name",),
    "Event": ("key", "properties"),
    "Reject": ("kind", "facts", "event"),
    "Import": ("file_name", "reasons", "error"),
}
# And what does not, although it is text or belongs to a customer: why not.
FREE: Mapping[str, str] = {
    "Arrival.door": "a word of ours",
    "Arrival.body": "emptied as soon as it is read, and whoever was erased is not read in",
    "Merge.source": "who says so: a program of ours, or the staff",
    "Purchase.source": "which till or file",
    "Purchase.currency": "a code",
    "Purchase.channel": "a place of the business",
    "Purchase.branch": "a place of the business",
    "PurchaseLine.sku": "an article of the business",
    "PurchaseLine.category": "articles of the business",
    "Event.kind": "what a program calls what happened",
    "Event.source": "which program",
    "Event.channel": "a place of the business",
    "Import.fingerprint": "of a whole file",
    "Import.source": "which till or file",
    "Import.file_format": "how a file is written",
    "Import.mapping": "columns of a file",
    "Outbox": "that an event is still to be looked at",
    "Reject.code": "a word of ours",
    "Score": "figures of purchases, of nobody once their customer is erased",
    "ScoreCell": "counts",
    "Tombstone": "marks that name nobody without the key of the installation",
    "Erasure.source": "which door",
}


@dataclass(frozen=True)
class Section:
    """One kind of what is known of a person. ``columns``: what each row holds, by name, and how people call it;
    ``words``: by column how people call its values; ``money``: columns of minor units, of the row's ``currency`` or the
    business's."""

    name: str
    title: str | Promise
    columns: Mapping[str, str | Promise]
    rows: Iterable[Mapping[str, Any]]
    words: Mapping[str, Mapping[str, str | Promise]] = field(default_factory=dict)
    money: Collection[str] = ()


@dataclass(frozen=True)
class Period:
    """What is kept for a time only. ``days``: by default, None for ever; ``least``: fewer would break something;
    ``forget`` takes away some of what is older than a moment (the other one is now), and says how much it was."""

    name: str
    title: str | Promise
    meaning: str | Promise
    days: int | None
    forget: Callable[[datetime, datetime], int]
    least: int = 1


PERIODS = (
    Period(
        "arrivals",
        _("Requests of machines"),
        _("Once they are taken in; what they brought stays."),
        days=1,
        forget=pruning.arrivals,
    ),
    Period(
        "rejects",
        _("Rejected events"),
        _("What could not be taken in and nobody mended."),
        days=90,
        forget=pruning.rejects,
    ),
    Period(
        "page_views",
        _("Pages and screens"),
        _("Events that tell of looking and of nothing else."),
        days=760,
        forget=pruning.page_views,
        least=7,
    ),
    Period(
        "import_files",
        _("Files of imports"),
        _("Files that wait, and what was rejected of those that were read."),
        days=90,
        forget=pruning.import_files,
        least=7,
    ),
)


def facts_of(customer_ids: Sequence[int]) -> Iterator[Section]:
    """Everything of these customers, section by section, row by row: memory does not grow with them."""
    ids = list(customer_ids)
    person = Customer.objects.filter(pk__in=ids).order_by("pk")
    yield _section("person", _("Person"), Customer, ("id", *HOLDS["Customer"], "created_at"), person)
    theirs = Q(customer__in=ids)
    kinds = ("kind", "value")
    yield _section("identifiers", _("Identifiers"), Identifier, kinds, Identifier.objects.filter(theirs).order_by("pk"))
    points = ContactPoint.objects.filter(theirs).order_by("pk")
    yield _section("addresses", _("Addresses"), ContactPoint, (*kinds, "bounced_at", "opted_out_at"), points)
    said = ("channel", "purpose", "status", "basis", "evidence", "source", "at")
    yield _section("consents", _("Consents"), Consent, said, Consent.objects.filter(theirs).order_by("-at", "-pk"))
    refused = OptOut.objects.filter(value__in=list(points.values_list("value", flat=True)[:ROWS])).order_by("pk")
    yield _section("opt_outs", _("Opt-outs"), OptOut, (*kinds, "purpose", "source", "at", "lifted_at"), refused)
    links = PreferenceLink.objects.filter(point__customer__in=ids).order_by("pk")
    yield _section("preference_links", _("Links to preferences"), PreferenceLink, ("created_at",), links)
    edges = Merge.objects.filter(Q(first__in=ids) | Q(second__in=ids)).order_by("pk")
    joined = ("first_id", "second_id", "rule", "evidence", "source", "noted_at", "since", "until")
    yield _section("merges", _("Merges"), Merge, joined, edges)
    yield _scores(ids)
    yield _purchases(ids)
    events = Event.objects.filter(theirs).order_by("-occurred_at", "-pk")
    happened = ("kind", "occurred_at", "recorded_at", "source", "channel", "key", "properties")
    words = {"kind": {kind.name: kind.text for kind in KINDS.values()}}
    yield replace(_section("events", _("Events"), Event, happened, events), words=words)
    columns = _columns(Reject, ("kind", "code", "event", "received_at", "rejected_at"))
    yield Section("rejected_events", _("Events that could not be taken in"), columns, _rejects(ids, list(columns)))


def erase(customer_ids: Sequence[int], *, at: datetime) -> None:
    """Forget these customers, of whom erasure was asked."""
    erasing.forget(customer_ids, at=at)


def _section(name: str, title: Promise, model: type[Model], fields: Sequence[str], rows: QuerySet[Any]) -> Section:
    told = rows.values(*fields).iterator(ROWS)
    return Section(name, title, _columns(model, fields), told, words_of(model, fields), MONEY)


def words_of(model: type[Model], fields: Sequence[str]) -> dict[str, Mapping[str, str | Promise]]:
    """By field how people call what it may hold."""
    found = {name: dict(model._meta.get_field(name.removesuffix("_id")).flatchoices) for name in fields}  # type: ignore[union-attr]
    return {name: words for name, words in found.items() if words}


def _columns(model: type[Model], fields: Sequence[str]) -> dict[str, str | Promise]:
    return {name: model._meta.get_field(name.removesuffix("_id")).verbose_name for name in fields}  # type: ignore[union-attr]


def _scores(ids: Sequence[int]) -> Section:
    figures = [field.attname for field in Score._meta.concrete_fields if field.name not in ("customer", "cell")]
    places = {name: F(f"cell__{name}") for name in ("abc", "segment", "stage", "risk")}
    rows = Score.objects.filter(customer__in=ids).order_by("pk").values(*figures, customer_number=F("pk"), **places)
    columns = {
        "as_of": _("as of"),
        "abc": _("Class"),
        "segment": _("Segment"),
        "stage": _("Stage"),
        "risk": _("Risk of not buying"),
        "first_on": _("First purchase"),
        "last_on": _("Last purchase"),
        "purchases": _("Purchases"),
        "amount": _("Revenue"),
        "amount_year": _("Revenue, 365 days"),
        "rhythm_days": _("Days between purchases"),
        "chance_of_purchase": _("Chance of buying"),
        "expected_purchases": _("Expected purchases"),
        "expected_spend": _("Expected revenue"),
        "at_stake": _("At stake a year"),
        "horizon_days": _("Days ahead"),
        "model": _("Model"),
    }
    words = words_of(ScoreCell, list(places))
    return Section("scores", _("What was reckoned"), columns, rows.iterator(ROWS), words, MONEY)


def _purchases(ids: Sequence[int]) -> Section:
    fields = ("at", "amount", "currency", "cost", "channel", "branch", "tenders", "source", "key", "refund_of")
    bought = Purchase.objects.filter(customer__in=ids).prefetch_related("lines").order_by("-at", "-pk")
    articles = ("number", "sku", "name", "category", "quantity", "amount")

    def rows() -> Iterator[dict[str, Any]]:
        for row in bought.iterator(ROWS):
            lines = sorted(row.lines.all(), key=lambda line: line.number)
            told = [{name: getattr(line, name) for name in articles} for line in lines]
            yield {**{name: getattr(row, name) for name in (*fields, "recorded_at")}, "lines": told}

    columns = _columns(Purchase, (*fields, "recorded_at"))
    columns |= {"amount": _("Amount"), "cost": _("Cost"), "lines": _("Articles")}
    return Section("purchases", _("Purchases"), columns, rows(), money=MONEY)


def _rejects(ids: Sequence[int], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    words = Words.of(ids)
    rows = Reject.objects.exclude(event="").order_by("pk").values(*fields)
    for some in batched(rows.iterator(ROWS), ROWS, strict=False):
        for row, is_theirs in zip(some, words.are_in([str(row["event"]) for row in some]), strict=True):
            if is_theirs:
                yield row
