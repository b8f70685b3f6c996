"""The door: who comes in, how often one may try, and what the house says of itself to strangers."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse

from querencia.business import actions
from querencia.business.models import Business, Role, Staff
from querencia.common import home
from querencia.web.accounts import client_address

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "una llave larga y propia"
LOGIN = "/accounts/login/"
INSIDE = "/customers/"
SHOP = {"name": "Ferretería Ana", "currency": "EUR", "time_zone": "Europe/Madrid", "language": "en", "country": "ES"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> Staff:
    return actions.set_up(business=SHOP, owner={"email": "ana@example.org", "password": PASSWORD, "name": "Ana"})[1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the libraries' clock go on without waiting: codes of the second step change every thirty seconds."""
    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    return lambda seconds: ahead.__setitem__(0, ahead[0] + seconds)


def log_in(client: Client, *, email: str = "ana@example.org", password: str = PASSWORD, **sent: Any) -> Any:
    return client.post(LOGIN, {"login": email, "password": password}, **sent)


def is_in(client: Client) -> bool:
    return bool(client.get(INSIDE).status_code == 200)


# -- logging in --------------------------------------------------------------------------------------------------------


def test_logging_in_by_mail_and_password_begins_a_new_session(ana: Staff) -> None:
    client = Client()
    client.get(LOGIN)
    client.session["planted"] = "by somebody else"
    client.session.save()
    before = client.session.session_key
    assert not is_in(client)
    assert log_in(client, email="ANA@example.org").status_code == 302
    assert is_in(client)
    assert client.session.session_key != before
    cookie = client.cookies["querencia_session"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_logging_out_ends_the_session_and_takes_a_post(ana: Staff) -> None:
    client = Client()
    log_in(client)
    kept = client.cookies["querencia_session"].value
    client.get("/accounts/logout/")
    assert is_in(client)
    client.post("/accounts/logout/")
    client.cookies["querencia_session"] = kept
    assert not is_in(client)


def test_a_form_of_another_site_logs_nobody_in(ana: Staff) -> None:
    client = Client(enforce_csrf_checks=True, headers={"accept-language": "es"})
    refused = log_in(client)
    assert refused.status_code == 403
    assert '<html lang="es">' in refused.content.decode()
    assert not is_in(client)


def test_strangers_do_not_learn_who_has_an_account(ana: Staff) -> None:
    def said(answer: Any) -> str:
        secrets = r'value="[^"]*"|"X-CSRFToken": "\w+"|' + "|".join(("ana@example.org", "nobody@example.org"))
        return re.sub(secrets, "", answer.content.decode())

    wrong, unknown = log_in(Client(), password="wrong"), log_in(Client(), email="nobody@example.org")
    assert wrong.status_code == unknown.status_code == 200
    assert said(wrong) == said(unknown)
    asked = [Client().post("/accounts/password/reset/", {"email": to}) for to in ("ana@example.org", "no@example.org")]
    assert asked[0].status_code == asked[1].status_code == 302
    assert asked[0]["Location"] == asked[1]["Location"]
    assert [each.to for each in mail.outbox] == [["ana@example.org"]]


def test_somebody_who_may_no_longer_log_in_is_out_at_once(ana: Staff) -> None:
    bruno = actions.add_staff(email="bruno@example.org", password=PASSWORD, role=Role.AGENT)
    client = Client()
    log_in(client, email="bruno@example.org")
    assert is_in(client)
    actions.change_staff(staff_id=bruno.pk, role=Role.AGENT, is_active=False)
    assert not is_in(client)
    log_in(client, email="bruno@example.org")
    assert not is_in(client)


def test_a_new_password_ends_the_other_sessions(ana: Staff) -> None:
    here, elsewhere = Client(), Client()
    log_in(here)
    log_in(elsewhere)
    new = {"oldpassword": PASSWORD, "password1": "otra llave muy larga", "password2": "otra llave muy larga"}
    assert here.post("/accounts/password/change/", new).status_code == 302
    assert is_in(here)
    assert not is_in(elsewhere)


@pytest.mark.parametrize("weak", ["corta", "1234567890123", "qwertyuiop", "ana@example.org"])
def test_a_weak_password_is_not_taken(ana: Staff, weak: str) -> None:
    client = Client()
    log_in(client)
    sent = {"oldpassword": PASSWORD, "password1": weak, "password2": weak}
    assert client.post("/accounts/password/change/", sent).status_code == 200
    ana.refresh_from_db()
    assert ana.check_password(PASSWORD)


@pytest.mark.parametrize("away", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_logging_in_leads_nowhere_else(ana: Staff, away: str) -> None:
    answer = Client().post(LOGIN + f"?next={away}", {"login": "ana@example.org", "password": PASSWORD, "next": away})
    assert answer.status_code == 302
    assert urlsplit(answer["Location"]).netloc == ""
    assert answer["Location"].startswith("/")


def test_an_address_that_was_changed_opens_nothing_any_more(ana: Staff) -> None:
    client = Client()
    log_in(client)
    EmailAddress.objects.create(user=ana, email=ana.email, verified=True, primary=True)  # as a lost password leaves it
    sent = {"email": "ana.new@example.org", "name": "Ana", "role": "owner", "is_active": "on", "language": ""}
    assert client.post(reverse("admin:business_staff_change", args=[ana.pk]), sent).status_code == 302
    old, new = Client(), Client()
    log_in(old)
    log_in(new, email="ana.new@example.org")
    assert not is_in(old)
    assert is_in(new)
    Client().post("/accounts/password/reset/", {"email": "ana@example.org"})
    assert not mail.outbox


@pytest.mark.parametrize("path", ["email/", "confirm-email/", "password/set/", "login/code/", "social/signup/"])
def test_pages_of_libraries_that_the_house_does_not_use_are_closed(ana: Staff, path: str) -> None:
    client = Client()
    log_in(client)
    assert client.get(f"/accounts/{path}").status_code == 404


def test_nobody_signs_up_by_themselves(ana: Staff) -> None:
    sent = {"email": "eva@example.org", "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/accounts/signup/", sent)
    assert Staff.objects.count() == 1


def test_every_page_of_accounts_can_be_shown(ana: Staff) -> None:
    stranger, client = Client(), Client()
    log_in(client)
    for name in ("account_login", "account_signup", "account_inactive", "account_reset_password"):
        assert stranger.get(reverse(name)).status_code == 200, name
    for name in ("account_reset_password_done", "account_reset_password_from_key_done"):
        assert stranger.get(reverse(name)).status_code == 200, name
    for name in ("account_logout", "account_change_password", "mfa_index", "account_reauthenticate"):
        assert client.get(reverse(name)).status_code == 200, name


# -- a lost password ---------------------------------------------------------------------------------------------------


def test_a_lost_password_is_replaced_by_a_link_that_works_once(ana: Staff) -> None:
    elsewhere = Client()
    log_in(elsewhere)
    client = Client()
    client.post("/accounts/password/reset/", {"email": "ana@example.org"})
    link = re.search(r"https?://\S+", mail.outbox[0].body)
    assert link
    path = urlsplit(link[0]).path
    form = client.get(path, follow=True)
    new = {"password1": "otra llave muy larga", "password2": "otra llave muy larga"}
    assert client.post(form.request["PATH_INFO"], new).status_code == 302
    assert not is_in(elsewhere)
    assert log_in(Client(), password="otra llave muy larga").status_code == 302
    again = Client()
    used = again.get(path, follow=True)
    again.post(used.request["PATH_INFO"], {"password1": "una tercera llave", "password2": "una tercera llave"})
    ana.refresh_from_db()
    assert ana.check_password("otra llave muy larga")


def test_mail_for_lost_passwords_is_sent_a_few_times_only(ana: Staff) -> None:
    answers = [Client().post("/accounts/password/reset/", {"email": "ana@example.org"}) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [302] * 5 + [429] * 3
    assert len(mail.outbox) == 5
    assert "This was tried too often from here." in answers[-1].content.decode()


# -- guessing ----------------------------------------------------------------------------------------------------------


def test_guessing_a_password_closes_the_account_to_that_address_alone(ana: Staff) -> None:
    actions.add_staff(email="bruno@example.org", password=PASSWORD)
    answers = [log_in(Client(), password=f"guess {number}").status_code for number in range(9)]
    assert answers[-1] == 429
    assert 200 in answers
    locked = Client()
    assert log_in(locked).status_code == 429
    assert not is_in(locked)
    other, elsewhere = Client(), Client(REMOTE_ADDR="192.0.2.7")
    log_in(other, email="bruno@example.org")
    log_in(elsewhere)
    assert is_in(other)
    assert is_in(elsewhere)


def test_guessing_from_many_addresses_is_stopped_too(ana: Staff) -> None:
    for number in range(12):
        log_in(Client(REMOTE_ADDR=f"192.0.2.{number}"), password="guess")
    late = Client(REMOTE_ADDR="192.0.2.200")
    log_in(late)
    assert not is_in(late)


def test_trying_many_accounts_from_one_address_is_stopped_too(ana: Staff) -> None:
    for number in range(30):
        log_in(Client(), email=f"somebody{number}@example.org", password="password")
    late = Client()
    log_in(late)
    assert not is_in(late)


GUESSES = """
import django; django.setup()
from django.test import Client
from django.test.utils import setup_test_environment; setup_test_environment()
for number in range({times}):
    print(Client().post("/accounts/login/", {{"login": "ana@example.org", "password": "guess"}}).status_code)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_every_process_knows_of_every_guess(ana: Staff) -> None:
    for number in range(4):
        log_in(Client(), password=f"guess {number}")
    said = python(GUESSES.format(times=5), DATABASE_URL=address_of_test_database()).split()
    assert said[0] == "200"
    assert said[-1] == "429"
    assert log_in(Client()).status_code == 429


def address_of_test_database() -> str:
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def python(code: str, **environment: str) -> str:
    """What Python says in a process of its own, with the settings as they are there."""
    known = {**os.environ, "DJANGO_SETTINGS_MODULE": "querencia.config.settings", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=known, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("proxies", "written", "address"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1, 203.0.113.9", "203.0.113.9"),
        (2, "203.0.113.9, 198.51.100.2", "203.0.113.9"),
        (2, "203.0.113.9", "127.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "unknown", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_where_a_request_comes_from(rf: Any, settings: Any, proxies: int, written: str, address: str) -> None:
    settings.PROXIES = proxies
    assert client_address(rf.get("/", headers={"X-Forwarded-For": written})) == address


def test_a_forged_address_does_not_open_the_account_again(ana: Staff, settings: Any) -> None:
    settings.PROXIES = 1
    for number in range(9):
        log_in(Client(), password="guess", headers={"X-Forwarded-For": f"192.0.2.{number}, 203.0.113.9"})
    locked = Client()
    assert log_in(locked, headers={"X-Forwarded-For": "192.0.2.99, 203.0.113.9"}).status_code == 429


# -- the second step ---------------------------------------------------------------------------------------------------


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def confirm(client: Client, path: str) -> Any:
    """Open a page that asks for the password once more."""
    asked = client.get(path)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert client.post(asked["Location"], {"password": "wrong"}).status_code == 200
    assert client.post(asked["Location"], {"password": PASSWORD})["Location"] == path
    return client.get(path)


def enrol(client: Client) -> tuple[str, list[str]]:
    """Switch the second step on as a person does; the secret, and the recovery codes."""
    page = confirm(client, "/accounts/2fa/totp/activate/")
    assert page.status_code == 200
    secret = page.context["form"].secret
    assert secret in page.content.decode()
    assert client.post("/accounts/2fa/totp/activate/", {"code": "000000"}).status_code == 200
    assert not Authenticator.objects.exists()
    assert client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 302
    shown = client.get("/accounts/2fa/recovery-codes/")
    codes = shown.context["unused_codes"]
    assert len(codes) == 10
    assert all(code in shown.content.decode() for code in codes)
    return secret, list(codes)


def test_a_second_step_is_switched_on_and_asked_for(ana: Staff, clock: Any) -> None:
    client = Client()
    log_in(client)
    secret, _codes = enrol(client)
    client = Client()
    answer = log_in(client)
    assert answer["Location"].startswith("/accounts/2fa/authenticate/")
    assert not is_in(client)
    assert client.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
    used = code_of(secret)
    before = client.session.session_key
    assert client.post("/accounts/2fa/authenticate/", {"code": used}).status_code == 302
    assert is_in(client)
    assert client.session.session_key != before
    thief = Client()
    log_in(thief)
    for _half_minute in range(2):
        thief.post("/accounts/2fa/authenticate/", {"code": used})
        assert not is_in(thief), "a code is good once, and for half a minute"
        clock(30)


def test_a_recovery_code_lets_in_once(ana: Staff) -> None:
    client = Client()
    log_in(client)
    _secret, codes = enrol(client)
    for expected in (True, False):
        client = Client()
        log_in(client)
        client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
        assert is_in(client) is expected


def test_the_secret_of_the_second_step_is_switched_off_by_its_owner(ana: Staff) -> None:
    client = Client()
    log_in(client)
    enrol(client)
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert not Authenticator.objects.exists()


def test_guessing_the_code_is_stopped_even_for_who_knows_the_password(ana: Staff, clock: Any) -> None:
    TOTP.activate(ana, "JBSWY3DPEHPK3PXP")
    client = Client()
    log_in(client)
    for number in range(12):
        client.post("/accounts/2fa/authenticate/", {"code": f"{number:06}"})
    clock(30)
    client.post("/accounts/2fa/authenticate/", {"code": code_of("JBSWY3DPEHPK3PXP")})
    assert not is_in(client)
    other = Client(REMOTE_ADDR="192.0.2.7")
    log_in(other)
    other.post("/accounts/2fa/authenticate/", {"code": code_of("JBSWY3DPEHPK3PXP")})
    assert not is_in(other), "the limit is the account's, not the address's"
    clock(600)
    log_in(other)
    other.post("/accounts/2fa/authenticate/", {"code": code_of("JBSWY3DPEHPK3PXP")})
    assert is_in(other)


def test_turning_the_second_step_on_or_off_asks_for_the_password_again(ana: Staff, clock: Any) -> None:
    client = Client()
    log_in(client)
    enrol(client)
    clock(3600)
    assert client.get("/accounts/2fa/recovery-codes/").status_code == 302
    assert client.get("/accounts/2fa/totp/deactivate/").status_code == 302
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert Authenticator.objects.count() == 2


# -- the first visit ---------------------------------------------------------------------------------------------------

FIRST = {
    **SHOP,
    "owner_name": "Ana",
    "email": "ana@example.org",
    "password": PASSWORD,
}


def test_only_who_started_the_house_sets_it_up_and_only_once(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    token = home.welcome_token(tmp_path)
    assert Client().get("/welcome/").status_code == 200
    assert Client().post("/welcome/", FIRST).status_code == 200
    assert Client().post("/welcome/", FIRST | {"token": "guess"}).status_code == 403
    assert not Business.objects.exists()
    assert Client().post("/welcome/", FIRST | {"token": token}).status_code == 302
    assert Business.objects.get().name == "Ferretería Ana"
    assert not (tmp_path / "welcome_token").exists()
    again = FIRST | {"token": token, "email": "eva@example.org", "name": "Other"}
    assert Client().post("/welcome/", again).status_code == 302
    assert (Business.objects.get().name, Staff.objects.count()) == ("Ferretería Ana", 1)


# -- what pages say of themselves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [LOGIN, INSIDE, "/overview/", "/settings/", "/nowhere/", "/accounts/2fa/"])
def test_pages_allow_nothing_but_what_the_house_serves(ana: Staff, path: str) -> None:
    client = Client()
    if path != LOGIN:
        log_in(client)
    answer = client.get(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    for closed in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert closed in policy
    assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert answer["Referrer-Policy"] == "same-origin"
    page = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|\sstyle=\"|\son\w+=\"|<style", page)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", page)


def test_a_host_that_is_not_this_house_is_refused(ana: Staff) -> None:
    assert Client(headers={"host": "elsewhere.example"}).get(LOGIN).status_code == 400
    forged = {"host": "elsewhere.example", "X-Forwarded-Host": "127.0.0.1"}
    assert Client(headers=forged).post("/accounts/password/reset/", {"email": "ana@example.org"}).status_code == 400
    assert not mail.outbox


ASKED = """
import django, json; django.setup()
from django.conf import settings
from django.core.management import call_command
from django.test import Client
names = ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "PROXIES",
         "CSRF_TRUSTED_ORIGINS", "REACHED_ONLY_LOCALLY", "DEBUG"]
found = {name: getattr(settings, name) for name in names}
found["hosts"] = sorted(settings.ALLOWED_HOSTS)
call_command("migrate", verbosity=0)
host = settings.PUBLIC_URL.split("//")[1]
plain = Client(headers={"host": host}).get("/health/")
safe = Client(headers={"host": host, "X-Forwarded-Proto": "https"}).get("/health/")
found["plain"], found["safe"] = plain.status_code, safe.status_code
found["hsts"] = safe.headers.get("Strict-Transport-Security", "")
call_command("check", deploy=True, fail_level="WARNING") if settings.HTTPS else None
print(json.dumps(found))
"""


@pytest.mark.slow
def test_a_house_behind_https_insists_on_it(tmp_path: Path) -> None:
    home_of_its_own = {"QUERENCIA_HOME": str(tmp_path), "DATABASE_URL": ""}
    asked = python(ASKED, QUERENCIA_URL="https://shop.example.org", QUERENCIA_DEBUG="1", **home_of_its_own)
    found = json.loads(asked.splitlines()[-1])
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert (found["plain"], found["safe"]) == (301, 200)
    assert found["hsts"] == "max-age=31536000"
    assert found["PROXIES"] == 1
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://shop.example.org"]
    assert "shop.example.org" in found["hosts"]
    assert not found["REACHED_ONLY_LOCALLY"]
    assert not found["DEBUG"], "tracebacks are for the log, not for the pages"


@pytest.mark.slow
def test_a_house_on_one_machine_works_without_https_and_believes_no_header(tmp_path: Path) -> None:
    asked = python(ASKED, QUERENCIA_URL="http://127.0.0.1:8000", QUERENCIA_HOME=str(tmp_path), DATABASE_URL="")
    found = json.loads(asked.splitlines()[-1])
    assert not found["SESSION_COOKIE_SECURE"]
    assert (found["plain"], found["safe"], found["hsts"], found["PROXIES"]) == (200, 200, "", 0)
    assert found["REACHED_ONLY_LOCALLY"]
