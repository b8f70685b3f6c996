"""Rewards in the cockpit: what there is to have, its terms by versions, stock and codes, and what waits for hands."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from querencia.common.time import now
from querencia.loyalty import actions, codes, queries
from querencia.loyalty import rewards as terms_of
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries import vouchers as looked
from querencia.loyalty.queries.rewards import OnShelf
from querencia.loyalty.queries.standings import scheme_of
from querencia.web import points_words
from querencia.web import rewards_words as words
from querencia.web.access import Request, needs
from querencia.web.cockpit.loyalty import found
from querencia.web.cockpit.loyalty_forms import free_key
from querencia.web.cockpit.rewards_forms import NEW, CodesForm, RewardForm, SharedForm, StockForm, initial
from querencia.web.templatetags.house import number

FILE_BYTES_MAX = 5 * 1024 * 1024
FAULTS_SHOWN = 20


@require_GET
@needs("see_figures")
def rewards(request: Request, pk: int) -> HttpResponse:
    """What members can have, how much of it is left, and how often it was taken."""
    programme, at = found(pk), now()
    known = list(catalogue.shelf(programme, at=at).values())
    left, figures, names = catalogue.left_of(known, at=at), catalogue.figures(programme, at=at), _names(programme)
    told = [
        {
            "reward": each.reward,
            "is_offered": each.terms is not None,
            "name": words.name(each.latest),
            "gives": words.gives(each.latest, programme.currency),
            "costs": words.costs(each.latest, names),
            "about": ", ".join(
                [*filter(None, [words.gives(each.latest, programme.currency)]), *words.limits(each.latest, names)]
            ),
            "left": left.get(each.reward.pk),
            "taken": words.taken(figures.get(each.reward.pk, catalogue.Figures())),
        }
        for each in known
    ]
    waiting = len(catalogue.to_hand_over(programme, at=at))
    taken = sum(each.redeemed + each.waiting for each in figures.values())
    context = {"programme": programme, "rewards": told, "waiting": waiting, "taken": taken}
    context["points"] = sum(each.points for each in figures.values())
    return render(request, "cockpit/rewards.html", context)


@require_http_methods(["GET", "POST"])
@needs("programme")
def reward(request: Request, pk: int, key: str = "") -> HttpResponse:
    """A reward: made, or changed by a new version; whoever redeemed before keeps the terms of then."""
    programme = found(pk)
    each = _on_shelf(programme, key) if key else None
    start = initial(each.latest) if each else NEW
    form = RewardForm(request.POST or None, initial=start, currency=programme.currency, names=_names(programme))
    if request.method == "POST" and form.is_valid():
        document = form.document()
        name = key or free_key(next(iter(document["name"].values())), catalogue.keys(programme))
        try:
            made = actions.publish_rewards(
                programme=programme, documents={name: document}, at=now(), staff=request.user
            )
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            said = _("Version %(number)s counts from now on.") % {"number": made[0].version} if made else ""
            messages.success(request, said or _("It says so already: nothing was changed."))
            return redirect("reward", pk, name)
    context = {"programme": programme, "form": form, "key": key, "each": each}
    return render(request, "cockpit/reward.html", context | (_stocked(each) if each else {}))


def _stocked(each: OnShelf) -> dict[str, Any]:
    stock = each.reward.stock
    shared = looked.shared_of(each.reward) if each.latest.codes == terms_of.SHARED else None
    return {
        "name": words.name(each.latest),
        "stock": StockForm(initial={"left": stock, "was": stock}),
        "codes": CodesForm() if each.latest.codes == terms_of.IMPORTED else None,
        "codes_left": looked.waiting_codes(each.reward),
        "share": SharedForm(initial={"code": shared.written, "uses_max": shared.uses_max} if shared else None)
        if each.latest.codes == terms_of.SHARED
        else None,
        "shared": shared,
        "history": catalogue.versions(each.reward),
    }


@require_POST
@needs("programme")
def end(request: Request, pk: int, key: str) -> HttpResponse:
    """Take a reward off the shelf, or put it back as it was."""
    programme = found(pk)
    each = _on_shelf(programme, key)
    is_back = request.POST.get("do") == "back"
    document = catalogue.last_document(each.reward) if is_back else {}
    actions.publish_rewards(programme=programme, documents={key: document}, at=now(), staff=request.user)
    messages.success(
        request, _("Offered again.") if is_back else _("Not offered any more. Codes that members have stay good.")
    )
    return redirect("reward", pk, key)


@require_POST
@needs("programme")
def stock(request: Request, pk: int, key: str) -> HttpResponse:
    each, form = _on_shelf(found(pk), key), StockForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Write a whole number, or nothing."))
    elif actions.change_stock(reward=each.reward, left=form.cleaned_data["left"], was=form.cleaned_data["was"]):
        messages.success(request, _("Saved."))
    else:
        messages.error(request, _("Somebody took one meanwhile. Look at the number again."))
    return redirect("reward", pk, key)


@require_POST
@needs("programme")
def share(request: Request, pk: int, key: str) -> HttpResponse:
    each, form = _on_shelf(found(pk), key), SharedForm(request.POST)
    try:
        if not form.is_valid():
            raise ValidationError(_("Write a code, and a whole number or nothing."))
        given = form.cleaned_data
        actions.share_code(reward=each.reward, code=given["code"], uses_max=given["uses_max"], at=now())
    except ValidationError as refused:
        messages.error(request, " ".join(refused.messages))
    else:
        messages.success(request, _("Saved."))
    return redirect("reward", pk, key)


@require_POST
@needs("programme")
def bring_codes(request: Request, pk: int, key: str) -> HttpResponse:
    """Codes out of a file: every line that cannot be used is named with its number and the reason."""
    programme = found(pk)
    each, form = _on_shelf(programme, key), CodesForm(request.POST, request.FILES)
    if not form.is_valid() or form.cleaned_data["file"].size > FILE_BYTES_MAX:
        messages.error(request, _("Choose a CSV file of 5 MB at most."))
        return redirect("reward", pk, key)
    try:
        lines = codes.read_lines(form.cleaned_data["file"].read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        messages.error(request, _("The file is not text in UTF-8. Save it as CSV in UTF-8."))
        return redirect("reward", pk, key)
    done = actions.import_codes(reward=each.reward, given=[text for _n, text in lines], at=now())
    why = {"taken": _("belongs to another reward"), "bad_code": _("no letters or digits, or more than 80")}
    faults = [
        {"line": line, "code": one.code, "why": why[one.result]}
        for (line, _text), one in zip(lines, done, strict=True)
        if one.result in why
    ]
    new, known = (sum(one.result == result for one in done) for result in ("created", "unchanged"))
    said = ngettext("%(count)s code was brought in.", "%(count)s codes were brought in.", new) % {"count": number(new)}
    if known:
        again = ngettext("%(count)s was here already.", "%(count)s were here already.", known)
        said = f"{said} {again % {'count': number(known)}}"
    if not faults:
        messages.success(request, said)
        return redirect("reward", pk, key)
    shown = RewardForm(initial=initial(each.latest), currency=programme.currency, names=_names(programme))
    context = {"programme": programme, "form": shown, "key": key, "each": each, "brought": said}
    context |= {"faults": faults[:FAULTS_SHOWN], "faults_more": max(0, len(faults) - FAULTS_SHOWN)}
    return render(request, "cockpit/reward.html", context | _stocked(each))


# -- handing over ------------------------------------------------------------------------------------------------------


@require_GET
@needs("points")
def waiting(request: Request) -> HttpResponse:
    """What members asked for and somebody hands over."""
    at = now()
    told = [
        {
            "row": row,
            "name": words.name(catalogue.terms_of(row.version)),
            "points": points_words.points(row.points) if row.points else _("a gift"),
            "state": words.state(row, at=at, zone=programme.time_zone),
        }
        for programme in queries.programmes()
        for row in catalogue.to_hand_over(programme, at=at)
    ]
    return render(request, "cockpit/rewards_waiting.html", {"waiting": told})


@require_POST
@needs("points")
def close(request: Request, pk: int) -> HttpResponse:
    """Hand over, or cancel: the points are spent, or return."""
    row = catalogue.redemptions_by_id([pk]).get(pk)
    if row is None:
        raise Http404
    is_off = request.POST.get("do") == "cancel"
    act = actions.cancel if is_off else actions.confirm
    [done] = act(programme=row.programme, redemption_ids=[pk], at=now(), staff=request.user)
    if done.is_done:
        messages.success(request, _("Cancelled: points and stock are back.") if is_off else _("Handed over."))
    else:
        messages.error(request, words.refused(done.result))
    return (
        redirect("customer", row.member.customer_id)
        if request.POST.get("of") == "customer"
        else redirect("rewards_waiting")
    )


def _on_shelf(programme: Programme, key: str) -> OnShelf:
    each = next((each for each in catalogue.shelf(programme, at=now()).values() if each.reward.key == key), None)
    if each is None:
        raise Http404
    return each


def _names(programme: Programme) -> dict[str, str]:
    scheme = scheme_of(programme, at=now())
    return dict(scheme[1].names) if scheme else {}
