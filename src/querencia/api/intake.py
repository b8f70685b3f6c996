"""The doors for events in Segment's format. They read, keep and answer: what events mean is found out afterwards."""

import logging
import time
from functools import cache

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from querencia.api import reading
from querencia.api.keys import in_force
from querencia.api.limits import Allowance
from querencia.business import keys
from querencia.business.models import ApiKey
from querencia.common.time import now
from querencia.flows import intake

SUCCESS = b'{"success": true}'
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, X-Retry-Count",
    "Access-Control-Expose-Headers": "Retry-After",
    "Access-Control-Max-Age": "86400",
}
log = logging.getLogger(__name__)


@cache
def allowance() -> Allowance:
    return Allowance(settings.INTAKE_EVENTS_PER_SECOND)


@csrf_exempt
def receive(request: HttpRequest, door: str) -> HttpResponse:
    """Take an event or a batch of them: 200 once it is kept, whatever it says."""
    if request.method != "POST":
        return _other(request, "POST")
    try:
        shown = reading.key_shown(request)
        key = _key(shown)
        if shown and key is None:
            return _refused(401, "invalid_key", "This key opens nothing here.")
        sent = reading.read(request, door)
        key = key or _key(reading.key_within(sent))
        if key is None:
            return _refused(401, "invalid_key", "Show a write key: Basic with an empty password, Bearer, or writeKey.")
        if wait := allowance().take(key.pk, sent.events, now=time.monotonic()):
            answer = _refused(429, "too_fast", f"This key sends too fast. Try again in {wait} s.")
            answer["Retry-After"] = str(wait)
            return answer
        intake.receive(api_key_id=key.pk, door=door, body=sent.body, events=sent.events, at=now())
    except reading.BadRequest as fault:
        return _refused(400, fault.code, str(fault))
    except DatabaseError:
        log.exception("an arrival could not be kept")
        answer = _refused(503, "unavailable", "It could not be kept. Try again.")
        answer["Retry-After"] = "5"
        return answer
    return HttpResponse(SUCCESS, content_type="application/json", headers=CORS)


def project(request: HttpRequest, key: str) -> HttpResponse:
    """What analytics.js asks for before it sends: that it is to send to us, and nowhere else."""
    if request.method != "GET":
        return _other(request, "GET")
    if _key(key) is None:
        return _refused(401, "invalid_key", "This key opens nothing here.")
    door = f"{request.get_host()}{reverse('api:door', args=['track'])}".rpartition("/")[0]
    document = {
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": door,
                "protocol": request.scheme,
                "unbundledIntegrations": [],
                "bundledConfigIds": [],
                "unbundledConfigIds": [],
                "maybeBundledConfigIds": {},
                "addBundledMetadata": True,
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {
            "track": {"__default": {"enabled": True, "integrations": {}}},
            "identify": {"__default": {"enabled": True}},
            "group": {"__default": {"enabled": True}},
        },
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
    return JsonResponse(document, headers=CORS)


def _key(shown: str) -> ApiKey | None:
    """The key in force that may send events."""
    found = in_force(shown, at=now())
    return found if found and keys.INTAKE in found.scopes else None


def _other(request: HttpRequest, allowed: str) -> HttpResponse:
    """Browsers ask with OPTIONS whether another site's page may send; nothing else is done here."""
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers=CORS)
    answer = _refused(405, "wrong_method", f"Only {allowed} is answered here.")
    answer["Allow"] = f"{allowed}, OPTIONS"
    return answer


def _refused(status: int, code: str, message: str) -> HttpResponse:
    return JsonResponse({"success": False, "code": code, "message": message}, status=status, headers=CORS)
