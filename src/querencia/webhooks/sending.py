"""One message on its way: what it says, how it is signed, what came back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from querencia.common import http
from querencia.webhooks import signing
from querencia.webhooks.models import Delivery

TEST_KIND = "webhook.test"


@dataclass(frozen=True)
class Outcome:
    """``status`` and ``text`` of the answer, or the ``problem`` for which there was none."""

    status: int | None = None
    text: str = ""
    problem: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send(delivery: Delivery, *, at: datetime) -> Outcome:
    """Send a message, with its endpoint and event at hand. Writes nothing."""
    endpoint, body = delivery.endpoint, body_of(delivery)
    secrets = [endpoint.secret]
    if endpoint.secret_before and endpoint.secret_before_until and at < endpoint.secret_before_until:
        secrets.append(endpoint.secret_before)
    headers = signing.headers(delivery.message_id, body, secrets=secrets, at=at)
    try:
        answer = http.post(
            endpoint.url,
            body,
            {"Content-Type": "application/json", **headers},
            may_reach_loopback=settings.WEBHOOKS_MAY_REACH_LOOPBACK,
        )
    except http.Unreachable as fault:
        return Outcome(problem=fault.code)
    text = answer.body.decode("utf-8", "replace").replace("\0", "")
    return Outcome(answer.status, text, headers=answer.headers)


def body_of(delivery: Delivery) -> bytes:
    """The same bytes at every try, as long as nothing of the event is erased."""
    return json.dumps(_said(delivery), ensure_ascii=False, separators=(",", ":")).encode()


def _said(delivery: Delivery) -> dict[str, Any]:
    event = delivery.event
    if event is None:
        return {"type": TEST_KIND, "timestamp": delivery.created_at.isoformat(), "data": {}}
    who = {"id": event.customer.pk, "key": event.customer.key} if event.customer else None
    data = {
        "id": event.pk,
        "customer": who,
        "source": event.source,
        "channel": event.channel,
        "properties": event.properties,
    }
    return {"type": event.kind, "timestamp": event.occurred_at.isoformat(), "data": data}
