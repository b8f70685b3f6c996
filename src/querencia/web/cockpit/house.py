"""The doors of the house: where each role begins, the language, and whether all is well."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from querencia.business import actions, queries
from querencia.business.models import Staff
from querencia.web import access

A_YEAR = 365 * 24 * 3600


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    return redirect("overview" if access.may(request.user, "see_figures") else "customers")


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Remember the language: with the person's account, and in a cookie for the pages before logging in."""
    back = request.POST.get("next") or request.headers.get("referer", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = redirect(back)
    code = request.POST.get("language", "")
    if code in dict(settings.LANGUAGES):
        if isinstance(request.user, Staff):
            actions.set_language(staff=request.user, language=code)
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            code,
            max_age=A_YEAR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """Answers once the database does."""
    queries.is_set_up()
    return HttpResponse("ok\n", content_type="text/plain")
