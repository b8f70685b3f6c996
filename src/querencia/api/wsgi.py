"""Django without what only pages need: machines have no session, no language and no form."""

from collections.abc import Callable
from typing import Any

from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware

PREFIXES = ("/v1/", "/api/v1")


class MachineHandler(WSGIHandler):
    """Serves the same addresses as Django's own handler, for those that begin with one of ``PREFIXES``."""

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        answer = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]
        self._middleware_chain = convert_exception_to_response(_measured(SecurityMiddleware(answer)))


def _measured(get_response: Any) -> Callable[[HttpRequest], HttpResponse]:
    """With its length, so that the connection can be kept open as it is."""

    def answer(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response

    return answer
