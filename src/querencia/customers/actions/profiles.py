"""What other systems say of customers, many at once: found or created by their identifiers, brought up to date."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.db import transaction
from django.db.models import Max

from querencia.business.queries import business
from querencia.customers import events, kinds, names
from querencia.customers.actions.identifying import identify, owners_of
from querencia.customers.identity import KINDS, Known
from querencia.customers.identity.known import Pair
from querencia.customers.models import Customer, Identifier, SearchTerm
from querencia.customers.queries import persons
from querencia.customers.queries.records import owners

ROWS = 500
NAMES = ("given_name", "family_name")
TRAITS = (*NAMES, "language", "time_zone", "country", "city", "birthday", "branch", "value_answers")
EMPTY: dict[str, Any] = {"birthday": None, "value_answers": {}}

type Result = Literal["created", "updated", "unchanged"]
# A customer by id, or by what identifies them.
type Reference = int | Pair


@dataclass(frozen=True)
class Profile:
    """What is said of one: ``identifiers`` in one notation; ``traits`` by field, None to empty it. With
    ``customer_id`` it is said of that customer; they exist."""

    identifiers: tuple[Pair, ...] = ()
    traits: Mapping[str, Any] = field(default_factory=dict)
    customer_id: int = 0


@dataclass(frozen=True)
class Kept:
    """Who that is now (the head of their person), what became of it, and which identifiers lead to somebody else."""

    customer_id: int
    result: Result
    left_out: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class _Before:
    newest: int
    owners: dict[Pair, int]
    heads: dict[int, int]


@transaction.atomic
def keep_profiles(profiles: Sequence[Profile], *, at: datetime, source: str) -> list[Kept]:
    """Write what is said, in order; what is said already changes nothing. Traits go to whoever stands for the person;
    identifiers are attached, or bring customers together, within the limits of `identify`."""
    before = _before(profiles)
    anchors = _anchors({each.customer_id for each in profiles if each.customer_id and each.identifiers})
    given = [
        ((anchors[each.customer_id],) if each.customer_id in anchors else ()) + each.identifiers for each in profiles
    ]
    # Told whom it is said of, nobody is looked for unless something is to be attached.
    asked = [n for n, each in enumerate(profiles) if each.identifiers]
    found = identify([Known(given[n]) for n in asked], at=at, source=source)
    ids = [each.customer_id for each in profiles]
    for n, pk in zip(asked, found, strict=True):
        ids[n] = ids[n] or pk
    heads = persons.heads(ids)
    changed = _bring_up_to_date([(heads[pk], each.traits) for pk, each in zip(ids, profiles, strict=True)])
    kept = _kept(profiles, ids, heads, changed, before, at)
    _tell(kept, at, source)
    return kept


def named(references: Sequence[Reference], *, at: datetime, source: str) -> list[int]:
    """The customer of each: by id, or by an identifier, which creates them where nobody has it; 0 for unknown ids, for
    values that name nobody, and for whoever was erased."""
    ids = {one for one in references if isinstance(one, int)}
    known = set(Customer.objects.filter(pk__in=ids, erasure=None).values_list("pk", flat=True)) if ids else set()
    pairs = list(dict.fromkeys(one for one in references if not isinstance(one, int)))
    found = dict(zip(pairs, identify([Known((pair,)) for pair in pairs], at=at, source=source), strict=True))
    return [(one if one in known else 0) if isinstance(one, int) else found[one] for one in references]


def find(references: Sequence[Reference]) -> list[int]:
    """The customer of each; 0 where there is none. Nobody is created."""
    ids = [one for one in references if isinstance(one, int)]
    known = set(Customer.objects.filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    pairs = [one for one in references if not isinstance(one, int)]
    told = business()
    found = dict(zip(pairs, owners(pairs, country=told.country if told else ""), strict=True))
    return [(one if one in known else 0) if isinstance(one, int) else found[one] for one in references]


def _before(profiles: Sequence[Profile]) -> _Before:
    owners = owners_of({pair for each in profiles for pair in each.identifiers})
    newest = Customer.objects.aggregate(newest=Max("pk"))["newest"] or 0
    told = {each.customer_id for each in profiles if each.customer_id}
    return _Before(newest, owners, persons.heads({*owners.values(), *told}))


def _anchors(ids: Iterable[int]) -> dict[int, Pair]:
    """By customer the strongest identifier of their person, which says of whom the others are."""
    nodes = persons.nodes(ids)
    rows = Identifier.objects.filter(customer__in={node for some in nodes.values() for node in some})
    pairs: dict[int, list[Pair]] = defaultdict(list)
    for kind, value, node in rows.order_by("pk").values_list("kind", "value", "customer_id"):
        pairs[node].append((kind, value))
    order = {str(kind): place for place, kind in enumerate(KINDS)}
    keys = dict(Customer.objects.filter(pk__in=list(nodes)).values_list("pk", "key"))
    return {
        pk: min(
            (pair for node in some for pair in pairs[node]),
            key=lambda pair: order[pair[0]],
            default=(str(Identifier.Kind.CUSTOMER_KEY), keys[pk]),
        )
        for pk, some in nodes.items()
    }


def _bring_up_to_date(said: Sequence[tuple[int, Mapping[str, Any]]]) -> list[bool]:
    """Which of these (customer, traits) changed anything."""
    wanted = sorted({pk for pk, traits in said if pk and traits})
    # Whoever was erased gets no name again.
    # In one order, so that two who write the same wait for each other and never in a circle.
    owners = {
        each.pk: each
        for each in Customer.objects.select_for_update().filter(pk__in=wanted, erasure=None).order_by("pk")
    }
    changed: list[bool] = []
    renamed: dict[int, Customer] = {}
    touched: dict[int, Customer] = {}
    for pk, traits in said:
        owner = owners.get(pk)
        new = {name: _value(name, value) for name, value in traits.items() if name in TRAITS} if owner else {}
        new = {name: value for name, value in new.items() if getattr(owner, name) != value}
        changed.append(bool(new))
        if owner and new:
            touched[pk] = owner
            for name, value in new.items():
                setattr(owner, name, value)
            if new.keys() & set(NAMES):
                renamed[pk] = owner
    Customer.objects.bulk_update(touched.values(), TRAITS, batch_size=100)
    _search(renamed.values())
    return changed


def _value(name: str, value: Any) -> Any:
    return EMPTY.get(name, "") if value is None else value


def _search(renamed: Iterable[Customer]) -> None:
    """Have them found by the words of the names they have now."""
    owners = list(renamed)
    SearchTerm.objects.filter(customer__in=owners).delete()
    terms = {(term, each.pk) for each in owners for term in names.words(f"{each.given_name} {each.family_name}")}
    rows = [SearchTerm(term=term, customer_id=pk) for term, pk in sorted(terms)]
    SearchTerm.objects.bulk_create(rows, batch_size=ROWS, ignore_conflicts=True)


def _kept(
    profiles: Sequence[Profile],
    ids: Sequence[int],
    heads: Mapping[int, int],
    changed: Sequence[bool],
    before: _Before,
    at: datetime,
) -> list[Kept]:
    owners = owners_of({pair for each in profiles for pair in each.identifiers})
    now = persons.heads(owners.values())
    new = Customer.objects.filter(pk__in=[pk for pk in ids if pk > before.newest], created_at=at)
    created = set(new.values_list("pk", flat=True))
    attached: set[Pair] = set()
    kept = []
    for each, pk, is_changed in zip(profiles, ids, changed, strict=True):
        mine = [pair for pair in each.identifiers if pair in owners and now[owners[pair]] == heads[pk]]
        fresh = [pair for pair in mine if pair not in before.owners and pair not in attached]
        nodes = {before.owners[pair] for pair in mine if pair in before.owners}
        nodes |= {each.customer_id} if each.customer_id else set()
        came_together = len({before.heads[node] for node in nodes}) > 1
        is_new = bool(is_changed or fresh or came_together)
        result: Result = "created" if pk in created else "updated" if is_new else "unchanged"
        created.discard(pk)
        attached.update(fresh)
        kept.append(Kept(heads[pk], result, tuple(pair for pair in each.identifiers if pair not in mine)))
    return kept


def _tell(kept: Sequence[Kept], at: datetime, source: str) -> None:
    told = {"created": kinds.CUSTOMER_CREATED, "updated": kinds.CUSTOMER_CHANGED}
    happened = [
        events.NewEvent(told[each.result], uuid.uuid4().hex, source[:40], customer_id=each.customer_id)
        for each in kept
        if each.result in told and each.customer_id
    ]
    events.record(happened, at=at)
