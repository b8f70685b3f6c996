# ruff: noqa: S608  (the statements are put together from names of our own)
"""The only door through which consents are written: as people say them, or as a file does for thousands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from django.db import transaction

from querencia.customers import events, kinds
from querencia.customers.imports import bulk
from querencia.customers.models import Consent, Customer
from querencia.customers.queries import consents as queries
from querencia.customers.queries import persons

ROWS = 1_000
TOLD = ("channel", "purpose", "status")
CUSTOMER, CONSENT = Customer._meta.db_table, Consent._meta.db_table
LATEST = (
    f"(SELECT x.status FROM {CONSENT} x WHERE x.customer_id = c.id AND x.channel = s.channel "
    "AND x.purpose = 'marketing' ORDER BY x.at DESC, x.id DESC LIMIT 1)"
)
# Of somebody who was merged: what counts of any customer of the same person.
REFUSED_ELSEWHERE = (
    f"EXISTS (SELECT 1 FROM {CUSTOMER} n JOIN {CONSENT} x ON x.customer_id = n.id WHERE n.person_id = c.person_id "
    "AND x.channel = s.channel AND x.purpose = 'marketing' AND x.status <> 'granted' AND NOT EXISTS (SELECT 1 FROM "
    f"{CONSENT} y WHERE y.customer_id = x.customer_id AND y.channel = x.channel AND y.purpose = x.purpose "
    "AND (y.at > x.at OR (y.at = x.at AND y.id > x.id))))"
)
# The database tells moments apart by this much.
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Said:
    """What one customer allowed or forbade, for one channel and purpose, and how we know."""

    customer_id: int
    channel: str
    purpose: str
    status: str
    evidence: str = ""
    basis: str = Consent.Basis.CONSENT


type Key = tuple[int, str, str]


def record(said: Iterable[Said], *, source: str, at: datetime) -> int:
    """Write down what people said; how many rows are new. As `recorded` tells."""
    return len(recorded(said, source=source, at=at))


def recorded(said: Iterable[Said], *, source: str, at: datetime) -> list[Consent]:
    """Write down what people said; the rows that are new. What already counts changes nothing, however often it is
    said again; of two answers of one moment the stricter counts. Each new row is an event of its customer's."""
    strictest: dict[Key, Said] = {}
    for one in said:
        known = strictest.get(_key(one))
        if known is None or queries.place(at, one.status) > queries.place(at, known.status):
            strictest[_key(one)] = one
    new: list[Consent] = []
    for some in batched(sorted(strictest.values(), key=_key), ROWS, strict=False):
        with transaction.atomic():
            new += _record(some, source, at)
    return new


def record_staged(*, evidence: str, source: str, at: int) -> tuple[set[str], list[tuple[Any, ...]]]:
    """Write down what a file says: the temporary table ``staged_consents`` (key of the customer, row, channel, status),
    for marketing, on the basis of consent. Where none is known all of it counts, and every refusal; a file never gives
    back what a customer withdrew. Imported history is no event.

    ``evidence`` goes before the number of the row; ``at`` in seconds since 1970. Returns the keys of customers for whom
    something is new, and what was not believed (row, field, status). Call inside a transaction that `bulk.begin` began.
    """
    joined = f"staged_consents s JOIN {CUSTOMER} c ON c.key = s.key"
    kept = bulk.rows(
        f"SELECT s.row, 'consent_' || s.channel, s.status FROM {joined} "
        f"WHERE s.status = 'granted' AND ({LATEST} IN ('denied', 'withdrawn') OR {REFUSED_ELSEWHERE}) ORDER BY s.row"
    )
    before = bulk.number(f"SELECT coalesce(max(id), 0) FROM {CONSENT}")
    given = {
        "customer": "c.id",
        "channel": "s.channel",
        "purpose": bulk.text(Consent.Purpose.MARKETING),
        "status": "s.status",
        "basis": bulk.text(Consent.Basis.CONSENT),
        "evidence": f"{bulk.text(evidence)} || s.row",
        "source": bulk.text(source),
        "at": bulk.moment(str(at)),
    }
    wanted = (
        f"({LATEST} IS NULL AND (s.status = 'denied' OR NOT {REFUSED_ELSEWHERE})) "
        f"OR (s.status = 'denied' AND {LATEST} = 'granted')"
    )
    bulk.insert(Consent, given, f"{joined} WHERE {wanted}")
    added = bulk.rows(f"SELECT c.key FROM {joined} JOIN {CONSENT} n ON n.customer_id = c.id WHERE n.id > {before}")
    return {str(row[0]) for row in added}, kept


