"""Pages of lists by cursor: the place of the last row seen, signed, so that nobody else's place is taken for one."""

from collections.abc import Sequence
from typing import Annotated, Any

from django.core.signing import BadSignature, Signer
from django.http import HttpRequest
from pydantic import Field

from querencia.api.rest.endpoint import Answer
from querencia.api.rest.fields import Given, Page, text
from querencia.api.rest.problems import Fault, Problem

LIMIT = 50
LIMIT_MAX = 200


class Asked(Given):
    """What may be asked of every list."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT
    cursor: text(1_000) = ""  # type: ignore[valid-type]
    """Of the page before: opaque, and good for the same filters alone."""


def place(request: HttpRequest, asked: Asked) -> Any:
    """Where the page begins: what an earlier one gave, or None. Raises Problem for what none gave."""
    if not asked.cursor:
        return None
    try:
        return _signer(request, asked).unsign_object(asked.cursor)
    except (BadSignature, ValueError):
        said = "No page of this list with these filters gave this cursor."
        raise Problem("invalid", said, [Fault(said, "unknown_cursor", parameter="cursor")]) from None


def page[Item](
    request: HttpRequest, asked: Asked, items: Sequence[Item], after: Any, model: type[Page[Item]]
) -> Answer:
    """A page; ``after`` is the place of its last row, None where no more follow."""
    if after is None:
        return Answer(model(items=list(items), next_cursor=None))
    cursor = _signer(request, asked).sign_object(after)
    query = request.GET.copy()
    query["cursor"] = cursor
    link = f'<{request.path}?{query.urlencode()}>; rel="next"'
    return Answer(model(items=list(items), next_cursor=cursor), headers={"Link": link})


def _signer(request: HttpRequest, asked: Asked) -> Signer:
    said = asked.model_dump_json(exclude={"limit", "cursor"})
    return Signer(salt=f"{request.path} {said}", sep=".")
