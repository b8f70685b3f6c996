"""Runs: facts copied to columns, every customer scored, the day measured, all of it shown in one step.

A run reckons first and writes last: scores, measures, findings and the word *done* appear in one transaction, so a run
that fails or is killed at any moment leaves everything as the last good one left it.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction

from querencia.business import queries as business
from querencia.business.models import Staff
from querencia.common.database import alone
from querencia.common.time import day_number, day_of
from querencia.measures import backfill, columns, engine, figures, findings, queries, reasons, scoring, writing
from querencia.measures.models import Finding, Measure, Run

STEPS = ("copy", "score", "forecast", "measure", "write")

logger = logging.getLogger(__name__)

type Progress = Callable[[str, float], None]


class AnotherRun(Exception):
    """A run is at work in a living process; ``run`` is it, or None when it has not yet said its name."""

    def __init__(self, run: Run | None) -> None:
        super().__init__("Another run is at work. When it is done, this can be started again.")
        self.run = run


class TakenOver(Exception):
    """Somebody else declared this run dead while it was at work."""


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
        work = _Work(_start(run_id, trigger, as_of or queries.yesterday(at), at), at, progress or _silent)
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


def _start(run_id: int | None, trigger: str, as_of: date, at: datetime) -> Run:
    if run_id is None:
        return Run.objects.create(status=Run.Status.RUNNING, trigger=trigger, as_of=as_of, created_at=at, started_at=at)
    # Only from the queue: a task delivered twice must not do a run twice.
    Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.RUNNING, started_at=at, as_of=as_of, error=""
    )
    started = Run.objects.get(pk=run_id)
    if started.status != Run.Status.RUNNING:
        raise Run.DoesNotExist(f"Run {run_id} is not waiting: it is {started.status}.")
    return started


def _silent(step: str, share: float) -> None:
    """Nobody listens."""


class _Work:
    """One run while it is at work: which step, since when."""

    def __init__(self, run: Run, at: datetime, progress: Progress) -> None:
        self.run = run
        self.at = at
        self.progress = progress
        self.begun = self.step_begun = time.perf_counter()
        self.durations: dict[str, float] = {}

    def do(self, *, is_fixed: bool, anew: bool) -> None:
        self.progress("copy", 0.0)
        copy, _ = columns.refresh(
            settings.COLUMNS_FOLDER, rebuild=anew, progress=lambda share: self.progress("copy", share)
        )
        with engine.connect(settings.COLUMNS_FOLDER) as desk:
            known = business.business()
            facts = scoring.load(
                desk,
                copy.relation(desk),
                currency=known.currency if known else "",
                upto=day_number(self.run.as_of),
                is_fixed=is_fixed,
            )
            self.run.as_of = day_of(facts.as_of)
            self._end("copy", customers=facts.customers, purchases=facts.purchases, as_of=self.run.as_of)
            scoring.score(desk, facts)
            self._end("score")
            outlook = scoring.forecast(desk, facts)
            scoring.join(desk, facts, outlook)
            self._end("forecast")
            figures.prepare(desk, facts)
            measure = figures.measure(desk, facts, outlook)
            past = backfill.month_ends(desk, facts, progress=lambda share: self.progress("measure", share))
            today = (facts.as_of, measure)
            small = findings.all_of(desk, facts, outlook, [*past.kept, *past.reckoned, today])
            self._end("measure")
            self._write(desk, facts, [*past.reckoned, today], small)

    def _write(
        self,
        desk: engine.Desk,
        facts: scoring.Facts,
        measured: list[figures.OfDay],
        small: dict[str, findings.Data],
    ) -> None:
        self.progress("write", 0.0)
        with writing.bulk(), transaction.atomic():
            # First, so that a run that lost its place stops before it writes.
            if not Run.objects.filter(pk=self.run.pk, status=Run.Status.RUNNING).update(error=""):
                raise TakenOver
            rows = writing.replace_scores(
                scoring.batches(desk, "cells"),
                scoring.batches(desk, "scores"),
                heard=lambda rows: self.progress("write", rows / max(facts.customers, 1)),
            )
            for day, values in measured:
                is_past = day < facts.as_of
                Measure.objects.update_or_create(
                    day=day_of(day), defaults={**values, "is_reckoned_afterwards": is_past, "run": self.run}
                )
            for name, data in small.items():
                Finding.objects.update_or_create(
                    name=name, defaults={"as_of": self.run.as_of, "data": data, "run": self.run}
                )
            self._end("write", status=Run.Status.DONE, finished_at=self._now(), customers=rows)

    def fail(self, error: str) -> None:
        status = Run.Status.FAILED
        Run.objects.filter(pk=self.run.pk, status__in=[Run.Status.RUNNING, status]).update(
            status=status, finished_at=self._now(), error=error
        )

    def _end(self, step: str, **fields: object) -> None:
        """A step is done: keep how long it took, and what is known by now."""
        now = time.perf_counter()
        self.durations[step] = round(now - self.step_begun, 3)
        self.step_begun = now
        Run.objects.filter(pk=self.run.pk).update(durations=self.durations, **fields)
        self.progress(step, 1.0)

    def _now(self) -> datetime:
        # The clock was read at the door; from there on only its ticking counts.
        return self.at + timedelta(seconds=time.perf_counter() - self.begun)
