"""The overview: one sentence, the figures, whom to call first and why."""

from datetime import date, timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET

from querencia.common.time import day_of
from querencia.customers.queries import profile
from querencia.insight import explain, plot
from querencia.measures import queries
from querencia.measures.models import Measure
from querencia.web.access import Request, needs
from querencia.web.templatetags.house import number

MONTH_DAYS = 30
HEAT_STEPS = 10


@require_GET
@needs("see_figures")
def overview(request: Request) -> HttpResponse:
    measure, run = queries.latest_measure(), queries.latest_run()
    if measure is None:
        return render(request, "cockpit/overview_empty.html", {"run": run, "why": queries.why(run) if run else ""})
    found = queries.findings()
    before = queries.measure_before(measure, MONTH_DAYS)
    month_from = measure.day - timedelta(days=MONTH_DAYS - 1)
    context = {
        "measure": measure,
        "run": queries.latest_done(),
        "before": before,
        "change": _change(measure, before),
        "links": _links(measure, month_from),
        "failed": queries.why(run) if run and run.error else "",
        "month_from": month_from,
        "calls": _calls(found),
        "found": found,
        "cohorts": _cohorts(found),
        "defections": _defections(found),
        "abstained": [gate for gate in queries.gates() if not gate["is_open"]],
        "pictures": _pictures(found, measure),
    }
    return render(request, "cockpit/overview.html", context)


@require_GET
@needs("see_customers")
def how(request: Request) -> HttpResponse:
    """How each figure is computed, with its source."""
    found = queries.findings()
    return render(
        request,
        "cockpit/how.html",
        {"measure": queries.latest_measure(), "forecast": found.get("forecast"), "gates": queries.gates()},
    )


def _change(measure: Measure, before: Measure | None) -> dict[str, float | None]:
    """Against thirty days before: retention in points, where both look at windows of one length, and revenue."""
    retention = revenue = None
    rate, earlier = measure.retention_rate, before.retention_rate if before else None
    if before and rate is not None and earlier is not None:
        is_alike = before.retention_window_days == measure.retention_window_days
        retention = round(rate - earlier, 3) if is_alike else None
    # Only the window right before this one is compared with it.
    if before and before.revenue > 0 and (measure.day - before.day).days <= MONTH_DAYS + 1:
        revenue = round(measure.revenue / before.revenue - 1, 2)
    return {"retention": retention, "revenue": revenue, "revenue_fall": -revenue if revenue else None}


def _links(measure: Measure, month_from: date) -> dict[str, str]:
    """Figures of the sentence and the tiles as links to the customers behind them."""
    listed = {
        "left": (measure.defections, f"left_from={month_from}&left_to={measure.day}"),
        "late": (measure.late, "stage=late"),
        "new": (measure.new, f"first_from={month_from}&first_to={measure.day}"),
    }
    address = reverse("customers")
    return {
        name: format_html('<a href="{}?{}">{}</a>', address, query, number(count))
        for name, (count, query) in listed.items()
    }


def _calls(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    rows = found.get("calls", {}).get("rows", [])
    people = profile.people(row["customer_id"] for row in rows)
    # Two of them may have become one person since.
    once = {people[row["customer_id"]].pk: row for row in reversed(rows) if row["customer_id"] in people}
    return [
        {
            **row,
            "who": (who := people[row["customer_id"]]),
            "why": explain.call_reason(row["reason"]["code"], row["reason"]["facts"]),
            "phone": who.reachable("phone"),
            "email": who.reachable("email"),
        }
        for row in rows
        if row in once.values() and not people[row["customer_id"]].is_to_be_erased
    ]


def _cohorts(found: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Rows of the heat map: a cohort with its later periods, and the days between which it arrived."""
    kept = found.get("cohorts")
    if not kept or not kept["rows"]:
        return None
    rows: dict[int, list[dict[str, Any]]] = {}
    for cell in kept["rows"]:
        rows.setdefault(cell["cohort"], []).append(cell)
    starts = sorted(rows)
    # Shades reach from nothing to the largest share shown: retention of 3 % and of 60 % are both worth seeing.
    top = max((cell["share"] for cell in kept["rows"] if cell["period"] > 0), default=0.0) or 1.0
    widest = max(cell["period"] for cell in kept["rows"])
    made = []
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        cells = {cell["period"]: {**cell, "heat": round(cell["share"] / top * HEAT_STEPS)} for cell in rows[start]}
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
