"""The doors for events: exact answers, whatever comes in; what is answered with 200 is kept."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from querencia.api import intake
from querencia.api.limits import Allowance
from querencia.business import actions
from querencia.business.models import ApiKey
from querencia.customers.models import Arrival
from tests.api.conftest import AT, Send

pytestmark = pytest.mark.django_db

TRACK = {"type": "track", "event": "Song Played", "userId": "ana", "messageId": "m1"}
KB = 1024


def said(answer: HttpResponse) -> tuple[int, Any]:
    return answer.status_code, json.loads(answer.content)


def refused(answer: HttpResponse, status: int, code: str) -> None:
    found = json.loads(answer.content)
    assert (answer.status_code, found["success"], found["code"]) == (status, False, code)
    assert found["message"]
    assert answer["Access-Control-Allow-Origin"] == "*"


def padded(size: int, **more: Any) -> dict[str, Any]:
    """An event of exactly so many bytes."""
    event = {**TRACK, **more, "properties": {"text": ""}}
    event["properties"] = {"text": "x" * (size - len(json.dumps(event, separators=(",", ":"))))}
    return event


def compact(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "door", ["identify", "track", "page", "screen", "group", "alias", "i", "t", "p", "s", "g", "a"]
)
def test_every_door_keeps_what_it_is_given(door: str, send: Send) -> None:
    answer = send(door, TRACK)
    assert said(answer) == (200, {"success": True})
    assert answer.content == b'{"success": true}'
    kept = Arrival.objects.get()
    assert json.loads(bytes(kept.body)) == TRACK
    assert kept.door.startswith(door)
    assert (kept.events, kept.state, kept.api_key) == (1, "waiting", ApiKey.objects.get())


@pytest.mark.parametrize("door", ["batch", "b", "import"])
def test_a_batch_is_one_row(door: str, send: Send) -> None:
    assert said(send(door, {"batch": [TRACK] * 100})) == (200, {"success": True})
    assert Arrival.objects.get().events == 100
    assert said(send(door, {"batch": []})) == (200, {"success": True})


def test_the_key_is_shown_as_basic_as_bearer_or_in_the_body(key: str, send: Send) -> None:
    assert send("track", TRACK).status_code == 200
    assert send("track", TRACK, using=None, HTTP_AUTHORIZATION=f"Bearer {key}").status_code == 200
    assert send("track", {**TRACK, "writeKey": key}, using=None).status_code == 200
    assert send("t", {**TRACK, "writeKey": key}, using=None, content_type="text/plain;charset=UTF-8").status_code == 200
    assert send("batch", {"batch": [TRACK], "writeKey": key}, using=None).status_code == 200
    assert Arrival.objects.count() == 5


def test_a_key_that_opens_nothing_is_refused_and_nothing_is_kept(key: str, send: Send) -> None:
    secret = actions.create_key(kind="api", name="reads", at=AT, scopes=["customers:read"])[1]
    expired = actions.create_key(kind="write", name="old", at=AT, expires_at=AT + timedelta(days=1))[1]
    for other in ("qw_" + "x" * 43, "", "\0", "ñ", secret, "x" * 10_000, expired):
        refused(send("track", TRACK, using=None, HTTP_AUTHORIZATION=f"Bearer {other}"), 401, "invalid_key")
        refused(send("track", {**TRACK, "writeKey": other}, using=None), 401, "invalid_key")
        basic = base64.b64encode(f"{other}:".encode()).decode()
        refused(send("track", TRACK, using=None, HTTP_AUTHORIZATION=f"Basic {basic}"), 401, "invalid_key")
    for header in ("Basic", "Basic !!!", "Basic /w==", "Digest x", "x"):
        refused(send("track", TRACK, using=None, HTTP_AUTHORIZATION=header), 401, "invalid_key")
    for body in ([TRACK], "text", 1, None, {"writeKey": 1}, {"writeKey": None}):
        refused(send("track", body, using=None), 401, "invalid_key")
    actions.revoke_key(key_id=ApiKey.objects.get(name="the shop").pk, at=AT)
    refused(send("track", TRACK), 401, "invalid_key")
    assert not Arrival.objects.exists()


def test_the_use_of_a_key_is_noted(send: Send) -> None:
    send("track", TRACK)
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    assert datetime.now(UTC) - first < timedelta(minutes=1)
    send("track", TRACK)
    assert ApiKey.objects.get().last_used_at == first


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nothing",
        b'{"a": NaN}', b'{"a": Infinity}', b"\xff\xfe{}", b'{"a": "\xc3\x28"}', b'{"a": "\\ud800"}',
        b"[" * 20_000, b'{"a":' * 5_000, b"{}{}", b"1" * 6_000, b"\0",
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_in_words(body: bytes, send: Send) -> None:
    for door in ("track", "batch"):
        refused(send(door, body), 400, "invalid_json")
    assert not Arrival.objects.exists()


def test_json_of_any_other_shape_is_accepted(send: Send) -> None:
    for body in ({}, [], "text", 1, None, True, {"batch": "no"}, {"batch": {}}, {"batch": [1, None, "x", []]}):
        for door in ("track", "batch"):
            assert said(send(door, body)) == (200, {"success": True}), body
    assert Arrival.objects.count() == 18


def test_sizes_are_held_to_the_byte(send: Send) -> None:
    assert send("track", compact(padded(32 * KB))).status_code == 200
    refused(send("track", compact(padded(32 * KB + 1))), 400, "too_large")
    assert send("batch", compact({"batch": [TRACK, padded(32 * KB)]})).status_code == 200
    assert (
        send("batch", compact({"batch": [TRACK, padded(32 * KB + 1)]})).status_code == 200
    )  # rejected by itself, later
    shell = len(compact({"batch": [], "x": ""}))
    many = {"batch": [padded(10_000)] * 51, "x": ""}
    many["x"] = "x" * (500 * KB - shell - 51 * 10_000 - 50)
    assert len(compact(many)) == 500 * KB
    assert send("batch", compact(many)).status_code == 200
    many["x"] += "x"
    refused(send("batch", compact(many)), 400, "too_large")
    assert send("batch", {"batch": [{}] * 2_500}).status_code == 200
    refused(send("batch", {"batch": [{}] * 2_501}), 400, "too_many_events")
    assert Arrival.objects.count() == 5


def test_what_gzip_packed_is_unpacked(send: Send) -> None:
    packed = gzip.compress(json.dumps({"batch": [TRACK] * 200}).encode())
    assert send("batch", packed, HTTP_CONTENT_ENCODING="gzip").status_code == 200
    assert Arrival.objects.get().events == 200


def test_a_bomb_does_not_go_off(send: Send) -> None:
    bomb = gzip.compress(b"[" + b" " * (300 << 20) + b"]")
    assert len(bomb) < 500 * KB
    refused(send("batch", bomb, HTTP_CONTENT_ENCODING="gzip"), 400, "too_large")
    twice = gzip.compress(gzip.compress(b"{}" + b" " * (100 << 20)))
    refused(send("batch", twice, HTTP_CONTENT_ENCODING="gzip"), 400, "invalid_json")


def test_a_broken_or_strange_packing_is_refused_in_words(send: Send) -> None:
    packed = gzip.compress(b"{}")
    for broken in (b"", b"{}", packed[:-4], packed[:5]):
        refused(send("batch", broken, HTTP_CONTENT_ENCODING="gzip"), 400, "invalid_gzip")
    for name in ("br", "deflate", "gzip, gzip", "x"):
        refused(send("batch", packed, HTTP_CONTENT_ENCODING=name), 400, "unknown_encoding")


def test_who_sends_too_fast_is_told_when_to_try_again(send: Send, settings: Any) -> None:
    settings.INTAKE_EVENTS_PER_SECOND = 10
    intake.allowance.cache_clear()
    answers = [send("batch", {"batch": [TRACK] * 10}) for _ in range(4)]
    assert [each.status_code for each in answers][:2] == [200, 200]
    assert 429 in [each.status_code for each in answers[2:]]
    last = answers[-1]
    refused(last, 429, "too_fast")
    assert int(last["Retry-After"]) >= 1
    assert "Retry-After" in last["Access-Control-Expose-Headers"]
    assert Arrival.objects.count() == [each.status_code for each in answers].count(200)
    intake.allowance.cache_clear()


def test_an_allowance_fills_up_again_and_is_each_keys_own() -> None:
    allowance = Allowance(100)
    assert allowance.take(1, 250, now=0.0) == 0  # more than is saved up, once
    assert allowance.take(1, 1, now=0.1) == 1
    assert allowance.take(2, 1, now=0.1) == 0
    assert allowance.take(1, 1, now=1.0) == 0
    assert Allowance(0).take(1, 10**9, now=0.0) == 0


def test_pages_of_other_sites_may_send(key: str, send: Send) -> None:
    client = Client()
    asked = client.options("/v1/t", HTTP_ORIGIN="https://shop.example", HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST")
    assert asked.status_code == 204
    assert asked["Access-Control-Allow-Origin"] == "*"
    assert {"Authorization", "Content-Type"} <= set(asked["Access-Control-Allow-Headers"].split(", "))
    answer = send(
        "t", {**TRACK, "writeKey": key}, using=None, content_type="text/plain", HTTP_ORIGIN="https://a.example"
    )
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, "*")
    assert not answer.cookies


def test_other_methods_are_not_answered(send: Send) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = Client().generic(method, "/v1/track", b"{}")
        refused(answer, 405, "wrong_method")  # type: ignore[arg-type]
        assert answer["Allow"] == "POST, OPTIONS"


def test_the_settings_document_sends_analytics_js_to_us(key: str) -> None:
    answer = Client().get(f"/v1/projects/{key}/settings")
    assert answer.status_code == 200
    found = answer.json()["integrations"]
    assert list(found) == ["Segment.io"]
    assert found["Segment.io"]["apiKey"] == key
    assert (found["Segment.io"]["protocol"], found["Segment.io"]["apiHost"]) == ("http", "testserver/v1")
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert Client().get("/v1/projects/nobody/settings").status_code == 401


def test_before_there_is_a_business_nothing_is_redirected(db: None) -> None:
    refused(Client().post("/v1/track", b"{}", content_type="application/json"), 401, "invalid_key")  # type: ignore[arg-type]
