"""The overview: one sentence, the figures, whom to call first and why."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from querencia.common.time import day_of
from querencia.customers.queries import profile
from querencia.insight import explain, plot
from querencia.measures import queries
from querencia.measures.models import Measure
from querencia.web.access import needs

MONTH_DAYS = 30


@require_GET
@needs("see_figures")
def overview(request: HttpRequest) -> HttpResponse:
    measure, run = queries.latest_measure(), queries.latest_run()
    if measure is None:
        return render(request, "cockpit/overview_empty.html", {"run": run, "why": queries.why(run) if run else ""})
    found = queries.findings()
    context = {
        "measure": measure,
        "run": queries.latest_done(),
        "before": queries.measure_before(measure, MONTH_DAYS),
        "failed": queries.why(run) if run and run.error else "",
        "month_from": measure.day - timedelta(days=MONTH_DAYS - 1),
        "calls": _calls(found),
        "found": found,
        "cohorts": _cohorts(found),
        "defections": _defections(found),
        "abstained": [gate for gate in queries.gates() if not gate["is_open"]],
        "pictures": _pictures(found, measure),
    }
    return render(request, "cockpit/overview.html", context)


@require_GET
@needs("see_figures")
def how(request: HttpRequest) -> HttpResponse:
    """How each figure is computed, with its source."""
    found = queries.findings()
    return render(
        request,
        "cockpit/how.html",
        {"measure": queries.latest_measure(), "forecast": found.get("forecast"), "gates": queries.gates()},
    )


def _calls(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    rows = found.get("calls", {}).get("rows", [])
    people = profile.customers(row["customer_id"] for row in rows)
    return [
        {
            **row,
            "customer": people[row["customer_id"]],
            "why": explain.call_reason(row["reason"]["code"], row["reason"]["facts"]),
            "phone": _first(people[row["customer_id"]], "phone"),
            "email": _first(people[row["customer_id"]], "email"),
        }
        for row in rows
        if row["customer_id"] in people
    ]


def _first(customer: Any, kind: str) -> str:
    points = [p for p in customer.contact_points.all() if p.kind == kind and not p.bounced_at and not p.opted_out_at]
    return points[0].value if points else ""


def _cohorts(found: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Rows of the heat map: a cohort with its later periods, and the days between which it arrived."""
    kept = found.get("cohorts")
    if not kept or not kept["rows"]:
        return None
    rows: dict[int, list[dict[str, Any]]] = {}
    for cell in kept["rows"]:
        rows.setdefault(cell["cohort"], []).append(cell)
    starts = sorted(rows)
    widest = max(cell["period"] for cell in kept["rows"])
    made = []
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        cells = {cell["period"]: cell for cell in rows[start]}
        made.append(
            {
                "first": day_of(start),
                "last": day_of(following - 1) if following else day_of(kept["as_of"]),
                "customers": rows[start][0]["customers"],
                "cells": [cells.get(period) for period in range(1, widest + 1)],
            }
        )
    return {"period": kept["period"], "rows": made, "periods": range(1, widest + 1)}


def _defections(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    rows = found.get("defections", {}).get("rows", [])[-13:]
    starts = [row["period"] for row in rows]
    ends = [*(start - 1 for start in starts[1:]), found["defections"]["as_of"]] if rows else []
    return [{**row, "first": day_of(row["period"]), "last": day_of(end)} for row, end in zip(rows, ends, strict=True)]


def _pictures(found: dict[str, dict[str, Any]], measure: Measure) -> dict[str, str]:
    made = {}
    if (pareto := found.get("pareto")) and pareto["curve"] and pareto["top_20_percent_share"]:
        made["pareto"] = plot.svg(plot.concentration(pareto["curve"], pareto["top_20_percent_share"]))
    trend = [row for row in found.get("retention", {}).get("rows", []) if row["rate"] is not None]
    if len(trend) > 2:
        made["retention"] = plot.svg(plot.sparkline(trend))
    defections = found.get("defections", {}).get("rows", [])[-13:]
    if len(defections) > 1:
        made["defections"] = plot.svg(plot.defections(defections))
    return made
