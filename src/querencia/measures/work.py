"""One run at its work: the facts copied, the customers scored, the day measured, all of it written in one step."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from querencia.business import queries as business
from querencia.common.time import day_number, day_of
from querencia.customers import events, kinds
from querencia.measures import backfill, columns, engine, figures, findings, persons, scoring, stages, writing
from querencia.measures.models import Finding, Measure, Run
from querencia.measures.reasons import TakenOver

type Progress = Callable[[str, float], None]


class Work:
    """One run while it is at work: which step, since when."""

    def __init__(self, run: Run, at: datetime, progress: Progress | None) -> None:
        self.run = run
        self.at = at
        self.progress = progress or _silent
        self.begun = self.step_begun = time.perf_counter()
        self.durations: dict[str, float] = {}

    def do(self, *, is_fixed: bool, anew: bool) -> None:
        self.progress("copy", 0.0)
        copy, _ = columns.refresh(
            settings.COLUMNS_FOLDER, rebuild=anew, progress=lambda share: self.progress("copy", share)
        )
        with engine.desk(settings.COLUMNS_FOLDER) as desk:
            persons.lay(desk)
            known = business.business()
            facts = scoring.load(
                desk,
                copy.relation(desk.connection),
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
            stages.remember()
            rows = writing.replace_scores(
                scoring.batches(desk, "cells"),
                scoring.batches(desk, "scores"),
                heard=lambda rows: self.progress("write", rows / max(facts.customers, 1)),
            )
            persons.catch_up(desk, at=self.at)
            for day, values in measured:
                is_past = day < facts.as_of
                Measure.objects.update_or_create(
                    day=day_of(day), defaults={**values, "is_reckoned_afterwards": is_past, "run": self.run}
                )
            for name, data in small.items():
                Finding.objects.update_or_create(
                    name=name, defaults={"as_of": self.run.as_of, "data": data, "run": self.run}
                )
            stages.tell(run_id=self.run.pk, is_day_named=self.run.is_day_named, at=self.at)
            self._end("write", status=Run.Status.DONE, finished_at=self._now(), customers=rows)
            self._tell(rows)
        writing.settle()

    def _tell(self, customers: int) -> None:
        told = {"run": self.run.pk, "as_of": self.run.as_of.isoformat(), "customers": customers}
        done = events.NewEvent(kinds.MEASURES_DONE, f"run:{self.run.pk}", stages.SOURCE, properties=told)
        events.record([done], at=self.at)

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


def _silent(step: str, share: float) -> None:
    """Nobody listens."""
