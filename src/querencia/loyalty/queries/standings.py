"""Where members stand: their tiers, what counts towards them, and how far the next one is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

from django.db.models import Max, Sum

from querencia.common.time import day_number, local_day
from querencia.customers.models import Purchase
from querencia.customers.queries import persons
from querencia.loyalty import tiers
from querencia.loyalty.models import Entry, Member, Programme, Standing, TierScheme
from querencia.loyalty.queries.balances import people_of
from querencia.loyalty.queries.programmes import programmes
from querencia.loyalty.rulebook import Rulebook


class OfPerson(Protocol):
    """A member, as a row or under lock."""

    @property
    def pk(self) -> int: ...


def scheme_of(programme: Programme, *, at: datetime) -> tuple[TierScheme, tiers.Scheme] | None:
    """The tiers in force at a moment."""
    found = TierScheme.objects.filter(programme=programme, in_force_from__lte=at).order_by("-version").first()
    return (found, tiers.read(found.document)) if found else None


def latest(member_ids: Iterable[int]) -> dict[int, Standing]:
    """By member where they stand now; whoever never stood anywhere is left out."""
    found: dict[int, Standing] = {}
    for some in persons.asked(member_ids):
        newest = Standing.objects.filter(member_id__in=some).order_by().values("member_id").annotate(newest=Max("pk"))
        found |= {row.member_id: row for row in Standing.objects.filter(pk__in=newest.values("newest"))}
    return found


def best(scheme: tiers.Scheme | None, rows: Iterable[Standing]) -> Standing | None:
    """Of members who are one person, the one who stands highest."""
    return max(rows, key=lambda row: (scheme.rank(row.tier) if scheme else 0, row.pk), default=None)


def tiers_of(
    programme: Programme, people: Iterable[Sequence[OfPerson]], *, rules: Rulebook | None = None
) -> dict[int, str]:
    """By each member's id the tier of the person they are one of; those without one are left out."""
    scheme = (rules or Rulebook.of(programme)).newest_scheme()
    if scheme is None:
        return {}
    groups = [[member.pk for member in person] for person in people]
    known_of = latest(pk for group in groups for pk in group)
    found: dict[int, str] = {}
    for group in groups:
        row = best(scheme, [known_of[pk] for pk in group if pk in known_of])
        if row is not None and row.tier:
            found |= dict.fromkeys(group, row.tier)
    return found


# -- what counts -------------------------------------------------------------------------------------------------------

# The days from the first on and before the second.
type Days = tuple[date, date]


@dataclass(frozen=True)
class Asked:
    """A person whose metric is asked for: their members, their customers, and over which days."""

    members: tuple[int, ...]
    customers: tuple[int, ...]
    joined_at: datetime
    days: Days


def metrics(programme: Programme, metric: str, asked: Sequence[Asked]) -> list[int]:
    """How much of a scheme's metric each person has: spend and visits from purchases (refunds lessen them), points from
    what was granted less what was taken back, tenure in days up to the last day asked about."""
    match metric:
        case "tenure":
            return [(each.days[1] - local_day(each.joined_at, programme.time_zone)).days - 1 for each in asked]
        case "points":
            return _points(programme, asked)
        case _:
            return _bought(programme, metric, asked)


def _bought(programme: Programme, metric: str, asked: Sequence[Asked]) -> list[int]:
    by_customer: dict[int, list[tuple[int, int]]] = {}
    first = min((day_number(each.days[0]) for each in asked), default=0)
    for some in persons.asked(pk for each in asked for pk in each.customers):
        rows = Purchase.objects.filter(customer_id__in=some, day__gte=first, currency=programme.currency)
        sums = rows.values("customer_id", "day").annotate(sum=Sum("amount")).order_by("customer_id", "day")
        for customer, day, amount in sums.values_list("customer_id", "day", "sum"):
            by_customer.setdefault(customer, []).append((day, amount))
    found = []
    for each in asked:
        start, end = (day_number(day) for day in each.days)
        days: dict[int, int] = {}
        for customer in each.customers:
            for day, amount in by_customer.get(customer, ()):
                if start <= day < end:
                    days[day] = days.get(day, 0) + amount
        found.append(max(0, sum(days.values())) if metric == "spend" else sum(amount > 0 for amount in days.values()))
    return found


