"""The card of a member: its code names nobody, dies with the card, and is taken wherever the number is; a pass for
Apple Wallet that openssl verifies."""

import hashlib
import io
import json
import re
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.test import Client, override_settings

from querencia.business import actions as business
from querencia.common.time import now
from querencia.customers.models import Event
from querencia.loyalty import cards
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries import naming
from tests.loyalty import shop
from tests.web.visiting import PASSWORD, somebody, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(settings: Any) -> Member:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    business.set_business(name="Ferretería Ana", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    business.add_staff(email="first@example.org", password=PASSWORD, name="Ana", role="owner")
    found = shop.member(shop.programme(expiry_count=2), given_name="Ana", family_name="García")
    shop.earns(found, 12_300, at=now())
    return found


@pytest.fixture
def inside(ana: Member) -> Client:
    """A browser in which Ana has come in."""
    client = Client()
    session = client.session
    session["club_inside"] = {"customer": ana.customer_id, "until": now().timestamp() + 600}
    session.save()
    return client


def test_a_code_is_short_names_nobody_and_is_taken_as_the_number_is(ana: Member) -> None:
    other = shop.member(Programme.objects.get())
    code = cards.code_of(ana)
    assert re.fullmatch(r"Q1[0-9A-Z]{21,33}", code)
    assert ana.card_number not in code
    programme = Programme.objects.get()
    forged = cards.code_of(other)[:-20] + code[-20:]
    other_end = "B" if code.endswith("A") else "A"
    asked = [
        code,
        code.lower(),
        ana.card_number,
        forged,
        code[:-1] + other_end,
        "Q1",
        "Q1" + "A" * 40,
        "Q1é" + "A" * 20,
    ]
    found = naming.by_card(programme, asked)
    assert found == dict.fromkeys(asked[:3], ana)
    assert naming.customers_by_card(f" {code} ") == [ana.customer_id]
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[]):
        assert naming.by_card(programme, [code]) == {}
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert naming.by_card(programme, [code]) == {code: ana}


def test_a_lost_card_opens_nothing_any_more(ana: Member, inside: Client) -> None:
    old = (ana.card_number, cards.code_of(ana))
    given = {"programme": ana.programme_id, "number": ana.card_number}
    for _ in range(2):  # the second comes from a page that is no longer true
        assert inside.post("/club/card/lost/", given).status_code == 302
    ana.refresh_from_db()
    assert ana.card_number not in old
    assert naming.by_card(ana.programme, old) == {}
    assert naming.by_card(ana.programme, [cards.code_of(ana)]) == {cards.code_of(ana): ana}
    assert Event.objects.filter(kind="member.card_replaced", customer=ana.customer_id).count() == 1
    agent = somebody("agent")
    answer = agent.post(f"/customers/{ana.customer_id}/card/lost/", {**given, "number": ana.card_number}, follow=True)
    assert "Another card, with number" in text(answer)
    assert shop.has(ana, at=now()).available == 123


def test_the_card_is_found_shown_and_printed(ana: Member, inside: Client) -> None:
    agent = somebody("agent")
    for typed in (cards.code_of(ana), ana.card_number, " ".join(re.findall("....", ana.card_number))):
        assert "García" in text(agent.get("/customers/", {"q": typed}))
    place = f"card/{ana.programme_id}/"
    for client, path in ((inside, f"/club/{place}"), (agent, f"/customers/{ana.customer_id}/{place}")):
        page = text(client.get(path))
        assert "member-card" in page
        assert "Ana García" in page
        assert "Ferretería Ana" in page
        assert page.count("<svg") >= 1
    assert Client().get(f"/club/card/{ana.programme_id}/").status_code == 404
    assert "Wallet" not in text(inside.get("/club/"))
    assert inside.get(f"/club/card/{ana.programme_id}/wallet/").status_code == 404


# -- Apple Wallet ------------------------------------------------------------------------------------------------------


def name(common: str, *more: tuple[Any, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(of, value) for of, value in (*more, (NameOID.COMMON_NAME, common))])


def certified(subject: x509.Name, key: Any, by: x509.Name, signed_with: Any, *, is_authority: bool) -> x509.Certificate:
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number()).add_extension(
        x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
    )
    at = datetime.now(UTC)
    built = built.not_valid_before(at - timedelta(days=1)).not_valid_after(at + timedelta(days=30))
    return built.sign(signed_with, hashes.SHA256())


def written(path: Path, certificate: x509.Certificate, form: Any = serialization.Encoding.PEM) -> str:
    path.write_bytes(certificate.public_bytes(form))
    return str(path)


def fetched(client: Client, member: Member) -> dict[str, bytes]:
    """The files of the pass that a button leads to."""
    place = f"/club/card/{member.programme_id}/wallet/"
    assert f'href="{place}">Add to Apple Wallet' in text(client.get("/club/"))
    answer = client.get(place)
    assert answer["Content-Type"] == "application/vnd.apple.pkpass"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    return {each: archive.read(each) for each in archive.namelist()}


def test_a_pass_for_the_phone_is_signed_so_that_openssl_verifies_it(
    ana: Member, inside: Client, tmp_path: Path
) -> None:
    root, middle, own = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    of_root, of_middle = name("Throw-away root"), name("Throw-away intermediate")
    subject = name(
        "Pass Type ID: pass.example.club",
        (NameOID.USER_ID, "pass.example.club"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "TEAM123456"),
    )
    ca = written(tmp_path / "root.pem", certified(of_root, root, of_root, root, is_authority=True))
    between = certified(of_middle, middle, of_root, root, is_authority=True)
    mine = certified(subject, own, of_middle, middle, is_authority=False)
    key = tmp_path / "key.pem"
    key.write_bytes(
        own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files_of = {
        "certificate": written(tmp_path / "pass.pem", mine),
        "key": str(key),
        "intermediate": written(tmp_path / "wwdr.cer", between, serialization.Encoding.DER),
    }
    with override_settings(WALLET=files_of):
        files = fetched(inside, ana)
    manifest = json.loads(files["manifest.json"])
    signed = {each: content for each, content in files.items() if each not in ("manifest.json", "signature")}
    assert manifest == {each: hashlib.sha1(content).hexdigest() for each, content in signed.items()}
    assert {"pass.json", "icon.png", "icon@2x.png"} <= manifest.keys()
    assert all(content[:8] == b"\x89PNG\r\n\x1a\n" for each, content in files.items() if each.endswith(".png"))
    assert int.from_bytes(files["icon@2x.png"][16:20], "big") == 58
    said = json.loads(files["pass.json"])
    assert (said["passTypeIdentifier"], said["teamIdentifier"]) == ("pass.example.club", "TEAM123456")
    assert said["storeCard"]["primaryFields"][0]["value"] == 123
    assert said["barcodes"][0]["message"] == cards.code_of(ana)
    for each in ("manifest.json", "signature"):
        (tmp_path / each).write_bytes(files[each])
    verify = ["openssl", "smime", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-CAfile", ca]
    verify += ["-in", str(tmp_path / "signature"), "-content", str(tmp_path / "manifest.json"), "-out", "/dev/null"]
    assert subprocess.run(verify, capture_output=True).returncode == 0
    (tmp_path / "manifest.json").write_bytes(files["manifest.json"] + b" ")
    assert subprocess.run(verify, capture_output=True).returncode != 0
