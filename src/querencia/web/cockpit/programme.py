"""Setting a programme up, and changing what it promises: policy, rules, tiers. Rules and tiers change by a new version,
which is shown with what it touches before it counts."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from querencia.business.queries import business
from querencia.common.time import now
from querencia.loyalty import actions
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import audiences, health, partners, rules
from querencia.loyalty.queries import trial as trials
from querencia.loyalty.queries.programmes import is_running
from querencia.loyalty.queries.standings import scheme_of
from querencia.loyalty.replay import Promise
from querencia.web import points_words
from querencia.web.access import Request, needs
from querencia.web.cockpit import campaigns, trying
from querencia.web.cockpit.loyalty import found
from querencia.web.cockpit.loyalty_forms import (
    POLICY,
    PolicyForm,
    RuleForm,
    TiersForm,
    free_key,
    rule_initial,
    templates,
    tiers_initial,
)
from querencia.web.templatetags.house import number


@require_http_methods(["GET", "POST"])
@needs("programme")
def new(request: Request) -> HttpResponse:
    """A programme from a template: its promises on one page, all of them filled in."""
    known = business()
    if known is None:
        raise Http404
    offered = templates(known.currency)
    chosen = next((each for each in offered if each["key"] == request.GET.get("from")), None)
    if chosen is None:
        return render(request, "cockpit/loyalty_new.html", {"templates": offered})
    form = PolicyForm(request.POST or None, initial=chosen["policy"], currency=known.currency)
    key, first = next(iter(chosen["rules"].items()))
    rule = RuleForm(request.POST or None, initial=rule_initial(first), currency=known.currency, names={}, prefix="rule")
    tiers = _tiers_form(request, chosen.get("tiers"), known.currency)
    parts: list[Form] = [form, rule, *([tiers] if tiers else [])]
    valid = [each.is_valid() for each in parts]  # all of them, so that each says what is wrong with it
    if request.method == "POST" and all(valid):
        documents = {**chosen["rules"], key: rule.document(first)}
        try:
            programme = actions.set_up(
                business=known,
                name=form.cleaned_data["name"],
                rules=documents,
                tiers=tiers.document() if tiers else None,
                at=now(),
                staff=request.user,
                **form.policy(),
            )
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            messages.success(request, _("Set up. Look it over; members earn once you start it."))
            return redirect(f"/loyalty/?of={programme.pk}")
    others = [
        {"gives": points_words.gives(doc, known.currency), "title": doc["title"]}
        for name, doc in chosen["rules"].items()
        if name != key
    ]
    context = {"chosen": chosen, "form": form, "rule": rule, "tiers": tiers, "others": others}
    return render(request, "cockpit/loyalty_new.html", context)


def _tiers_form(request: Request, document: Mapping[str, Any] | None, currency: str) -> TiersForm | None:
    if document is None:
        return None
    return TiersForm(request.POST or None, initial=tiers_initial(document, currency), currency=currency, prefix="tiers")


@require_http_methods(["GET", "POST"])
@needs("programme")
def policy(request: Request, pk: int) -> HttpResponse:
    programme = found(pk)
    initial = {name: getattr(programme, name) for name in ("name", *POLICY)}
    form = PolicyForm(request.POST or None, initial=initial, currency=programme.currency)
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_programme(programme=programme, name=form.cleaned_data["name"].strip(), **form.policy())
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            messages.success(request, _("Saved. Points that there are already keep what was promised for them."))
            return redirect(f"/loyalty/?of={pk}")
    return render(request, "cockpit/loyalty_policy.html", {"programme": programme, "form": form})


@require_http_methods(["GET", "POST"])
@needs("programme")
def rule(request: Request, pk: int, key: str = "") -> HttpResponse:
    """A rule: shown, changed by a new version, or made. Before it counts, one sees what it touches."""
    programme = found(pk)
    history = rules.versions(programme, key) if key else []
    if key and not history:
        raise Http404
    before = history[0].document if history else {}
    scheme = scheme_of(programme, at=now())
    names = dict(scheme[1].names) if scheme else {}
    is_frozen = key in audiences.begun(programme, at=now())
    begun = before or campaigns.template(request.GET.get("from", ""), programme)
    start = rule_initial(begun) if begun else {"every": "money", "round": "down", "points": 1}
    known = {each.key: each.name for each in partners.partners(programme)}
    form = RuleForm(
        request.POST or None,
        initial=start,
        currency=programme.currency,
        names=names,
        partners=known,
        asks_audience=not is_frozen,
    )
    review = None
    if request.method == "POST" and form.is_valid():
        document = form.document(before)
        name = key or free_key(form.cleaned_data["title"], rules.keys(programme))
        if trying.is_tried(request, programme, name, document):
            if (answer := _published(request, programme, name, document, form)) is not None:
                return answer
        elif _is_a_rule(document, name, form):
            review = _review(request, programme, name, before, document, names)
    told = [
        {"row": row, "gives": points_words.gives(row.document, programme.currency) if row.document else ""}
        for row in history
    ]
    changed = bool(review and request.POST.get("sure"))
    context = {"programme": programme, "form": form, "key": key, "history": told, "before": before}
    context |= {"review": review, "was_changed": changed}
    kept = before.get("audience") if is_frozen else None
    context["audience"] = points_words.audience(kept, names) if kept else []
    return render(request, "cockpit/loyalty_rule.html", context)


def _is_a_rule(document: Mapping[str, Any], key: str, form: RuleForm) -> bool:
    try:
        rules.rule_of(document, key=key)
    except ValueError as fault:
        form.add_error("more", str(fault))
        return False
    return True


def _published(
    request: Request, programme: Programme, key: str, document: Mapping[str, Any], form: RuleForm
) -> HttpResponse | None:
    try:
        made = actions.publish_rules(programme=programme, documents={key: document}, at=now(), staff=request.user)
    except ValidationError as refused:
        form.add_error(None, refused.messages)
        return None
    if made:
        messages.success(request, _("Version %(number)s counts from now on.") % {"number": made[0].version})
    else:
        messages.info(request, _("Nothing was changed: the rule says so already."))
    return redirect(f"/loyalty/?of={programme.pk}")


def _review(
    request: Request,
    programme: Programme,
    key: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: Mapping[str, str],
) -> dict[str, Any]:
    members = health.health(programme, at=now()).members
    touched = ngettext(
        "It touches what %(count)s member buys from now on.",
        "It touches what %(count)s members buy from now on.",
        members,
    )
    promise = trials.in_force(programme, at=now())
    is_same = dict(before) == dict(after)
    return {
        "was": _said(before, programme, names) if before else [],
        "is": _said(after, programme, names),
        "condition": after.get("if", ""),
        "is_same": is_same,
        "touches": touched % {"count": number(members)},
        "seal": trying.seal(programme, key, after),
        "tried": None if is_same else trying.tried(request, programme, promise, trials.with_rule(promise, key, after)),
    }


def _said(document: Mapping[str, Any], programme: Programme, names: Mapping[str, str]) -> list[str]:
    return [
        str(document.get("title", "")),
        points_words.gives(document, programme.currency),
        *points_words.terms(document, programme.currency, names),
    ]


@require_POST
@needs("programme")
def end_rule(request: Request, pk: int, key: str) -> HttpResponse:
    programme = found(pk)
    if not rules.versions(programme, key):
        raise Http404
    if actions.publish_rules(programme=programme, documents={key: {}}, at=now(), staff=request.user):
        messages.success(request, _("The rule gives nothing from now on. Points that it gave stay."))
    return redirect(f"/loyalty/?of={pk}")


@require_http_methods(["GET", "POST"])
@needs("programme")
def tiers(request: Request, pk: int) -> HttpResponse:
    """The tiers; changed, they are a new version, which judges nobody before the night."""
    programme = found(pk)
    history = rules.schemes(programme)
    before = history[0].document if history else {}
    start = tiers_initial(before or templates(programme.currency)[2]["tiers"], programme.currency)
    form = TiersForm(request.POST or None, initial=start, currency=programme.currency)
    review = None
    if request.method == "POST" and form.is_valid():
        document = form.document()
        try:
            if trying.is_tried(request, programme, "tiers", document):
                return _tiers_published(request, programme, document)
            review = _tiers_review(request, programme, before, document)
        except ValueError as fault:
            form.add_error(None, str(fault))
        except ValidationError as refused:
            form.add_error(None, refused.messages)
    context = {"programme": programme, "form": form, "history": history, "before": before}
    return render(request, "cockpit/loyalty_tiers.html", context | {"review": review})


def _tiers_review(
    request: Request, programme: Programme, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """Raises ValueError for what are no tiers."""
    promise = trials.in_force(programme, at=now())
    tried = trying.tried(request, programme, promise, trials.with_tiers(promise, after))
    is_same = dict(before) == dict(after)
    return {"seal": trying.seal(programme, "tiers", after), "is_same": is_same, "tried": tried}


def _tiers_published(request: Request, programme: Programme, document: Mapping[str, Any]) -> HttpResponse:
    made = actions.publish_tiers(programme=programme, document=document, at=now(), staff=request.user)
    said = _("Version %(number)s of the tiers counts. Members are judged by it in the coming night.")
    messages.success(request, said % {"number": made.version})
    return redirect(f"/loyalty/?of={programme.pk}")


@require_GET
@needs("programme")
def trial(request: Request, pk: int) -> HttpResponse:
    """The whole programme tried, beside none: what it would have cost, before it is begun."""
    programme = found(pk)
    tried = trying.tried(request, programme, Promise(()), trials.in_force(programme, at=now()))
    context = {"programme": programme, "tried": tried, "is_running": is_running(programme, at=now())}
    return render(request, "cockpit/loyalty_trial.html", context)
