"""The first visit: say what the business is and who owns this installation."""

import secrets

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from querencia.business import actions, queries
from querencia.common import home
from querencia.web.cockpit.forms import BusinessForm, OwnerForm


def welcome(request: HttpRequest) -> HttpResponse:
    """Open to whoever has the link that `querencia up` printed, until the business is set up."""
    if queries.is_set_up():
        return redirect("home")
    token = request.POST.get("token") or request.GET.get("token", "")
    if not secrets.compare_digest(token.encode(), home.welcome_token(settings.HOME).encode()):
        if token:
            raise PermissionDenied
        return render(request, "cockpit/welcome_closed.html")
    business = BusinessForm(request.POST or None, initial={"language": request.LANGUAGE_CODE, "time_zone": "UTC"})
    owner = OwnerForm(request.POST or None)
    if request.method == "POST" and business.is_valid() and owner.is_valid():
        try:
            actions.set_up(business=business.cleaned_data, owner=owner.cleaned_data)
        except ValidationError as refused:
            _show(refused, business, owner)
        else:
            home.forget_welcome_token(settings.HOME)
            return redirect("account_login")
    return render(request, "cockpit/welcome.html", {"business_form": business, "owner_form": owner, "token": token})


def _show(refused: ValidationError, *shown: forms.Form) -> None:
    """Each message beside its field; what has none stands above."""
    messages = getattr(refused, "error_dict", {"password": refused.error_list})
    for name, errors in messages.items():
        form = next((form for form in shown if name in form.fields), shown[-1])
        form.add_error(name if name in form.fields else None, errors)
