"""Runs: facts copied to columns, every customer scored, the day measured, all of it shown in one step.

A run reckons first and writes last: scores, measures, findings and the word *done* appear in one transaction, so a run
that fails or is killed at any moment leaves everything as the last good one left it.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime

from querencia.business.models import Staff
from querencia.common.database import alone
from querencia.measures import queries, reasons
from querencia.measures.models import Run

STEPS = ("copy", "score", "forecast", "measure", "write")

logger = logging.getLogger(__name__)

type Progress = Callable[[str, float], None]


class AnotherRun(Exception):
    """A run is at work in a living process; ``run`` is it, or None when it has not yet said its name."""

    def __init__(self, run: Run | None) -> None:
        super().__init__("Another run is at work. When it is done, this can be started again.")
        self.run = run


def request_run(*, trigger: str, at: datetime, started_by: Staff | None = None) -> Run:
    """Put a run in the queue, and give it; one that is waiting already serves as well. A worker takes it up."""
    if waiting := queries.next_queued():
        return waiting
    return Run.objects.create(trigger=trigger, as_of=queries.yesterday(at), created_at=at, started_by=started_by)


def settle(*, at: datetime) -> int:
    """Call runs failed whose process is gone; returns how many. Does nothing while one is at work."""
    with alone("run", patience=0) as is_alone:
        return _settle(at) if is_alone else 0


def run(
    *,
    run_id: int | None = None,
    trigger: str = Run.Trigger.COMMAND,
    as_of: date | None = None,
    at: datetime,
    anew: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Do a run now, in this process: the queued one with ``run_id``, else a new one. Returns it, done or failed.

    ``as_of``: the day up to which facts count; by default yesterday where the business is, or the last day with a
    purchase when the log ends before. ``anew`` copies all purchases again. ``progress`` hears a step of STEPS and the
    share of it that is done.
    Raises AnotherRun when one is at work. Running twice for one day replaces that day's measure.
    """
    with alone("run") as is_alone:
        if not is_alone:
            raise AnotherRun(Run.objects.filter(status=Run.Status.RUNNING).first())
        _settle(at)
        # What reckons weighs a hundred megabytes: only the process that runs it loads it.
        from querencia.measures.work import Work

        work = Work(_start(run_id, trigger, as_of, at), at, progress)
        try:
            work.do(is_fixed=as_of is not None, anew=anew)
        except Exception as fault:
            logger.exception("Run %s failed", work.run.pk)
            work.fail(reasons.of(fault))
        except BaseException as end:
            with suppress(Exception):
                work.fail(reasons.of(end))
            raise
    work.run.refresh_from_db()
    return work.run


def _settle(at: datetime) -> int:
    return Run.objects.filter(status=Run.Status.RUNNING).update(
        status=Run.Status.FAILED, finished_at=at, error=reasons.written("process_ended")
    )


def _start(run_id: int | None, trigger: str, named: date | None, at: datetime) -> Run:
    begun = {
        "status": Run.Status.RUNNING,
        "as_of": named or queries.yesterday(at),
        "is_day_named": named is not None,
        "started_at": at,
    }
    if run_id is None:
        return Run.objects.create(**begun, trigger=trigger, created_at=at)
    # Only from the queue: a task delivered twice must not do a run twice.
    Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(**begun, error="")
    started = Run.objects.get(pk=run_id)
    if started.status != Run.Status.RUNNING:
        raise Run.DoesNotExist(f"Run {run_id} is not waiting: it is {started.status}.")
    return started
