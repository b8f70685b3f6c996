"""Who may do what here, and how often."""

import time
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja.security import HttpBearer

from querencia.api import reading
from querencia.api.keys import in_force
from querencia.api.limits import Allowance
from querencia.api.rest.problems import Problem
from querencia.business.models import ApiKey
from querencia.common.time import now

REALM = 'Bearer realm="Querencia"'
WINDOW_SECONDS = 60


@cache
def allowance() -> Allowance:
    return Allowance(settings.API_REQUESTS_PER_MINUTE / WINDOW_SECONDS, WINDOW_SECONDS)


class Key(HttpBearer):
    """A key that may do what ``scope`` says. It is shown as Bearer, or as the name of Basic."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> ApiKey:
        shown = reading.key_shown(request)
        if not shown:
            raise Problem("no_key", "Show a secret key in the header Authorization.", headers=_asks(""))
        return self.authenticate(request, shown)

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        key = in_force(token, at=now())
        if key is None:
            said = "This key is unknown, was revoked or has expired."
            raise Problem("invalid_key", said, headers=_asks('error="invalid_token"'))
        request.api_key = key  # type: ignore[attr-defined]
        if wait := allowance().take(key.pk, 1, now=time.monotonic()):
            raise Problem("too_fast", f"Ask again in {wait} s.", headers={"Retry-After": str(wait)})
        if self.scope not in key.scopes:
            asks = _asks(f'error="insufficient_scope", scope="{self.scope}"')
            raise Problem("missing_scope", f"The key “{key.name}” has no scope {self.scope}.", headers=asks)
        return key


def tell_limits(request: HttpRequest, response: HttpResponse) -> None:
    """What the key may still do, in the headers of draft-ietf-httpapi-ratelimit-headers."""
    key = getattr(request, "api_key", None)
    if key is None or allowance().per_second <= 0:
        return
    left, seconds = allowance().left(key.pk, now=time.monotonic())
    response["RateLimit-Policy"] = f'"key";q={settings.API_REQUESTS_PER_MINUTE};w={WINDOW_SECONDS}'
    response["RateLimit"] = f'"key";r={left};t={seconds}'


def _asks(more: str) -> dict[str, str]:
    return {"WWW-Authenticate": f"{REALM}, {more}" if more else REALM}
