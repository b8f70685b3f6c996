"""Keys of machines: shown once, kept as a hash, in force until they are revoked or expire."""

import hashlib
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from querencia.business import actions, queries
from querencia.business.models import ApiKey

AT = datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.mark.django_db
def test_of_a_key_only_its_hash_is_kept() -> None:
    made, key = actions.create_key(kind="write", name=" shop ", at=AT)
    assert len(key) >= 43
    row = ApiKey.objects.values().get()
    assert row["digest"] == hashlib.sha256(key.encode()).hexdigest()
    assert key not in map(str, row.values())
    assert (made.name, made.scopes, key[-4:]) == ("shop", ["intake"], made.ending)
    assert actions.create_key(kind="write", name="shop", at=AT)[1] != key


@pytest.mark.django_db
def test_a_key_opens_until_it_is_revoked_or_expires() -> None:
    made, key = actions.create_key(kind="api", name="server", at=AT, expires_at=AT + timedelta(days=1))
    assert queries.key_in_force(key, at=AT) == made
    assert queries.key_in_force(key, at=AT + timedelta(days=1)) is None
    assert queries.key_in_force(key + "x", at=AT) is None
    assert queries.key_in_force("\ud800", at=AT) is None
    assert actions.revoke_key(key_id=made.pk, at=AT)
    assert not actions.revoke_key(key_id=made.pk, at=AT)
    assert queries.key_in_force(key, at=AT) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [{"kind": "root"}, {"name": " "}, {"name": "x" * 81}, {"scopes": ["read"]}, {"scopes": []}, {"expires_at": AT}],
)
def test_a_key_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        actions.create_key(**{"kind": "write", "name": "shop", "at": AT, **wrong})  # type: ignore[arg-type]
    assert not ApiKey.objects.exists()


@pytest.mark.django_db
def test_the_last_use_is_written_once_a_minute_at_most() -> None:
    made, _key = actions.create_key(kind="write", name="shop", at=AT)
    written = [actions.note_use(key_id=made.pk, at=AT + timedelta(seconds=s)) for s in (0, 1, 59, 60, 61)]
    assert written == [True, False, False, True, False]
    made.refresh_from_db()
    assert made.last_used_at == AT + timedelta(seconds=60)


@pytest.mark.django_db
def test_the_page_shows_a_new_key_once_and_revokes_it() -> None:
    actions.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid")
    owner = actions.add_staff(email="ana@example.org", password="una llave larga y propia", role="owner")
    client = Client()
    client.force_login(owner, "allauth.account.auth_backends.AuthenticationBackend")
    page = client.post("/settings/keys/", {"name": "the shop", "kind": "write"}).content.decode()
    key = re.findall(r"qw_[\w-]{43}", page)
    assert len(key) == 1
    found = queries.key_in_force(key[0], at=datetime.now(UTC))
    assert found is not None
    assert found.created_by == owner
    again = client.get("/settings/keys/")
    assert key[0] not in again.content.decode()
    assert "the shop" in again.content.decode()
    assert "no-store" in again["Cache-Control"]
    assert "Say what the key may do" in client.post("/settings/keys/", {"name": "s", "kind": "api"}).content.decode()
    chosen = {"name": "s", "kind": "api", "scopes": ["events:read"], "expires_on": "2030-01-01"}
    client.post("/settings/keys/", chosen)
    secret = ApiKey.objects.get(kind="api")
    assert (secret.scopes, secret.expires_at) == (["events:read"], datetime(2029, 12, 31, 23, tzinfo=UTC))
    assert "events:read" in client.get("/settings/keys/").content.decode()
    secret.delete()
    client.post(f"/settings/keys/{found.pk}/revoke/")
    assert queries.key_in_force(key[0], at=datetime.now(UTC)) is None
    assert client.post("/settings/keys/", {"name": "", "kind": "write"}).status_code == 200
    assert ApiKey.objects.count() == 1


@pytest.mark.slow
def test_the_command_makes_lists_and_revokes(tmp_path: Path) -> None:
    known = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")}

    def keys(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "querencia", "--home", str(tmp_path), "keys", *arguments]
        return subprocess.run(command, env=known, capture_output=True, text=True)

    made = keys("create", "--kind", "write", "--name", "shop")
    key = made.stdout.splitlines()[-1]
    assert re.fullmatch(r"qw_[\w-]{43}", key)
    secret = keys("create", "--kind", "api", "--name", "server", "--scope", "customers:read").stdout.splitlines()[-1]
    assert secret.startswith("qk_")
    listed = keys("list").stdout
    assert key not in listed
    assert f"…{key[-4:]}" in listed
    assert "server: customers:read; never used; in force" in listed
    assert keys("revoke", "shop").returncode == 0
    assert "revoked" in keys("list").stdout
    for wrong in (["revoke", "shop"], ["revoke"], ["create"], ["create", "--name", "x", "--scope", "all"]):
        assert keys(*wrong).returncode == 2, wrong
