"""The door of REST: who may, how often, how much; every refusal is a problem in words; nothing is done twice."""

import base64
import gzip
import json
import re
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections
from django.test import Client

from querencia.api.rest import access
from querencia.api.rest.fields import Given, Told
from querencia.api.rest.openapi import document
from querencia.business import actions, idempotency
from querencia.business.keys import DEFAULT_SCOPES, SCOPES
from querencia.business.models import ApiKey, KeptAnswer
from querencia.customers.models import Customer, Event, Purchase
from tests.api.conftest import AT, Program

EVENT = {"key": "e1", "kind": "Shop Visited"}
MB = 1024 * 1024


def with_key(program: Program, key: str) -> Program:
    return Program(key, program.client)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path.removeprefix("/api/v1"), operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_without_a_key_that_opens_nothing_is_opened(program: Program) -> None:
    expired = actions.create_key(kind="api", name="old", at=AT, expires_at=AT + timedelta(days=1))[1]
    made, revoked = actions.create_key(kind="api", name="lost", at=AT)
    actions.revoke_key(key_id=made.pk, at=AT)
    for method, path, _operation in operations():
        address = path.replace("{customer_id}", "1").replace("{", "").replace("}", "")
        assert with_key(program, "").refused(method, address)[1] in ("no_key", "not_found")
    for key in ("qk_" + "x" * 43, expired, revoked, "ñ", "x" * 10_000):
        answer = with_key(program, key)("GET", "/customers")
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith('Bearer realm="Querencia"')
    assert with_key(program, "")("GET", "/customers")["WWW-Authenticate"] == 'Bearer realm="Querencia"'


@pytest.mark.django_db
def test_each_operation_asks_for_its_scope_and_no_other(program: Program) -> None:
    write = with_key(program, actions.create_key(kind="write", name="page", at=AT)[1])
    for method, path, operation in operations():
        [scope] = operation["security"][0]["key"]
        others = [each for each in SCOPES["api"] if each != scope]
        lacking = with_key(program, actions.create_key(kind="api", name=path, at=AT, scopes=others)[1])
        address = path.replace("{kind}", "card").replace("{value}", "1").replace("{name}", "loyal")
        address = re.sub(r"\{(?:\w+_id|card_number|month)\}", "1", address)
        for refused in (lacking, write):
            answer = refused(method, address, {})
            assert answer.status_code == 403
            assert f'error="insufficient_scope", scope="{scope}"' in answer["WWW-Authenticate"]
        assert not scope.endswith(":read") or method == "GET" or path.endswith(("/lookup", "/quote", "/check"))
    assert not {"merges:write", "loyalty:read", "loyalty:write"} & set(DEFAULT_SCOPES["api"])


def test_no_two_models_share_a_name_by_which_the_document_would_take_one_for_the_other() -> None:
    document()
    names = Counter(each.__name__ for base in (Given, Told) for each in descendants(base) if "[" not in each.__name__)
    assert [name for name, number in names.items() if number > 1] == []


def descendants(of: type) -> set[type]:
    return {of}.union(*(descendants(each) for each in of.__subclasses__()))


@pytest.mark.django_db
def test_a_key_may_be_shown_as_basic_and_its_use_is_noted(program: Program) -> None:
    basic = base64.b64encode(f"{program.key}:".encode()).decode()
    assert with_key(program, "")("GET", "/customers", HTTP_AUTHORIZATION=f"Basic {basic}").status_code == 200
    assert ApiKey.objects.get().last_used_at is not None


@pytest.mark.django_db
def test_keys_of_before_may_what_they_were_promised() -> None:
    old = actions.create_key(kind="api", name="old", at=AT)[0]
    ApiKey.objects.filter(pk=old.pk).update(scopes=["intake", "read", "write"])
    import_module("querencia.business.migrations.0005_scopes_by_resource").say_by_resource(apps, None)
    old.refresh_from_db()
    assert set(old.scopes) == set(SCOPES["api"]) - {"merges:write", "loyalty:read", "loyalty:write"}


