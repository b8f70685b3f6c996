"""A shop, a key, and a machine that sends; the worker's work is done on demand."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from querencia.api.intake import allowance
from querencia.business import actions
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
