"""Campaigns: rules that have their days, their budget or their audience, templates to begin from, and what each gave
and brought."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from querencia.common import money
from querencia.common.time import local_day, now
from querencia.loyalty import actions
from querencia.loyalty.earning.audience import HELD_OUT
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import campaigns as queries
from querencia.loyalty.queries import rules
from querencia.loyalty.queries.lift import Compared, Figures, Lift, figures
from querencia.loyalty.queries.standings import scheme_of
from querencia.web import points_words
from querencia.web.access import Request, needs
from querencia.web.cockpit.audience_forms import ListForm
from querencia.web.cockpit.loyalty import found
from querencia.web.templatetags.house import day, exact, number, percent
from querencia.web.templatetags.house import money as amount

UNKNOWN_SHOWN = 10


def templates(programme: Programme) -> dict[str, Mapping[str, Any]]:
    """What a campaign may begin from: rules with their days, filled in."""
    unit = 10 ** money.exponent(programme.currency)
    today = local_day(now(), programme.time_zone)
    monday = today + timedelta(days=7 - today.weekday())
    days = {"from": monday.isoformat(), "until": (monday + timedelta(days=7)).isoformat()}
    common: dict[str, Any] = {"budget": {"points": 10_000}, "audience": {"held_out": HELD_OUT}}
    return {
        "double": {"title": _("Double points week"), "then": {"points": 1, "per": unit}, **common, **days},
        "category": {
            "title": _("Bonus for a category"),
            "then": {"points": 20},
            "if": "'coffee' in categories",
            **common,
            **days,
        },
        "birthday": {
            "title": _("Double points in the month of the birthday"),
            "then": {"points": 1, "per": unit},
            "if": "is_birth_month",
            **common,
        },
        "come-back": {
            "title": _("Good to see you again"),
            "then": {"points": 50},
            "cap": {"points": 50, "per": "ever"},
            **common,
            "audience": {"stages": ["late", "left"], "grows": True, "held_out": HELD_OUT},
            "from": days["from"],
            "until": (monday + timedelta(days=28)).isoformat(),
        },
    }


def template(name: str, programme: Programme) -> Mapping[str, Any]:
    """One of them; nothing, where none is called so."""
    return templates(programme).get(name, {})


@require_GET
@needs("see_figures")
def campaigns(request: Request, pk: int) -> HttpResponse:
    """What runs, is planned, is used up or over, with its budget."""
    programme = found(pk)
    rows = queries.campaigns(programme, at=now())
    names = _names(programme)
    context = {
        "programme": programme,
        "campaigns": [{"row": each, "audience": _for_whom(programme, each, names)} for each in rows],
        "running": sum(each.state == queries.RUNNING for each in rows),
        "templates": [{"key": key, "title": _begins_as(key, each)} for key, each in templates(programme).items()],
    }
    return render(request, "cockpit/loyalty_campaigns.html", context)


@require_GET
@needs("see_figures")
def campaign(request: Request, pk: int, key: str) -> HttpResponse:
    """One: for whom it is, what it gave, what it brought."""
    programme = found(pk)
    row = _campaign(programme, key)
    told = figures(programme, row, at=now())
    document = next(each.document for each in rules.versions(programme, key) if each.document)
    said = {name: part for name, part in document.items() if name != "audience"}
    zone = programme.time_zone
    context = {
        "programme": programme,
        "row": row,
        "figures": told,
        "headline": _headline(programme, row, told),
        "gives": points_words.gives(document, programme.currency),
        "terms": points_words.terms(said, programme.currency, _names(programme)),
        "audience": _for_whom(programme, row, _names(programme)),
        "from_day": local_day(told.lift.start, zone) if told.lift else None,
        "to_day": points_words.last_day(told.lift.end, zone) if told.lift else None,
        "lift": _lift(programme, told.lift) if told.lift else None,
        "brought": _brought(programme, told) if told.lift else "",
        "form": ListForm() if row.audience and row.audience.is_listed else None,
    }
    return render(request, "cockpit/loyalty_campaign.html", context)


@require_POST
@needs("programme")
def refresh(request: Request, pk: int, key: str) -> HttpResponse:
    """Take in who has come to belong to it."""
    programme = found(pk)
    _campaign(programme, key)
    added = actions.refresh_audience(programme=programme, key=key, at=now())
    said = ngettext("%(count)s member came in.", "%(count)s members came in.", added)
    messages.success(request, said % {"count": number(added)} if added else _("Nobody new belongs to it."))
    return redirect("loyalty_campaign", pk, key)


@require_POST
@needs("programme")
def listed(request: Request, pk: int, key: str) -> HttpResponse:
    """Put members on its list."""
    programme, form = found(pk), ListForm(request.POST, request.FILES)
    _campaign(programme, key)
    if not form.is_valid():
        for problems in form.errors.values():
            messages.error(request, " ".join(map(str, problems)))
        return redirect("loyalty_campaign", pk, key)
    try:
        done = actions.list_in(programme=programme, key=key, lines=form.cleaned_data["members"], at=now())
    except LookupError:
        raise Http404 from None
    said = ngettext("%(count)s member came in.", "%(count)s members came in.", done.added)
    said = said % {"count": number(done.added)}
    if done.known:
        again = ngettext("%(count)s was in already.", "%(count)s were in already.", done.known)
        said = f"{said} {again % {'count': number(done.known)}}"
    messages.success(request, said)
    if done.unknown:
        which = ", ".join(line[:60] for line in done.unknown[:UNKNOWN_SHOWN])
        left = ngettext(
            "%(count)s line names nobody who is a member: %(which)s",
            "%(count)s lines name nobody who is a member, the first of them: %(which)s",
            len(done.unknown),
        )
        messages.error(request, left % {"count": number(len(done.unknown)), "which": which})
    return redirect("loyalty_campaign", pk, key)


def _campaign(programme: Programme, key: str) -> queries.Campaign:
    row = queries.campaign(programme, key, at=now())
    if row is None:
        raise Http404
    return row


def _names(programme: Programme) -> dict[str, str]:
    scheme = scheme_of(programme, at=now())
    return dict(scheme[1].names) if scheme else {}


def _begins_as(key: str, document: Mapping[str, Any]) -> str:
    return _("Welcome back who went quiet") if key == "come-back" else str(document["title"])


# -- in words ----------------------------------------------------------------------------------------------------------


def _for_whom(programme: Programme, row: queries.Campaign, names: Mapping[str, str]) -> str:
    said = points_words.audience_of(row.audience, names) if row.audience else []
    if row.audience is None or row.audience.is_everybody:
        said.insert(0, _("for every member"))
    return ", ".join(said)


def _headline(programme: Programme, row: queries.Campaign, told: Figures) -> str:
    """What it brought, or why that cannot be told."""
    if told.why == "planned":
        return _("It begins on %(day)s.") % {"day": day(row.starts_on)} if row.starts_on else _("It has not begun.")
    if not told.reached and told.lift is None:
        return _("Nobody has earned by it yet.")
    if told.lift is None:
        reached = ngettext("%(count)s member earned by it.", "%(count)s members earned by it.", told.reached)
        return reached % {"count": number(told.reached)}
    return _of_lift(programme, row, told.lift)


def _of_lift(programme: Programme, row: queries.Campaign, lift: Lift) -> str:
    spend, share = lift.spend, lift.share
    if spend.is_sure:
        more = {"amount": exact(abs(spend.more), programme.currency)}
        if spend.more > 0:
            return _("Each of those it is for spent %(amount)s more than those held out.") % more
        return _("Each of those it is for spent %(amount)s less than those held out.") % more
    if share.is_sure:
        points = {"points": number(abs(share.more) * 100, 1)}
        if share.more > 0:
            return _("Of a hundred it is for, %(points)s more bought than of those held out.") % points
        return _("Of a hundred it is for, %(points)s fewer bought than of those held out.") % points
    if row.state == queries.ENDED:
        return _("That it brought anything does not show: what differs may be chance.")
    return _("That it brings anything does not show yet: what differs may be chance.")


def _lift(programme: Programme, lift: Lift) -> list[dict[str, str]]:
    """The arms side by side, with what is more and its interval."""

    def row(title: str, of: Compared, say: Any, more: Any) -> dict[str, str]:
        between = _("between %(low)s and %(high)s") % {"low": more(of.low), "high": more(of.high)}
        return {"title": title, "treated": say(of.treated), "held_out": say(of.held_out), "more": more(of.more),
                "between": between}  # fmt: skip

    def of_money(minor: float) -> str:
        return exact(minor, programme.currency)

    return [
        row(_("Who bought"), lift.share, lambda share: percent(share, 1), _points),
        row(_("Spent, each"), lift.spend, of_money, lambda minor: _signed(minor, of_money(abs(minor)))),
    ]


def _points(change: float) -> str:
    return _signed(change, _("%(points)s points") % {"points": number(abs(change) * 100, 1)})


def _signed(value: float, said: str) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{said}"


def _brought(programme: Programme, told: Figures) -> str:
    """What is more with all of them together, beside what it cost."""
    assert told.lift is not None
    spend, treated = told.lift.spend, told.members - told.held_out
    facts = {
        "more": _signed(spend.more, amount(abs(spend.more * treated), programme.currency)),
        "low": _signed(spend.low, amount(abs(spend.low * treated), programme.currency)),
        "high": _signed(spend.high, amount(abs(spend.high * treated), programme.currency)),
        "cost": exact(told.cost, programme.currency),
        "members": number(treated),
    }
    if not spend.is_sure:
        return (
            _(
                "With all %(members)s it was for that may be anything between %(low)s and %(high)s in purchases; the "
                "points it gave cost %(cost)s."
            )
            % facts
        )
    return (
        _(
            "With all %(members)s it was for that is %(more)s in purchases, with 95%% confidence between %(low)s and "
            "%(high)s; the points it gave cost %(cost)s."
        )
        % facts
    )
