"""Gestures: what the business gives without a purchase, and how often it did."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from querencia.common.time import now
from querencia.loyalty import actions
from querencia.loyalty.gestures import Terms, Yearly, read
from querencia.loyalty.models import GestureKind, Programme
from querencia.loyalty.queries import gestures
from querencia.loyalty.queries.standings import scheme_of
from querencia.web import gesture_words, rewards_words
from querencia.web.access import Request, needs
from querencia.web.cockpit.loyalty import found
from querencia.web.templatetags.house import weekday_name

# What the forms begin with.
PROPOSED: Mapping[str, Terms] = {
    GestureKind.BIRTHDAY: Terms(100, valid_days=60, member_days=30),
    GestureKind.ANNIVERSARY: Terms(100, valid_days=60),
    GestureKind.APPRECIATION: Terms(50, valid_days=60, on=Yearly(10, weekday=6, nth=1)),
    GestureKind.WELCOME: Terms(20, valid_days=60),
}


class GestureForm(forms.Form):
    """One gesture; of a day of thanks with the day."""

    reward = forms.ChoiceField(
        label=gettext_lazy("What is given"),
        required=False,
        help_text=gettext_lazy("A reward of the catalogue that is sold out, or not offered, on the day is not given."),
    )
    points = forms.IntegerField(
        label=gettext_lazy("Points"),
        min_value=1,
        max_value=10**12,
        required=False,
        help_text=gettext_lazy("If points are given."),
    )
    valid_days = forms.IntegerField(
        label=gettext_lazy("Days for which they can be spent"),
        min_value=0,
        max_value=3_650,
        required=False,
        help_text=gettext_lazy("0: as long as all other points."),
    )
    member_days = forms.IntegerField(
        label=gettext_lazy("Days since joining, at least"),
        min_value=0,
        max_value=3_650,
        help_text=gettext_lazy("So that nobody joins for the gift alone."),
    )
    tiers = forms.MultipleChoiceField(
        label=gettext_lazy("Only for members in"), widget=forms.CheckboxSelectMultiple, required=False
    )

    def __init__(self, *given: Any, kind: str, names: Mapping[str, str], gifts: Mapping[str, str], **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["tiers"].choices = list(names.items())  # type: ignore[attr-defined]
        self.fields["reward"].choices = [("", gettext("Points")), *gifts.items()]  # type: ignore[attr-defined]
        self.has_day = kind == GestureKind.APPRECIATION
        if kind == GestureKind.WELCOME:
            del self.fields["member_days"], self.fields["tiers"]
        if self.has_day:
            months, places = gesture_words.months(), gesture_words.places()
            days = {number: weekday_name(number) for number in range(1, 8)}
            self.fields["month"] = self._choice(gettext("Month"), months)
            self.fields["day"] = forms.IntegerField(
                label=gettext("Day"),
                min_value=1,
                max_value=31,
                required=False,
                help_text=gettext("Empty: the day of the week below."),
            )
            self.fields["nth"] = self._choice(gettext("Which one"), places, is_required=False)
            self.fields["weekday"] = self._choice(gettext("Day of the week"), days, is_required=False)

    @staticmethod
    def _choice(label: str, choices: Mapping[int, str], *, is_required: bool = True) -> forms.TypedChoiceField:
        offered: list[Any] = [*([] if is_required else [("", "")]), *choices.items()]
        return forms.TypedChoiceField(label=label, choices=offered, coerce=int, required=is_required, empty_value=None)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not given["reward"] and not given["points"]:
            self.add_error("points", gettext("Say how many."))
        if self.has_day and not self.errors and not given["day"] and not (given["nth"] and given["weekday"]):
            self.add_error("day", gettext("Say which day."))
        return given

    def document(self) -> dict[str, Any]:
        given = self.cleaned_data
        names = ("reward", "member_days") if given["reward"] else ("points", "valid_days", "member_days")
        said = {name: given[name] for name in names if given.get(name)}
        if given.get("tiers"):
            said["tiers"] = given["tiers"]
        if self.has_day:
            parts = ("month", "day") if given["day"] else ("month", "weekday", "nth")
            said["on"] = {name: given[name] for name in parts}
        return said


def _initial(terms: Terms) -> dict[str, Any]:
    names = ("reward", "points", "valid_days", "member_days")
    said: dict[str, Any] = {name: getattr(terms, name) or None for name in names}
    said["tiers"] = sorted(terms.tiers)
    if terms.on:
        said |= {name: getattr(terms.on, name) or None for name in ("month", "day", "nth", "weekday")}
    return said


@require_GET
@needs("see_figures")
def overview(request: Request, pk: int) -> HttpResponse:
    """Every gesture: what it gives, and how often it was made."""
    programme, at = found(pk), now()
    made, scheme = gestures.made(programme, at=at), scheme_of(programme, at=at)
    names = dict(scheme[1].names) if scheme else {}
    gifts = _gifts(programme, at)
    in_force = {row.kind: (terms, row) for terms, row in gestures.in_force(programme, at=at)}
    told = []
    for kind in GestureKind:
        terms, row = in_force.get(kind, (None, None))
        told.append(
            {
                "kind": kind,
                "row": row,
                "gives": gesture_words.gives(terms, gifts) if terms else "",
                "to_whom": gesture_words.to_whom(terms, names) if terms else [],
                "made": made.get(kind, gestures.Made()),
            }
        )
    lately = sum(each.lately for each in made.values())
    context = {"programme": programme, "told": told, "lately": lately, "some": bool(in_force)}
    return render(request, "cockpit/gestures.html", context)


@require_http_methods(["GET", "POST"])
@needs("programme")
def gesture(request: Request, pk: int, kind: str) -> HttpResponse:
    """One gesture; changed, it is a new version."""
    if kind not in GestureKind.values:
        raise Http404
    programme, at = found(pk), now()
    history = gestures.versions(programme, kind)
    before = history[0].document if history else {}
    scheme = scheme_of(programme, at=at)
    start = read(kind, before) if before else PROPOSED[kind]
    names = dict(scheme[1].names) if scheme else {}
    gifts = _gifts(programme, at)
    form = GestureForm(request.POST or None, initial=_initial(start), kind=kind, names=names, gifts=gifts)
    is_end = request.POST.get("do") == "end"
    if request.method == "POST" and (is_end or form.is_valid()):
        document = {} if is_end else form.document()
        try:
            actions.publish_gesture(programme=programme, kind=kind, document=document, at=at, staff=request.user)
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            if is_end:
                messages.success(request, _("It is made no more. What was given stays."))
            elif kind == GestureKind.WELCOME:
                messages.success(request, _("Whoever joins from now on is welcomed so."))
            else:
                messages.success(request, _("It counts from tomorrow on: gestures are made as the day begins."))
            return redirect("gestures", pk)
    told = [{"row": row, "said": _said(kind, row.document, names, gifts)} for row in history]
    context = {"programme": programme, "form": form, "kind": GestureKind(kind), "before": before, "history": told}
    return render(request, "cockpit/gesture.html", context)


def _gifts(programme: Programme, at: datetime) -> dict[str, str]:
    """The names of what can be given, by key."""
    return {key: rewards_words.name(each.latest) for key, each in gestures.gifts(programme, at=at).items()}


def _said(kind: str, document: Mapping[str, Any], names: Mapping[str, str], gifts: Mapping[str, str]) -> str:
    if not document:
        return ""
    terms = read(kind, document)
    return ", ".join([gesture_words.gives(terms, gifts), *gesture_words.to_whom(terms, names)])
