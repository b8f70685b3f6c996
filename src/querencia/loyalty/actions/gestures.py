"""Gifts for birthdays, anniversaries, a day of thanks, and to welcome: once a year each, or once for good."""

from calendar import isleap
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Min, Q

from querencia.business.models import Staff
from querencia.common.database import among
from querencia.common.time import local_day
from querencia.customers.models import Customer
from querencia.customers.queries import persons
from querencia.loyalty import expiry, gestures
from querencia.loyalty.actions.giving import Gift, give
from querencia.loyalty.actions.redeeming import NewVoucher, issue
from querencia.loyalty.gestures import Terms
from querencia.loyalty.models import Gesture, GestureDay, GestureKind, GestureTerms, Member, Programme, Reward
from querencia.loyalty.queries import gestures as queries
from querencia.loyalty.queries.programmes import is_running
from querencia.loyalty.queries.standings import tiers_of

TOGETHER = 1_000
BY_DAY = (GestureKind.BIRTHDAY, GestureKind.ANNIVERSARY, GestureKind.APPRECIATION)


@transaction.atomic
def publish_gesture(
    *, programme: Programme, kind: str, document: Mapping[str, Any], at: datetime, staff: Staff | None = None
) -> GestureTerms | None:
    """A new version of a gesture; with an empty document it is made no more. Days that are over stay as they were.
    Raises ValidationError."""
    try:
        terms = gestures.read(kind, document) if document else None
    except gestures.BadGesture as fault:
        raise ValidationError({"document": str(fault)}) from None
    if terms and terms.reward and terms.reward not in queries.gifts(programme, at=at):
        raise ValidationError({"document": f"reward: {terms.reward} is offered by nobody, or no gift"})
    Programme.objects.select_for_update(no_key=True).get(pk=programme.pk)
    before = GestureTerms.objects.filter(programme=programme, kind=kind).order_by("-version").first()
    if (before.document if before else {}) == dict(document):
        return before
    row = GestureTerms(
        programme=programme,
        kind=kind,
        version=before.version + 1 if before else 1,
        document=dict(document),
        in_force_from=at,
        published_at=at,
        published_by=staff,
    )
    row.full_clean(exclude=["document"])
    row.save(force_insert=True)
    return row


def catch_up_gestures(*, programme: Programme, at: datetime) -> int:
    """Make the gestures of today, and of the days that were missed, once a day; how many were made."""
    last = GestureDay.objects.filter(programme=programme).aggregate(last=Max("on"))["last"]
    days = gestures.missed(last, local_day(at, programme.time_zone))
    return sum(make_gestures(programme=programme, on=day, at=at) for day in days)


def make_gestures(*, programme: Programme, on: date, at: datetime) -> int:
    """Make the gestures of a day, by the terms that were in force when it began; how many were new. In pieces that are
    each whole: whoever is cut off is followed by whoever comes next."""
    began = expiry.day_ends(on - timedelta(days=1), zone=programme.time_zone)
    made = 0
    for terms, row in queries.in_force(programme, at=began):
        if row.kind in BY_DAY and is_running(programme, at=at):
            for some in _whom(programme, row.kind, terms, on):
                made += _make(programme, row, terms, some, on, at)
    GestureDay.objects.bulk_create([GestureDay(programme=programme, on=on, at=at, made=made)], ignore_conflicts=True)
    return made


def welcome(*, programme: Programme, member_ids: Sequence[int], at: datetime) -> int:
    """Give to new members what welcomes them; how many were given something."""
    for terms, row in queries.in_force(programme, at=at):
        if row.kind == GestureKind.WELCOME:
            return _make(programme, row, terms, member_ids, local_day(at, programme.time_zone), at)
    return 0


def _whom(programme: Programme, kind: str, terms: Terms, on: date) -> Iterator[Sequence[int]]:
    """Members of whom it is the day, so many at a time. What speaks against one is looked at under lock."""
    here = Member.objects.filter(programme=programme, left_at=None)
    if kind == GestureKind.APPRECIATION:
        if terms.on is None or terms.on.of(on.year) != on:
            return
    elif kind == GestureKind.BIRTHDAY:
        born = Customer.objects.filter(_born(on), erasure=None).values_list("pk", flat=True)
        here = here.filter(among("customer_id", persons.together(born)))
    else:
        here = here.filter(_joined(programme, on))
    last = 0
    while ids := list(here.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:TOGETHER]):
        yield ids
        last = ids[-1]


def _born(on: date) -> Q:
    # As days, which the database compares; it would take each birthday apart, and SQLite asks Python to.
    first = Customer.objects.aggregate(first=Min("birthday"))["first"]
    return Q(birthday__in=list(_years(on, first.year if first else on.year, on.year + 1)))


