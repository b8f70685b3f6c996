"""Every refusal as RFC 9457 says: a kind, a sentence, and what exactly is wrong."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext_noop as _

MEDIA_TYPE = "application/problem+json"
# So many faults are named; who sent ten thousand knows enough by then.
FAULTS_MAX = 50
# The code, the status, the title, and what to do.
KINDS: dict[str, tuple[int, str, str]] = {
    "malformed_json": (400, "The body is not JSON", _("Send the body as one JSON value in UTF-8, without NaN.")),
    "malformed_gzip": (400, "The body cannot be unpacked", _("Send all of what gzip packed.")),
    "malformed_header": (400, "A header cannot be read", _("Write the header as this page says.")),
    "no_key": (401, "A key is needed", _("Show a secret key: Authorization: Bearer qk_…")),
    "invalid_key": (401, "This key opens nothing", _("It is unknown, was revoked or has expired: make another one.")),
    "missing_scope": (403, "This key may not do that", _("Make a key that has the scope which the problem names.")),
    "not_found": (404, "There is no such thing", _("Look at the address and the id.")),
    "wrong_method": (405, "Not in this way", _("Use one of the methods that the header Allow names.")),
    "in_progress": (409, "The same request is being worked at", _("Ask again after the seconds in Retry-After.")),
    "conflict": (409, "Facts do not change", _("Something else is known under this key: use another one, or refund.")),
    "points_refused": (409, "The points cannot be moved", _("Look at the member's balance, and at the error.")),
    "reward_refused": (409, "The reward or code cannot be had", _("Look at the error: who, when, how many are left.")),
    "too_large": (413, "The body is too large", _("Send fewer items at once.")),
    "wrong_media_type": (415, "The body is of another kind", _("Send application/json, packed with gzip or not.")),
    "invalid": (422, "It does not say what it should", _("Mend what each of the errors points at.")),
    "key_reused": (422, "This Idempotency-Key belongs to another request", _("Use a new key for a new request.")),
    "too_fast": (429, "Too many requests", _("Ask again after the seconds in Retry-After.")),
    "unexpected": (500, "Something went wrong here", _("Ask again. If it stays so, look at the log of the house.")),
    "unavailable": (503, "The database does not answer", _("Ask again after the seconds in Retry-After.")),
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is wrong: where (``pointer`` into the body, as RFC 6901 says, or the name of a ``parameter``) and why."""

    detail: str
    code: str = "invalid"
    pointer: str | None = None
    parameter: str | None = None

    def said(self) -> dict[str, str]:
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Problem(Exception):
    """A request that cannot be done, by the code of its kind."""

    code: str
    detail: str
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> HttpResponse:
        status, title, _do = KINDS[self.code]
        said: dict[str, Any] = {
            "type": type_of(self.code),
            "title": title,
            "status": status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.faults:
            said["errors"] = [fault.said() for fault in self.faults[:FAULTS_MAX]]
        return HttpResponse(json.dumps(said), status=status, content_type=MEDIA_TYPE, headers=dict(self.headers))


def found_or_not[Row](row: Row | None, said: str) -> Row:
    """What stands at the address; raises Problem where nothing does."""
    if row is None:
        raise Problem("not_found", said)
    return row


def type_of(code: str) -> str:
    """The address of the words about a kind of problem."""
    return f"{settings.PUBLIC_URL}/api/docs#problem-{code}"


def faults_of(errors: Iterable[Mapping[str, Any]]) -> list[Fault]:
    """What pydantic found wrong in a body."""
    return [Fault(_sentence(error), str(error["type"]), pointer=pointer_of(error["loc"])) for error in errors]


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """What was found wrong in a request, by where it was found: body, query or path."""
    faults = []
    for error in errors:
        source, *where = error["loc"]
        if source == "body":
            faults.append(Fault(_sentence(error), str(error["type"]), pointer=pointer_of(where[1:])))
        else:
            faults.append(Fault(_sentence(error), str(error["type"]), parameter=str(where[-1])))
    said = faults[0].detail if len(faults) == 1 else f"{len(faults)} faults: the errors say where."
    return Problem("invalid", said, faults)


def pointer_of(where: Iterable[object]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in where)


# Where pydantic speaks of Python.
SENTENCES = {
    "extra_forbidden": "No field is called so.",
    "model_type": "An object is meant here.",
    "dict_type": "An object is meant here.",
    "list_type": "A list is meant here.",
    "missing": "This is needed.",
}


def _sentence(error: Mapping[str, Any]) -> str:
    if known := SENTENCES.get(error["type"]):
        return known
    return str(error["msg"]).removeprefix("Value error, ")[:300]