# -- how often and how much --------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_who_asks_too_often_waits(program: Program, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 6
    access.allowance.cache_clear()
    answers = [program("GET", "/segments") for _ in range(8)]
    assert [each.status_code for each in answers] == [200] * 6 + [429] * 2
    assert answers[0]["RateLimit-Policy"] == '"key";q=6;w=60'
    assert answers[0]["RateLimit"].startswith('"key";r=5;t=')
    assert 1 <= int(answers[-1]["Retry-After"]) <= 10
    assert json.loads(answers[-1].content)["code"] == "too_fast"
    other = with_key(program, actions.create_key(kind="api", name="other", at=AT)[1])
    assert other("GET", "/segments").status_code == 200
    settings.API_REQUESTS_PER_MINUTE = 0
    access.allowance.cache_clear()
    assert "RateLimit" not in program("GET", "/segments").headers
    access.allowance.cache_clear()


@pytest.mark.django_db
def test_sizes_are_held(program: Program) -> None:
    assert program.refused("POST", "/events", b" " * (256 * 1024 + 1)) == (413, "too_large")
    assert program.refused("POST", "/events/bulk", b" " * (5 * MB + 1)) == (413, "too_large")
    bomb = gzip.compress(b" " * (300 * MB), 9)
    assert program.refused("POST", "/events/bulk", bomb, HTTP_CONTENT_ENCODING="gzip") == (413, "too_large")
    packed = gzip.compress(json.dumps(EVENT).encode())
    program.said("POST", "/events", packed, status=201, HTTP_CONTENT_ENCODING="gzip")
    assert program.refused("POST", "/events", packed[:-4], HTTP_CONTENT_ENCODING="gzip") == (400, "malformed_gzip")
    assert program.refused("POST", "/events", packed, HTTP_CONTENT_ENCODING="br") == (415, "wrong_media_type")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"\xff\xfe{}", 400), (b'{"key": NaN}', 400), (b'{"key": "\\ud800"}', 400), (b"[" * 20_000, 400),
        (b'{"a":' * 5_000, 400), (b"{}{}", 400), (b"", 422), (b"null", 422), (b"[]", 422), (b'"text"', 422),
        (b"{}", 422),
        (b'{"key": "a\\u0000", "kind": "Seen"}', 422), (b'{"key": ' + b"1" * 4_000 + b"}", 422),
        (json.dumps({f"k{n}": n for n in range(10_000)}).encode(), 422),
        (b'{"key": "a", "kind": "Seen", "properties": {"n": ' + b"1" * 400 + b"}}", 422),
        (b'{"key": "a", "kind": "Seen", "properties": {"n": 1e999}}', 422),
        (b'{"key": "a", "kind": "Seen", "occurred_at": "9999-12-31T23:59:59-23:59"}', 422),
        (b'{"key": "a", "kind": "Seen", "customer": {"id": ' + b"9" * 30 + b"}}", 422),
    ],
)  # fmt: skip
def test_whatever_comes_is_refused_in_words(body: bytes, status: int, program: Program) -> None:
    answer = program("POST", "/events", body)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    assert len(answer.content) < 20_000
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_other_kinds_of_bodies_methods_and_addresses(program: Program) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert program.refused("POST", "/events", b"a=1", content_type=kind) == (415, "wrong_media_type")
    answer = program("DELETE", "/customers")
    assert (answer.status_code, sorted(answer["Allow"].split(", "))) == (405, ["GET", "POST"])
    for path in ("", "/", "/nothing", "/customers/", "/customers/1/2/3", "/customers/abc"):
        assert program.refused("GET", path) == (404, "not_found"), path
    assert program.refused("GET", "/customers/99999999999999999999") == (422, "invalid")
    assert with_key(program, "").client.get("/api/v1").status_code == 404


@pytest.mark.django_db
def test_what_has_not_changed_is_not_sent_again(program: Program) -> None:
    answer = program("GET", "/segments")
    for shown in (answer["ETag"], f"W/{answer['ETag']}", f'"x", {answer["ETag"]}', "*"):
        again = program("GET", "/segments", HTTP_IF_NONE_MATCH=shown)
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])
    assert program("GET", "/segments", HTTP_IF_NONE_MATCH='"x"').status_code == 200
    head = program("HEAD", "/segments")
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", answer["ETag"])


