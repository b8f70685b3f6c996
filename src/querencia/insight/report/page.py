"""The report as one self-contained page: no script, no file beside it, light and dark, to print and to mail."""

import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from querencia.insight import explain, language, plot, wording
from querencia.insight.reading import day_number

FOLDER = Path(__file__).parent
MONTHS = 13


def html(facts: dict[str, Any], *, language: str = "en", title: str = "") -> str:
    """The page for the facts of :func:`querencia.insight.report.build`, in English, Spanish or Portuguese."""
    from querencia.insight.language import spoken

    with spoken(language):
        return _environment().get_template("page.html").render(_context(facts, title))


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=select_autoescape(), extensions=["jinja2.ext.i18n"], trim_blocks=True
    )
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {"number": wording.number, "percent": wording.percent, "day": _day, "heat": _heat}
    return made


def _day(text: str, style: str = "medium") -> str:
    return wording.day(datetime.date.fromisoformat(text), style)


def _heat(share: float) -> float:
    return round(min(1.0, share) * 90, 1)


def _context(facts: dict[str, Any], title: str) -> dict[str, Any]:
    currency = facts["currency"]
    months = facts["defections"]["rows"][-MONTHS:]
    return {
        "f": facts,
        "title": title,
        "language": language.current(),
        "money": lambda minor: wording.money(minor, currency),
        "revenue": wording.money(float(facts["revenue"]) * 10 ** wording.decimals(currency), currency),
        "explain": explain,
        "reasons": [explain.silence(call) for call in facts["calls"]],
        "last_month": months[-1] if months else None,
        "months": months,
        "cohorts": _cohorts(facts),
        "late": facts["stages"].get("late", 0),
        "pictures": _pictures(facts, months),
    }


def _cohorts(facts: dict[str, Any]) -> dict[str, Any]:
    by_start: dict[str, list[dict[str, Any]]] = {}
    for cell in facts["cohorts"]["rows"]:
        by_start.setdefault(cell["cohort"], []).append(cell)
    widest = max((cell["period"] for cell in facts["cohorts"]["rows"]), default=0)
    rows = [
        {
            "start": start,
            "customers": cells[0]["customers"],
            "cells": [next((c for c in cells if c["period"] == n), None) for n in range(1, widest + 1)],
        }
        for start, cells in sorted(by_start.items())
    ]
    return {"period": facts["cohorts"]["period"], "rows": rows, "periods": range(1, widest + 1)}


def _pictures(facts: dict[str, Any], months: list[dict[str, Any]]) -> dict[str, str]:
    made = {}
    if facts["curve"] and facts["top_20_percent_share"]:
        made["curve"] = plot.svg(plot.concentration(facts["curve"], facts["top_20_percent_share"]))
    if len(months) > 1 and any(row["defections"] for row in months):
        numbered = [{**row, "period": day_number(datetime.date.fromisoformat(row["period"]))} for row in months]
        made["defections"] = plot.svg(plot.defections(numbered))
    return made
