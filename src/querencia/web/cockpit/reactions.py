"""What follows from events and did not: tried again, or set aside."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from querencia.common.time import now
from querencia.customers import kinds
from querencia.flows import outbox, tasks
from querencia.flows import reactions as table
from querencia.web.access import Request, needs


@require_GET
@needs("mend")
def reactions(request: Request) -> HttpResponse:
    stuck = [
        {"row": row, "kind": kinds.text_of(row.event.kind), "reaction": table.title_of(row.reaction)}
        for row in outbox.stuck()
    ]
    context = {"stuck": stuck, "count": outbox.count_stuck(), "waiting": outbox.count_waiting()}
    return render(request, "cockpit/reactions.html", context)


@require_POST
@needs("mend")
def again(request: Request) -> HttpResponse:
    count = outbox.try_again(ids=_chosen(request), at=now())
    tasks.react()
    said = ngettext("%(count)s is tried again.", "%(count)s are tried again.", count)
    messages.success(request, said % {"count": count})
    return redirect("reactions")


@require_POST
@needs("mend")
def aside(request: Request) -> HttpResponse:
    count = outbox.set_aside(ids=_chosen(request))
    said = ngettext("%(count)s was set aside.", "%(count)s were set aside.", count)
    messages.success(request, said % {"count": count})
    return redirect("reactions")


def _chosen(request: Request) -> list[int] | None:
    """The rows that the form names; None for all of them."""
    given = request.POST.getlist("row")
    return [int(pk) for pk in given if pk.isdecimal() and len(pk) < 19] if given else None
