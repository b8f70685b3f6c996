"""Logging in: accounts are opened by the owner, never by visitors."""

import ipaddress
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.views import LoginView as AllauthLoginView
from axes.decorators import axes_dispatch, axes_form_invalid
from django.conf import settings
from django.http import HttpRequest
from django.utils.decorators import method_decorator


class AccountAdapter(DefaultAccountAdapter):
    """Closes the door that allauth opens by default."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)


@method_decorator(axes_dispatch, name="dispatch")
@method_decorator(axes_form_invalid, name="form_invalid")
class LoginView(AllauthLoginView):
    """allauth's page, with attempts counted in the database by axes so that every process knows of them."""


def guessed_name(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """Whose account a log-in attempt is after, for the count of failures."""
    found = (credentials or {}).get("email") or (credentials or {}).get("username")
    return str(found or (request.POST.get("login", "") if request else "")).strip().lower()


def client_address(request: HttpRequest) -> str:
    """Where a request comes from. What it says itself in X-Forwarded-For counts only as far as our proxies wrote it."""
    written = [each.strip() for each in request.headers.get("X-Forwarded-For", "").split(",")]
    if 0 < settings.PROXIES <= len(written):
        try:
            return str(ipaddress.ip_address(written[-settings.PROXIES]))
        except ValueError:
            pass  # some proxies write ports or names: then it is the proxy that asks
    return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104  (of a socket without an address)
