"""Campaigns: rules that have their days or their budget, and templates to begin from."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from querencia.common import money
from querencia.common.time import local_day, now
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import campaigns as queries
from querencia.web.access import needs
from querencia.web.cockpit.loyalty import found


def templates(programme: Programme) -> dict[str, Mapping[str, Any]]:
    """What a campaign may begin from: rules with their days, filled in."""
    unit = 10 ** money.exponent(programme.currency)
    today = local_day(now(), programme.time_zone)
    monday = today + timedelta(days=7 - today.weekday())
    days = {"from": monday.isoformat(), "until": (monday + timedelta(days=7)).isoformat()}
    return {
        "double": {
            "title": _("Double points week"),
            "then": {"points": 1, "per": unit},
            "budget": {"points": 10_000},
            **days,
        },
        "category": {
            "title": _("Bonus for a category"),
            "then": {"points": 20},
            "if": "'coffee' in categories",
            "budget": {"points": 10_000},
            **days,
        },
        "birthday": {
            "title": _("Double points in the month of the birthday"),
            "then": {"points": 1, "per": unit},
            "if": "is_birth_month",
            "budget": {"points": 10_000},
        },
    }


def template(name: str, programme: Programme) -> Mapping[str, Any]:
    """One of them; nothing, where none is called so."""
    return templates(programme).get(name, {})


@require_GET
@needs("see_figures")
def campaigns(request: HttpRequest, pk: int) -> HttpResponse:
    """What runs, is planned, is used up or over, with its budget."""
    programme = found(pk)
    rows = queries.campaigns(programme, at=now())
    context = {
        "programme": programme,
        "campaigns": rows,
        "running": sum(each.state == queries.RUNNING for each in rows),
        "templates": [{"key": key, "title": each["title"]} for key, each in templates(programme).items()],
    }
    return render(request, "cockpit/loyalty_campaigns.html", context)