def _points(programme: Programme, asked: Sequence[Asked]) -> list[int]:
    kinds = (Entry.Kind.GRANT, Entry.Kind.CLAW_BACK, Entry.Kind.RESTORE)
    by_member: dict[int, list[tuple[date, int]]] = {}
    for some in persons.asked(pk for each in asked for pk in each.members):
        rows = Entry.objects.filter(member_id__in=some, kind__in=kinds)
        names = ("member_id", "at", "issued", "partner_points", "clawed_back", "kind")
        for member, at, issued, partner, clawed, kind in rows.values_list(*names):
            points = -issued - (partner if kind != Entry.Kind.RESTORE else 0) - clawed
            by_member.setdefault(member, []).append((local_day(at, programme.time_zone), points))
    return [
        max(
            0,
            sum(
                points
                for member in each.members
                for day, points in by_member.get(member, ())
                if each.days[0] <= day < each.days[1]
            ),
        )
        for each in asked
    ]


@dataclass(frozen=True)
class Stands:
    """A person by the first of their members: where they stand, and what of the metric leads up and keeps."""

    member_id: int
    standing: tiers.Standing
    rolling: int
    kept: int


def stands(
    programme: Programme, scheme: tiers.Scheme, groups: Sequence[Sequence[int]], *, at: datetime
) -> list[Stands]:
    """Of each group of members that are one person."""
    today = local_day(at, programme.time_zone)
    wanted = [pk for group in groups for pk in group]
    rows = {
        pk: (customer, joined_at)
        for some in persons.asked(wanted)
        for pk, customer, joined_at in Member.objects.filter(pk__in=some).values_list("pk", "customer_id", "joined_at")
    }
    customers = persons.nodes(customer for customer, _joined_at in rows.values())
    known = latest(wanted)
    standing_of, rolling = [], []
    for group in groups:
        row = best(scheme, [known[pk] for pk in group if pk in known])
        standing_of.append(tiers.Standing(row.tier, row.since, row.until) if row else tiers.Standing())
        everybody = {node for pk in group for node in customers[rows[pk][0]]}
        joined = min(rows[pk][1] for pk in group)
        rolling.append(Asked(tuple(group), tuple(sorted(everybody)), joined, tiers.rolling_period(scheme, today)))
    kept = [
        replace(each, days=tiers.kept_period(scheme, standing, today))
        for each, standing in zip(rolling, standing_of, strict=True)
    ]
    figures = metrics(programme, scheme.metric, [*rolling, *kept])
    told = zip(groups, standing_of, figures[: len(groups)], figures[len(groups) :], strict=True)
    return [Stands(group[0], standing, up, keep) for group, standing, up, keep in told]


@dataclass(frozen=True)
class Place:
    """Where a member's person stands, what leads on and what keeps it, by which scheme."""

    scheme: tiers.Scheme
    standing: tiers.Standing
    ahead: tiers.Progress


def progress(members: Sequence[Member], *, at: datetime) -> dict[int, Place]:
    """By member, in a few questions however many they are; nobody of programmes without tiers."""
    found: dict[int, Place] = {}
    of = {pk: Rulebook.of(pk).scheme(at) for pk in {member.programme_id for member in members}}
    for programme in programmes() if any(of.values()) else ():
        known = of.get(programme.pk)
        if known is None:
            continue
        mine = [member.pk for member in members if member.programme_id == programme.pk]
        scheme, people = known[1], people_of(mine)
        for pk, each in zip(mine, stands(programme, scheme, [people[pk] for pk in mine], at=at), strict=True):
            ahead = tiers.progress(scheme, each.standing, rolling=each.rolling, kept=each.kept)
            found[pk] = Place(scheme, each.standing, ahead)
    return found
