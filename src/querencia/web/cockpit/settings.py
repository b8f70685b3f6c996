"""What the business is, and who works in it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from querencia.business import actions, queries
from querencia.web.access import Request, needs
from querencia.web.cockpit.forms import BusinessForm, StaffChangeForm, StaffForm


@require_http_methods(["GET", "POST"])
@needs("settings")
def settings_page(request: Request) -> HttpResponse:
    known = queries.business()
    initial = {name: getattr(known, name) for name in BusinessForm.base_fields} if known else {}
    form = BusinessForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            actions.set_business(**form.cleaned_data, notice=known.notice if known else "")
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            messages.success(request, _("Saved."))
            return redirect("settings")
    return _page(request, form=form, staff_form=StaffForm())


@require_http_methods(["GET", "POST"])
@needs("settings")
def add_staff(request: Request) -> HttpResponse:
    if request.method == "GET":  # whoever comes back to the address of a form that was refused
        return redirect("settings")
    known = queries.business()
    form = StaffForm(request.POST)
    if form.is_valid():
        try:
            staff = actions.add_staff(**form.cleaned_data)
        except ValidationError as refused:
            for name, errors in getattr(refused, "error_dict", {"password": refused.error_list}).items():
                form.add_error(name if name in form.fields else None, errors)
        else:
            messages.success(request, _("%(name)s may now log in.") % {"name": staff})
            return redirect("settings")
    initial = {name: getattr(known, name) for name in BusinessForm.base_fields} if known else {}
    return _page(request, form=BusinessForm(initial=initial), staff_form=form)


@require_POST
@needs("settings")
def change_staff(request: Request, pk: int) -> HttpResponse:
    form = StaffChangeForm(request.POST)
    if form.is_valid():
        try:
            actions.change_staff(staff_id=pk, **form.cleaned_data)
        except ValidationError as refused:
            messages.error(request, " ".join(refused.messages))
        else:
            messages.success(request, _("Saved."))
    return redirect("settings")


def _page(request: Request, **forms: Any) -> HttpResponse:
    staff = [
        {
            "person": person,
            "form": StaffChangeForm(initial={"role": person.role, "is_active": person.is_active}, prefix=""),
        }
        for person in queries.staff()
    ]
    return render(request, "cockpit/settings.html", {**forms, "staff": staff})
