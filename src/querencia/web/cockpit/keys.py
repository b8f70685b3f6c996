"""Keys for machines: made, shown once, revoked."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from querencia.business import actions, queries
from querencia.common.time import now
from querencia.web.access import Request, needs
from querencia.web.cockpit.forms import KeyForm


@never_cache
@require_http_methods(["GET", "POST"])
@needs("settings")
def keys(request: Request) -> HttpResponse:
    """The keys there are; a new one is in this answer and nowhere after it."""
    form, made, key, known = KeyForm(request.POST or None), None, "", queries.business()
    if request.method == "POST" and form.is_valid():
        try:
            wanted = form.wanted(known.time_zone if known else "UTC")
            made, key = actions.create_key(**wanted, at=now(), created_by=request.user)
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            form = KeyForm()
    context = {"form": form, "made": made, "key": key, "keys": queries.api_keys(), "now": now()}
    return render(request, "cockpit/keys.html", context)


@require_POST
@needs("settings")
def revoke(request: Request, pk: int) -> HttpResponse:
    if actions.revoke_key(key_id=pk, at=now()):
        messages.success(request, _("The key opens nothing any more."))
    return redirect("keys")
