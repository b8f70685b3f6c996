"""All of it together: the operations, and what they are called to programs."""

from typing import Any

from django.urls import URLPattern, re_path
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from querencia.api.rest import consents, customers, events, identifiers, loyalty, measures, merges, purchases, scores
from querencia.api.rest.door import Json, answer_to, door, nothing_there

PREFIX = "/api/v1/"
api = NinjaAPI(
    title="Querencia",
    version="1",
    description="Customers, consents, purchases, events and what is known of them, for programs of the business.",
    docs_url=None,
    openapi_url=None,
    urls_namespace="rest",
    parser=Json(),
)
for room in (customers, identifiers, consents, purchases, events, scores, measures, merges):
    api.add_router("", room.router)
for router in loyalty.ROUTERS:
    api.add_router("", router)
for kind in (Exception, HttpError, ValidationError):  # the last two have handlers of their own otherwise
    api.add_exception_handler(kind, answer_to)


def patterns() -> list[Any]:
    """The addresses, all of them behind the door."""
    found = [pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern) and pattern.name != "api-root"]
    for pattern in found:
        pattern.callback = door(pattern.callback)
    return [*found, re_path("^(?P<path>.*)$", door(nothing_there))]
