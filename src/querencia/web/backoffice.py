"""The back office: what has no page of its own, for owners and managers."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib.auth.views import LogoutView
from django.db.models import Model
from django.db.models.base import ModelBase
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csp import csp_override
from unfold.sites import UnfoldAdminSite

from querencia.business import queries
from querencia.web import access

# Unfold's pages carry inline scripts and Alpine expressions: only they get the looser policy.
POLICY: dict[str, list[str]] = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "script-src": [CSP.SELF, CSP.UNSAFE_INLINE, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}


ROOMS = ("customers", "loyalty", "measures", "business", "admin")


class BackOffice(UnfoldAdminSite):
    """Unfold's site behind the house's own log-in page and the house's own rights."""

    index_title = _("Back office")

    def has_permission(self, request: HttpRequest) -> bool:
        return access.may(request.user, "back_office")

    def admin_view(
        self, view: Callable[..., HttpResponseBase], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        return csp_override(POLICY)(access.needs("back_office")(_on_local_time(super().admin_view(view, cacheable))))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        known = super().get_app_list(request, app_label)
        return sorted(known, key=lambda app: ROOMS.index(app["app_label"]))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect("admin:index")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        return LogoutView.as_view(next_page="account_login")(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect("account_change_password")

    def register(
        self, model_or_iterable: type[Model] | Iterable[type[Model]], admin_class: type | None = None, **options: Any
    ) -> None:
        """Take in what a room of the house shows; what libraries offer for their own tables stays out."""
        if admin_class is not None and admin_class.__module__.startswith("querencia."):
            models = [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else model_or_iterable
            super().register(models, admin_class, **options)


def _on_local_time(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Shows and reads moments as the clock on the wall of the business says them."""

    @wraps(view)
    def answer(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        business = queries.business()
        with timezone.override(business.time_zone if business else "UTC"):
            response = view(request, *args, **kwargs)
            return response.render() if isinstance(response, TemplateResponse) else response

    return answer
