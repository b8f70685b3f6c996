"""The page behind the link in a message: who holds the link decides, and looking changes nothing."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from querencia.business import actions
from querencia.customers.actions.consents import Said, record
from querencia.customers.actions.preferences import give_links
from querencia.customers.models import Consent, ContactPoint, Customer, OptOut, PreferenceLink
from querencia.customers.queries.consents import allowed
from tests.customers.cast import AT

pytestmark = pytest.mark.django_db

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def point() -> ContactPoint:
    """Ana, who reads Portuguese and agreed to everything by mail."""
    actions.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    actions.add_staff(email="first@example.org", password="una llave larga y propia", name="Ana", role="owner")
    ana = Customer.objects.create(key="k-ana-77", given_name="Ana", family_name="Souza", language="pt", created_at=AT)
    ContactPoint.objects.create(customer=ana, kind="phone", value="+34612345678")
    purposes = ("loyalty", "marketing", "research")
    record([Said(ana.pk, "email", purpose, "granted") for purpose in purposes], source="desk", at=AT)
    return ContactPoint.objects.create(customer=ana, kind="email", value="ana.souza@example.org")


@pytest.fixture
def link(point: ContactPoint) -> str:
    return f"/p/{give_links(point_ids=[point.pk], at=AT)[point.pk]}/"


@pytest.fixture
def stranger() -> Client:
    """A mail service or a browser that was never here: no cookie, and forms are proved as in life."""
    return Client(enforce_csrf_checks=True)


def may(point: ContactPoint, purpose: str = "marketing") -> bool:
    return allowed([point.customer_id], channel=point.kind, purpose=purpose)[point.customer_id].is_allowed


def test_one_click_unsubscribes_that_address_from_that_purpose(
    point: ContactPoint, link: str, stranger: Client
) -> None:
    twin = Customer.objects.create(key="twin", created_at=AT)
    same = ContactPoint.objects.create(customer=twin, kind="email", value=point.value)
    record([Said(twin.pk, "email", "marketing", "granted")], source="desk", at=AT)
    for _again in range(2):
        answer = stranger.post(f"{link}marketing/", ONE_CLICK)
        assert (answer.status_code, dict(answer.cookies)) == (200, {})
    assert (may(point), may(same), may(point, "loyalty")) == (False, False, True)
    assert OptOut.objects.count() == 1
    ContactPoint.objects.create(customer=point.customer, kind="email", value="other@example.org")
    assert may(point), "another address of theirs was not unsubscribed"


def test_looking_changes_nothing(point: ContactPoint, link: str, stranger: Client) -> None:
    stranger.get(link)  # the count of visits is made with the first
    for path in (link, f"{link}marketing/", f"{link}marketing/?List-Unsubscribe=One-Click"):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert stranger.get(path).status_code == stranger.head(path).status_code == 200
        written = [each["sql"] for each in asked if each["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
        assert [each for each in written if "querencia_cache" not in each] == []
    assert stranger.post(f"{link}marketing/", {}).status_code == 200
    assert may(point)


def test_the_page_speaks_the_customers_language_and_names_nobody(link: str, stranger: Client) -> None:
    answer = stranger.get(link, headers={"accept-language": "en"})
    page = answer.content.decode()
    assert 'lang="pt"' in page
    assert "a•••@e•••.org" in page
    for secret in ("Ana", "Souza", "ana.souza", "612345678", "k-ana-77"):
        assert secret not in page
    assert "<script" not in page
    assert answer["Referrer-Policy"] == "no-referrer"
    assert dict(answer.cookies) == {}


def test_what_is_chosen_on_the_page_counts_and_what_was_not_shown_stays(
    point: ContactPoint, link: str, stranger: Client
) -> None:
    stranger.post(f"{link}marketing/", ONE_CLICK)
    shown = ["email:service", "email:loyalty", "email:marketing", "phone:marketing"]
    answer = stranger.post(link, {"shown": shown, "wanted": ["email:service", "email:marketing", "phone:marketing"]})
    assert answer.status_code == 200
    assert [may(point, purpose) for purpose in ("service", "loyalty", "marketing", "research")] == [
        True,
        False,
        True,
        True,
    ]
    phone = ContactPoint.objects.get(kind="phone")
    assert may(phone)
    assert Consent.objects.get(channel="phone").evidence
    before = Consent.objects.count()
    stranger.post(link, {"shown": shown, "wanted": ["email:service", "email:marketing", "phone:marketing"]})
    assert Consent.objects.count() == before


def test_an_address_that_wanted_nothing_gets_only_what_it_chooses(
    point: ContactPoint, link: str, stranger: Client
) -> None:
    ContactPoint.objects.filter(pk=point.pk).update(opted_out_at=AT)
    shown = [f"email:{purpose}" for purpose in ("service", "loyalty", "marketing", "research")]
    stranger.post(link, {"shown": shown, "wanted": ["email:service"]})
    assert [may(point, name.split(":")[1]) for name in shown] == [True, False, False, False]


@pytest.mark.parametrize("token", ["x", "x" * 43, "%00" * 43, "é" * 43])
def test_a_link_that_nobody_has_is_answered_kindly(token: str, point: Any, stranger: Client) -> None:
    for answer in (stranger.get(f"/p/{token}/"), stranger.post(f"/p/{token}/marketing/", ONE_CLICK)):
        assert answer.status_code == 404
        assert "<h1>" in answer.content.decode()
    assert OptOut.objects.count() == 0


def test_an_unknown_purpose_is_no_page(link: str, stranger: Client) -> None:
    assert stranger.post(f"{link}gossip/", ONE_CLICK).status_code == 404


def test_whoever_asks_too_often_is_told_when_to_come_back(link: str, stranger: Client) -> None:
    answers = [stranger.get(link) for _ in range(31)]
    assert answers[0].status_code == 200
    assert (answers[-1].status_code, answers[-1]["Retry-After"]) == (429, "60")


def test_links_are_made_many_at_once_and_stay_the_same(point: ContactPoint) -> None:
    more = ContactPoint.objects.bulk_create(
        ContactPoint(customer=point.customer, kind="email", value=f"a{n}@example.org") for n in range(1_500)
    )
    ids = [point.pk, *(each.pk for each in more)]
    made = give_links(point_ids=ids, at=AT)
    assert len(set(made.values())) == len(ids) == PreferenceLink.objects.count()
    assert give_links(point_ids=ids, at=AT) == made


def test_the_page_says_what_counts_of_the_whole_person(point: ContactPoint, link: str, stranger: Client) -> None:
    twin = Customer.objects.create(key="twin", created_at=AT)
    ContactPoint.objects.create(customer=twin, kind="whatsapp", value="+34612345679")
    record([Said(twin.pk, "whatsapp", "marketing", "granted")], source="desk", at=AT)
    assert "whatsapp:" not in stranger.get(link).content.decode()
    Customer.objects.filter(pk__in=[twin.pk, point.customer_id]).update(person=point.customer_id)
    page = stranger.get(link).content.decode()
    assert 'name="wanted" value="whatsapp:marketing" checked' in page