def _record(said: Sequence[Said], source: str, at: datetime) -> list[Consent]:
    ids = sorted({one.customer_id for one in said})
    # In order and to ourselves, so that two who write at once see each other's rows. Whoever was erased says nothing.
    locked = Customer.objects.select_for_update().filter(pk__in=ids, erasure=None).order_by("pk")
    ids = list(locked.values_list("pk", flat=True))
    said = [one for one in said if one.customer_id in set(ids)]
    counts, since = _counting(ids)
    wanted = [(one, moment) for one in said if (moment := _moment(one, counts.get(_key(one)), source, at, since))]
    rows = [
        Consent(
            customer_id=one.customer_id,
            channel=one.channel,
            purpose=one.purpose,
            status=one.status,
            basis=one.basis,
            evidence=one.evidence,
            source=source,
            at=moment,
        )
        for one, moment in wanted
    ]
    made = Consent.objects.bulk_create(rows)
    told = [
        events.NewEvent(
            kinds.CONSENT_CHANGED,
            f"consent:{row.pk}",
            source[:40],
            customer_id=row.customer_id,
            occurred_at=row.at,
            channel=row.channel,
            properties={name: getattr(row, name) for name in TOLD},
        )
        for row in made
    ]
    events.record(told, at=at)
    return made


def _counting(ids: Sequence[int]) -> tuple[dict[Key, Consent], dict[Key, datetime]]:
    """What counts of each of these customers; and of those that are one person with others, since when something else
    may count of the person: the merge, or what another of them said."""
    together = persons.nodes(ids)
    everybody = sorted({node for nodes in together.values() for node in nodes})
    counts = {(row.customer_id, row.channel, row.purpose): row for row in queries.latest(everybody)}
    merged = persons.merged_at([pk for pk in ids if len(together[pk]) > 1])
    since: dict[Key, datetime] = {}
    for pk, channel, purpose in counts:
        others = [
            row.at for node in together.get(pk, ()) if node != pk and (row := counts.get((node, channel, purpose)))
        ]
        if moments := [*others, *([merged[pk]] if pk in merged else [])]:
            since[pk, channel, purpose] = max(moments)
    return counts, since


def _moment(
    one: Said, counts: Consent | None, source: str, at: datetime, since: dict[Key, datetime]
) -> datetime | None:
    """When it is to be written down; None where it would change nothing."""
    if counts is None or counts.at < at:
        is_known = counts is not None and _tells(counts) == (one.status, one.basis, one.evidence)
        is_overtaken = counts is not None and since.get(_key(one), counts.at) > counts.at
        return None if is_known and not is_overtaken else at
    if counts.source == source and counts.at == at:
        is_stricter = queries.place(at, one.status) > queries.place(at, counts.status)
        # The row of that moment and source stands and is laxer: the stricter one follows it as closely as can be.
        return at + TICK if is_stricter else None
    taken = Consent.objects.filter(
        customer=one.customer_id, channel=one.channel, purpose=one.purpose, at=at, source=source
    )
    return None if taken.exists() else at


def _tells(row: Consent) -> tuple[str, str, str]:
    return (row.status, row.basis, row.evidence)


def _key(one: Said) -> Key:
    return (one.customer_id, one.channel, one.purpose)
