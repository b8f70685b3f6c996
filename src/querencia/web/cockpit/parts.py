"""One address serves a page and the part of it that is exchanged in place."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from querencia.web.access import Request


def show(request: Request, page: str, part: str, context: dict[str, Any]) -> HttpResponse:
    """The page, or only that part of it where htmx asks."""
    response = render(request, f"{page}#{part}" if request.htmx else page, context)
    # Whoever comes back to this address wants the page: browsers must not answer with the part they kept.
    patch_vary_headers(response, ["HX-Request"])
    return response
