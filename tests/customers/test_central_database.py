"""What the database itself refuses, whoever writes to it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from querencia.business.models import Business, Staff
from querencia.common import money
from querencia.customers.models import (
    Consent,
    ContactPoint,
    Customer,
    Event,
    Identifier,
    Purchase,
    PurchaseLine,
)

AT = datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
FACTS: list[type[models.Model]] = [Purchase, PurchaseLine, Event, Consent]

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> Customer:
    ana = customer()
    purchase(ana)
    purchase_line(ana)
    event(ana)
    consent(ana)
    identifier(ana)
    contact_point(ana)
    Staff.objects.create(email="ana@example.org")
    Business.objects.create(pk=1, name="Shop", currency="EUR")
    return ana


def customer(_of: Customer | None = None, **given: Any) -> Customer:
    return Customer.objects.create(**{"key": "c1", "created_at": AT, **given})


def identifier(of: Customer, **given: Any) -> Identifier:
    return Identifier.objects.create(**{"kind": "card", "value": "4000", "customer": of, **given})


def contact_point(of: Customer, **given: Any) -> ContactPoint:
    return ContactPoint.objects.create(**{"kind": "email", "value": "ana@example.org", "customer": of, **given})


def consent(of: Customer, **given: Any) -> Consent:
    usual = {"channel": "email", "purpose": "marketing", "status": "granted", "source": "form", "at": AT}
    return Consent.objects.create(**{"customer": of, **usual, **given})


def purchase(of: Customer, **given: Any) -> Purchase:
    usual = {"source": "till", "key": "T-1", "at": AT, "day": 20574, "amount": 1250, "currency": "EUR"}
    return Purchase.objects.create(**{"customer": of, "recorded_at": AT, **usual, **given})


def purchase_line(of: Customer, **given: Any) -> PurchaseLine:
    usual = {"purchase": of.purchases.first(), "number": 1, "amount": 1250}
    return PurchaseLine.objects.create(**{**usual, **given})


def event(of: Customer, **given: Any) -> Event:
    usual = {"kind": "letter.posted", "occurred_at": AT, "recorded_at": AT, "source": "desk", "key": "e1"}
    return Event.objects.create(**{"customer": of, **usual, **given})


def staff(_of: Customer, **given: Any) -> Staff:
    return Staff.objects.create(**{"email": "bruno@example.org", **given})


def business(_of: Customer, **given: Any) -> Business:
    return Business.objects.create(**{"pk": 1, "name": "Shop", "currency": "EUR", **given})


NEW = {
    purchase: {"key": "T-2"},
    purchase_line: {"number": 2},
    event: {"key": "e2"},
    consent: {"source": "desk"},
    identifier: {"value": "4001"},
    contact_point: {"value": "other@example.org"},
    customer: {"key": "c2"},
    staff: {},
}

REFUSED: list[tuple[str, Callable[..., Any], dict[str, Any]]] = [
    ("customers_customer.key", customer, {"key": "c1"}),
    ("customer_key_not_empty", customer, {"key": ""}),
    ("customer_country_iso", customer, {"country": "es"}),
    ("identifier_points_at_one", identifier, {"value": "4000"}),
    ("identifier_not_empty", identifier, {"value": ""}),
    ("identifier_not_empty", identifier, {"kind": ""}),
    ("contact_point_once", contact_point, {"value": "ana@example.org"}),
    ("contact_point_not_empty", contact_point, {"value": ""}),
    ("contact_point_kind_known", contact_point, {"kind": "fax"}),
    ("consent_recorded_once", consent, {"source": "form"}),
    ("consent_status_known", consent, {"status": "maybe"}),
    ("consent_terms_known", consent, {"channel": "fax"}),
    ("consent_terms_known", consent, {"purpose": "anything"}),
    ("consent_terms_known", consent, {"basis": "because"}),
    ("purchase_key_once_per_source", purchase, {"key": "T-1"}),
    ("purchase_key_not_empty", purchase, {"key": ""}),
    ("purchase_source_not_empty", purchase, {"source": ""}),
    ("purchase_currency_iso", purchase, {"currency": "eur"}),
    ("purchase_currency_iso", purchase, {"currency": "E"}),
    ("purchase_refund_not_positive", purchase, {"refund_of": "T-1", "amount": 1}),
    ("purchase_amount_in_range", purchase, {"amount": money.MINOR_MAX + 1}),
    ("purchase_amount_in_range", purchase, {"amount": -money.MINOR_MAX - 1}),
    ("purchase_amount_in_range", purchase, {"cost": money.MINOR_MAX + 1}),
    ("purchase_line_once", purchase_line, {"number": 1}),
    ("number", purchase_line, {"number": -1}),
    ("purchase_line_amount_in_range", purchase_line, {"amount": money.MINOR_MAX + 1}),
    ("event_key_once_per_source", event, {"key": "e1"}),
    ("event_named", event, {"key": ""}),
    ("event_named", event, {"kind": ""}),
    ("event_named", event, {"source": ""}),
    ("business_staff.email", staff, {"email": "ana@example.org"}),
    ("staff_email_once", staff, {"email": "Ana@Example.org"}),
    ("staff_role_known", staff, {"role": "king"}),
    ("business_is_one", business, {"pk": 2}),
    ("business_currency_iso", business, {"currency": "euro"}),
    ("business_country_iso", business, {"country": "spain"}),
]


@pytest.mark.parametrize(("rule", "make", "given"), REFUSED)
def test_the_database_refuses(ana: Customer, rule: str, make: Callable[..., Any], given: dict[str, Any]) -> None:
    if make is business:
        Business.objects.all().delete()
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        make(ana, **{**NEW.get(make, {}), **given})
    said = str(refused.value)
    # SQLite names the columns of an index that is not unique, PostgreSQL the index; a text too long it calls so.
    assert rule in said or rule.replace(".", "_") in said or "UNIQUE constraint failed" in said or "too long" in said


@pytest.mark.parametrize("make", NEW)
def test_the_same_row_without_its_fault_is_taken(ana: Customer, make: Callable[..., Any]) -> None:
    assert make(ana, **NEW[make]).pk


@pytest.mark.parametrize("field", ["purchases", "events"])
def test_a_customer_with_facts_is_not_deleted(ana: Customer, field: str) -> None:
    with pytest.raises(models.ProtectedError):
        ana.delete()
    assert getattr(ana, field).exists()


@pytest.mark.parametrize("fact", FACTS)
def test_facts_are_never_changed(ana: Customer, fact: type[models.Model]) -> None:
    kept = fact._default_manager.values().get()
    for field in fact._meta.concrete_fields:
        if (fact, field.name) == (Event, "properties"):
            continue
        with pytest.raises(IntegrityError, match="holds facts"), transaction.atomic():
            fact._default_manager.update(**{field.attname: kept[field.attname]})
    assert fact._default_manager.values().get() == kept


def test_free_text_of_an_event_can_be_erased(ana: Customer) -> None:
    Event.objects.update(properties={})
    assert Event.objects.get().properties == {}


def test_money_is_kept_to_the_minor_unit_and_moments_to_the_instant(ana: Customer) -> None:
    largest = purchase(ana, key="T-2", amount=-money.MINOR_MAX, cost=money.MINOR_MAX, currency="JPY")
    largest.refresh_from_db()
    assert (largest.amount, largest.cost, largest.at) == (-money.MINOR_MAX, money.MINOR_MAX, AT)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_tables_can_be_taken_back_and_made_anew() -> None:
    try:
        call_command("migrate", "customers", "0004", verbosity=0, interactive=False)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM customers_purchase")
    finally:
        call_command("migrate", verbosity=0, interactive=False)
    purchase(customer(), key="again")
    with pytest.raises(IntegrityError, match="holds facts"):
        Purchase.objects.update(amount=1)


def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
