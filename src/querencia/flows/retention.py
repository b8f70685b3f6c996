# ruff: noqa: S608  (the statement is put together from a name of our own)
"""What is kept for a time only goes every night, in batches: whoever is cut off is followed by the next night."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from querencia.business.queries import business as the_business
from querencia.common.database import alone
from querencia.common.time import local_day
from querencia.customers.privacy import Period
from querencia.flows import privacy
from querencia.flows.models import Pruning, RetentionPeriod

SHOWN = 100


@dataclass(frozen=True)
class Kept:
    """A period with the days that count here; None for ever."""

    period: Period
    days: int | None


def periods() -> list[Kept]:
    """Everything that is kept for a time only, in every room."""
    said = dict(RetentionPeriod.objects.values_list("name", "days"))
    every = [period for room in privacy.rooms().values() for period in room.PERIODS]
    return [Kept(period, said.get(period.name, period.days)) for period in every]


@transaction.atomic
def set_periods(days: Mapping[str, int | None]) -> None:
    """Say for how long each is kept from now on."""
    for kept in periods():
        if kept.period.name in days:
            RetentionPeriod.objects.update_or_create(name=kept.period.name, defaults={"days": days[kept.period.name]})


def prune(*, at: datetime, names: Iterable[str] | None = None) -> dict[str, int] | None:
    """Take away whatever is older than it may be (of all kinds, or of these); how much of each. None: another process
    is at it."""
    with alone("prune") as is_alone:
        if not is_alone:
            return None
        wanted = None if names is None else set(names)
        return {
            kept.period.name: _prune(kept.period, at - timedelta(days=kept.days), at)
            for kept in periods()
            if kept.days is not None and (wanted is None or kept.period.name in wanted)
        }


def _prune(period: Period, before: datetime, at: datetime) -> int:
    business = the_business()
    day = local_day(at, business.time_zone if business else "UTC")
    total = 0
    while True:
        with transaction.atomic():
            gone = period.forget(before, at)
            if gone:
                Pruning.objects.get_or_create(name=period.name, on=day)
                Pruning.objects.filter(name=period.name, on=day).update(rows=F("rows") + gone)
        if not gone:
            return total
        total += gone


def lately() -> list[tuple[Pruning, str]]:
    """What went, the latest first, with what it is called."""
    titles = {kept.period.name: str(kept.period.title) for kept in periods()}
    rows = Pruning.objects.order_by("-on", "name")[:SHOWN]
    return [(row, titles.get(row.name, row.name)) for row in rows]


def forget_counts(*, at: datetime) -> int:
    """Counts of attempts and visits that ran out; how many. The table gives up none of them by itself before it is
    full."""
    table = connection.ops.quote_name(str(settings.CACHES["default"]["LOCATION"]))
    with connection.cursor() as cursor:
        moment = connection.ops.adapt_datetimefield_value(at.replace(microsecond=0))
        cursor.execute(f"DELETE FROM {table} WHERE expires < %s", [moment])
        return int(cursor.rowcount)
