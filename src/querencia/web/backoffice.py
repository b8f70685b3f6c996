"""The back office: what has no page of its own, for owners and managers."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth.views import LogoutView
from django.db.models import Model
from django.db.models.base import ModelBase
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override
from unfold.sites import UnfoldAdminSite

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


class BackOffice(UnfoldAdminSite):
    """Unfold's site behind the house's own log-in page and the house's own rights."""

    def has_permission(self, request: HttpRequest) -> bool:
        return access.may(request.user, "back_office")

    def admin_view(
        self, view: Callable[..., HttpResponseBase], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        return csp_override(POLICY)(access.needs("back_office")(super().admin_view(view, cacheable)))

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
