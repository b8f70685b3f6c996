"""One person: who, how to reach, what was bought and what happened, of all records that are them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.db.models import Count, Max, Q, Sum

from querencia.customers import kinds
from querencia.customers.models import ContactPoint, Customer, Event, Identifier, Purchase, Score
from querencia.customers.queries import persons

MOMENTS = 30
ID_MAX = 2**63 - 1


@dataclass(frozen=True)
class Person:
    """Records that are one person, whoever stands for them first. What one of them does not say, the next one may."""

    records: tuple[Customer, ...]

    def __str__(self) -> str:
        return self.name

    @property
    def head(self) -> Customer:
        return self.records[0]

    @property
    def pk(self) -> int:
        return self.head.pk

    @property
    def key(self) -> str:
        return self.head.key

    @property
    def ids(self) -> list[int]:
        return [record.pk for record in self.records]

    @property
    def name(self) -> str:
        return next((record.name for record in self.records if record.is_named), self.head.name)

    @property
    def erased_at(self) -> datetime | None:
        return self.head.erased_at

    @property
    def is_to_be_erased(self) -> bool:
        """Whether this person was erased, or is about to be."""
        return any(record.erasure_id for record in self.records)

    @property
    def named(self) -> Customer:
        """The first of the records that has a name."""
        return next((record for record in self.records if record.is_named), self.head)

    @property
    def score(self) -> Score | None:
        return getattr(self.head, "score", None)

    @property
    def language(self) -> str:
        return str(self._said("language"))

    @property
    def time_zone(self) -> str:
        return str(self._said("time_zone"))

    @property
    def value_answers(self) -> dict[str, Any]:
        return self._said("value_answers") or {}

    @property
    def country(self) -> str:
        return str(self._said("country"))

    @property
    def city(self) -> str:
        return str(self._said("city"))

    @property
    def branch(self) -> str:
        return str(self._said("branch"))

    @property
    def birthday(self) -> date | None:
        return self._said("birthday") or None

    @property
    def is_invented(self) -> bool:
        return all(record.is_invented for record in self.records)

    @cached_property
    def contact_points(self) -> list[ContactPoint]:
        """Each address once. What was said or seen of it as one record's holds for it as the other's."""
        found: dict[tuple[str, str], ContactPoint] = {}
        for point in (point for record in self.records for point in record.contact_points.all()):
            known = found.setdefault((point.kind, point.value), point)
            known.bounced_at = known.bounced_at or point.bounced_at
            known.opted_out_at = known.opted_out_at or point.opted_out_at
        return list(found.values())

    @property
    def identifiers(self) -> list[Identifier]:
        return [each for record in self.records for each in record.identifiers.all()]

    def reachable(self, kind: str) -> str:
        """The first address of a kind that has neither bounced nor opted out; "" when there is none."""
        points = [p for p in self.contact_points if p.kind == kind and not p.bounced_at and not p.opted_out_at]
        return points[0].value if points else ""

    def _said(self, trait: str) -> Any:
        return next((said for record in self.records if (said := getattr(record, trait))), "")


@dataclass(frozen=True)
class Moment:
    """One entry of the timeline: a purchase or an event."""

    at: datetime
    purchase: Purchase | None = None
    event: Event | None = None

    @property
    def place(self) -> tuple[datetime, int, int]:
        return (self.at, 1 if self.purchase else 0, (self.purchase or self.event).pk)  # type: ignore[union-attr]

    @property
    def text(self) -> str:
        """What an event is called in the active language."""
        return kinds.text_of(self.event.kind) if self.event else ""

    @property
    def has_named_lines(self) -> bool:
        """Whether there is more to see in the lines than how many articles they are."""
        return any(line.name or line.sku for line in self.purchase.lines.all()) if self.purchase else False

    @property
    def articles(self) -> int:
        """How many articles were bought or given back; lines that do not say how many are one each."""
        lines = self.purchase.lines.all() if self.purchase else ()
        return round(sum(abs(line.quantity) if line.quantity is not None else 1 for line in lines))


def person(pk: int) -> Person | None:
    """The person that a customer is (part of), with score, contact points and identifiers at hand."""
    return people([pk]).get(pk) if pk <= ID_MAX else None


def people(ids: Iterable[int]) -> dict[int, Person]:
    """By customer the person that they are (part of). Those that there are not are left out."""
    together = persons.nodes(ids)
    everybody = {node for nodes in together.values() for node in nodes}
    found = (
        Customer.objects.select_related("score__cell")
        .prefetch_related("contact_points", "identifiers")
        .in_bulk(sorted(everybody))
    )
    made: dict[int, Person] = {}
    for pk, nodes in together.items():
        if pk in found:
            head = found[pk].person_id or pk
            made[pk] = Person(tuple(found[node] for node in sorted(nodes, key=lambda node: (node != head, node))))
    return made


@dataclass(frozen=True)
class Bought:
    """What records bought, all together."""

    purchases: int
    amount: int
    last_day: int | None


def bought(people: Iterable[Person]) -> dict[int, Bought]:
    """By person what all their records bought."""
    head_of = {node: who.pk for who in people for node in who.ids}
    found = dict.fromkeys(head_of.values(), Bought(0, 0, None))
    for some in persons.asked(head_of):
        rows = Purchase.objects.filter(customer__in=some).values_list("customer").order_by()
        for node, purchases, amount, last in rows.annotate(Count("pk"), Sum("amount"), Max("day")):
            known = found[head_of[node]]
            found[head_of[node]] = Bought(
                known.purchases + purchases, known.amount + amount, max(last, known.last_day or last)
            )
    return found


def months(ids: Sequence[int]) -> list[dict[str, Any]]:
    """Net amount by day number, oldest first: what the picture of purchases is made of."""
    days = Purchase.objects.filter(customer__in=ids).values("day").annotate(amount=Sum("amount")).order_by("day")
    return [{"day": row["day"], "amount": row["amount"]} for row in days]


def timeline(ids: Sequence[int], *, before: str = "", size: int = MOMENTS) -> tuple[list[Moment], str]:
    """Purchases and events of these customers, newest first, with the cursor that leads further back ("" at the
    beginning)."""
    purchases = Purchase.objects.filter(customer__in=ids).prefetch_related("lines").order_by("-at", "-pk")
    events = Event.objects.filter(customer__in=ids).order_by("-occurred_at", "-pk")
    if before:
        moment, kind, pk = before.split("~")
        at, last = datetime.fromisoformat(moment), int(pk[:18])
        if at.tzinfo is None:
            raise ValueError("a moment without a time zone is none of this timeline")
        # At the same moment purchases stand above events.
        purchases = purchases.filter(Q(at__lt=at) | (Q(at=at, pk__lt=last) if kind == "1" else Q(pk__isnull=True)))
        same = Q(occurred_at=at) if kind == "1" else Q(occurred_at=at, pk__lt=last)
        events = events.filter(Q(occurred_at__lt=at) | same)
    moments = [Moment(purchase.at, purchase=purchase) for purchase in purchases[: size + 1]]
    moments += [Moment(event.occurred_at, event=event) for event in events[: size + 1]]
    moments.sort(key=lambda moment: moment.place, reverse=True)
    if len(moments) <= size:
        return moments, ""
    last_one = moments[size - 1]
    return moments[:size], f"{last_one.at.isoformat()}~{last_one.place[1]}~{last_one.place[2]}"
