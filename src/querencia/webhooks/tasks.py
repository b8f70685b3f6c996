"""Messages on their way. A delivery is a row of ours; the queue only wakes the worker."""

from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta

from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from querencia.common.time import now
from querencia.webhooks import actions, queries, sending
from querencia.webhooks.models import Delivery

SIDE_BY_SIDE = 16
SOON = timedelta(minutes=1)


@db_task()  # type: ignore[untyped-decorator]
def deliver() -> None:
    """Send all messages that are due, side by side, and come back for one that is due soon."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        while claimed := actions.claim(at=now()):
            sent = {pool.submit(_send, delivery): delivery for delivery in claimed}
            for outcome in as_completed(sent):
                actions.note_outcome(delivery=sent[outcome], outcome=outcome.result(), at=now())
    if then := queries.due_within(SOON, at=now()):
        deliver.schedule(delay=max(1.0, (then - now()).total_seconds()))


@db_periodic_task(crontab())  # type: ignore[untyped-decorator]
def attend_deliveries() -> None:
    """Every minute, and once at start: whatever is due and nobody woke the worker for."""
    if queries.due_within(timedelta(), at=now()):
        deliver()


def _send(delivery: Delivery) -> sending.Outcome:
    return sending.send(delivery, at=now())
