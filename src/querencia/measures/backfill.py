# ruff: noqa: S608  (the queries are put together from names and integers of our own)
"""Month ends of the past, reckoned from the facts, so that there is a trend from the first import on."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from django.forms.models import model_to_dict

from querencia.common.time import day_number, day_of
from querencia.measures import figures
from querencia.measures.engine import Desk
from querencia.measures.figures import OfDay
from querencia.measures.models import Measure
from querencia.measures.scoring import Facts

MONTHS = 24
# A night does as many as fit, the newest first; the next night goes on. Small logs are done at once.
SECONDS_MAX = 12.0
# Before that, a log is too young for any of the figures.
AGE_DAYS_MIN = 28


@dataclass(frozen=True)
class Past:
    """Month ends before the day of the run: ``reckoned`` anew, and ``kept`` because their measure still holds."""

    reckoned: list[OfDay]
    kept: list[OfDay]


def month_ends(desk: Desk, facts: Facts, *, progress: Callable[[float], None]) -> Past:
    """Reckon month ends that have no measure yet, or one from facts that have changed since; as many as time allows."""
    kept: list[OfDay] = []
    wanted: list[int] = []
    for day in _candidates(facts):
        measure = Measure.objects.filter(day=day_of(day)).first()
        if measure is not None and _stands(desk, measure, day):
            kept.append((day, model_to_dict(measure)))
        else:
            wanted.append(day)
    until = time.perf_counter() + SECONDS_MAX
    found: list[OfDay] = []
    for number, day in enumerate(wanted):
        if time.perf_counter() > until:
            break
        found.append((day, figures.of_day(desk, facts, day)))
        progress((number + 1) / len(wanted))
    return Past(found, kept)


def _candidates(facts: Facts) -> list[int]:
    """Thirty days before the day of the run, then the month ends of the last two years before it, newest first."""
    if facts.first_day is None:
        return []
    # The day that today's thirty days are compared with leads.
    days, end = [facts.as_of - figures.MONTH], day_of(facts.as_of).replace(day=1) - timedelta(days=1)
    for _ in range(MONTHS):
        days.append(day_number(end))
        end = date(end.year, end.month, 1) - timedelta(days=1)
    return [day for day in dict.fromkeys(days) if day - facts.first_day >= AGE_DAYS_MIN]


def _stands(desk: Desk, kept: Measure, day: int) -> bool:
    """Whether the measure of a day still holds: one of a run always does, it is what was known then."""
    if not kept.is_reckoned_afterwards:
        return True
    customers, revenue = desk.execute(
        f"SELECT (SELECT count(*) FROM summary WHERE first_day <= {day}), (SELECT coalesce(sum(amount), 0) FROM days "
        f"WHERE day <= {day} AND day > {day - figures.YEAR})"
    ).fetchall()[0]
    return (kept.customers, kept.revenue_year) == (customers, int(revenue))
