"""What tests of the programme are about: members, what they buy, and what they have."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from querencia.business.models import Staff
from querencia.business.queries import business
from querencia.customers.actions.purchases import NewLine, NewPurchase, record_purchases
from querencia.customers.models import Customer, Purchase
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries.balances import Balance

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
BASE = {"base": {"then": {"points": 1, "per": 100}}}
_numbers = count(1)


def programme(rules: dict[str, Any] | None = None, **policy: Any) -> Programme:
    found = business()
    assert found
    made = actions.create_programme(
        business=found, name="Club", at=AT - timedelta(days=400), starts_at=AT - timedelta(days=365), **policy
    )
    actions.publish_rules(programme=made, documents=BASE if rules is None else rules, at=AT - timedelta(days=400))
    return made


def change(programme: Programme, **policy: Any) -> Programme:
    for name, value in policy.items():
        setattr(programme, name, value)
    programme.save(update_fields=list(policy))
    return programme


def customer(name: str = "ana", **more: Any) -> Customer:
    return Customer.objects.create(key=f"{name}-{next(_numbers)}", created_at=AT, **more)


def member(programme: Programme, name: str = "ana", **more: Any) -> Member:
    who = customer(name, **more)
    [found] = actions.enrol(programme=programme, members=[actions.NewMember(who.pk)], at=AT - timedelta(days=300))
    return found


def buys(
    who: Member | Customer,
    amount: int,
    *,
    at: datetime = AT,
    lines: Sequence[NewLine] = (),
    refund_of: str = "",
    **more: Any,
) -> Purchase:
    """A purchase written down; with ``refund_of`` one that gives back."""
    key = f"p{next(_numbers)}"
    new = NewPurchase(
        key=key,
        source="till",
        customer_id=who.customer_id if isinstance(who, Member) else who.pk,
        at=at,
        amount=amount,
        currency="EUR",
        lines=lines,
        refund_of=refund_of,
        **more,
    )
    record_purchases([new], zone="Europe/Madrid", at=at)
    return Purchase.objects.get(key=key)


def of(who: Member) -> Programme:
    """The programme as it is now."""
    return Programme.objects.get(pk=who.programme_id)


def earns(who: Member, amount: int, *, at: datetime = AT, **more: Any) -> Purchase:
    """A purchase that was judged."""
    bought = buys(who, amount, at=at, **more)
    [done] = actions.earn(programme=of(who), purchases=[bought.pk], at=at)
    assert done.result == "created", done
    return bought


def gives_back(who: Member, purchase: Purchase, amount: int, *, at: datetime = AT, **more: Any) -> int:
    """Points taken back for a refund of so much."""
    back = buys(who, -amount, at=at, refund_of=purchase.key, **more)
    [done] = actions.refund(programme=of(who), refunds=[back.pk], at=at)
    return done.points


def has(who: Member, *, at: datetime = AT) -> Balance:
    return queries.balances([who.pk], at=at)[who.pk]


def spends(who: Member, points: int, key: str, *, at: datetime = AT) -> None:
    [held] = actions.hold(programme=of(who), holds=[actions.NewHold(who.pk, key, points)], at=at)
    assert held.result == "created", held
    [spent] = actions.capture(programme=of(who), captures=[actions.Capture(key)], at=at)
    assert spent.result == "created", spent


def staff(name: str) -> Staff:
    return Staff.objects.create(email=f"{name}@example.com", name=name)


def is_right(programme: Programme) -> bool:
    """The books agree with themselves, to the point."""
    found = list(queries.check(programme))
    assert not found, found
    return True