def _joined(programme: Programme, on: date) -> Q:
    """Who joined on such a local day of an earlier year."""
    zone = programme.time_zone
    first = Member.objects.filter(programme=programme).aggregate(first=Min("joined_at"))["first"]
    found = Q(pk=None)
    for joined in _years(on, local_day(first, zone).year if first else on.year, on.year):
        starts = expiry.day_ends(joined - timedelta(days=1), zone=zone)
        found |= Q(joined_at__gte=starts, joined_at__lt=expiry.day_ends(joined, zone=zone))
    return found


def _years(on: date, first: int, before: int) -> Iterator[date]:
    """The days of these years that are celebrated on a day."""
    for year in range(first, before):
        for month, day in gestures.celebrated(on):
            if (month, day) != (2, 29) or isleap(year):
                yield date(year, month, day)


@transaction.atomic
def _make(
    programme: Programme, row: GestureTerms, terms: Terms, member_ids: Sequence[int], on: date, at: datetime
) -> int:
    # One at a time: that a person was given something is told by any of their members.
    Programme.objects.select_for_update(no_key=True).get(pk=programme.pk)
    year = 0 if row.kind == GestureKind.WELCOME else on.year
    chosen = _chosen(programme, row.kind, terms, member_ids, on)
    keys = {pk: f"{row.kind}:{year}:{pk}" for pk in chosen}
    common = {"terms": row, "kind": row.kind, "year": year, "on": on, "made_at": at}
    made = [Gesture(member_id=pk, **each, **common) for pk, each in _given(programme, terms, row.kind, keys, at)]
    Gesture.objects.bulk_create(made, batch_size=TOGETHER)
    return len(made)


def _given(
    programme: Programme, terms: Terms, why: str, keys: Mapping[int, str], at: datetime
) -> Iterator[tuple[int, dict[str, int]]]:
    """Give it to members, under these keys: who got how many points, or which redemption. Of a reward whoever comes
    when none is left, or when it is not offered, gets nothing."""
    if terms.reward:
        reward = Reward.objects.get(programme=programme, key=terms.reward)
        vouchers = [NewVoucher(pk, reward.pk, f"gesture:{key}", why) for pk, key in keys.items()]
        for asked, issued in zip(vouchers, issue(programme=programme, vouchers=vouchers, at=at), strict=True):
            if issued.is_done:
                yield asked.member_id, {"points": 0, "redemption_id": issued.redemption_id}
        return
    lapses = None
    if terms.valid_days:
        lapses = expiry.expires_at(at, expiry.Policy(terms.valid_days, "day"), zone=programme.time_zone)
    gifts = [Gift(pk, key, terms.points, why, expires_at=lapses) for pk, key in keys.items()]
    for gift, done in zip(gifts, give(programme=programme, gifts=gifts, at=at), strict=True):
        if done.is_done:
            yield gift.member_id, {"points": done.points}


def _chosen(programme: Programme, kind: str, terms: Terms, member_ids: Sequence[int], on: date) -> list[int]:
    """Of each person one member, where nothing speaks against it."""
    customers = Member.objects.filter(among("pk", member_ids)).values_list("customer_id", flat=True)
    head_of = persons.together(customers)
    people: dict[int, list[Member]] = {}
    rows = Member.objects.filter(among("customer_id", head_of), programme=programme, customer__erasure=None)
    for member in rows.order_by("pk"):
        people.setdefault(head_of[member.customer_id], []).append(member)
    everybody = [member.pk for mine in people.values() for member in mine]
    last: dict[int, date] = {}
    for member_id, day in Gesture.objects.filter(among("member_id", everybody), kind=kind).values_list(
        "member_id", "on"
    ):
        last[member_id] = max(day, last.get(member_id, day))
    tiers = tiers_of(programme, people.values()) if terms.tiers else {}
    wanted = set(member_ids)
    found = []
    for mine in people.values():
        here = next((each for each in mine if each.left_at is None and each.pk in wanted), None)
        latest = max((last[each.pk] for each in mine if each.pk in last), default=None)
        is_due = latest is None if kind == GestureKind.WELCOME else gestures.is_due(latest, on)
        if here is None or not is_due or (terms.tiers and tiers.get(here.pk) not in terms.tiers):
            continue
        joined = min(local_day(each.joined_at, programme.time_zone) for each in mine)
        if kind == GestureKind.WELCOME or joined + timedelta(days=terms.member_days) <= on:
            found.append(here.pk)
    return sorted(found)
