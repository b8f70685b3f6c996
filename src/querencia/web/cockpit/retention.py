"""For how long what is kept, what went because its time was over, and who was erased."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from querencia.customers.queries import erasures
from querencia.flows import retention
from querencia.web.access import Request, needs
from querencia.web.cockpit.forms import RetentionForm


@require_http_methods(["GET", "POST"])
@needs("settings")
def privacy_page(request: Request) -> HttpResponse:
    form = RetentionForm(request.POST or None, periods=retention.periods())
    if request.method == "POST" and form.is_valid():
        retention.set_periods(form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("privacy")
    context = {"form": form, "went": retention.lately(), "erasures": erasures.latest()}
    return render(request, "cockpit/privacy.html", context)
