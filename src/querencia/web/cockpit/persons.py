"""Records that are one person: joined and parted by hand, and the pairs that wait for somebody to decide."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from querencia.business import queries as business
from querencia.common.time import now
from querencia.customers import actions
from querencia.customers.models import Customer, Merge
from querencia.customers.queries import persons, profile, search
from querencia.customers.queries.profile import Person
from querencia.web.access import Request, needs
from querencia.web.cockpit import comparing


@require_http_methods(["GET", "POST"])
@needs("merge")
def merge(request: Request, pk: int) -> HttpResponse:
    """Look for the other record of a person, see both side by side, and join them."""
    who = _person(pk)
    given = request.POST if request.method == "POST" else request.GET
    chosen = given.get("with", "")
    pair = comparing.pairs([(who.pk, int(chosen[:18]), None)]) if chosen.isdecimal() else []
    if request.method == "POST" and pair:
        actions.merge(pairs=[(who.pk, pair[0].other.pk)], staff=request.user, at=now())
        messages.success(request, _("Joined: both records are one person now. It can be undone below."))
        return redirect("customer", _person(pk).pk)
    query = given.get("q", "").replace("\0", "").strip()
    found = [each for each in _found(query) if each.pk != who.pk]
    context = {"who": who, "pair": pair[0] if pair else None, "is_wrong": bool(chosen) and not pair}
    return render(request, "cockpit/merge.html", context | {"looked_for": query, "found": found})


@require_POST
@needs("merge")
def part(request: Request, pk: int) -> HttpResponse:
    """Undo one of the merges that make a person."""
    wanted = [
        each for each in persons.merges(_person(pk).pk) if str(each.pk) == request.POST.get("merge") and each.is_open
    ]
    if actions.part(merges=wanted, staff=request.user, at=now()):
        messages.success(request, _("Parted: each record stands for itself again, and nothing joins them but you."))
    else:
        messages.success(request, _("They were parted already."))
    return redirect("customer", _person(pk).pk)


@require_GET
@needs("merge")
def duplicates(request: Request) -> HttpResponse:
    """The pairs that somebody has to decide on, side by side."""
    try:
        waiting, after = persons.waiting(after=request.GET.get("after", ""))
    except ValueError:
        raise Http404 from None
    context = {
        "pairs": comparing.pairs([(each.first_id, each.second_id, each) for each in waiting]),
        "count": persons.count_waiting(),
        "after": after,
        "is_paged": "after" in request.GET,
    }
    return render(request, "cockpit/duplicates.html", context)


@require_POST
@needs("merge")
def duplicate(request: Request, pk: int) -> HttpResponse:
    """Decide on a pair: one person, not the same, or, after either, think again."""
    found = persons.merge(pk)
    if found is None:
        raise Http404
    answer = request.POST.get("answer", "")
    said = _decided(found, answer, request)
    if request.htmx:
        context = {"merge": found, "said": said, "answer": answer}
        return render(request, "cockpit/duplicates.html#decided", context)
    messages.success(request, said)
    return redirect("duplicates")


def _decided(found: Merge, answer: str, request: Request) -> str:
    staff, at = request.user, now()
    if answer == "again":
        actions.reconsider(merges=[found], staff=staff, at=at)
        return _("Taken back: the pair waits again.")
    if not found.is_waiting:
        return _("Somebody has decided on this pair already.")
    if answer == "join":
        actions.merge(pairs=[(found.first_id, found.second_id)], staff=staff, at=at)
        return _("Joined: they are one person.")
    if answer == "apart":
        actions.part(merges=[found], staff=staff, at=at)
        return _("Not the same: this pair will not be asked for again.")
    raise Http404


def _person(pk: int) -> Person:
    found = profile.person(pk)
    if found is None:
        raise Http404
    return found


def _found(query: str) -> list[Customer]:
    known = business.business()
    return search.find(query, country=known.country if known else "") if query else []
