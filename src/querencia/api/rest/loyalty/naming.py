"""Which programme and which member is meant, and what is answered of points that moved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.utils.translation import gettext_noop as _
from pydantic import ConfigDict, model_validator

from querencia.api.rest.fields import CustomerGiven, Given, Id, Outcome, Outcomes, reference, rejected, text
from querencia.api.rest.problems import Fault, Problem, found_or_not
from querencia.customers.actions.profiles import find
from querencia.loyalty import queries
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries import naming

TAG = _("Loyalty")
WHICH = Fault("There are several programmes: say which.", "which_programme", "/programme_id")
NO_PROGRAMME = Fault("There is no such programme.", "unknown_programme", "/programme_id")
# Asked for in the address of a list.
NO_LIST_OF = Fault("There is no such programme.", "unknown_programme", parameter="programme_id")
NO_MEMBER = Fault("Nobody here is a member of that programme.", "no_member", "/member")


class OfProgramme(Given):
    programme_id: Id | None = None
    """Needed where there are several programmes."""


class MemberGiven(Given):
    """A member: by our id, by card number, or by the customer that they are."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["id"]}, {"required": ["card_number"]}, {"required": ["customer"]}]}
    )
    id: Id | None = None
    card_number: text(40, 1) | None = None  # type: ignore[valid-type]
    customer: CustomerGiven | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "MemberGiven":
        if sum(each is not None for each in (self.id, self.card_number, self.customer)) != 1:
            raise ValueError("name the member by id, by card_number or by customer")
        return self


class PointsOutcome(Outcome):
    """What became of one item; `id` is the member's."""

    points: int = 0
    """How many points moved, now or when it was asked for first."""
    available: int | None = None
    """What the member can spend after all of this request."""


class PointsOutcomes(Outcomes):
    """What became of each item, in the order in which they were sent."""

    results: list[PointsOutcome]  # type: ignore[assignment]


class AskedOfProgramme(Protocol):
    @property
    def programme_id(self) -> int | None: ...


class Programmes:
    """The programmes that there are, asked for once a request."""

    def __init__(self, at: datetime) -> None:
        self.known = {each.pk: each for each in queries.programmes()}
        running = [each for each in self.known.values() if _runs(each, at)]
        alone = running or list(self.known.values())
        self.alone = alone[0] if len(alone) == 1 else None

    def of(self, programme_id: int | None) -> Programme | Fault:
        """The one that is meant: where none is named, the only one that runs, or that there is."""
        if programme_id is not None:
            return self.known.get(programme_id, NO_PROGRAMME)
        return self.alone or (WHICH if self.known else NO_PROGRAMME)

    def one(self, programme_id: int | None) -> Programme:
        """The same; raises Problem."""
        found = self.of(programme_id)
        if isinstance(found, Fault):
            raise Problem("invalid", found.detail, [found])
        return found


def _runs(programme: Programme, at: datetime) -> bool:
    starts, ends = programme.starts_at, programme.ends_at
    return starts is not None and starts <= at and (ends is None or at < ends)


def the_member(member_id: int) -> Member:
    """Whoever has this id; raises Problem."""
    return found_or_not(naming.by_id([member_id]).get(member_id), "There is no such member.")


def members(programme: Programme, given: Sequence[MemberGiven]) -> list[int]:
    """The member whom each names; 0 where there is none. Nobody is created for it."""
    known = naming.by_id(each.id for each in given if each.id is not None)
    cards = naming.by_card(programme, (each.card_number for each in given if each.card_number))
    named = [reference(each.customer) for each in given if each.customer]
    customers = find(named) if named else []
    mine = naming.by_customer(programme, {pk for pk in customers if pk})
    owners = iter(customers)
    found = []
    for each in given:
        row = known.get(each.id) if each.id is not None else None
        if each.card_number:
            row = cards.get(each.card_number)
        if each.customer:
            row = mine.get(next(owners))
        found.append(row.pk if row is not None and row.programme_id == programme.pk else 0)
    return found


# -- what became of it -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Became:
    """What became of an item: its member, how many points, or the fault why nothing did."""

    result: str
    member_id: int = 0
    points: int = 0
    fault: Fault | None = None
    # What an outcome of its kind says besides.
    more: dict[str, Any] = field(default_factory=dict)


def refused(fault: Fault) -> Became:
    return Became(result="rejected", fault=fault)


def became(done: Any, member_id: int, faults: dict[str, Fault]) -> Became:
    """Of something done with ``result`` and ``points``: any result but these says why nothing was."""
    if done.result in ("created", "unchanged"):
        return Became(result=done.result, member_id=member_id, points=done.points)
    return Became(result="rejected", member_id=member_id, fault=faults[done.result])


def by_programme[Item: AskedOfProgramme](
    items: Sequence[Item],
    at: datetime,
    work: Callable[[Programme, Sequence[Item]], list[Became]],
    told: type[PointsOutcome] = PointsOutcome,
) -> list[Outcome]:
    """Do the work for the items of each programme together; what became of each, in order, and what is left."""
    programmes = Programmes(at)
    meant = [programmes.of(each.programme_id) for each in items]
    found: dict[int, Became] = {}
    for pk in dict.fromkeys(each.pk for each in meant if isinstance(each, Programme)):
        places = [n for n, each in enumerate(meant) if isinstance(each, Programme) and each.pk == pk]
        done = work(programmes.known[pk], [items[n] for n in places])
        found |= dict(zip(places, done, strict=True))
    for n, each in enumerate(meant):
        if isinstance(each, Fault):
            found[n] = refused(each)
    return _told([found[n] for n in range(len(items))], at, told)


def _told(found: Sequence[Became], at: datetime, told: type[PointsOutcome]) -> list[Outcome]:
    left = queries.spendable({each.member_id for each in found if each.member_id}, at=at)
    outcomes: list[Outcome] = []
    for each in found:
        has = left.get(each.member_id)
        said: dict[str, Any] = {"result": each.result, "points": each.points, **each.more}
        if has:
            said |= {"id": each.member_id, "customer_id": has.customer_id, "available": has.available}
        outcomes.append(told(**said, errors=rejected(each.fault).errors if each.fault else []))
    return outcomes
