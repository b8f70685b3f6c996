"""What machines sent in the last minute, what became of it, and what was rejected: seen live, replayed."""

import json
from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from querencia.business import queries as house
from querencia.common.time import now
from querencia.customers.queries import arrivals as queries
from querencia.flows import intake
from querencia.web.access import Request, needs
from querencia.web.cockpit.parts import show

LATELY = timedelta(minutes=1)
EVENTS_SHOWN = 20
REJECTS_SHOWN = 50


@require_GET
@needs("import")
def arrivals(request: Request) -> HttpResponse:
    at = now()
    rejects, rejected = queries.rejects(REJECTS_SHOWN)
    context = {
        "lately": queries.lately(since=at - LATELY),
        "events": queries.latest_events(EVENTS_SHOWN),
        "rejects": [{"left": left, "event": _pretty(left.row.event)} for left in rejects],
        "rejected": rejected,
        "has_keys": any(key.revoked_at is None for key in house.api_keys()),
        "door": request.build_absolute_uri("/").rstrip("/"),
    }
    return show(request, "cockpit/arrivals.html", "live", context)


@require_POST
@needs("import")
def replay(request: Request) -> HttpResponse:
    """Try one rejected event again, or all."""
    one = request.POST.get("reject", "")
    number = intake.replay(ids=[int(one)] if one.isdecimal() and len(one) < 19 else None if not one else [], at=now())
    if number:
        said = ngettext("%(count)s event is tried again.", "%(count)s events are tried again.", number)
        messages.success(request, said % {"count": number})
    else:
        messages.info(request, _("There was nothing to try again."))
    return redirect("arrivals")


def _pretty(event: str) -> str:
    return json.dumps(json.loads(event), ensure_ascii=False, indent=2) if event else ""
