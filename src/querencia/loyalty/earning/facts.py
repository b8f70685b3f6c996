"""What rules are told of a purchase and of the member who made it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

GOODS, TAX, SHIPPING, DISCOUNT = "goods", "tax", "shipping", "discount"
# A condition is told of so many articles at most: its cost is bounded.
LISTED = 200
# The campaigns whose audience somebody is in, and those that leave them out by lot.
type Places = tuple[tuple[str, ...], tuple[str, ...]]
NOWHERE: Places = ((), ())


@dataclass(frozen=True, slots=True)
class Line:
    """One line, in minor units: goods, tax, shipping, or a discount (below zero)."""

    number: int
    amount: int
    kind: str = GOODS
    sku: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """A purchase: when it was where the business is, its lines (one for all, where there are none), and how much of it
    was paid with points, in minor units."""

    local: datetime
    lines: tuple[Line, ...]
    paid_with_points: int = 0
    channel: str = ""
    branch: str = ""

    @property
    def amount(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def day(self) -> date:
        return self.local.date()

    def with_amounts(self, amounts: Mapping[int, int], *, paid_with_points: int) -> "Facts":
        """The same order with other amounts by line: what is left of it."""
        lines = tuple(replace(line, amount=amounts.get(line.number, line.amount)) for line in self.lines)
        return replace(self, lines=lines, paid_with_points=paid_with_points)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was known of the member when the purchase was judged. Kept with the grant, so that a refund judges by it.
    ``campaigns``: those whose audience they are in, by their rules' keys; ``held_out``: those that leave them out by
    lot."""

    tier: str = ""
    tenure_days: int = 0
    is_birthday: bool = False
    is_birth_month: bool = False
    campaigns: Sequence[str] = ()
    held_out: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        day: date,
        *,
        joined_on: date,
        birthday: date | None,
        tier: str,
        places: Places = NOWHERE,
    ) -> "Snapshot":
        """Of a member on a day."""
        is_birth_month = birthday is not None and birthday.month == day.month
        is_birthday = is_birth_month and birthday is not None and birthday.day == day.day
        return cls(tier, (day - joined_on).days, is_birthday, is_birth_month, *places)

    def told(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "tier": self.tier,
            "tenure_days": self.tenure_days,
            "is_birthday": self.is_birthday,
            "is_birth_month": self.is_birth_month,
        }
        audiences = {"campaigns": list(self.campaigns), "held_out": list(self.held_out)}
        return said | {name: keys for name, keys in audiences.items() if keys}


def _listed(facts: Facts, name: str) -> tuple[str, ...]:
    goods = (getattr(line, name) for line in facts.lines if line.kind == GOODS)
    return tuple(dict.fromkeys(value for value in goods if value))[:LISTED]


# What a condition on a purchase may speak of, with an example of its type.
OF_PURCHASE: Mapping[str, tuple[Callable[[Facts, Snapshot], Any], Any]] = {
    "amount": (lambda facts, member: facts.amount, 1),
    "channel": (lambda facts, member: facts.channel, "web"),
    "branch": (lambda facts, member: facts.branch, "Centro"),
    "weekday": (lambda facts, member: facts.local.isoweekday(), 1),
    "hour": (lambda facts, member: facts.local.hour, 1),
    "day": (lambda facts, member: facts.local.day, 1),
    "month": (lambda facts, member: facts.local.month, 1),
    "skus": (lambda facts, member: _listed(facts, "sku"), ("a", "b")),
    "categories": (lambda facts, member: _listed(facts, "category"), ("a", "b")),
    "tier": (lambda facts, member: member.tier, "gold"),
    "tenure_days": (lambda facts, member: member.tenure_days, 1),
    "is_birthday": (lambda facts, member: member.is_birthday, True),
    "is_birth_month": (lambda facts, member: member.is_birth_month, True),
}
# And one on a line.
OF_LINE: Mapping[str, tuple[Callable[[Line], Any], Any]] = {
    "amount": (lambda line: line.amount, 1),
    "sku": (lambda line: line.sku, "a"),
    "category": (lambda line: line.category, "a"),
}
