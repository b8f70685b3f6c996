"""What somebody allowed, written down as they said it; what is known of them, handed out; people forgotten."""

from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from querencia.common.time import now
from querencia.customers import audit
from querencia.customers.actions import consents, preferences
from querencia.customers.queries import profile
from querencia.flows import privacy, tasks, telling
from querencia.web.access import Request, needs
from querencia.web.cockpit.forms import ConsentForm, ErasureForm

SOURCE = "cockpit"


@require_POST
@needs("consents")
def consent(request: Request, pk: int) -> HttpResponse:
    if profile.person(pk) is None:
        raise Http404
    form = ConsentForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        evidence = _("%(staff)s: %(said)s") % {"staff": request.user, "said": given.pop("evidence")}
        said = consents.Said(customer_id=pk, **given, evidence=evidence)
        if consents.record([said], source=SOURCE, at=now()):
            messages.success(request, _("Written down."))
        else:
            messages.success(request, _("This was written down already."))
    else:
        messages.error(request, _("Say the channel, what for, the answer, and how you know."))
    return redirect("customer", pk)


@require_POST
@needs("consents")
def links(request: Request, pk: int) -> HttpResponse:
    """Make the links by which a customer says what may be sent to each of their addresses."""
    found = profile.person(pk)
    if found is None:
        raise Http404
    preferences.give_links(point_ids=[point.pk for point in found.contact_points], at=now())
    return redirect("customer", pk)


@require_POST
@needs("privacy")
def export_person(request: Request, pk: int) -> StreamingHttpResponse:
    """All that is known of a person as a file: for machines, or a page to read. Who took it is written down."""
    if profile.person(pk) is None:
        raise Http404
    at, is_page = now(), request.POST.get("as") == "page"
    audit.record_person_export(customer_id=pk, staff=request.user, source=SOURCE, at=at)
    parts = telling.as_page(pk, at=at, language=telling.language_of(pk)) if is_page else telling.as_json(pk, at=at)
    kind, ending = ("text/html", "html") if is_page else ("application/json", "json")
    headers = {"Content-Disposition": f'attachment; filename="person-{pk}.{ending}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(parts, content_type=f"{kind}; charset=utf-8", headers=headers)


@require_http_methods(["GET", "POST"])
@needs("privacy")
def erase_person(request: Request, pk: int) -> HttpResponse:
    """Ask first, then have a person forgotten."""
    found = profile.person(pk)
    if found is None:
        raise Http404
    if found.is_to_be_erased:
        return redirect("customer", pk)
    form = ErasureForm(request.POST or None, key=found.key)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        privacy.ask_to_erase([pk], reason=reason, source=SOURCE, staff=request.user, at=now())
        tasks.erase()
        messages.success(request, _("This person is being erased. It takes a moment."))
        return redirect("customer", pk)
    return render(request, "cockpit/erase.html", {"who": found, "form": form, "entries": len(found.records)})
