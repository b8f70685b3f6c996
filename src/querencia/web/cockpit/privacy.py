"""What somebody allowed, written down as they said it."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from querencia.common.time import now
from querencia.customers.actions import consents, preferences
from querencia.customers.queries import profile
from querencia.web.access import Request, needs
from querencia.web.cockpit.forms import ConsentForm

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
