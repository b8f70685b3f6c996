"""What holds of every request at the door: how large it may be, and that every answer is one of ours."""

import hashlib
import logging
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from pydantic_core import from_json

from querencia.api import reading
from querencia.api.rest.access import tell_limits
from querencia.api.rest.problems import Problem, invalid

ONE_BYTES_MAX = 256 * 1024
MANY_BYTES_MAX = 5 * 1024 * 1024
WITH_BODY = ("POST", "PATCH", "PUT")
MEDIA_TYPES = ("application/json", "application/merge-patch+json")
REFUSED = {"too_large": "too_large", "unknown_encoding": "wrong_media_type", "invalid_gzip": "malformed_gzip"}
RETRY = {"Retry-After": "5"}
type View = Callable[..., HttpResponse]
log = logging.getLogger(__name__)


def door(view: View) -> View:
    """A view behind the door."""

    @csrf_exempt
    @wraps(view)
    def enter(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        is_head = request.method == "HEAD"
        if is_head:
            request.method = "GET"
        try:
            _take_in(request)
            response = view(request, *args, **kwargs)
        except Exception as fault:
            response = answer_to(request, fault)
        if response.status_code == 405:
            allowed = {"Allow": response["Allow"]}
            response = Problem("wrong_method", f"{request.method} is not done here.", headers=allowed).response()
        _finish(request, response)
        if is_head:
            response.headers["Content-Length"] = str(len(response.content))
            response.content = b""
        return response

    return enter


def answer_to(request: HttpRequest, fault: Exception | type[Exception]) -> HttpResponse:
    """The answer to whatever went wrong."""
    if isinstance(fault, HttpError) and isinstance(fault.__cause__, Problem):
        fault = fault.__cause__
    match fault:
        case Problem():
            problem = fault
        case ValidationError():
            problem = invalid(fault.errors)
        case OperationalError() | InterfaceError():
            _note(request, fault)
            problem = Problem("unavailable", "Nothing was done. Ask again.", headers=RETRY)
        case _:
            _note(request, fault)
            problem = Problem("unexpected", "Nothing was done.")
    return problem.response()


def nothing_there(request: HttpRequest, path: str = "") -> HttpResponse:
    raise Problem("not_found", "Nothing is at this address.")


class Json(Parser):
    """JSON, and nothing that only looks like it."""

    def parse_body(self, request: HttpRequest) -> Any:
        if (request.content_type or "").lower() not in MEDIA_TYPES:
            raise Problem("wrong_media_type", "Send the body as application/json.")
        try:
            return from_json(request.body, allow_inf_nan=False)
        except ValueError as fault:
            raise Problem("malformed_json", f"The body is not JSON: {fault}"[:300]) from None


def _take_in(request: HttpRequest) -> None:
    if request.method not in WITH_BODY:
        request._body = b""  # whatever comes with it means nothing
        return
    limit = MANY_BYTES_MAX if request.path.endswith(("/bulk", "/lookup")) else ONE_BYTES_MAX
    try:
        request._body = reading.body_of(request, limit)
    except reading.BadRequest as fault:
        raise Problem(REFUSED[fault.code], str(fault)) from None


def _finish(request: HttpRequest, response: HttpResponse) -> None:
    tell_limits(request, response)
    # Django would write the address of whatever was refused into the log, and addresses may hold those of people.
    response._has_been_logged = True  # type: ignore[attr-defined]
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.headers.setdefault("Vary", "Authorization")
    if request.method == "GET" and response.status_code == 200:
        mark = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        response["ETag"] = mark
        known = [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]
        if mark in known or known == ["*"]:
            response.status_code = 304
            response.content = b""
            del response["Content-Type"]


def _note(request: HttpRequest, fault: Any) -> None:
    # Where, and of which kind: what databases say of a fault may hold the values of people.
    kind = type(fault).__name__ if isinstance(fault, DatabaseError) else repr(fault)[:200]
    where = "".join(traceback.format_tb(fault.__traceback__)[-6:])
    log.error("%s %s: %s\n%s", request.method, getattr(request.resolver_match, "route", ""), kind, where)
