"""The cockpit's pages: who may open which, that they hold together, and that nothing an address says breaks them."""

import re
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import get_resolver

from querencia.business import actions
from querencia.business.models import Staff
from querencia.customers.models import Customer, Import, Score
from querencia.web.cockpit import urls
from tests.customers import cast
from tests.measures import shop as trade
from tests.web.visiting import BACKEND, PASSWORD, somebody, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

ROLES = ("agent", "analyst", "manager", "owner")
FILE = UUID("11111111-1111-4111-8111-111111111111")
LOGIN = 302  # of strangers: to the log-in page

# What each address answers to a stranger, an agent, an analyst, a manager and the owner.
ANSWERS = {
    "GET home": (LOGIN, 302, 302, 302, 302),
    "GET overview": (LOGIN, 403, 200, 200, 200),
    "GET how": (LOGIN, 200, 200, 200, 200),
    "GET customers": (LOGIN, 200, 200, 200, 200),
    "GET customers_export": (LOGIN, 403, 200, 200, 200),
    "GET customers_columns": (405, 405, 405, 405, 405),
    "POST customers_columns": (LOGIN, 302, 302, 302, 302),
    "GET customer": (LOGIN, 200, 200, 200, 200),
    "POST customer": (405, 405, 405, 405, 405),
    "GET customer_consent": (405, 405, 405, 405, 405),
    "POST customer_consent": (LOGIN, 302, 403, 302, 302),
    "GET customer_links": (405, 405, 405, 405, 405),
    "POST customer_links": (LOGIN, 302, 403, 302, 302),
    "GET customer_merge": (LOGIN, 403, 403, 200, 200),
    "POST customer_merge": (LOGIN, 403, 403, 200, 200),
    "GET customer_part": (405, 405, 405, 405, 405),
    "POST customer_part": (LOGIN, 403, 403, 302, 302),
    "GET duplicates": (LOGIN, 403, 403, 200, 200),
    "GET duplicate": (405, 405, 405, 405, 405),
    "POST duplicate": (LOGIN, 403, 403, 404, 404),
    "GET customer_export": (405, 405, 405, 405, 405),
    "POST customer_export": (LOGIN, 403, 403, 200, 200),
    "GET customer_erase": (LOGIN, 403, 403, 200, 200),
    "POST customer_erase": (LOGIN, 403, 403, 200, 200),
    "GET imports": (LOGIN, 403, 403, 200, 200),
    "POST imports": (LOGIN, 403, 403, 200, 200),
    "GET import": (LOGIN, 403, 403, 200, 200),
    "GET import_look": (405, 405, 405, 405, 405),
    "POST import_look": (LOGIN, 403, 403, 200, 200),
    "GET import_confirm": (405, 405, 405, 405, 405),
    "POST import_confirm": (LOGIN, 403, 403, 302, 302),
    "POST import_again": (LOGIN, 403, 403, 302, 302),
    "POST import_discard": (LOGIN, 403, 403, 302, 302),
    "GET import_rejects": (LOGIN, 403, 403, 404, 404),
    "GET arrivals": (LOGIN, 403, 403, 200, 200),
    "GET arrivals_replay": (405, 405, 405, 405, 405),
    "POST arrivals_replay": (LOGIN, 403, 403, 302, 302),
    "GET loyalty": (LOGIN, 403, 200, 200, 200),
    "GET loyalty_new": (LOGIN, 403, 403, 200, 200),
    "POST loyalty_new": (LOGIN, 403, 403, 200, 200),
    "GET loyalty_waiting": (LOGIN, 200, 403, 200, 200),
    "GET loyalty_decide": (405, 405, 405, 405, 405),
    "POST loyalty_decide": (LOGIN, 404, 403, 404, 404),
    "GET loyalty_run": (405, 405, 405, 405, 405),
    "POST loyalty_run": (LOGIN, 403, 403, 404, 404),
    "GET loyalty_policy": (LOGIN, 403, 403, 404, 404),
    "POST loyalty_policy": (LOGIN, 403, 403, 404, 404),
    "GET loyalty_rule_new": (LOGIN, 403, 403, 404, 404),
    "POST loyalty_rule_new": (LOGIN, 403, 403, 404, 404),
    "GET loyalty_tiers": (LOGIN, 403, 403, 404, 404),
    "POST loyalty_tiers": (LOGIN, 403, 403, 404, 404),
    "GET loyalty_campaigns": (LOGIN, 403, 404, 404, 404),
    "GET loyalty_campaign": (LOGIN, 403, 404, 404, 404),
    "POST loyalty_campaign_refresh": (LOGIN, 403, 403, 404, 404),
    "POST loyalty_campaign_list": (LOGIN, 403, 403, 404, 404),
    "GET loyalty_closes": (LOGIN, 403, 404, 404, 404),
    "GET loyalty_close": (LOGIN, 403, 404, 404, 404),
    "POST loyalty_close": (LOGIN, 403, 404, 404, 404),
    "GET loyalty_journal": (LOGIN, 403, 404, 404, 404),
    "GET loyalty_accounting": (LOGIN, 403, 403, 404, 404),
    "POST loyalty_accounting": (LOGIN, 403, 403, 404, 404),
    "GET rewards": (LOGIN, 403, 404, 404, 404),
    "GET reward_new": (LOGIN, 403, 403, 404, 404),
    "POST reward_new": (LOGIN, 403, 403, 404, 404),
    "GET reward": (LOGIN, 403, 403, 404, 404),
    "POST reward": (LOGIN, 403, 403, 404, 404),
    "POST reward_end": (LOGIN, 403, 403, 404, 404),
    "POST reward_stock": (LOGIN, 403, 403, 404, 404),
    "POST reward_share": (LOGIN, 403, 403, 404, 404),
    "POST reward_codes": (LOGIN, 403, 403, 404, 404),
    "GET rewards_waiting": (LOGIN, 200, 403, 200, 200),
    "POST redemption_close": (LOGIN, 404, 403, 404, 404),
    "POST customer_redeem": (LOGIN, 404, 403, 404, 404),
    "GET loyalty_partners": (LOGIN, 403, 404, 404, 404),
    "POST loyalty_partners": (LOGIN, 403, 404, 404, 404),
    "GET loyalty_settle": (405, 405, 405, 405, 405),
    "POST loyalty_settle": (LOGIN, 403, 403, 404, 404),
    "GET loyalty_partner": (LOGIN, 403, 404, 404, 404),
    "GET loyalty_statement": (LOGIN, 403, 404, 404, 404),
    "GET loyalty_statement_csv": (LOGIN, 403, 404, 404, 404),
    "GET customer_card": (LOGIN, 404, 403, 404, 404),
    "GET customer_card_lost": (405, 405, 405, 405, 405),
    "POST customer_card_lost": (LOGIN, 404, 403, 404, 404),
    "GET customer_friend": (405, 405, 405, 405, 405),
    "POST customer_friend": (LOGIN, 404, 403, 404, 404),
    "GET customer_share": (405, 405, 405, 405, 405),
    "POST customer_share": (LOGIN, 404, 403, 404, 404),
    "GET loyalty_trial": (LOGIN, 403, 403, 404, 404),
    "GET friends": (LOGIN, 403, 404, 404, 404),
    "GET friends_terms": (LOGIN, 403, 403, 404, 404),
    "POST friends_terms": (LOGIN, 403, 403, 404, 404),
    "GET friends_decide": (405, 405, 405, 405, 405),
    "POST friends_decide": (LOGIN, 403, 403, 404, 404),
    "GET gestures": (LOGIN, 403, 404, 404, 404),
    "GET gesture": (LOGIN, 403, 403, 404, 404),
    "POST gesture": (LOGIN, 403, 403, 404, 404),
    "GET loyalty_rule": (LOGIN, 403, 403, 404, 404),
    "POST loyalty_rule": (LOGIN, 403, 403, 404, 404),
    "GET loyalty_rule_end": (405, 405, 405, 405, 405),
    "POST loyalty_rule_end": (LOGIN, 403, 403, 404, 404),
    "GET customer_enrol": (405, 405, 405, 405, 405),
    "POST customer_enrol": (LOGIN, 404, 403, 404, 404),
    "GET customer_leave": (405, 405, 405, 405, 405),
    "POST customer_leave": (LOGIN, 404, 403, 404, 404),
    "GET customer_points": (405, 405, 405, 405, 405),
    "POST customer_points": (LOGIN, 404, 403, 404, 404),
    "GET measures": (LOGIN, 403, 200, 200, 200),
    "GET measure_now": (405, 405, 405, 405, 405),
    "POST measure_now": (LOGIN, 403, 403, 302, 302),
    "GET reactions": (LOGIN, 403, 403, 200, 200),
    "GET reactions_again": (405, 405, 405, 405, 405),
    "POST reactions_again": (LOGIN, 403, 403, 302, 302),
    "POST reactions_aside": (LOGIN, 403, 403, 302, 302),
    "GET settings": (LOGIN, 403, 403, 403, 200),
    "POST settings": (LOGIN, 403, 403, 403, 200),
    "GET privacy": (LOGIN, 403, 403, 403, 200),
    "POST privacy": (LOGIN, 403, 403, 403, 200),
    "GET staff_add": (LOGIN, 403, 403, 403, 302),
    "POST staff_add": (LOGIN, 403, 403, 403, 200),
    "GET staff_change": (405, 405, 405, 405, 405),
    "POST staff_change": (LOGIN, 403, 403, 403, 302),
    "GET keys": (LOGIN, 403, 403, 403, 200),
    "POST keys": (LOGIN, 403, 403, 403, 200),
    "GET key_revoke": (405, 405, 405, 405, 405),
    "POST key_revoke": (LOGIN, 403, 403, 403, 302),
    "GET webhooks": (LOGIN, 403, 403, 403, 200),
    "POST webhooks": (LOGIN, 403, 403, 403, 200),
    "GET webhook": (LOGIN, 403, 403, 403, 404),
    "POST webhook": (LOGIN, 403, 403, 403, 404),
    "GET webhook_rotate": (405, 405, 405, 405, 405),
    "POST webhook_rotate": (LOGIN, 403, 403, 403, 404),
    "POST webhook_test": (LOGIN, 403, 403, 403, 404),
    "POST webhook_replay": (LOGIN, 403, 403, 403, 404),
    "GET welcome": (302, 302, 302, 302, 302),
    "POST welcome": (302, 302, 302, 302, 302),
    "GET language": (405, 405, 405, 405, 405),
    "POST language": (302, 302, 302, 302, 302),
    "GET health": (200, 200, 200, 200, 200),
}

