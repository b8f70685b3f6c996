# ruff: noqa: S608  (the statements are put together from names of our own)
"""Purchases, as rules are told of them: which lines are goods, what was paid with points, what refunds left."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from querencia.common.database import listed, within
from querencia.customers.models import Customer, Purchase, PurchaseLine
from querencia.customers.queries import persons
from querencia.loyalty.allocation import spread
from querencia.loyalty.earning import DISCOUNT, GOODS, SHIPPING, TAX, Facts, Line
from querencia.loyalty.ledger import reading

# What tills call a line that is no goods.
KINDS = {
    **dict.fromkeys(("tax", "taxes", "vat", "iva", "impuesto", "impuestos", "imposto", "impostos"), TAX),
    **dict.fromkeys(("shipping", "delivery", "postage", "envío", "envio", "frete", "portes"), SHIPPING),
    **dict.fromkeys(("discount", "discounts", "coupon", "descuento", "cupón", "desconto", "cupom"), DISCOUNT),
}
POINTS = frozenset({"points", "loyalty", "puntos", "pontos"})
FIELDS = (
    *("id", "customer_id", "at", "amount", "currency", "channel", "branch", "tenders", "refund_of", "key", "source"),
)
OF_LINE = ("number", "amount", "sku", "category", "name", "quantity")


@dataclass(slots=True)
class Bought:
    """A purchase, or with `refund_of` what was given back (below zero), with its lines."""

    pk: int
    customer_id: int
    at: datetime
    amount: int
    currency: str
    channel: str
    branch: str
    tenders: list[dict[str, Any]] | None
    refund_of: str
    key: str
    source: str
    birthday: date | None
    lines: list[Line] = field(default_factory=list)

    @property
    def is_refund(self) -> bool:
        return bool(self.refund_of) or self.amount < 0

    @property
    def paid_with_points(self) -> int:
        """In minor units; of a refund what came back as points, as a positive amount."""
        paid = 0
        for tender in self.tenders or ():
            kind = str(tender.get("type", tender.get("kind", ""))).strip().lower()
            amount = tender.get("amount")
            if kind in POINTS and isinstance(amount, int) and not isinstance(amount, bool):
                paid += abs(amount)
        return min(paid, abs(self.amount))

    def facts(self, zone: ZoneInfo) -> Facts:
        lines = tuple(self.lines) or (Line(0, self.amount),)
        return Facts(self.at.astimezone(zone), lines, self.paid_with_points, self.channel, self.branch)


def load(ids: Iterable[int]) -> dict[int, Bought]:
    """Purchases and refunds by id, with their lines."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    asked = (
        f"SELECT {', '.join(f'p.{name}' for name in FIELDS)}, c.birthday, {', '.join(f'l.{name}' for name in OF_LINE)} "
        f"FROM {reading.table(Purchase)} p JOIN {reading.table(Customer)} c ON c.id = p.customer_id "
        f"LEFT JOIN {reading.table(PurchaseLine)} l ON l.purchase_id = p.id WHERE {within('p.id')} "
        "ORDER BY p.id, l.number"
    )
    found: dict[int, Bought] = {}
    for row in reading.select(asked, [listed(wanted)]):
        bought = found.get(row[0])
        if bought is None:
            bought = found[row[0]] = _bought(row)
        number, amount, sku, category, name, quantity = row[len(FIELDS) + 1 :]
        if number is not None:
            is_rest = not sku and not category and quantity is None and name in rests()
            kind = _kind(category, amount, is_rest=is_rest) if is_rest or category else GOODS
            bought.lines.append(Line(number, amount, kind, sku, category))
    return found


def _bought(row: Sequence[Any]) -> Bought:
    said = dict(zip((*FIELDS, "birthday"), row, strict=False))
    said["at"] = reading.moment(said["at"])
    if said["tenders"] is not None:
        said["tenders"] = reading.document(said["tenders"])
    if isinstance(said["birthday"], str):
        said["birthday"] = date.fromisoformat(said["birthday"])
    return Bought(said.pop("id"), **said)


def _kind(category: str, amount: int, *, is_rest: bool) -> str:
    if is_rest:
        return DISCOUNT if amount < 0 else SHIPPING
    return kind_of(category) if category else GOODS


@cache
def rests() -> frozenset[str]:
    """How the intake of orders calls what articles do not make up, in every language of the house."""
    said = set()
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            said.add(_("Shipping, taxes and discounts"))
    return frozenset(said)


def kind_of(category: str) -> str:
    """What a line is, by what it is called."""
    return KINDS.get(category.strip().lower(), GOODS)


# -- refunds -----------------------------------------------------------------------------------------------------------


def originals(refunds: Sequence[Bought]) -> dict[int, Bought]:
    """By refund the purchase that it gives back, where that is known."""
    wanted = sorted({each.refund_of for each in refunds if each.refund_of})
    asked = f"SELECT id, key, source FROM {reading.table(Purchase)} WHERE {within('key', 'text')} AND refund_of = ''"
    by_place = {(key, source): pk for pk, key, source in reading.select(asked, [listed(wanted)])} if wanted else {}
    ids = {
        each.pk: by_place[each.refund_of, each.source] for each in refunds if (each.refund_of, each.source) in by_place
    }
    bought = load(ids.values())
    return {refund: bought[pk] for refund, pk in ids.items()}


def given_back(purchases: Iterable[Bought], everybody: Collection[int] = ()) -> dict[int, list[Bought]]:
    """By purchase all that was given back of it so far. Refunds are their customer's, or one's who is the same person
    (``everybody``, where it is known who they are): so they are found by whom they are of."""
    of = {(each.key, each.source): each for each in purchases}
    if not of:
        return {}
    everybody = everybody or persons.together({each.customer_id for each in of.values()})
    asked = (
        f"SELECT id, refund_of, source FROM {reading.table(Purchase)} WHERE {within('customer_id')} AND refund_of > ''"
    )
    rows = reading.select(asked, [listed(everybody)])
    ids = {pk: of[key, source].pk for pk, key, source in rows if (key, source) in of}
    found: dict[int, list[Bought]] = {}
    for pk, refund in load(ids).items():
        found.setdefault(ids[pk], []).append(refund)
    return found


def net(bought: Bought, refunds: Sequence[Bought], zone: ZoneInfo) -> Facts:
    """What is left of an order. It depends on the sums of what was given back alone: by article, and without one."""
    facts = bought.facts(zone)
    by_sku: dict[str, int] = {}
    rest = 0
    for refund in refunds:
        for line in refund.lines or (Line(0, refund.amount),):
            if line.sku:
                by_sku[line.sku] = by_sku.get(line.sku, 0) - line.amount
            else:
                rest -= line.amount
    left: dict[int, int] = {}
    for line in facts.lines:
        back = min(max(0, line.amount), max(0, by_sku.get(line.sku, 0))) if line.sku else 0
        if back:
            by_sku[line.sku] -= back
        left[line.number] = line.amount - back
    rest += sum(by_sku.values())
    numbers = list(left)
    weights = [max(0, left[number]) for number in numbers]
    for number, less in zip(numbers, spread(max(0, min(rest, sum(weights))), weights), strict=True):
        left[number] -= less
    returned = sum(refund.paid_with_points for refund in refunds)
    paid = max(0, min(facts.paid_with_points - returned, sum(left.values())))
    return facts.with_amounts(left, paid_with_points=paid)
