"""What every page knows: the business, and what the person reading may do."""

from django.http import HttpRequest

from querencia.business import queries
from querencia.web import access


def house(request: HttpRequest) -> dict[str, object]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"business": None, "may": frozenset()}
    return {"business": queries.business(), "may": access.MAY.get(user.role, frozenset())}
