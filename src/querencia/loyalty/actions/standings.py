"""Members go up a tier at once, and down when their period is over."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from querencia.common.time import local_day
from querencia.customers import events, kinds
from querencia.customers.queries import persons
from querencia.loyalty import tiers
from querencia.loyalty.ledger import Book
from querencia.loyalty.models import Member, Programme, Standing
from querencia.loyalty.queries import standings
from querencia.loyalty.rulebook import Rulebook

PEOPLE = 1_000
SOURCE = "loyalty"
Reason = Standing.Reason


def judge_tiers(*, programme: Programme, member_ids: Iterable[int] | None = None, at: datetime) -> int:
    """See where these members (all, if unsaid) stand now, by the tiers in force; how many moved or were prolonged.

    Nothing is judged by a new version of the tiers before somebody calls this.
    """
    moved = 0
    for some in _some(programme, member_ids):
        with transaction.atomic(savepoint=False):
            moved += _judge(programme, some, at)
    return moved


def _some(programme: Programme, member_ids: Iterable[int] | None) -> Iterable[Sequence[int]]:
    if member_ids is not None:
        wanted = sorted(set(member_ids))
        yield from (wanted[start : start + PEOPLE] for start in range(0, len(wanted), PEOPLE))
        return
    last = 0
    while True:
        rows = Member.objects.filter(programme=programme, pk__gt=last, left_at=None).order_by("pk")
        ids = list(rows.values_list("pk", flat=True)[:PEOPLE])
        if not ids:
            return
        yield ids
        last = ids[-1]


def _judge(programme: Programme, member_ids: Sequence[int], at: datetime) -> int:
    found = Rulebook.of(programme).scheme(at)
    if found is None:
        return 0
    scheme_id, scheme = found
    book = Book(programme, at=at).open(member_ids=member_ids)
    groups = [[purse.pk for purse in person] for person in book.people.values()]
    today = local_day(at, programme.time_zone)
    new, told = [], []
    for each in standings.stands(programme, scheme, groups, at=at):
        member_id, standing = each.member_id, each.standing
        after = tiers.judged(scheme, standing, rolling=each.rolling, kept=each.kept, day=today)
        if after == standing:
            continue
        reason = _reason(scheme, standing, after)
        new.append(
            Standing(
                member_id=member_id,
                scheme_id=scheme_id,
                tier=after.tier,
                since=after.since or today,
                until=after.until,
                reason=reason,
                metric=each.rolling,
                at=at,
            )
        )
        if reason != Reason.KEPT:
            told.append((book.purses[member_id].customer_id, standing.tier, after.tier))
    written = Standing.objects.bulk_create(new, batch_size=PEOPLE)
    changes = [each for each in written if each.reason != Reason.KEPT]
    _tell(programme, [each.pk for each in changes], told, at)
    return len(new)


def _reason(scheme: tiers.Scheme, before: tiers.Standing, after: tiers.Standing) -> str:
    if before.tier == after.tier:
        return Reason.KEPT
    return Reason.REACHED if scheme.rank(after.tier) > scheme.rank(before.tier) else Reason.FELL


def _tell(programme: Programme, pks: Sequence[int], told: Sequence[tuple[int, str, str]], at: datetime) -> None:
    heads = persons.heads(customer for customer, _before, _after in told)
    made = [
        events.NewEvent(
            kinds.TIER_CHANGED,
            f"{kinds.TIER_CHANGED}:{pk}",
            SOURCE,
            customer_id=heads[customer],
            properties={"programme": programme.pk, "from": before, "to": after},
        )
        for pk, (customer, before, after) in zip(pks, told, strict=True)
    ]
    events.record(made, at=at)