@pytest.mark.django_db
def test_a_database_that_does_not_answer_is_told_so(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE customers_event RENAME TO gone")
        answer = program("GET", "/events?key=ana@example.org")
    assert answer.status_code in (500, 503)
    assert answer["Content-Type"] == "application/problem+json"
    assert "ana@example.org" not in caplog.text


# -- once --------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_named_request_is_answered_as_it_was(program: Program) -> None:
    named = {"HTTP_IDEMPOTENCY_KEY": '"8e03978e-40d5"'}
    first = program("POST", "/events", EVENT, **named)
    again = program("POST", "/events", EVENT, **named)
    assert (again.status_code, again.content, again["Location"]) == (201, first.content, first["Location"])
    assert again["Idempotency-Replayed"] == "true"
    assert program("POST", "/events", EVENT, HTTP_IDEMPOTENCY_KEY="8e03978e-40d5").content == first.content
    assert program.refused("POST", "/events", {**EVENT, "channel": "web"}, **named) == (422, "key_reused")
    assert program.refused("POST", "/customers", {"key": "K"}, **named) == (422, "key_reused")
    other = with_key(program, actions.create_key(kind="api", name="other", at=AT)[1])
    assert other("POST", "/events", EVENT, **named).status_code == 200
    for wrong in ("", '""', "a b", '"a', "ñ", "x" * 256):
        answer = program.refused("POST", "/events", EVENT, HTTP_IDEMPOTENCY_KEY=wrong)
        assert answer == (400, "malformed_header"), wrong
    # What only reads is not kept: who is looked up is nobody's business a day later.
    asked = {"identifiers": [{"kind": "card", "value": "1"}]}
    assert program.said("POST", "/customers/lookup", asked, **named) == {"customers": [None]}
    assert KeptAnswer.objects.count() == 2


@pytest.mark.django_db
def test_a_refusal_is_not_kept(program: Program) -> None:
    named = {"HTTP_IDEMPOTENCY_KEY": "a-name"}
    wrong = {**EVENT, "customer": {"id": 10**12}}
    assert program.refused("POST", "/events", wrong, **named) == (422, "invalid")
    assert not KeptAnswer.objects.exists()
    program.said("POST", "/events", EVENT, status=201, **named)


@pytest.mark.django_db
def test_a_request_that_is_being_worked_at_is_not_done_again_until_its_claim_lapses(program: Program) -> None:
    key = ApiKey.objects.get().pk
    begun = datetime.now(UTC)
    mine = idempotency.claim(api_key_id=key, name="n", fingerprint="f", at=begun)
    assert isinstance(mine, idempotency.Claim)
    with pytest.raises(idempotency.InProgress):
        idempotency.claim(api_key_id=key, name="n", fingerprint="f", at=begun + timedelta(seconds=59))
    with pytest.raises(idempotency.OtherRequest):
        idempotency.claim(api_key_id=key, name="n", fingerprint="g", at=begun + timedelta(seconds=61))
    theirs = idempotency.claim(api_key_id=key, name="n", fingerprint="f", at=begun + timedelta(seconds=61))
    assert isinstance(theirs, idempotency.Claim)
    # Who was thought dead cannot finish any more.
    with pytest.raises(idempotency.InProgress):
        idempotency.keep(mine, status=201, headers={}, body=b"mine")
    idempotency.release(mine)
    idempotency.keep(theirs, status=201, headers={}, body=b"theirs")
    kept = idempotency.claim(api_key_id=key, name="n", fingerprint="f", at=begun + timedelta(hours=1))
    assert isinstance(kept, KeptAnswer)
    assert bytes(kept.body) == b"theirs"
    assert idempotency.forget(at=begun + timedelta(hours=23)) == 0
    assert idempotency.forget(at=begun + timedelta(hours=25)) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_many_who_ask_the_same_at_once_one_is_done(program: Program) -> None:
    sale = {
        "key": "T-1",
        "customer": {"kind": "customer_key", "value": "K-1"},
        "at": "2026-05-01T10:00:00Z",
        "amount": 5,
    }
    seen: list[tuple[int, bytes]] = []
    begin = threading.Barrier(8)

    def ask(name: str) -> None:
        mine = Program(program.key, Client(raise_request_exception=False))
        begin.wait()
        for _ in range(200):
            answer = mine("POST", "/purchases", sale, HTTP_IDEMPOTENCY_KEY=name)
            if answer.status_code != 409:
                break
            assert answer["Retry-After"] == "1"
        seen.append((answer.status_code, answer.content))
        connections.close_all()

    # Four under one name, four each under their own: the purchase's key is one.
    threads = [threading.Thread(target=ask, args=(f"n{max(0, n - 3)}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = Counter(status for status, _content in seen)
    assert set(statuses) <= {200, 201}
    assert {json.loads(content)["id"] for _status, content in seen} == {Purchase.objects.get().pk}
    assert Customer.objects.count() == 1
    assert sum(json.loads(content)["result"] == "created" for _status, content in seen) in (1, 4)
