"""The back office: who may enter, what can be changed there, and that facts cannot."""

from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from querencia.business import actions
from querencia.business.models import Business, Role, Staff
from querencia.customers import people
from querencia.customers.models import (
    Consent,
    ContactPoint,
    Customer,
    Event,
    Identifier,
    Import,
    Purchase,
    PurchaseLine,
)
from querencia.customers.queries import search
from querencia.measures.models import Measure, Run

AT = datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
PASSWORD = "una llave larga y propia"
FACTS = ("customers_purchase", "customers_event", "customers_import", "measures_run", "measures_measure")
LOYALTY = tuple(
    f"loyalty_{name}" for name in ("programme", "ruleversion", "tierscheme", "partner", "member", "entry", "close")
)
LISTS = (*FACTS, *LOYALTY, "customers_customer", "business_business", "business_staff", "admin_logentry")
NOT_TYPED = {"csrfmiddlewaretoken", "lines-0-id", "lines-0-purchase"} | {
    f"lines-{each}_FORMS" for each in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")
}
OWNERS_ONLY = ("business_business", "business_staff", "admin_logentry")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    actions.set_business(name="Ferretería Ana", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")


@pytest.fixture
def ana() -> Customer:
    ana = Customer(key="c1", given_name="Ana", family_name="Ibáñez")
    people.keep(customer=ana, at=AT)
    Event.objects.all().delete()  # that she was written down by hand
    bought = Purchase.objects.create(
        source="till", key="T-1", customer=ana, at=AT, day=20574, amount=123456, currency="EUR", recorded_at=AT
    )
    PurchaseLine.objects.create(purchase=bought, number=1, name="Taza", amount=123456)
    Event.objects.create(kind="letter.posted", customer=ana, occurred_at=AT, recorded_at=AT, source="desk", key="e1")
    Consent.objects.create(customer=ana, channel="email", purpose="marketing", status="granted", source="form", at=AT)
    return ana


@pytest.fixture
def kept(ana: Customer) -> dict[str, Any]:
    """One row of everything that can only be looked at, by the name of its list."""
    measured: dict[str, Any] = dict.fromkeys(("active", "new", "returned", "late", "defections"), 1)
    return {
        "customers_purchase": Purchase.objects.get(),
        "customers_event": Event.objects.get(),
        "customers_import": Import.objects.create(kind="purchases", file_name="ventas.csv", created_at=AT),
        "measures_run": Run.objects.create(trigger="command", as_of=date(2026, 4, 30), created_at=AT),
        "measures_measure": Measure.objects.create(
            day=date(2026, 4, 30), customers=1, defections_value=0, revenue=1, revenue_year=1, **measured
        ),
    }


def somebody(role: str) -> Client:
    staff = actions.add_staff(email=f"{role}@example.org", password=PASSWORD, name=role.title(), role=role)
    client = Client()
    client.force_login(staff, "allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def owner() -> Client:
    return somebody(Role.OWNER)


class Fields(HTMLParser):
    """What a browser would send back from the form of a page, unchanged."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._open: str | None = None
        self._select: str | None = None
        self._in_form = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "form":
            self._in_form = (given.get("id") or "").endswith("_form")
        if not self._in_form or "disabled" in given or "__prefix__" in name:
            return
        if tag == "input" and name and given.get("type") not in ("submit", "button", "file"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.sent[name] = value or ("on" if given.get("type") == "checkbox" else "")
        elif tag == "textarea":
            self._open, self.sent[name] = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.sent):
            self.sent[self._select] = value

    def handle_endtag(self, tag: str) -> None:
        self._in_form = self._in_form and tag != "form"
        self._open = None if tag == "textarea" else self._open
        self._select = None if tag == "select" else self._select

    def handle_data(self, data: str) -> None:
        if self._open:
            self.sent[self._open] += data


def form_of(page: Any) -> dict[str, str]:
    return {name: value for name, value in Fields(page.content.decode()).sent.items() if not name.startswith("_")}


# -- who may enter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.AGENT, Role.ANALYST])
@pytest.mark.parametrize("path", ["/back-office/", "/back-office/customers/customer/", "/back-office/business/staff/"])
def test_front_line_and_analysts_are_told_no(role: str, path: str) -> None:
    assert somebody(role).get(path).status_code == 403


def test_a_stranger_is_led_to_the_log_in_page_and_back() -> None:
    actions.add_staff(email="ana@example.org", password=PASSWORD, role=Role.OWNER)
    answer = Client().get("/back-office/customers/customer/")
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/back-office/customers/customer/"
    assert Client().get("/back-office/login/", follow=True).redirect_chain[-1][0].startswith("/accounts/login/")


def test_a_manager_looks_after_customers_but_not_after_staff_and_business(kept: dict[str, Any]) -> None:
    manager = somebody(Role.MANAGER)
    for name in LISTS:
        expected = 403 if name in OWNERS_ONLY else 200
        assert manager.get(reverse(f"admin:{name}_changelist")).status_code == expected, name
    somebody_else = actions.add_staff(email="bruno@example.org", password=PASSWORD)
    assert manager.get(reverse("admin:business_staff_change", args=[somebody_else.pk])).status_code == 403
    assert manager.post(reverse("admin:auth_user_password_change", args=[somebody_else.pk])).status_code == 403
    shown = manager.get("/back-office/").content.decode()
    assert "/back-office/customers/customer/" in shown
    assert "/back-office/business/" not in shown


def test_the_owner_opens_every_list_and_every_row(owner: Client, kept: dict[str, Any], ana: Customer) -> None:
    rows = {
        **kept,
        "customers_customer": ana,
        "business_business": Business.objects.get(),
        "business_staff": Staff.objects.get(),
    }
    for name in LISTS:
        assert owner.get(reverse(f"admin:{name}_changelist")).status_code == 200, name
    for name, row in rows.items():
        assert owner.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200, name


def test_only_rooms_of_the_house_are_in_it() -> None:
    assert {model._meta.label_lower.replace(".", "_") for model in admin.site._registry} == set(LISTS)


def test_its_pages_alone_have_the_looser_policy(owner: Client) -> None:
    assert "unsafe-eval" in owner.get("/back-office/")["Content-Security-Policy"]
    assert "unsafe" not in owner.get("/customers/")["Content-Security-Policy"]
    assert "unsafe" not in somebody(Role.AGENT).get("/back-office/")["Content-Security-Policy"]


# -- facts stay as they are --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FACTS)
def test_facts_can_be_looked_at_and_nothing_else(owner: Client, kept: dict[str, Any], name: str) -> None:
    row = kept[name]
    before = type(row).objects.values().get()
    change = reverse(f"admin:{name}_change", args=[row.pk])
    assert set(form_of(owner.get(change))) <= NOT_TYPED
    assert owner.post(change, {"amount": "1", "kind": "customers"}).status_code == 403
    assert owner.get(reverse(f"admin:{name}_add")).status_code == 403
    assert owner.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    listed = owner.get(reverse(f"admin:{name}_changelist")).content.decode()
    assert "delete_selected" not in listed
    assert type(row).objects.values().get() == before


def test_money_is_shown_as_money(owner: Client, kept: dict[str, Any]) -> None:
    assert "€1,234.56" in owner.get(reverse("admin:customers_purchase_changelist")).content.decode()
    assert (
        "Taza"
        in owner.get(reverse("admin:customers_purchase_change", args=[kept["customers_purchase"].pk])).content.decode()
    )


def test_consents_are_added_to_and_never_changed(owner: Client, ana: Customer) -> None:
    change = reverse("admin:customers_customer_change", args=[ana.pk])
    sent = form_of(owner.get(change)) | {
        "consents-TOTAL_FORMS": "1",
        "consents-INITIAL_FORMS": "0",
        "consents-0-channel": "email",
        "consents-0-purpose": "marketing",
        "consents-0-status": "withdrawn",
        "consents-0-basis": "consent",
        "consents-0-evidence": "on the phone",
    }
    assert owner.post(change, sent).status_code == 302
    first, second = Consent.objects.order_by("pk")
    assert (first.status, first.at, first.source) == ("granted", AT, "form")
    assert (second.status, second.evidence, second.source) == ("withdrawn", "on the phone", "back office")
    tampered = form_of(owner.get(change)) | {
        "consents-TOTAL_FORMS": "1",
        "consents-INITIAL_FORMS": "1",
        "consents-0-id": str(first.pk),
        "consents-0-customer": str(ana.pk),
        "consents-0-status": "denied",
        "consents-0-DELETE": "on",
    }
    owner.post(change, tampered)
    assert list(Consent.objects.order_by("pk").values_list("status", flat=True)) == ["granted", "withdrawn"]


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_customer_written_by_hand_is_found_by_key_name_and_mail(owner: Client) -> None:
    add = reverse("admin:customers_customer_add")
    sent = form_of(owner.get(add)) | {
        "key": "K-77",
        "given_name": "Inês",
        "family_name": "dos Santos",
        "country": "Portugal",
        "language": "português",
        "contact_points-TOTAL_FORMS": "2",
        "contact_points-0-kind": "email",
        "contact_points-0-value": "Ines@Example.org",
        "contact_points-1-kind": "phone",
        "contact_points-1-value": "612 34 56 78",
    }
    answer = owner.post(add, sent)
    assert answer.status_code == 302, answer.context["errors"]
    ines = Customer.objects.get(key="K-77")
    assert (ines.country, ines.language, ines.created_from) == ("PT", "pt", "back office")
    for text in ("K-77", "santos", "ines", "ines@example.org", "+34612345678"):
        assert search.find(text, country="ES") == [ines], text


def test_a_new_name_replaces_the_old_one_in_the_search(owner: Client, ana: Customer) -> None:
    change = reverse("admin:customers_customer_change", args=[ana.pk])
    assert owner.post(change, form_of(owner.get(change)) | {"family_name": "Robledo"}).status_code == 302
    assert search.find("robledo") == [ana]
    assert search.find("ibanez") == []


def test_the_key_of_a_customer_stays(owner: Client, ana: Customer) -> None:
    change = reverse("admin:customers_customer_change", args=[ana.pk])
    owner.post(change, form_of(owner.get(change)) | {"key": "other"})
    ana.refresh_from_db()
    assert ana.key == "c1"


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("country", "Atlantis", "Atlantis is no country that we know."),
        ("language", "Klingonese", "Klingonese is no language that we know."),
        ("key", "c1", "already exists"),
    ],
)
def test_what_cannot_be_is_refused_in_words(owner: Client, ana: Customer, field: str, text: str, said: str) -> None:
    add = reverse("admin:customers_customer_add")
    answer = owner.post(add, form_of(owner.get(add)) | {"key": "new", field: text})
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Customer.objects.filter(key="new").exists()


def test_an_address_is_written_once_and_an_opted_out_one_stays(owner: Client, ana: Customer) -> None:
    point = ContactPoint.objects.create(customer=ana, kind="email", value="ana@example.org", opted_out_at=AT)
    change = reverse("admin:customers_customer_change", args=[ana.pk])
    sent = form_of(owner.get(change))
    owner.post(change, sent | {"contact_points-0-value": "else@example.org"})
    answer = owner.post(change, sent | {"contact_points-0-DELETE": "on"})
    assert "ana@example.org was opted out" in answer.content.decode()
    point.refresh_from_db()
    assert (point.value, point.opted_out_at) == ("ana@example.org", AT)
    unreachable = {
        "contact_points-TOTAL_FORMS": "2",
        "contact_points-1-customer": str(ana.pk),
        "contact_points-1-kind": "phone",
        "contact_points-1-value": "12",
    }
    assert "Nobody can be reached at 12." in owner.post(change, sent | unreachable).content.decode()


def test_an_identifier_of_somebody_else_is_refused(owner: Client, ana: Customer) -> None:
    bruno = Customer.objects.create(key="c2", created_at=AT)
    Identifier.objects.create(kind="card", value="4000", customer=bruno)
    change = reverse("admin:customers_customer_change", args=[ana.pk])
    sent = form_of(owner.get(change)) | {
        "identifiers-TOTAL_FORMS": "1",
        "identifiers-0-customer": str(ana.pk),
        "identifiers-0-kind": "card",
        "identifiers-0-value": "4000",
    }
    assert owner.post(change, sent).status_code == 200
    assert Identifier.objects.get(value="4000").customer == bruno
    assert owner.post(change, sent | {"identifiers-0-value": "4001"}).status_code == 302
    assert search.find("4001") == [ana]


def test_customers_are_not_deleted(owner: Client, ana: Customer) -> None:
    assert owner.post(reverse("admin:customers_customer_delete", args=[ana.pk]), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("name", ["customers_customer", "customers_purchase", "customers_event"])
@pytest.mark.parametrize("text", ["ibáñez", "c1", "T-1", "nobody at all"])
def test_lists_are_searched_by_anything(owner: Client, kept: dict[str, Any], name: str, text: str) -> None:
    page = owner.get(reverse(f"admin:{name}_changelist"), {"q": text})
    assert len(page.context["cl"].result_list) == (0 if text == "nobody at all" else 1)


@pytest.mark.parametrize("name", ["customers_customer", "customers_purchase", "customers_event"])
def test_long_lists_are_never_counted(owner: Client, kept: dict[str, Any], name: str) -> None:
    for asked in ({}, {"q": "ana"}, {"p": "2"}):
        with CaptureQueriesContext(connection) as queries:
            assert owner.get(reverse(f"admin:{name}_changelist"), asked).status_code == 200
        assert not [each["sql"] for each in queries if "COUNT(" in each["sql"].upper()]


def test_facts_of_one_customer_are_a_click_away(owner: Client, ana: Customer) -> None:
    page = owner.get(reverse("admin:customers_customer_change", args=[ana.pk])).content.decode()
    for model in ("purchase", "event"):
        link = f"/back-office/customers/{model}/?customer__id__exact={ana.pk}"
        assert link in page
        assert len(owner.get(link).context["cl"].result_list) == 1


# -- the business and its staff ----------------------------------------------------------------------------------------


def test_the_last_owner_cannot_lock_everybody_out(owner: Client) -> None:
    me = Staff.objects.get()
    change = reverse("admin:business_staff_change", args=[me.pk])
    sent = form_of(owner.get(change))
    for tried in (sent | {"role": "manager"}, {name: value for name, value in sent.items() if name != "is_active"}):
        answer = owner.post(change, tried)
        assert "make another person owner first" in answer.content.decode()
        me.refresh_from_db()
        assert (me.role, me.is_active) == (Role.OWNER, True)
    actions.add_staff(email="bruno@example.org", password=PASSWORD, role=Role.OWNER)
    assert owner.post(change, sent | {"role": "manager"}).status_code == 302
    me.refresh_from_db()
    assert me.role == Role.MANAGER
    assert owner.get(reverse("admin:business_staff_changelist")).status_code == 403


def test_an_account_is_opened_with_a_good_password_only(owner: Client) -> None:
    add = reverse("admin:business_staff_add")
    sent = {"email": "Carla@Example.org", "name": "Carla", "role": "agent", "language": ""}
    for weak in ("", "12345", "carla@example.org"):
        assert owner.post(add, sent | {"password1": weak, "password2": weak}).status_code == 200, weak
    assert owner.post(add, sent | {"password1": PASSWORD, "password2": PASSWORD + "x"}).status_code == 200
    assert owner.post(add, sent | {"password1": PASSWORD, "password2": PASSWORD}).status_code == 302
    carla = Staff.objects.get(email="carla@example.org")
    assert carla.check_password(PASSWORD)
    again = owner.post(add, sent | {"email": "CARLA@example.org", "password1": PASSWORD, "password2": PASSWORD})
    assert again.status_code == 200


def test_a_password_is_never_shown_and_changes_by_its_own_form(owner: Client) -> None:
    carla = actions.add_staff(email="carla@example.org", password=PASSWORD)
    change = reverse("admin:business_staff_change", args=[carla.pk])
    page = owner.get(change)
    assert carla.password not in page.content.decode()
    owner.post(change, form_of(page) | {"password": "plain"})
    carla.refresh_from_db()
    assert carla.check_password(PASSWORD)
    own = reverse("admin:auth_user_password_change", args=[carla.pk])
    owner.post(own, {"password1": "short", "password2": "short"})
    carla.refresh_from_db()
    assert carla.check_password(PASSWORD)
    owner.post(own, {"password1": "otra llave muy larga", "password2": "otra llave muy larga"})
    carla.refresh_from_db()
    assert carla.check_password("otra llave muy larga")


def test_whoever_lost_the_phone_gets_in_again_with_the_password(owner: Client) -> None:
    carla = actions.add_staff(email="carla@example.org", password=PASSWORD)
    Authenticator.objects.create(user=carla, type=Authenticator.Type.TOTP, data={})
    Authenticator.objects.create(user=carla, type=Authenticator.Type.RECOVERY_CODES, data={})
    chosen = {"action": "take_away_second_step", "_selected_action": [carla.pk], "index": "0"}
    owner.post(reverse("admin:business_staff_changelist"), chosen)
    assert not Authenticator.objects.filter(user=carla).exists()
    assert LogEntry.objects.get().object_id == str(carla.pk)


def test_what_was_changed_is_written_down_with_who_did_it(owner: Client, ana: Customer) -> None:
    change = reverse("admin:customers_customer_change", args=[ana.pk])
    owner.post(change, form_of(owner.get(change)) | {"city": "Madrid"})
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (Staff.objects.get(), str(ana.pk))
    assert "City" in entry.get_change_message()
    assert "City" in owner.get(reverse("admin:admin_logentry_changelist")).content.decode()
    assert "City" in owner.get(reverse("admin:customers_customer_history", args=[ana.pk])).content.decode()


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [("currency", "XYZ", "not an ISO 4217 currency"), ("time_zone", "Europa/Madriz", "not an IANA time zone")],
)
def test_the_business_keeps_to_known_codes(owner: Client, field: str, text: str, said: str) -> None:
    change = reverse("admin:business_business_change", args=[1])
    answer = owner.post(change, form_of(owner.get(change)) | {field: text})
    assert said in answer.content.decode()
    assert owner.post(change, form_of(owner.get(change)) | {"currency": "usd", "country": "pt"}).status_code == 302
    assert (Business.objects.get().currency, Business.objects.get().country) == ("USD", "PT")
    assert owner.get(reverse("admin:business_business_add")).status_code == 403


@pytest.mark.parametrize(
    ("language", "words"), [("es", ("Trastienda", "Clientes", "Compras")), ("pt", ("Clientes", "Compras"))]
)
def test_it_speaks_the_language_of_who_reads(owner: Client, language: str, words: tuple[str, ...]) -> None:
    Staff.objects.update(language=language)
    page = owner.get("/back-office/").content.decode()
    for word in words:
        assert word in page
