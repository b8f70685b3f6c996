"""What a basket would earn, before it is bought. Nothing is written, and nothing is promised: what counts is what is
in force when it is paid for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from querencia.customers.models import Customer
from querencia.customers.queries import persons
from querencia.loyalty import rewards
from querencia.loyalty.earning import DISCOUNT, NOWHERE, Facts, Line, Outcome, Places, Rule, Snapshot, evaluate
from querencia.loyalty.expiry import period_starts
from querencia.loyalty.models import CapUse, Member, Programme
from querencia.loyalty.queries.audiences import Audiences
from querencia.loyalty.queries.balances import people_of
from querencia.loyalty.queries.campaigns import budgets_used
from querencia.loyalty.queries.standings import tiers_of
from querencia.loyalty.rulebook import Rulebook


def quote(programme: Programme, facts: Facts, *, member: Member | None, at: datetime) -> Outcome:
    """What these facts would earn now; without a member, what somebody would who joined today and is in no audience of
    a campaign."""
    facts = replace(facts, local=at.astimezone(ZoneInfo(programme.time_zone)))
    rules = Rulebook.of(programme).in_force(at)
    used = budgets_used(programme)

    def budget(rule: Rule) -> int | None:
        return rule.budget - used.get(rule.key, 0) if rule.budget else None

    if member is None:
        return evaluate(facts, Snapshot(), rules, budget=budget)
    people = people_of([member.pk])[member.pk]
    birthday = Customer.objects.filter(pk=member.customer_id).values_list("birthday", flat=True).first()
    who = Snapshot.of(
        facts.day,
        joined_on=member.joined_at.astimezone(ZoneInfo(programme.time_zone)).date(),
        birthday=birthday,
        tier=tiers_of(programme, [list(Member.objects.filter(pk__in=people))]).get(member.pk, ""),
        places=_places(programme, member, rules, at),
    )
    return evaluate(facts, who, rules, room=_room(programme, people, rules, at), budget=budget)


def _places(programme: Programme, member: Member, rules: tuple[Rule, ...], at: datetime) -> Places:
    """Which campaigns are for this person."""
    if all(rule.audience is None for rule in rules):
        return NOWHERE
    nodes = persons.nodes([member.customer_id])[member.customer_id]
    return Audiences.of(programme, nodes).places(nodes, rules, at)


def less(facts: Facts, terms: rewards.Terms, discount: int) -> Facts:
    """The same purchase with what a reward takes off it: paid with points, or a line of its own."""
    if not discount:
        return facts
    if terms.kind == rewards.PAY:
        return replace(facts, paid_with_points=min(facts.amount, facts.paid_with_points + discount))
    number = max((line.number for line in facts.lines), default=0) + 1
    return replace(facts, lines=(*facts.lines, Line(number, -discount, DISCOUNT)))


def _room(
    programme: Programme, member_ids: list[int], rules: tuple[Rule, ...], at: datetime
) -> Callable[[Rule], int | None]:
    """How much limits leave. A person's limit is one, whichever of their members earned."""
    limited = {rule.key for rule in rules if rule.cap}
    rows = CapUse.objects.filter(member_id__in=member_ids, rule__in=limited) if limited else CapUse.objects.none()
    used: dict[tuple[str, str, object], int] = {}
    for rule, per, day, points in rows.values_list("rule", "per", "starts_on", "points"):
        used[rule, per, day] = used.get((rule, per, day), 0) + points

    def left(rule: Rule) -> int | None:
        if rule.cap is None:
            return None
        day = None if rule.cap.per == "purchase" else period_starts(at, rule.cap.per, zone=programme.time_zone)
        return rule.cap.points - used.get((rule.key, rule.cap.per, day), 0)

    return left