# Whose address holds a number; everything else in the list is of a file, or of nothing.
NUMBERED = re.compile(
    r"staff_change|key_revoke|duplicate|webhook.*|loyalty.*|rewards?(_.*)?|redemption.*|friends.*|gestures?"
)
NAMED = {"key": "base", "month": "2026-04", "kind": "birthday", "programme": "1"}


def path_of(name: str, customer: int, **others: int) -> str:
    pattern = get_resolver().reverse_dict.getlist(name)[0][0][0][0]
    numbered: int | UUID = 1 if NUMBERED.fullmatch(name) else FILE
    if name == "customer" or name.startswith("customer_"):
        numbered = customer
    return "/" + str(pattern % (NAMED | {"pk": others.get(name, numbered)}))


# -- who may open what -------------------------------------------------------------------------------------------------


def test_every_address_of_the_cockpit_has_its_answers_written_here() -> None:
    named = {pattern.name for pattern in urls.urlpatterns if pattern.name and not pattern.name.startswith("economics")}
    assert named <= {entry.split()[1] for entry in ANSWERS}


@pytest.mark.parametrize("entry", ANSWERS)
def test_an_address_opens_to_whom_it_may(entry: str) -> None:
    method, name = entry.split()
    cast.scored(3)
    bruno = actions.add_staff(email="bruno@example.org", password=PASSWORD, name="Bruno", role="agent")
    first = Customer.objects.order_by("pk")[0].pk
    path = path_of(name, first, staff_change=bruno.pk)
    clients = [Client(raise_request_exception=False), *(somebody(role) for role in ROLES)]
    # Every one sees the file as it was handed over.
    for client, expected in zip(clients, ANSWERS[entry], strict=True):
        Import.objects.filter(pk=FILE).delete()
        Import.objects.create(pk=FILE, kind="purchases", file_name="ventas.csv", created_at=cast.AT)
        answer = client.get(path) if method == "GET" else client.post(path)
        assert answer.status_code == expected, (client.session.get("_auth_user_id"), answer.status_code)
        if client is clients[0] and expected == LOGIN and name not in ("welcome", "language"):
            assert answer["Location"].startswith("/accounts/login/?next=/")


