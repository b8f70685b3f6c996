"""How an operation is offered: who may, what is done once however often it is asked, how it is answered."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel

from querencia.api.rest import together
from querencia.api.rest.access import Key
from querencia.api.rest.problems import Fault, Problem
from querencia.api.rest.together import Ticket
from querencia.business import idempotency
from querencia.business.idempotency import Claim
from querencia.business.models import KeptAnswer
from querencia.common.database import durable
from querencia.common.time import now
from querencia.flows import waking

# A structured string in quotation marks, as the draft says, or the bare text that most libraries send.
NAME = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')
# Others wrote the same at the same moment: whoever looks again finds it.
TRIES = 3
# What each operation asks of a key.
SCOPES: dict[str, str] = {}
KEPT_HEADERS = ("Location", "Content-Location")


@dataclass(frozen=True)
class Answer:
    body: BaseModel
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> HttpResponse:
        content = self.body.model_dump_json()
        return HttpResponse(content, status=self.status, content_type="application/json", headers=dict(self.headers))


def endpoint(
    router: Router,
    method: str,
    path: str,
    *,
    scope: str,
    answers: Mapping[int, type[BaseModel]],
    summary: str,
    is_shared: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Offer a function at an address to keys that have the scope. ``answers``: what it answers with, by status.
    ``is_shared``: it answers with a `Ticket`, which is done together with what others ask for at the same moment."""

    def offer(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def serve(request: HttpRequest, **given: Any) -> HttpResponse:
            _look_at_parameters(request, given.get("asked"))
            if scope.endswith(":read"):  # by POST too, where what is asked for is nobody else's business
                answer: Answer = function(request, **given)
                return answer.response()
            do = _done_together if is_shared else _done
            return _once(request, lambda claimed: do(lambda: function(request, **given), claimed))

        SCOPES[function.__name__] = scope
        router.api_operation(
            [method],
            path,
            auth=Key(scope),
            response=dict(answers),
            summary=summary,
            description=function.__doc__ or "",
            operation_id=function.__name__,
        )(serve)
        return function

    return offer


def _look_at_parameters(request: HttpRequest, asked: BaseModel | None) -> None:
    """A filter that nobody knows is a mistake: without it the answer would be all there is."""
    known = type(asked).model_fields if asked else {}
    if unknown := [name for name in request.GET if name not in known]:
        said = [Fault("No parameter is called so.", "unknown_parameter", parameter=name[:100]) for name in unknown]
        raise Problem("invalid", said[0].detail if len(said) == 1 else "Some parameters are not known.", said)


def _once(request: HttpRequest, work: Callable[[Claim | None], HttpResponse]) -> HttpResponse:
    """Done and answered, or answered as it was when it was done."""
    name = _name(request) if request.method == "POST" else ""
    if not name:
        return work(None)
    said = b"\n".join([str(request.method).encode(), request.get_full_path().encode(), request.body])
    try:
        claimed = idempotency.claim(
            api_key_id=request.api_key.pk,  # type: ignore[attr-defined]
            name=name,
            fingerprint=hashlib.sha256(said).hexdigest(),
            at=now(),
        )
        if not isinstance(claimed, Claim):
            return _again(claimed)
        try:
            return work(claimed)
        except BaseException:
            idempotency.release(claimed)
            raise
    except idempotency.InProgress:
        said_so = "A request with this Idempotency-Key is being worked at."
        raise Problem("in_progress", said_so, headers={"Retry-After": "1"}) from None
    except idempotency.OtherRequest:
        raise Problem("key_reused", "Under this Idempotency-Key something else was asked.") from None


def _again(kept: KeptAnswer) -> HttpResponse:
    headers = {**kept.headers, "Idempotency-Replayed": "true"}
    return HttpResponse(bytes(kept.body), status=kept.status, content_type="application/json", headers=headers)


def _done(work: Callable[[], Answer], claimed: Claim | None) -> HttpResponse:
    response = _whole(lambda: _kept(work(), claimed))
    waking.react()
    return response


def _done_together(work: Callable[[], Ticket], claimed: Claim | None) -> HttpResponse:
    ticket = work()
    ticket.claimed = claimed
    response = together.carry_out(ticket, lambda group: _whole(lambda: _settle(group)))
    waking.react()
    return response


def _settle(group: Sequence[Ticket]) -> None:
    for ticket, outcome in zip(group, group[0].write([ticket.item for ticket in group]), strict=True):
        ticket.response = ticket.fault = None
        try:
            ticket.response = _kept(ticket.answer(outcome), ticket.claimed)
        except Problem as fault:
            ticket.fault = fault


def _kept(answer: Answer, claimed: Claim | None) -> HttpResponse:
    response = answer.response()
    if claimed:
        headers = {name: response[name] for name in KEPT_HEADERS if name in response}
        idempotency.keep(claimed, status=response.status_code, headers=headers, body=response.content)
    return response


def _whole[Result](work: Callable[[], Result]) -> Result:
    """In one transaction, durably; anew when others wrote the same at the same moment."""
    for tries_left in reversed(range(TRIES)):
        try:
            with durable(), transaction.atomic():
                return work()
        except (IntegrityError, OperationalError) as fault:
            if not tries_left or not _is_passing(fault):
                raise
    raise AssertionError("the last try either returned or raised")


def _is_passing(fault: Exception) -> bool:
    return isinstance(fault, IntegrityError) or type(fault.__cause__).__name__ in (
        "DeadlockDetected",
        "SerializationFailure",
    )


def _name(request: HttpRequest) -> str:
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return ""
    found = NAME.fullmatch(given.strip())
    if not found:
        said = "Idempotency-Key takes 1 to 255 characters of visible ASCII, in quotation marks."
        raise Problem("malformed_header", said)
    return (found[1] or found[2])[:255]
