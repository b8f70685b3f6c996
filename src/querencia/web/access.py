"""Who may do what: the only place that decides."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from querencia.business.models import Role, Staff

# What a role may do. An agent serves customers; an analyst reads figures and exports them; a manager runs the house;
# the owner also says what the business is and who works in it.
MAY: dict[str, frozenset[str]] = {
    Role.AGENT: frozenset({"see_customers"}),
    Role.ANALYST: frozenset({"see_customers", "see_figures", "export", "see_runs"}),
    Role.MANAGER: frozenset({"see_customers", "see_figures", "export", "see_runs", "measure", "import", "back_office"}),
    Role.OWNER: frozenset(
        {"see_customers", "see_figures", "export", "see_runs", "measure", "import", "back_office", "settings"}
    ),
}


def may(staff: object, what: str) -> bool:
    """Whether this person may do that; nobody who is not logged in may do anything."""
    return isinstance(staff, Staff) and staff.is_active and what in MAY.get(staff.role, frozenset())


def needs[**P](
    what: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponse]
]:
    """Open a page only to those who may: others log in first, or are told no (403)."""
    if not any(what in rights for rights in MAY.values()):
        raise ValueError(f"no role may {what!r}: add it to MAY")

    def guard(
        view: Callable[Concatenate[HttpRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not may(request.user, what):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return guard