@pytest.mark.parametrize(("role", "first"), [("agent", "/customers/"), ("analyst", "/overview/")])
def test_whoever_logs_in_lands_where_they_may(role: str, first: str) -> None:
    cast.scored(1)
    somebody(role)
    client = Client()
    answer = client.post("/accounts/login/", {"login": f"{role}@example.org", "password": PASSWORD}, follow=True)
    assert (answer.status_code, answer.redirect_chain[-1][0]) == (200, first)


def test_the_menu_offers_what_may_be_opened_and_nothing_else() -> None:
    cast.scored(1)
    for role in ROLES:
        client = somebody(role)
        page = text(client.get("/customers/"))
        offered = set(re.findall(r'<li><a href="([^"]+)"', page.split("</nav>")[0]))
        assert "/customers/" in offered
        for path in offered:
            assert client.get(path, follow=True).status_code == 200, (role, path)
        for path in ("/overview/", "/imports/", "/arrivals/", "/measures/", "/settings/", "/back-office/"):
            assert (path in offered) is (client.get(path).status_code == 200), (role, path)


def test_nothing_is_changed_by_a_form_of_another_site(owner: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(Staff.objects.get(email="owner@example.org"), BACKEND)
    Import.objects.create(pk=FILE, kind="purchases", file_name="ventas.csv", created_at=cast.AT)
    posts = [entry.split()[1] for entry in ANSWERS if entry.startswith("POST") and entry != "POST customer"]
    for name in posts:
        path = path_of(name, customer=1)
        assert strict.post(path, {"language": "pt"}).status_code == 403, path


def test_pages_run_no_script_and_no_style_but_files_of_the_house(owner: Client, scores: list[Score]) -> None:
    for path in (
        "/customers/",
        f"/customers/{scores[0].pk}/",
        "/imports/",
        "/arrivals/",
        "/measures/",
        "/settings/",
        "/how/",
        "/no/",
    ):
        answer = owner.get(path)
        policy = answer["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src" in policy
        page = text(answer)
        assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|<style", page), path


# -- handing over files ------------------------------------------------------------------------------------------------

FILES = {
    "empty.csv": b"",
    "nothing.csv": b"\x00" * 50,
    "broken.xlsx": b"PK\x03\x04garbage",
    "broken.parquet": b"PAR1xxxx",
    "only-headers.csv": b"customer,date,amount\n",
    "good.csv": b"customer,date,amount\na,2020-01-01,5\nb,2020-01-02,7\n",
    "n\x00l.csv": b"customer,date,amount\na,2020-01-01,5\n",
    "x" * 300 + ".csv": b"customer,date,amount\na,2020-01-01,5\n",
    "../../etc/passwd": b"customer,date,amount\na,2020-01-01,5\n",
    "<b>bold</b>.csv": b"customer,date,amount\na,2020-01-01,5\n",
}


@pytest.mark.parametrize("name", FILES)
def test_whatever_is_handed_over_there_is_a_page_that_says_what_it_is(name: str, owner: Client) -> None:
    answer = owner.post("/imports/", {"file": SimpleUploadedFile(name, FILES[name]), "kind": ""})
    assert answer.status_code in (200, 302)
    if answer.status_code == 302:
        answer = owner.get(answer["Location"])
        assert answer.status_code == 200
    assert re.search('class="errorlist|class="notice bad|id="preview"', text(answer))
    assert "<b>bold" not in text(answer)


@pytest.mark.parametrize("act", ["look", "confirm", "again", "discard"])
@pytest.mark.parametrize("status", Import.Status.values)
def test_no_button_pressed_late_breaks_anything(act: str, status: str, owner: Client) -> None:
    """The page was open in two windows, and what it offered is past."""
    made = Import.objects.create(pk=FILE, kind="purchases", file_name="v.csv", created_at=cast.AT, status=status)
    Import.objects.filter(pk=made.pk, status=Import.Status.DONE).update(batches_done=1)
    assert owner.get(f"/imports/{FILE}/").status_code == 200
    assert owner.post(f"/imports/{FILE}/{act}/").status_code in (200, 302)
    found = Import.objects.filter(pk=FILE).first()
    is_done, is_at_work = status == Import.Status.DONE, status in (Import.Status.WRITING, Import.Status.CHECKING)
    if is_at_work and act == "discard":
        assert found is None  # its process is gone and nothing of it was written
    elif is_done or is_at_work:
        assert found is not None
        assert found.status == status
    assert owner.get("/imports/").status_code == 200


# -- languages ---------------------------------------------------------------------------------------------------------


def _lang(answer: Any) -> str:
    found = re.search(r'<html lang="(\w+)"', text(answer))
    return found[1] if found else ""


def test_the_language_is_the_persons_then_the_windows_then_the_shops_then_the_browsers() -> None:
    browser = {"Accept-Language": "pt-BR,pt;q=0.9"}
    stranger = Client()
    assert _lang(stranger.get("/accounts/login/")) == "en"
    assert _lang(stranger.get("/accounts/login/", headers=browser)) == "pt"
    assert _lang(stranger.get("/accounts/login/", headers={"Accept-Language": "de"})) == "en"
    actions.set_business(name="Ana", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    client = somebody("owner")
    assert _lang(client.get("/settings/", headers=browser)) == "es"
    client.cookies["querencia_language"] = "en"
    assert _lang(client.get("/settings/", headers=browser)) == "en"
    client.post("/language/", {"language": "pt"})
    client.cookies["querencia_language"] = "en"
    assert _lang(client.get("/settings/")) == "pt"
    assert client.get("/settings/")["Content-Language"] == "pt"


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_choosing_a_language_leads_nowhere_else(away: str, owner: Client) -> None:
    assert owner.post("/language/", {"language": "es", "next": away})["Location"] == "/"
    owner.post("/language/", {"language": "klingon"})
    assert _lang(owner.get("/settings/")) == "es"


def test_after_a_refused_form_the_language_can_still_be_changed(owner: Client) -> None:
    assert owner.post("/settings/staff/", {"name": ""}).status_code == 200
    referer = {"referer": "http://testserver/settings/staff/"}
    answer = owner.post("/language/", {"language": "es"}, headers=referer, follow=True)
    assert (answer.status_code, _lang(answer)) == (200, "es")


@pytest.mark.parametrize(("language", "gone"), [("en", "There is no such page"), ("es", "página"), ("pt", "página")])
def test_errors_speak_the_language_too(language: str, gone: str, owner: Client) -> None:
    owner.cookies["querencia_language"] = language
    answer = owner.get("/no/such/page/")
    assert answer.status_code == 404
    assert _lang(answer) == language
    assert gone in text(answer)
    refused = somebody("agent")
    refused.cookies["querencia_language"] = language
    answer = refused.get("/settings/")
    assert (answer.status_code, _lang(answer)) == (403, language)


@pytest.mark.django_db
def test_the_pages_start_without_what_reckons() -> None:
    script = (
        "import sys, django; django.setup()\n"
        "import querencia.config.urls\n"
        "print(*sorted({'duckdb', 'scipy.stats', 'sklearn'} & set(sys.modules)))\n"
    )
    said = subprocess.check_output([sys.executable, "-c", script], text=True, env=trade.environment())
    assert said.strip() == ""
