"""Members are told before their points lapse: written down once for each, told to other systems, mailed from there."""

from datetime import datetime, timedelta
from itertools import batched

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Sum

from querencia.common.database import among
from querencia.customers import events, kinds
from querencia.loyalty.ledger import Book
from querencia.loyalty.ledger.telling import is_told
from querencia.loyalty.models import ExpiryNotice, Lot, Programme

SOURCE = "loyalty"
# Whoever would be told later than this was not told in time.
LOOKS = timedelta(days=1)
PEOPLE = 1_000
TOGETHER, TOLD = 5_000, 500
TRIES_MAX = 5
Mail = ExpiryNotice.Mail


def tell_expiring(*, programme: Programme, at: datetime) -> int:
    """Write down whoever is to be told by now, by the programme's days; how many are new. In pieces that are whole."""
    told = 0
    while programme.notice_days and (some := _tell_some(programme, at)):
        told += some
    return told


@transaction.atomic
def _tell_some(programme: Programme, at: datetime) -> int:
    # One at a time, so that nobody is told twice.
    Programme.objects.select_for_update(no_key=True).get(pk=programme.pk)
    days = programme.notice_days
    known = ExpiryNotice.objects.filter(member=OuterRef("member"), expires_at=OuterRef("expires_at"), days=days)
    due = Lot.objects.filter(
        ~Exists(known),
        member__programme=programme,
        remaining__gt=0,
        expires_at__gt=at,
        expires_at__lte=at + timedelta(days=days),
    )
    sums = due.values("member_id", "expires_at").annotate(points=Sum("remaining")).order_by("expires_at", "member_id")
    rows = ExpiryNotice.objects.bulk_create(
        [ExpiryNotice(days=days, told_at=at, **each) for each in sums[:TOGETHER]], batch_size=1_000
    )
    events.record(
        [
            events.NewEvent(
                kinds.POINTS_EXPIRING,
                f"{kinds.POINTS_EXPIRING}:{some[0].pk}",
                SOURCE,
                properties={"programme": programme.pk, "members": [_of(row) for row in some]},
            )
            for some in batched(rows, TOLD, strict=False)
        ],
        at=at,
    )
    return len(rows)


def _of(row: ExpiryNotice) -> dict[str, object]:
    return {"member": row.member_id, "points": row.points, "expires_at": row.expires_at.isoformat()}


def put_off(*, programme: Programme, at: datetime, by: datetime | None = None) -> int:
    """Where no points may lapse before their member was told: those that would before the next look (or ``by``) and of
    whom nobody could be are given as many days again; how many lots. In pieces that are each whole."""
    by = by or at + LOOKS
    due = Lot.objects.filter(~is_told(), member__programme=programme, remaining__gt=0, expires_at__lte=by)
    last = total = 0
    while programme.notice_needed:
        with transaction.atomic():
            mine = due.filter(member__gt=last).order_by("member").values_list("member", flat=True).distinct()
            if not (some := list(mine[:PEOPLE])):
                break
            waiting = ExpiryNotice.objects.filter(among("member_id", some), expires_at__lte=by, mail=Mail.WAITING)
            waiting.update(mail=Mail.LATE)  # it would speak of a day that is no more
            book = Book(programme, at=at).open(member_ids=some)
            book.bring_up_to_date(some)
            for pk in some:
                book.put_off([book.purses[pk]], by=by)
            total += sum(posting.detail.get("why") == "put_off" for posting in book.entries)
            book.close()
            last = some[-1]
    return total


def close_notices(*, notices: list[ExpiryNotice], mail: str) -> int:
    """Those that nobody is to be mailed any more, and why; how many waited."""
    waiting = ExpiryNotice.objects.filter(pk__in=[row.pk for row in notices], mail=Mail.WAITING)
    return waiting.update(mail=mail)


def take_notice(*, notice: ExpiryNotice) -> bool:
    """Whether this one is ours to be mailed. Marked before it is sent: rather not twice than once too often."""
    mine = ExpiryNotice.objects.filter(pk=notice.pk, mail=Mail.WAITING, tries=notice.tries)
    return mine.update(mail=Mail.SENT, tries=F("tries") + 1) == 1


def notice_failed(*, notice: ExpiryNotice) -> None:
    """It could not be mailed: it waits for its next try, if there is one."""
    left = Mail.WAITING if notice.tries + 1 < TRIES_MAX else Mail.FAILED
    ExpiryNotice.objects.filter(pk=notice.pk, mail=Mail.SENT).update(mail=left)
