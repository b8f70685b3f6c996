"""The language of each visitor, and the way of a first visitor to setting up the house."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation

from querencia.business import queries
from querencia.business.models import Staff
from querencia.insight import language as insight

# Some libraries know Portuguese by its countries only; our own catalog answers for both.
VARIANTS = {"pt": "pt-pt"}

type Handler = Callable[[HttpRequest], HttpResponse]

OPEN_BEFORE_SET_UP = ("/welcome/", "/static/", "/health/", "/language/", "/v1/", "/api/")


def language(get_response: Handler) -> Handler:
    """The person's own choice, else the cookie, else the business's language, else the browser's."""

    def answer(request: HttpRequest) -> HttpResponse:
        code = _chosen(request)
        with translation.override(VARIANTS.get(code, code)), insight.spoken(code):
            request.LANGUAGE_CODE = code
            response = get_response(request)
        response.headers.setdefault("Content-Language", code)
        return response

    return answer


def _chosen(request: HttpRequest) -> str:
    known = dict(settings.LANGUAGES)
    if isinstance(request.user, Staff) and request.user.language in known:
        return request.user.language
    cookie = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    if cookie in known:
        return cookie
    if isinstance(request.user, Staff) and (business := queries.business()) and business.language in known:
        return business.language
    asked = translation.get_language_from_request(request).split("-")[0]
    return asked if asked in known else settings.LANGUAGE_CODE


def first_visit(get_response: Handler) -> Handler:
    """Until there is a business and an owner, every page leads to the welcome page."""
    is_ready = False

    def answer(request: HttpRequest) -> HttpResponse:
        nonlocal is_ready
        if not is_ready and not request.path.startswith(OPEN_BEFORE_SET_UP):
            is_ready = queries.is_set_up()
            if not is_ready:
                return redirect(reverse("welcome"))
        return get_response(request)

    return answer
