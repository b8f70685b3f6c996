"""A shop, a key, and a machine that sends; the worker's work is done on demand."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from querencia.api.intake import allowance
from querencia.api.rest import access
from querencia.business import actions
from querencia.business.keys import SCOPES
from querencia.flows import intake

AT = datetime(2026, 5, 1, 10, tzinfo=UTC)
type Send = Callable[..., HttpResponse]


@pytest.fixture
def shop(db: None) -> None:
    actions.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")


@pytest.fixture
def key(shop: None) -> str:
    return actions.create_key(kind="write", name="the shop", at=AT)[1]


@pytest.fixture
def send(key: str) -> Send:
    """Sends to a door what is given, as it is if it is bytes, with the key of the shop unless told otherwise."""
    allowance.cache_clear()
    client = Client(raise_request_exception=False)

    def post(door: str, body: Any, *, using: str | None = key, **headers: str) -> HttpResponse:
        shown = {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{using}:".encode()).decode()} if using else {}
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = headers.pop("content_type", "application/json")
        return client.generic("POST", f"/v1/{door}", sent, content_type=kind, **shown, **headers)  # type: ignore[return-value]

    return post


def take_in(at: datetime = AT) -> int:
    """What the worker does until nothing waits; how many arrivals it took in."""
    total = 0
    while done := intake.process(at=at):
        total += done
    return total


@dataclass(frozen=True)
class Program:
    """A program of the business that has a key and speaks JSON."""

    key: str
    client: Client

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """``headers`` as WSGI names them; a body of bytes is sent as it is."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        shown = {"HTTP_AUTHORIZATION": f"Bearer {self.key}"} if self.key else {}
        kind = headers.pop("content_type", "application/json")
        return self.client.generic(  # type: ignore[return-value]
            method, f"/api/v1{path}", sent, content_type=kind, **{**shown, **headers}
        )

    def said(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        """What is answered, once it was looked at whether the status is as it should be."""
        answer = self(method, path, body, **headers)
        assert answer.status_code == status, answer.content
        return json.loads(answer.content)

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Status and code of a problem, once it was looked at whether it is one."""
        answer = self(method, path, body, **headers)
        problem = json.loads(answer.content)
        assert answer["Content-Type"] == "application/problem+json"
        assert problem["status"] == answer.status_code
        assert problem["type"].endswith(f"/api/docs#problem-{problem['code']}")
        assert problem["title"]
        assert problem["detail"]
        return answer.status_code, problem["code"]


@pytest.fixture
def program(shop: None) -> Program:
    """May all there is."""
    access.allowance.cache_clear()
    key = actions.create_key(kind="api", name="till", at=AT, scopes=SCOPES["api"])[1]
    return Program(key, Client(raise_request_exception=False))
