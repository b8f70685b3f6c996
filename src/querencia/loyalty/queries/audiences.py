# ruff: noqa: S608  (the statement is put together from names of our own)
"""Who is in the audience of which campaign. An audience is frozen when its campaign begins: until then each drawing
replaces the one before, from then on drawings only add. So a purchase is judged by who was in it at that moment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Min, Q, QuerySet
from django.db.models.functions import Coalesce

from querencia.common.database import listed, within
from querencia.common.time import local_day
from querencia.customers.models import Customer, Score, ScoreCell
from querencia.customers.queries import persons
from querencia.loyalty.earning import NOWHERE, Audience, Places, Rule
from querencia.loyalty.earning.audience import is_drawn_out
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import Audience as Drawn
from querencia.loyalty.models import AudienceMember, Member, Programme
from querencia.loyalty.queries.standings import tiers_of
from querencia.loyalty.rulebook import Rulebook

EVER = datetime.max.replace(tzinfo=UTC)
MEMBER, DRAWN = reading.table(AudienceMember), reading.table(Drawn)


@dataclass(frozen=True, slots=True)
class Row:
    """That a customer is in an audience since then."""

    since: datetime
    is_held_out: bool


class Audiences:
    """The audiences of a programme as far as some customers are in them."""

    def __init__(self, programme: Programme, rows: Iterable[tuple[Any, ...]] = ()) -> None:
        self.programme = programme
        self.rows = {(rule, customer): Row(reading.moment(since), bool(out)) for rule, customer, since, out in rows}

    @classmethod
    def of(cls, programme: Programme, customer_ids: Iterable[int]) -> "Audiences":
        """With every record of the persons who are asked about."""
        asked = (
            f"SELECT a.rule, m.customer_id, m.since, m.is_held_out FROM {MEMBER} m JOIN {DRAWN} a "
            f"ON a.id = m.audience_id WHERE a.programme_id = %s AND {within('m.customer_id')}"
        )
        rows = (reading.select(asked, [programme.pk, listed(some)]) for some in persons.asked(customer_ids))
        return cls(programme, (row for some in rows for row in some))

    def places(self, nodes: Sequence[int], rules: Iterable[Rule], at: datetime) -> Places:
        """Of one person, of whom these are all records: which of these rules are for them at a moment, and which leave
        them out by lot."""
        found: tuple[list[str], list[str]] = ([], [])
        for rule in rules:
            if rule.audience is None:
                continue
            held_out = self._is_held_out(sorted(nodes), rule.key, rule.audience, at)
            if held_out is not None:
                found[held_out].append(rule.key)
        return tuple(found[0]), tuple(found[1])

    def _is_held_out(self, nodes: Sequence[int], key: str, audience: Audience, at: datetime) -> bool | None:
        """None: they are not in it."""
        known = [self.rows[key, node] for node in nodes if (key, node) in self.rows]
        if audience.is_everybody:
            if known:
                return known[0].is_held_out
            return is_drawn_out(self.programme.pk, key, nodes[0], audience.held_out) if nodes else None
        return known[0].is_held_out if any(row.since <= at for row in known) else None


def begun(programme: Programme, *, at: datetime) -> dict[str, Rule]:
    """The campaigns that have begun, by key, be they over or not: a version of them counts and its first day has come.
    Each as the last such version says it."""
    today = local_day(at, programme.time_zone)
    return {
        rule.key: rule
        for version, rule in Rulebook.of(programme).read()
        if version.in_force_from <= at and (rule.starts_on is None or rule.starts_on <= today)
    }


def drawn_of(programme: Programme, key: str) -> Drawn | None:
    """The audience of a campaign, if it was ever drawn."""
    return Drawn.objects.filter(programme=programme, rule=key).first()


# -- drawing -----------------------------------------------------------------------------------------------------------


def belonging(programme: Programme, audience: Audience) -> Iterator[int]:
    """The persons (the oldest record of each) of members who belong to an audience now, by what scores and tiers say.
    Nobody belongs to a list by anything but having been put on it."""
    if audience.is_listed:
        return
    members = _members(programme)
    if audience.asks_scores:
        members = members.filter(head__in=_scored(audience).values("customer_id"))
    heads = members.order_by().values_list("head", flat=True).distinct()
    for some in persons.asked(heads):
        yield from _oldest(_in_tiers(programme, audience, some))


def if_drawn(
    programme: Programme, rules: Sequence[Rule], nodes_of: Mapping[int, Sequence[int]], *, at: datetime
) -> dict[int, Places]:
    """By person (under any key; with all their records) where they would be if the audiences of these rules were drawn
    now: what a rule is tried on before it counts."""
    asked = [rule for rule in rules if rule.audience is not None]
    if not asked:
        return dict.fromkeys(nodes_of, NOWHERE)
    known = Audiences.of(programme, {node for nodes in nodes_of.values() for node in nodes})
    frozen = begun(programme, at=at)
    known.rows = {place: row for place, row in known.rows.items() if place[0] in frozen}
    first = {nodes[0]: nodes for nodes in nodes_of.values() if nodes}
    head_of = persons.heads(first)
    for rule in asked:
        assert rule.audience is not None
        for person in () if rule.audience.is_everybody else _belonging(programme, rule.audience, head_of):
            if not any((rule.key, node) in known.rows for node in first[person]):
                out = is_drawn_out(programme.pk, rule.key, person, rule.audience.held_out)
                known.rows[rule.key, person] = Row(at, out)
    return {person: known.places(nodes, asked, EVER) for person, nodes in nodes_of.items()}


def _belonging(programme: Programme, audience: Audience, head_of: Mapping[int, int]) -> list[int]:
    """Which of these persons belong, members or not."""
    if audience.is_listed:
        return []
    found: set[int] = set()
    for some in persons.asked(head_of.values()):
        heads = some
        if audience.asks_scores:
            heads = tuple(_scored(audience).filter(customer_id__in=some).values_list("customer_id", flat=True))
        found.update(_in_tiers(programme, audience, heads))
    return [person for person, head in head_of.items() if head in found]


def _members(programme: Programme) -> QuerySet[Any, Any]:
    """Members who have not left, each with whoever stands for the person."""
    return Member.objects.filter(programme=programme, left_at=None).annotate(
        head=Coalesce("customer__person_id", "customer_id")
    )


def _scored(audience: Audience) -> QuerySet[Score]:
    """The scores that an audience asks for; they are kept under whoever stands for a person."""
    asked = {"segment__in": audience.segments, "abc__in": audience.classes, "stage__in": audience.stages}
    cells = ScoreCell.objects.filter(**{name: values for name, values in asked.items() if values})
    return Score.objects.filter(cell_id__in=list(cells.values_list("pk", flat=True)))


def _in_tiers(programme: Programme, audience: Audience, heads: Sequence[int]) -> list[int]:
    """Those of them who stand in a tier that the audience asks for, if it asks for any."""
    if not audience.tiers:
        return list(heads)
    here = _members(programme).filter(Q(customer_id__in=heads) | Q(customer__person_id__in=heads))
    people: dict[int, list[Member]] = {}
    for member in here.order_by("pk"):
        people.setdefault(member.head, []).append(member)
    tier_of = tiers_of(programme, people.values())
    return [head for head, mine in people.items() if tier_of.get(mine[0].pk) in audience.tiers]


def _oldest(heads: Iterable[int]) -> list[int]:
    """Of each person the oldest record."""
    wanted = list(heads)
    rows = Customer.objects.filter(person_id__in=wanted).order_by().values_list("person_id").annotate(first=Min("pk"))
    first = dict(rows)
    return [first.get(head, head) for head in wanted]


def heads_in(drawn: Drawn) -> QuerySet[AudienceMember, Any]:
    """Who stands for each person that is in an audience."""
    rows = AudienceMember.objects.filter(audience=drawn).annotate(head=Coalesce("customer__person_id", "customer_id"))
    return rows.values_list("head", flat=True)
