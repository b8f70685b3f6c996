"""A request at the door: whose key it shows, what it unpacks to, whether it is JSON of a size that we take."""

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from pydantic_core import from_json

from querencia.customers.intake import EVENT_BYTES_MAX

BATCH_BYTES_MAX = 500 * 1024
BATCH_EVENTS_MAX = 2_500
BATCH_DOORS = ("batch", "import")
KEY_LENGTH_MAX = 200


class BadRequest(Exception):
    """The body cannot be taken, by code and in words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Sent:
    body: bytes
    parsed: Any
    events: int


def key_shown(request: HttpRequest) -> str:
    """The key in the Authorization header: Basic with the key as name, or Bearer. Empty if there is none."""
    scheme, _, value = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return str(value).strip()[:KEY_LENGTH_MAX]
        case "basic":
            try:
                named = base64.b64decode(value.strip(), validate=True).decode()
            except (binascii.Error, ValueError):
                return ""
            return named.partition(":")[0][:KEY_LENGTH_MAX]
        case _:
            return ""


def key_within(sent: Sent) -> str:
    """The key in the body, as browsers send it."""
    key = sent.parsed.get("writeKey") if isinstance(sent.parsed, dict) else None
    return key[:KEY_LENGTH_MAX] if isinstance(key, str) else ""


def read(request: HttpRequest, door: str) -> Sent:
    """The body, unpacked and parsed. Raises BadRequest."""
    body = body_of(request, BATCH_BYTES_MAX if door in BATCH_DOORS else EVENT_BYTES_MAX)
    try:
        parsed = from_json(body, allow_inf_nan=False)
    except ValueError as fault:
        raise BadRequest("invalid_json", f"The body is not JSON: {fault}"[:300]) from None
    events = parsed.get("batch") if door in BATCH_DOORS and isinstance(parsed, dict) else None
    if not isinstance(events, list):
        return Sent(body, parsed, 1)
    if len(events) > BATCH_EVENTS_MAX:
        raise BadRequest("too_many_events", f"A batch holds {BATCH_EVENTS_MAX:,} events at most.")
    return Sent(body, parsed, len(events))


def body_of(request: HttpRequest, limit: int) -> bytes:
    """The body, unpacked, of so many bytes at most. Raises BadRequest."""
    return _unpacked(_body(request, limit), request.META.get("HTTP_CONTENT_ENCODING", ""), limit)


def _body(request: HttpRequest, limit: int) -> bytes:
    if _length(request) > limit:
        raise _too_large(limit)
    # In chunks it comes without a length, and Django reads none of it.
    is_chunked = not request.META.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" in request.META
    source = request.META["wsgi.input"] if is_chunked else request
    body: bytes = source.read(limit + 1)
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _length(request: HttpRequest) -> int:
    given = request.META.get("CONTENT_LENGTH") or "0"
    return int(given) if given.isdecimal() else 0


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """What gzip packed, and never more of it than the limit: a bomb goes off in words."""
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() != "gzip":
        raise BadRequest("unknown_encoding", "The body may be packed with gzip, with nothing else.")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as fault:
        raise BadRequest("invalid_gzip", f"The body cannot be unpacked: {fault}") from None
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unpacker.eof:
        raise BadRequest("invalid_gzip", "The body ends before what gzip packed does.")
    return unpacked


def _too_large(limit: int) -> BadRequest:
    return BadRequest("too_large", f"The body takes {limit // 1024} KB at most, unpacked.")
