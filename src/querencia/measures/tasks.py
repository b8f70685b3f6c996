"""What the worker does by itself: look every minute for runs that wait, and ask for one every night.

A run is a row of ours; the queue only wakes the worker. A message that is lost costs a minute, never a run.
"""

from contextlib import suppress
from datetime import datetime

from huey import crontab
from huey.contrib.djhuey import HUEY, db_periodic_task, db_task

from querencia.common.time import now
from querencia.measures import actions, queries
from querencia.measures.models import Run

HEARTBEAT = "querencia.heartbeat"


@db_task()  # type: ignore[untyped-decorator]
def measure(run_id: int | None = None) -> None:
    """Wake the worker after ``actions.request_run``: it does all runs that wait, whichever woke it."""
    _work_off()


@db_periodic_task(crontab())  # type: ignore[untyped-decorator]
def attend() -> None:
    """Every minute, and once at start. Asks for the night's run when it is due; harmless however often it is called."""
    at = now()
    HUEY.put(HEARTBEAT, at.isoformat())
    actions.settle(at=at)
    if queries.is_due(at):
        actions.request_run(trigger=Run.Trigger.SCHEDULE, at=at)
    _work_off()


def heartbeat() -> datetime | None:
    """When a worker last showed itself."""
    said = HUEY.get(HEARTBEAT, peek=True)
    return datetime.fromisoformat(said) if said else None


def _work_off() -> None:
    while waiting := queries.next_queued():
        with suppress(Run.DoesNotExist):  # somebody else took it up in the meantime
            try:
                actions.run(run_id=waiting.pk, at=now())
            except actions.AnotherRun:
                return  # its worker goes on with the next one
