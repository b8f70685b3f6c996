"""Orders, as Segment's ecommerce specification writes them, into purchases in minor units."""

import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from querencia.common import money
from querencia.customers.intake.reasons import Refusal, what_is

COMPLETED = {"order completed", "completed order"}
REFUNDED = {"order refunded", "refunded order"}
CANCELLED = {"order cancelled", "order canceled", "cancelled order", "canceled order"}
ORDERS = COMPLETED | REFUNDED | CANCELLED
ORDER_LENGTH_MAX = 150
LINES_MAX = 1_000
QUANTITY_MAX = Decimal(10) ** 9
# What was paid comes before what was earned.
TOTALS = ("total", "revenue", "value")
NUMBER = re.compile(r"[-+]?\d{1,18}(\.\d{1,18})?")


@dataclass(frozen=True)
class Line:
    sku: str
    name: str
    category: str
    quantity: Decimal
    amount: int


@dataclass(frozen=True)
class Sale:
    order: str
    amount: int
    currency: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class GivenBack:
    """`amount` and lines are positive; None: all that is left of the order."""

    order: str
    key: str
    amount: int | None
    currency: str
    lines: tuple[Line, ...] = ()


def is_order(name: str) -> bool:
    return name.lower() in ORDERS


def order_of(name: str, given: dict[str, Any], *, message_id: str, currency: str) -> Sale | GivenBack:
    """What an order event says of money; `currency` is the business's. Raises Refusal."""
    order = _order_id(given)
    counted_in = _currency(given, currency)
    if name.lower() in CANCELLED:
        return GivenBack(order, f"{order}/cancelled", None, counted_in)
    lines = _lines(given, counted_in)
    total = next((_amount(given, field, counted_in) for field in TOTALS if given.get(field) is not None), None)
    if total is None and lines:
        total = sum(line.amount for line in lines)
        if not total and all(_has_no_price(each) for each in given["products"]):
            raise Refusal("no_amount")
    if name.lower() in REFUNDED:
        # All of an order is given back once, however often it is said; of a part only its message says which it is.
        part = hashlib.sha256(message_id.encode()).hexdigest()[:16]
        key = f"{order}/refund" if total is None else f"{order}/refund/{part}"
        return GivenBack(order, key, total, counted_in, lines)
    if total is None:
        raise Refusal("no_amount")
    return Sale(order, total, counted_in, lines)


def _order_id(given: dict[str, Any]) -> str:
    value = given.get("order_id", given.get("orderId"))
    if value is None or value == "":
        raise Refusal("no_order")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Refusal("wrong_type", field="order_id", what=what_is(value), wanted="text")
    written = str(value).strip()
    if not written:
        raise Refusal("no_order")
    if len(written) > ORDER_LENGTH_MAX:
        raise Refusal("too_long", field="order_id", limit=ORDER_LENGTH_MAX)
    return written


def _currency(given: dict[str, Any], business: str) -> str:
    value = given.get("currency")
    if value is None or value == "":
        if not business:
            raise Refusal("unknown_currency", value="")
        return business
    if not isinstance(value, str) or not money.is_currency(value.strip()):
        raise Refusal("unknown_currency", value=str(value))
    written = value.strip().upper()
    # Amounts of two currencies cannot be added, and every figure of this house adds them.
    if business and written != business:
        raise Refusal("other_currency", value=written, wanted=business)
    return written


def _number(value: Any, field: str) -> Decimal:
    """A number of JSON or a text that is nothing but a number: the shortest decimal that means it, never a float."""
    written = value.strip() if isinstance(value, str) else repr(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refusal("bad_amount", field=field, value=str(value))
    if isinstance(value, str) and not NUMBER.fullmatch(written):
        raise Refusal("bad_amount", field=field, value=value)
    try:
        return Decimal(written)
    except InvalidOperation:
        raise Refusal("bad_amount", field=field, value=written) from None


def _amount(given: dict[str, Any], field: str, currency: str) -> int:
    value = _number(given[field], field)
    try:
        minor = money.to_minor(value, currency)
    except ValueError:
        raise Refusal("bad_amount", field=field, value=str(value)) from None
    if minor < 0:
        raise Refusal("bad_amount", field=field, value=str(value))
    return minor


def _lines(given: dict[str, Any], currency: str) -> tuple[Line, ...]:
    products = given.get("products")
    if products is None:
        return ()
    if not isinstance(products, list):
        raise Refusal("wrong_type", field="products", what=what_is(products), wanted="list")
    if len(products) > LINES_MAX:
        raise Refusal("too_long", field="products", limit=LINES_MAX)
    return tuple(_line(each, currency) for each in products)


def _line(product: Any, currency: str) -> Line:
    if not isinstance(product, dict):
        raise Refusal("wrong_type", field="products", what=what_is(product), wanted="object")
    quantity = _number(product["quantity"], "quantity") if product.get("quantity") is not None else Decimal(1)
    price = Decimal(0) if _has_no_price(product) else _number(product["price"], "price")
    if not quantity.is_finite() or not 0 <= quantity <= QUANTITY_MAX:
        raise Refusal("bad_amount", field="quantity", value=str(quantity))
    try:
        amount = money.to_minor(price * quantity, currency)
    except (ValueError, InvalidOperation):
        raise Refusal("bad_amount", field="price", value=str(price)) from None
    return Line(
        sku=_text(product.get("sku") or product.get("product_id"), 80),
        name=_text(product.get("name"), 200),
        category=_text(product.get("category"), 120),
        quantity=quantity.quantize(Decimal("0.001")),
        amount=amount,
    )


def _has_no_price(product: Any) -> bool:
    return not isinstance(product, dict) or product.get("price") is None


def _text(value: Any, limit: int) -> str:
    return str(value).strip()[:limit] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
