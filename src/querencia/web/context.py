"""What every page knows: the business, the menu, and what the person reading may do."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from querencia.business import queries
from querencia.business.models import Staff
from querencia.web import access


@dataclass(frozen=True)
class Entry:
    label: str
    url: str
    is_current: bool


@dataclass(frozen=True)
class Group:
    label: str
    entries: list[Entry]


def house(request: HttpRequest) -> dict[str, object]:
    user = getattr(request, "user", None)
    known: dict[str, object] = {"languages": settings.LANGUAGES, "business": None, "may": frozenset(), "menu": []}
    if isinstance(user, Staff):
        rights = access.MAY.get(user.role, frozenset())
        known |= {"business": queries.business(), "may": rights, "menu": _menu(request, rights)}
    return known


def _menu(request: HttpRequest, rights: frozenset[str]) -> list[Group]:
    """Grouped as the business thinks; only what the person may open."""
    groups = [
        (
            _("See"),
            [
                ("see_figures", _("Overview"), "overview"),
                ("see_customers", _("Customers"), "customers"),
                ("see_figures", _("Economics"), "economics"),
            ],
        ),
        (
            _("Reward"),
            [("see_figures", _("Loyalty"), "loyalty"), ("points", _("To hand over"), "rewards_waiting")],
        ),
        (
            _("Data"),
            [
                ("import", _("Imports"), "imports"),
                ("import", _("Live events"), "arrivals"),
                ("merge", _("Duplicates"), "duplicates"),
                ("see_runs", _("Measures"), "measures"),
                ("mend", _("Reactions"), "reactions"),
            ],
        ),
        (
            _("House"),
            [("settings", _("Settings"), "settings"), ("back_office", _("Back office"), "admin:index")],
        ),
    ]
    made = []
    for label, entries in groups:
        shown = [
            Entry(text, url := reverse(name), request.path == url or (url != "/" and request.path.startswith(url)))
            for right, text, name in entries
            if right in rights
        ]
        if shown:
            made.append(Group(label, shown))
    return made
