"""The worker's side of reactions: what follows from new events is noted, and done, each exactly once.

Two steps, each a transaction. *Noting* takes events out of the outbox and writes a :class:`Handling` for each reaction
to them. *Doing* claims some of one reaction, and commits what it did together with the marks. A process that is killed
at any moment loses neither: what was noted and not done is claimed anew when its claim has run out.

One event that makes a reaction fail holds up no other: the batch is halved until it stands alone, and from then on it
is tried alone, later and later, until it is stuck and somebody looks at it. So is one at which the process itself died.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from querencia.common.database import among
from querencia.customers.models import Event, Outbox
from querencia.flows import reactions
from querencia.flows.models import Handling

NOTED = 2_000
BATCH = 500
ALONE = 50
TRIES_MAX = 6
BACKOFF = timedelta(seconds=30)
BACKOFF_GROWS = 4
# Between claiming and locking what was claimed lies a moment; a process that died in it delays its batch by this.
CLAIM = timedelta(minutes=1)

logger = logging.getLogger(__name__)
Status = Handling.Status


def drain(*, at: datetime) -> int:
    """Note what follows from new events and do what is due; how many reactions were tried. Zero: nothing is left."""
    while _note(at):
        pass
    return sum(_do_some(name, at) for name in reactions.named())


def _note(at: datetime) -> int:
    if not Outbox.objects.exists():  # asked first, because SQLite has one writer at a time
        return 0
    with transaction.atomic():
        found = Outbox.objects.select_for_update(skip_locked=True).order_by("event_id")[:NOTED]
        ids = [row.event_id for row in found]
        known = dict(Event.objects.filter(among("pk", ids)).values_list("pk", "kind"))
        following = reactions.of_kinds(known.values())
        to_do = [Handling(event_id=pk, reaction=name, next_at=at) for pk in ids for name in following[known[pk]]]
        Handling.objects.bulk_create(to_do, ignore_conflicts=True)
        Outbox.objects.filter(among("pk", ids)).delete()
    return len(ids)


def _do_some(name: str, at: datetime) -> int:
    """A batch of those that were never tried, and some of those that failed, each alone."""
    _give_up(name, at)
    done = 0
    if fresh := _claim(name, at, limit=BATCH, is_fresh=True):
        _do(name, fresh, at)
        done += len(fresh)
    for _ in range(ALONE):
        # Claimed one by one: at which of several a process died, nobody could tell.
        failed = _claim(name, at, limit=1, is_fresh=False)
        if not failed:
            break
        _do(name, failed, at)
        done += 1
    return done


def _claim(name: str, at: datetime, *, limit: int, is_fresh: bool) -> list[int]:
    due = Handling.objects.filter(reaction=name, status=Status.WAITING, next_at__lte=at)
    due = due.filter(tries=0) if is_fresh else due.filter(tries__gt=0)
    if not due.exists():
        return []
    with transaction.atomic():
        rows = list(due.select_for_update(skip_locked=True).order_by("next_at", "pk")[:limit])
        for row in rows:
            row.tries, row.next_at = row.tries + 1, at + CLAIM
        Handling.objects.bulk_update(rows, ["tries", "next_at"])
    return [row.pk for row in rows]


def _do(name: str, ids: Sequence[int], at: datetime) -> None:
    try:
        with transaction.atomic():
            # Locked until all is committed; a claim that ran out in the meantime is somebody else's.
            held = Handling.objects.select_for_update(of=("self",)).filter(
                pk__in=ids, status=Status.WAITING, next_at=at + CLAIM
            )
            rows = list(held.select_related("event").order_by("event_id"))
            if rows:
                reactions.named()[name]([row.event for row in rows], at)
            Handling.objects.filter(pk__in=[row.pk for row in rows]).update(status=Status.DONE, error="")
    except Exception as fault:
        if len(ids) == 1:
            _failed(ids[0], fault, at)
        else:
            half = len(ids) // 2
            _do(name, ids[:half], at)
            _do(name, ids[half:], at)


@transaction.atomic
def _failed(pk: int, fault: Exception, at: datetime) -> None:
    row = Handling.objects.select_for_update().filter(pk=pk, status=Status.WAITING, next_at=at + CLAIM).first()
    if row is None:
        return
    logger.warning("Reaction %s failed at event %s: %s", row.reaction, row.event_id, type(fault).__name__)
    row.error = f"{type(fault).__name__}: {fault}"[:500]
    row.status = Status.STUCK if row.tries >= TRIES_MAX else Status.WAITING
    row.next_at = at + BACKOFF * BACKOFF_GROWS ** (row.tries - 1)
    row.save(update_fields=["error", "status", "next_at"])


def _give_up(name: str, at: datetime) -> None:
    """Those at which the process died every time, so that nobody was left to say so."""
    spent = Handling.objects.filter(reaction=name, status=Status.WAITING, tries__gte=TRIES_MAX, next_at__lte=at)
    if spent.exists():
        spent.filter(error="").update(error="The process ended.")
        spent.update(status=Status.STUCK)


def stuck(limit: int = 100) -> list[Handling]:
    """What nobody tries any more, the latest first."""
    return list(
        Handling.objects.filter(status=Status.STUCK).select_related("event").order_by("-next_at", "-pk")[:limit]
    )


def count_stuck() -> int:
    return Handling.objects.filter(status=Status.STUCK).count()


def count_waiting() -> int:
    """How much is to be done, what nobody has looked at included."""
    return Outbox.objects.count() + Handling.objects.filter(status=Status.WAITING).count()


def try_again(*, ids: Sequence[int] | None = None, at: datetime) -> int:
    """Have what is stuck tried anew, from the first try on; all of it unless ``ids`` say which. How many."""
    return _stuck(ids).update(status=Status.WAITING, tries=0, next_at=at)


def set_aside(*, ids: Sequence[int] | None = None) -> int:
    """Leave what is stuck undone for good; all of it unless ``ids`` say which. How many."""
    return _stuck(ids).update(status=Status.ASIDE)


def _stuck(ids: Sequence[int] | None) -> QuerySet[Handling]:
    found = Handling.objects.filter(status=Status.STUCK)
    return found if ids is None else found.filter(pk__in=ids)
