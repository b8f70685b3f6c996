"""Whom identifiers point at: created, attached to or merged, for thousands at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched, chain

from django.db import transaction
from django.db.models import Q

from querencia.business.queries import business
from querencia.common.database import among
from querencia.customers import names
from querencia.customers.actions import merging
from querencia.customers.identity import Known, cleaned
from querencia.customers.identity.known import Pair
from querencia.customers.identity.matching import Board, Person, place
from querencia.customers.models import ContactPoint, Customer, Identifier, Merge, SearchTerm
from querencia.customers.models.merges import WAITING
from querencia.customers.queries import persons, tombstones

ROWS = 500
# Fewer than the parameters that SQLite takes in one statement.
ASKED = 10_000
TRAITS = ("given_name", "family_name", "language", "time_zone", "country", "city", "birthday", "branch")
ADDRESSES = (Identifier.Kind.EMAIL, Identifier.Kind.PHONE)
TRIES = 10
A_DAY = timedelta(days=1)


class _Overtaken(Exception):
    """Somebody else wrote one of the same identifiers meanwhile: look again."""


def identify(people: Sequence[Known], *, at: datetime, source: str) -> list[int]:
    """The id of each one's customer: created when nobody is found, attached to when one is, merged when many are and
    the limits hold (one customer key, five of any other kind), else without the weakest identifier.

    It is the customer whom the strongest identifier names, be it part of a merged person or not; 0 for those of whom
    nothing names anybody, and for whoever was erased. Traits fill in what was unknown. Harmless when repeated, and
    when others do it at once.
    """
    told = business()
    given = [cleaned(known.identifiers, told.country if told else "") for known in people]
    if not any(given):
        return [0] * len(people)
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                gone = tombstones.erased(set(chain.from_iterable(given)))
                return _identified(people, [() if gone & {*pairs} else pairs for pairs in given], at, source)
        except _Overtaken:
            continue
    raise RuntimeError(f"others wrote the same identifiers {TRIES} times in a row")


def _identified(people: Sequence[Known], given: Sequence[tuple[Pair, ...]], at: datetime, source: str) -> list[int]:
    board = _board(given, at)
    found = [place(board, identifiers) for identifiers in given]
    if board.merged or _keyed(board):
        # What makes or leads a person is rare and done one after the other: what was read before may be old.
        merging.take_turns()
        board = _board(given, at)
        found = [place(board, identifiers) for identifiers in given]
    ids = _create(board, at, source)
    _attach({pair: ids.get(node, node) for pair, node in board.attached.items()})
    for edges, since in ((board.merged, at), (board.quarantined, None)):
        joined = {(ids.get(a, a), ids.get(b, b)): {"kinds": kinds} for (a, b), kinds in edges.items()}
        if joined:  # nearly always nobody is, and a savepoint would be set for it at every batch
            merging.join(joined, rule=Merge.Rule.IDENTIFIERS, source=source, at=at, since=since)
    merging.regroup(_keyed(board), at=at)
    owners = [ids.get(node, node) for node in found]
    _fill_in(people, owners)
    return owners


def _keyed(board: Board) -> set[int]:
    """Customers that are given a key now: whoever has one stands for the person that they are part of."""
    return {
        node for (kind, _value), node in board.attached.items() if node > 0 and kind == Identifier.Kind.CUSTOMER_KEY
    }


def _board(given: Iterable[tuple[Pair, ...]], at: datetime) -> Board:
    """Who is who among those that these identifiers point at."""
    asked = set(chain.from_iterable(given))
    owners = {pair: node for pair, node in owners_of(asked).items() if pair in asked}
    keys = {value for kind, value in asked - owners.keys() if kind == Identifier.Kind.CUSTOMER_KEY}
    for few in batched(sorted(keys), ASKED, strict=False):
        for key, node in Customer.objects.filter(key__in=few).values_list("key", "pk"):
            owners[str(Identifier.Kind.CUSTOMER_KEY), key] = node
    board = Board(owners=owners)
    board.people = _people(set(owners.values()))
    for some in batched(sorted(board.people), ASKED, strict=False):
        rows = Identifier.objects.filter(among("customer_id", some)).values_list("customer_id", "kind", "value")
        for node, kind, value in rows:
            board.people[node].values[kind].add(value)
    for (kind, value), node in owners.items():
        board.people[node].values[kind].add(value)
    if len(board.people) > 1:
        _edges(board, at)
    return board


def owners_of(asked: Iterable[Pair]) -> dict[Pair, int]:
    """Whom each of these identifiers points at, and whom others of the same value do."""
    values = sorted({value for _kind, value in asked})
    found: dict[Pair, int] = {}
    for some in batched(values, ASKED, strict=False):
        rows = Identifier.objects.filter(among("value", some)).values_list("kind", "value", "customer_id")
        found |= {(kind, value): node for kind, value, node in rows}
    return found


def _people(nodes: set[int]) -> dict[int, Person]:
    found: dict[int, Person] = {}
    for node, members in persons.nodes(sorted(nodes)).items():
        if node not in found:
            found |= dict.fromkeys(members, Person(set(members)))
    return found


def _edges(board: Board, at: datetime) -> None:
    """What came together today, and what somebody parted or has yet to decide on. That somebody is to look at a pair
    because much speaks for it does not keep apart whom exact identifiers bring together."""
    today = Q(since__gt=at - A_DAY, until=None)
    waiting = WAITING & ~Q(rule=Merge.Rule.PROPOSAL)
    for some in batched(sorted(board.people), ASKED, strict=False):
        rows = Merge.objects.filter(first_id__in=some).filter(today | waiting | Q(until__isnull=False))
        for one, other, since, until in rows.values_list("first_id", "second_id", "since", "until"):
            if since is None or until is not None:
                board.apart.add((one, other))
            else:
                board.people[one].joined_today += 1


def _create(board: Board, at: datetime, source: str) -> dict[int, int]:
    """Ids of the customers that are yet to be created. In order of their keys, so that others wait and never lock."""
    keys = {node: _key(*pair) for node, pair in board.created.items()}
    new = [Customer(key=key, created_at=at, created_from=source[:40]) for key in sorted(keys.values())]
    Customer.objects.bulk_create(new, batch_size=ROWS, ignore_conflicts=True)
    ids: dict[str, int] = {}
    for some in batched(sorted(keys.values()), ASKED, strict=False):
        ids |= dict(Customer.objects.filter(key__in=some).values_list("key", "pk"))
    return {node: ids[key] for node, key in keys.items()}


def _key(kind: str, value: str) -> str:
    return (value if kind == Identifier.Kind.CUSTOMER_KEY else f"{kind}:{value}")[:200]


def _attach(wanted: dict[Pair, int]) -> None:
    """Point identifiers at their customers, and note addresses. Raises `_Overtaken`."""
    if not wanted:
        return
    rows = [Identifier(kind=kind, value=value, customer_id=node) for (kind, value), node in sorted(wanted.items())]
    Identifier.objects.bulk_create(rows, batch_size=ROWS, ignore_conflicts=True)
    kept = owners_of(wanted)
    if any(kept.get(pair) != node for pair, node in wanted.items()):
        raise _Overtaken
    points = [
        ContactPoint(customer_id=node, kind=kind, value=value)
        for (kind, value), node in sorted(wanted.items())
        if kind in ADDRESSES
    ]
    ContactPoint.objects.bulk_create(points, batch_size=ROWS, ignore_conflicts=True)


def _fill_in(people: Sequence[Known], owners: Sequence[int]) -> None:
    """What the traits say and nobody knew."""
    told: dict[int, dict[str, object]] = defaultdict(dict)
    for known, pk in zip(people, owners, strict=True):
        if pk:
            said = {name: known.traits[name] for name in TRAITS if known.traits.get(name)}
            told[pk] |= {name: value for name, value in said.items() if name not in told[pk]}
    named = Customer.objects.filter(pk__in=[pk for pk, said in told.items() if said])
    blank = [owner.pk for owner in named if _missing(owner, told[owner.pk])]
    changed: list[Customer] = []
    renamed: list[Customer] = []
    # Locked in one order, so that what others fill in meanwhile is not written over.
    for owner in Customer.objects.filter(pk__in=blank).order_by("pk").select_for_update():
        missing = _missing(owner, told[owner.pk])
        for name, value in missing.items():
            setattr(owner, name, value)
        changed.append(owner)
        if missing.keys() & {"given_name", "family_name"}:
            renamed.append(owner)
    Customer.objects.bulk_update(changed, TRAITS, batch_size=100)
    terms = [
        SearchTerm(customer=owner, term=term)
        for owner in renamed
        for term in names.words(f"{owner.given_name} {owner.family_name}")
    ]
    terms.sort(key=lambda each: (each.term, each.customer_id))
    SearchTerm.objects.bulk_create(terms, batch_size=ROWS, ignore_conflicts=True)


def _missing(owner: Customer, said: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in said.items() if not getattr(owner, name)}
