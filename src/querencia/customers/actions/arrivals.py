# ruff: noqa: S608  (the statements are put together from names of our own)
"""What machines send: kept before it is answered, taken in later, rejected with a reason, replayed."""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched, groupby
from typing import Any

from django.db import connection, transaction

from querencia.common.database import durable
from querencia.customers.intake import FINAL, Refused
from querencia.customers.models import Arrival, Reject

REPLAYED_TOGETHER = 500
ARRIVAL = Arrival._meta.db_table
INTO = "api_key_id, door, body, received_at, state, events, recorded, known, rejected"


class _Ticket:
    """An arrival that waits to be written, and what became of that."""

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.is_done = False
        self.fault: BaseException | None = None


_queue: list[_Ticket] = []
_queueing = threading.Lock()
_writing = threading.Lock()


def keep_arrival(arrival: Arrival) -> None:
    """Write it so that not even a power cut takes it away again; returns once that is so.

    The disk is waited for once for all who ask at the same time: whoever comes first writes for those who came since.
    """
    ticket = _Ticket(arrival)
    with _queueing:
        _queue.append(ticket)
    with _writing:
        if not ticket.is_done:
            with _queueing:
                group = _queue[:]
                _queue.clear()
            _write(group)
    if ticket.fault is not None:
        raise ticket.fault


def _write(group: Sequence[_Ticket]) -> None:
    try:
        with durable():
            _insert([ticket.arrival for ticket in group])
    except BaseException as fault:
        for ticket in group:
            ticket.fault = fault
    for ticket in group:
        ticket.is_done = True


def _insert(arrivals: Sequence[Arrival]) -> None:
    # Said in SQL: what the ORM makes of a statement takes longer than the statement, and this is done at every knock.
    moment = connection.ops.adapt_datetimefield_value
    values: list[Any] = []
    for each in arrivals:
        values += (each.api_key_id, each.door, each.body, moment(each.received_at), each.state, each.events, 0, 0, 0)
    # One statement is whole by itself: a transaction around it would ask PostgreSQL twice more.
    rows = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(arrivals))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {ARRIVAL} ({INTO}) VALUES {rows}", values)


@dataclass
class Outcome:
    """What became of one arrival, in events."""

    recorded: int = 0
    known: int = 0
    rejected: int = 0


def finish_arrivals(outcomes: Mapping[int, Outcome], *, at: datetime) -> None:
    """Note what became of arrivals, and let go of what they held. Call in the transaction that wrote it."""
    rows = [
        (o.recorded, o.known, o.rejected, o.recorded + o.known + o.rejected, b"", Arrival.State.DONE, at, pk)
        for pk, o in outcomes.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {ARRIVAL} SET recorded = %s, known = %s, rejected = %s, events = %s, body = %s, state = %s, "
            "processed_at = %s WHERE id = %s",
            rows,
        )


def reject(refused: Iterable[Refused], arrivals: Mapping[int, Arrival], *, at: datetime) -> int:
    """Keep what was not taken in, with the reason; how many."""
    rows = [
        Reject(
            api_key_id=arrivals[each.arrival_id].api_key_id,
            kind=each.kind,
            code=each.code,
            facts=each.facts,
            event="" if each.code in FINAL else json.dumps(each.event),
            is_live=each.is_live,
            received_at=arrivals[each.arrival_id].received_at,
            rejected_at=at,
        )
        for each in refused
    ]
    Reject.objects.bulk_create(rows, batch_size=500)
    return len(rows)


@transaction.atomic
def replay_rejects(*, ids: Sequence[int] | None = None, at: datetime) -> int:
    """Have rejected events (all without ``ids``) taken in anew; how many. What fails again is rejected again."""
    wanted = (Reject.objects.all() if ids is None else Reject.objects.filter(pk__in=ids)).exclude(code__in=FINAL)
    total = 0
    for some in batched(list(wanted.order_by("pk").values_list("pk", flat=True)), REPLAYED_TOGETHER, strict=False):
        rejects = list(Reject.objects.select_for_update().filter(pk__in=some).order_by("api_key_id", "pk"))
        for owner, its in groupby(rejects, key=lambda each: each.api_key_id):
            _send_again(list(its), owner, at)
        Reject.objects.filter(pk__in=[each.pk for each in rejects]).delete()
        total += len(rejects)
    return total


def _send_again(rejects: Sequence[Reject], api_key_id: int, at: datetime) -> None:
    parts = [
        f'{{"received_at": "{each.received_at.isoformat()}", "is_live": {json.dumps(each.is_live)}, '
        f'"event": {each.event}}}'
        for each in rejects
    ]
    Arrival.objects.create(
        api_key_id=api_key_id,
        door="replay",
        body=f"[{', '.join(parts)}]".encode(),
        events=len(parts),
        received_at=at,
    )
