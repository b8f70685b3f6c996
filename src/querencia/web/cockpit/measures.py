"""Runs of the analysis: when, how long, what went wrong, and a button."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from querencia.common.time import now
from querencia.measures import actions, queries, tasks
from querencia.web.access import Request, needs
from querencia.web.cockpit.parts import show


@require_GET
@needs("see_runs")
def measures(request: Request) -> HttpResponse:
    runs = [{"run": run, "why": queries.why(run)} for run in queries.runs(limit=30)]
    context = {
        "runs": runs,
        "steps": actions.STEPS,
        "is_running": queries.is_running(),
        "trend": list(reversed(queries.trend())),
        "gates": queries.gates(),
    }
    return show(request, "cockpit/measures.html", "runs", context)


@require_POST
@needs("measure")
def measure_now(request: Request) -> HttpResponse:
    run = actions.request_run(trigger="button", at=now(), started_by=request.user)
    tasks.measure(run.pk)
    messages.success(request, _("A run was asked for. This page follows it; you may leave, it goes on."))
    return redirect("measures")
