"""Reading runs, measures and findings."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from querencia.business import queries as business
from querencia.common.time import day_number, local_day
from querencia.customers.models import Purchase
from querencia.measures import reasons
from querencia.measures.models import Finding, Measure, Run

# When the night is quiet: after the till is closed and before anybody looks.
NIGHT = time(2, 30)
ATTEMPTS_PER_NIGHT = 3
RETRY_AFTER = timedelta(hours=1)


def latest_run() -> Run | None:
    """The newest run, whatever became of it."""
    return Run.objects.order_by("-id").first()


def latest_done() -> Run | None:
    """The newest run that succeeded: the scores are its."""
    return Run.objects.filter(status=Run.Status.DONE).order_by("-started_at", "-id").first()


def run_by_id(pk: int) -> Run | None:
    return Run.objects.filter(pk=pk).first()


def runs(limit: int = 50) -> list[Run]:
    """The newest runs, newest first."""
    return list(Run.objects.select_related("started_by").order_by("-id")[:limit])


def is_running() -> bool:
    """Whether a run is waiting or at work."""
    return Run.objects.filter(status__in=[Run.Status.QUEUED, Run.Status.RUNNING]).exists()


def next_queued() -> Run | None:
    """The run that has been waiting longest."""
    return Run.objects.filter(status=Run.Status.QUEUED).order_by("id").first()


def why(run: Run) -> str:
    """Why a run failed, a sentence in the active language; empty when it did not."""
    return reasons.said(run.error)


def latest_measure() -> Measure | None:
    """The newest day measured."""
    return Measure.objects.order_by("-day").first()


def measure_of(run: Run) -> Measure | None:
    """The day that a run measured."""
    return Measure.objects.filter(day=run.as_of).first()


def measure_before(measure: Measure, days: int = 30) -> Measure | None:
    """The newest measure that is at least so many days older: what a figure is compared with."""
    return Measure.objects.filter(day__lte=measure.day - timedelta(days=days)).order_by("-day").first()


def measures(*, since: date | None, until: date | None, before: date | None, size: int) -> list[Measure]:
    """So many days between two, both inclusive, and before another one; the newest first."""
    days = {"day__gte": since, "day__lte": until, "day__lt": before}
    rows = Measure.objects.filter(**{name: day for name, day in days.items() if day})
    return list(rows.order_by("-day")[:size])


def trend(days: int = 730) -> list[Measure]:
    """The measures of so many days up to the newest, oldest first."""
    newest = latest_measure()
    if newest is None:
        return []
    return list(Measure.objects.filter(day__gt=newest.day - timedelta(days=days)).order_by("day"))


def finding(name: str) -> dict[str, Any] | None:
    """A small table of the last run that succeeded, with ``as_of`` (day number) added; None when there is none."""
    kept = Finding.objects.filter(name=name).first()
    return None if kept is None else {**kept.data, "as_of": day_number(kept.as_of)}


def findings() -> dict[str, dict[str, Any]]:
    """All findings by name, read at once."""
    return {kept.name: {**kept.data, "as_of": day_number(kept.as_of)} for kept in Finding.objects.order_by("name")}


def gates() -> list[dict[str, Any]]:
    """What the last run found missing or given: ``name, is_open, reason`` (said in the active language), ``facts``."""
    kept = finding("gates")
    return [{**row, "reason": _said(row)} for row in kept["rows"]] if kept else []


def _said(gate: dict[str, Any]) -> str:
    language = (get_language() or "en").split("-")[0]
    if gate["name"] != "one_currency":
        return str(gate["reason"].get(language) or gate["reason"].get("en", ""))
    if gate["is_open"]:
        sentence = _("All purchases are in %(currency)s.")
    else:
        sentence = _(
            "Purchases in other currencies than %(currency)s cannot be added up with the rest. Left out: %(left_out)s."
        )
    return str(sentence % gate["facts"])


def yesterday(at: datetime) -> date:
    """The last whole day where the business is."""
    known = business.business()
    return local_day(at, known.time_zone if known else "UTC") - timedelta(days=1)


def is_due(at: datetime) -> bool:
    """Whether tonight's run has yet to be done: once a night where the business is, again if it failed.

    A run that anything else set off since then has done the night's work, unless a person named an earlier day for it.
    """
    known = business.business()
    if known is None or not Purchase.objects.exists():
        return False
    zone = ZoneInfo(known.time_zone)
    tonight = datetime.combine(local_day(at, zone), NIGHT, zone)
    if at < tonight:
        return False
    since = Run.objects.filter(created_at__gte=tonight)
    if since.filter(status=Run.Status.DONE).exclude(is_day_named=True, as_of__lt=yesterday(at)).exists():
        return False
    of_night = since.filter(trigger=Run.Trigger.SCHEDULE)
    failed = of_night.filter(status=Run.Status.FAILED)
    if of_night.exclude(status=Run.Status.FAILED).exists() or failed.count() >= ATTEMPTS_PER_NIGHT:
        return False
    return not failed.filter(created_at__gt=at - RETRY_AFTER).exists()
