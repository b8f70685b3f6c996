"""Who may do what: the only place that decides."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, cast

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_htmx.middleware import HtmxDetails

from querencia.business.models import Role, Staff

# What a role may do. An agent serves customers and mends their points; an analyst reads figures and exports them; a
# manager runs the house and the programme; the owner also says what the business is and who works in it.
MAY: dict[str, frozenset[str]] = {
    Role.AGENT: frozenset({"see_customers", "consents", "points"}),
    Role.ANALYST: frozenset({"see_customers", "see_figures", "export", "see_runs"}),
    Role.MANAGER: frozenset(
        {"see_customers", "see_figures", "export", "see_runs", "measure", "import", "mend", "back_office"}
        | {"consents", "privacy", "merge", "points", "programme"}
    ),
    Role.OWNER: frozenset(
        {"see_customers", "see_figures", "export", "see_runs", "measure", "import", "mend", "back_office", "settings"}
        | {"consents", "privacy", "merge", "points", "programme"}
    ),
}


class Request(HttpRequest):
    """A request that :func:`needs` let through: somebody who works here makes it."""

    user: Staff
    htmx: HtmxDetails


def may(staff: object, what: str) -> bool:
    """Whether this person may do that; nobody who is not logged in may do anything."""
    return isinstance(staff, Staff) and staff.is_active and what in MAY.get(staff.role, frozenset())


def needs[**P](
    what: str,
) -> Callable[
    [Callable[Concatenate[Request, P], HttpResponseBase]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]
]:
    """Open a page only to those who may: others log in first, or are told no (403)."""
    if not any(what in rights for rights in MAY.values()):
        raise ValueError(f"no role may {what!r}: add it to MAY")

    def guard(
        view: Callable[Concatenate[Request, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not may(request.user, what):
                raise PermissionDenied
            return view(cast(Request, request), *args, **kwargs)

        return guarded

    return guard


class Rights(BaseBackend):
    """The same rights in the words of the back office, which asks for permissions by application and model."""

    def has_perm(self, user_obj: object, perm: str, obj: object = None) -> bool:
        return self.has_module_perms(user_obj, perm.split(".")[0])

    def has_module_perms(self, user_obj: object, app_label: str) -> bool:
        # What the business is, who works in it and what they did is the owner's.
        return may(user_obj, "settings" if app_label in ("business", "admin") else "back_office")
