"""Friends who were brought: what it brought in, whom to look at, and what it is worth."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from querencia.common.time import now
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Programme, Referral
from querencia.loyalty.queries import referrals
from querencia.loyalty.queries.naming import by_customer
from querencia.loyalty.referring import Terms, read
from querencia.web import friends_words
from querencia.web.access import Request, needs
from querencia.web.cockpit.loyalty import found
from querencia.web.cockpit.loyalty_forms import MoneyField

# What the form begins with, where there are no terms yet.
PROPOSED = Terms(advocate_points=100, friend_points=50, return_days=14, buy_days=90, cap=10)


class TermsForm(forms.Form):
    """What bringing a friend is worth."""

    advocate_points = forms.IntegerField(label=gettext_lazy("Points for whoever brings a friend"), min_value=0)
    friend_points = forms.IntegerField(label=gettext_lazy("Points for the friend"), min_value=0)
    return_days = forms.IntegerField(
        label=gettext_lazy("Days for which it can be given back"),
        min_value=0,
        max_value=3_650,
        help_text=gettext_lazy("Both get their points after them. Give as many as you take goods back for."),
    )
    buy_days = forms.IntegerField(
        label=gettext_lazy("Days in which the friend has to buy"),
        min_value=0,
        max_value=3_650,
        help_text=gettext_lazy("0: whenever."),
    )
    cap = forms.IntegerField(
        label=gettext_lazy("At most so many friends of one member"),
        min_value=1,
        max_value=10**9,
        required=False,
        help_text=gettext_lazy("Empty: any number. More in a day than is usual are looked at in any case."),
    )
    per = forms.ChoiceField(label=gettext_lazy("Over"))
    starts_on = forms.DateField(
        label=gettext_lazy("From"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), required=False
    )
    ends_on = forms.DateField(
        label=gettext_lazy("Before"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), required=False
    )

    def __init__(self, *given: Any, currency: str, **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["order_min"] = MoneyField(
            currency=currency,
            label=gettext("The friend buys for at least"),
            help_text=gettext("After refunds. 0: any purchase."),
        )
        self.fields["per"].choices = [  # type: ignore[attr-defined]
            ("month", gettext("a month")),
            ("quarter", gettext("a quarter")),
            ("half", gettext("a half-year")),
            ("year", gettext("a year")),
            ("ever", gettext("in all")),
        ]

    def document(self) -> dict[str, Any]:
        given = self.cleaned_data
        said: dict[str, Any] = {
            name: given[name] for name in ("advocate_points", "friend_points", "order_min", "return_days", "buy_days")
        }
        if given["cap"]:
            said["cap"] = {"friends": given["cap"], "per": given["per"]}
        for name, part in (("starts_on", "from"), ("ends_on", "until")):
            if given[name]:
                said[part] = given[name].isoformat()
        return said

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not given["advocate_points"] + given["friend_points"]:
            self.add_error("advocate_points", gettext("Give points to one of the two at least."))
        if not self.errors and given["starts_on"] and given["ends_on"] and given["starts_on"] >= given["ends_on"]:
            self.add_error("ends_on", gettext("It has to begin before it ends."))
        return given


@require_GET
@needs("see_figures")
def friends(request: Request, pk: int) -> HttpResponse:
    """How bringing friends fares, and whoever is to be looked at."""
    programme = found(pk)
    figures = referrals.figures(programme)
    terms = referrals.in_force(programme, at=now())
    context = {
        "programme": programme,
        "figures": figures,
        "terms": terms and [*friends_words.promise(terms[1], programme.currency), *friends_words.limits(terms[1])],
        "version": terms and terms[0],
        "waiting": [_told(row, programme) for row in referrals.waiting(programme)],
        "latest": [_told(row, programme) for row in referrals.latest(programme)],
        "headline": _headline(figures),
    }
    return render(request, "cockpit/friends.html", context)


def _headline(figures: referrals.Figures) -> str:
    if not figures.claimed:
        return ""
    came = ngettext("%(count)s friend came by a member.", "%(count)s friends came by members.", figures.claimed)
    bought = ngettext("%(count)s of them bought.", "%(count)s of them bought.", figures.qualified)
    return f"{came % {'count': figures.claimed}} {bought % {'count': figures.qualified}}"


def _told(row: Referral, programme: Programme) -> dict[str, Any]:
    return {
        "row": row,
        "said": friends_words.to_staff(row, programme.time_zone),
        "signals": friends_words.signals(row),
    }


@require_http_methods(["GET", "POST"])
@needs("programme")
def terms(request: Request, pk: int) -> HttpResponse:
    """What it is worth; changed, it is a new version for friends who come from now on."""
    programme = found(pk)
    history = referrals.versions(programme)
    before = history[0].document if history else {}
    start = read(before) if before else PROPOSED
    initial = {name: getattr(start, name) for name in (*TermsForm.base_fields, "order_min")}
    form = TermsForm(request.POST or None, initial=initial, currency=programme.currency)
    if request.method == "POST" and (request.POST.get("do") == "end" or form.is_valid()):
        document = {} if request.POST.get("do") == "end" else form.document()
        try:
            actions.publish_referral_terms(programme=programme, document=document, at=now(), staff=request.user)
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            messages.success(
                request,
                _("It counts for friends who come from now on.")
                if document
                else _("Bringing friends earns nothing from now on. Whoever came before keeps what was promised."),
            )
            return redirect("friends", pk)
    context = {"programme": programme, "form": form, "before": before, "history": history}
    return render(request, "cockpit/friends_terms.html", context)


@require_POST
@needs("programme")
def decide(request: Request, pk: int) -> HttpResponse:
    """Somebody looked at a friend: fine, or not, with a reason."""
    row = referrals.by_id([pk]).get(pk)
    if row is None:
        raise Http404
    is_fine, remark = request.POST.get("do") == "approve", request.POST.get("remark", "").strip()
    if not is_fine and not remark:
        messages.error(request, _("Say why, so that the next one who looks knows."))
    elif actions.review_referrals(referrals=[row], is_fine=is_fine, staff=request.user, remark=remark, at=now()):
        messages.success(request, _("It goes on its way.") if is_fine else _("It does not count."))
    else:
        messages.info(request, _("Somebody decided it meanwhile."))
    return redirect("friends", row.advocate.programme_id)


@require_POST
@needs("points")
def claim(request: Request, pk: int) -> HttpResponse:
    """A customer says at the till by whose code they came."""
    programme = found(_number(request.POST.get("programme", "")))
    member = by_customer(programme, [pk]).get(pk)
    if member is None:
        raise Http404
    new = actions.NewClaim(member.pk, request.POST.get("code", "")[:80], Referral.Via.TILL)
    [done] = actions.claim(programme=programme, claims=[new], at=now())
    if done.is_done:
        messages.success(request, _("Written down. Both are rewarded once the return window of a purchase is over."))
    else:
        messages.error(request, friends_words.faults()[done.result])
    return redirect("customer", pk)


@require_POST
@needs("points")
def share(request: Request, pk: int) -> HttpResponse:
    """A member wants a code to bring friends with."""
    programme = found(_number(request.POST.get("programme", "")))
    members = queries.members_of(programme, [pk])[pk]
    actions.share(members=members, at=now())
    return redirect("customer", pk)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
