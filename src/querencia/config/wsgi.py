import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "querencia.config.settings")
pages = get_wsgi_application()

from querencia.api.wsgi import PREFIXES, MachineHandler  # noqa: E402 (it needs the settings)

machines = MachineHandler()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Pages and machines come in by one door; what machines send passes by all that only pages need."""
    handler = machines if environ.get("PATH_INFO", "").startswith(PREFIXES) else pages
    return handler(environ, start_response)
