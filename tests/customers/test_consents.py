"""Consent in one place: who may be reached where for what, and why not."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from querencia.customers.actions.consents import Said, record
from querencia.customers.models import Consent, ContactPoint, Customer, Event, OptOut
from querencia.customers.queries.consents import allowed, history

pytestmark = pytest.mark.django_db

AT = datetime(2026, 5, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def somebody(key: str = "ana", *addresses: str) -> Customer:
    who = Customer.objects.create(key=key, created_at=AT)
    for value in addresses:
        ContactPoint.objects.create(customer=who, kind="email", value=value)
    return who


def says(who: Customer, status: str, at: datetime = AT, source: str = "desk", **how: str) -> int:
    return record([Said(who.pk, "email", "marketing", status, **how)], source=source, at=at)


def why(who: Customer, purpose: str = "marketing") -> str:
    return allowed([who.pk], channel="email", purpose=purpose)[who.pk].why


def test_marketing_needs_a_consent_and_service_only_the_absence_of_a_refusal() -> None:
    ana = somebody("ana", "ana@example.org")
    assert [why(ana, purpose) for purpose in ("marketing", "loyalty", "research", "service")] == ["never_asked"] * 3 + [
        ""
    ]
    says(ana, "granted")
    record([Said(ana.pk, "email", "service", "denied")], source="desk", at=AT)
    assert (why(ana), why(ana, "service")) == ("", "denied")


def test_the_latest_answer_counts_and_of_two_at_one_moment_the_stricter() -> None:
    ana = somebody("ana", "ana@example.org")
    says(ana, "withdrawn", AT)
    says(ana, "granted", AT + DAY)
    assert why(ana) == ""
    says(ana, "denied", AT + DAY, source="shop")
    assert why(ana) == "denied"
    says(ana, "granted", AT + DAY, source="app")
    assert why(ana) == "denied"


def test_a_refusal_in_the_same_breath_as_a_consent_is_not_lost() -> None:
    ana, bruno = somebody("ana", "ana@example.org"), somebody("bruno", "bruno@example.org")
    both = [Said(ana.pk, "email", "marketing", status) for status in ("denied", "granted")]
    assert record(both, source="shop", at=AT) == 1
    says(bruno, "granted")
    for _again in range(2):
        says(bruno, "withdrawn")
    assert (why(ana), why(bruno), bruno.consents.count()) == ("denied", "withdrawn", 2)


def test_what_is_said_again_changes_nothing() -> None:
    ana = somebody("ana", "ana@example.org")
    assert [says(ana, "granted", AT + n * DAY, evidence="letter") for n in range(3)] == [1, 0, 0]
    assert says(ana, "granted", AT + DAY, evidence="another letter") == 1
    assert Event.objects.filter(kind="consent.changed").count() == 2
    assert [row.evidence for row in history([ana.pk])] == ["another letter", "letter"]


def test_an_address_that_opted_out_or_bounces_is_not_used_and_another_one_is() -> None:
    ana = somebody("ana")
    says(ana, "granted", basis="legitimate_interest")
    assert why(ana) == "no_address"
    gone = ContactPoint.objects.create(customer=ana, kind="email", value="old@example.org", bounced_at=AT)
    assert why(ana) == "bounced"
    ContactPoint.objects.create(customer=ana, kind="email", value="ana@example.org")
    found = allowed([ana.pk], channel="email", purpose="marketing")[ana.pk]
    assert (found.is_allowed, found.address, found.basis) == (True, "ana@example.org", "legitimate_interest")
    OptOut.objects.create(kind="email", value="ana@example.org", purpose="marketing", source="link", at=AT)
    assert why(ana) == "opted_out"
    assert why(ana, "service") == ""
    gone.delete()
    ContactPoint.objects.filter(customer=ana).update(opted_out_at=AT)
    assert why(ana, "service") == "opted_out"


def test_an_opt_out_stays_with_the_address_whoever_has_it() -> None:
    twice = [somebody("ana", "ana@example.org"), somebody("ana again", "ana@example.org")]
    OptOut.objects.create(kind="email", value="ana@example.org", purpose="marketing", source="link", at=AT)
    for who in twice:
        says(who, "granted")
    assert [why(who) for who in twice] == ["opted_out"] * 2


def test_thousands_are_asked_about_in_a_handful_of_questions() -> None:
    people = Customer.objects.bulk_create(Customer(key=f"k{n}", created_at=AT) for n in range(3_000))
    ContactPoint.objects.bulk_create(
        ContactPoint(customer=who, kind="email", value=f"{who.key}@example.org") for who in people
    )
    record([Said(who.pk, "email", "marketing", "granted") for who in people], source="desk", at=AT)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        found = allowed([who.pk for who in people], channel="email", purpose="marketing")
    assert all(one.is_allowed for one in found.values())
    assert len(asked) <= 5
    assert Consent.objects.count() == 3_000
