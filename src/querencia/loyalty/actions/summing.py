"""Months that are over are summed up, so that nobody adds up years of entries to look at them."""

from datetime import date, datetime, timedelta

from django.db import transaction

from querencia.common.time import local_day
from querencia.loyalty.models import Entry, MonthSum, Programme
from querencia.loyalty.queries import months

# Whoever began to write before midnight has ended by then.
REST = timedelta(days=1)


def sum_months(*, programme: Programme, at: datetime) -> int:
    """Sum up every month that has been over for a day; how many were new. Said again, it changes nothing."""
    number = 0
    while (month := _next(programme)) is not None:
        begins, ends = (months.starts(programme, day) for day in (month, months.next_month(month)))
        if ends + REST > at:
            break
        with transaction.atomic():
            [sums] = months.sums(programme, since=begins, until=ends)
            rows = [MonthSum(programme=programme, month=month, starts_at=begins, ends_at=ends, sums=sums)]
            # Another worker may be at the same; what it writes is the same, too.
            MonthSum.objects.bulk_create(rows, ignore_conflicts=True)
        number += 1
    return number


def _next(programme: Programme) -> date | None:
    """The month after the last one that was summed up; at first that of the first entry, if there is one."""
    last = MonthSum.objects.filter(programme=programme).order_by("-month").first()
    if last:
        return months.next_month(last.month)
    first = Entry.objects.filter(programme=programme).order_by("recorded_at").values_list("recorded_at", flat=True)
    begins = first.first()
    return local_day(begins, programme.time_zone).replace(day=1) if begins else None
