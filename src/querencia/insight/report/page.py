"""The report as one self-contained page: no script, no file beside it, light and dark, to print and to mail."""

import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from querencia.insight import defection, explain, language, plot, wording
from querencia.insight.language import gettext as _
from querencia.insight.reading import day_number
from querencia.insight.report.figures import Facts

FOLDER = Path(__file__).parent
MONTHS, MONTHS_NARROW = 13, 7
COLUMNS_MAX = 24
COLUMNS_BESIDE = 12  # of cohorts that leave room for something beside them
HEAT_MAX = 50  # per cent of the accent: beyond it, ink cannot be read on it


def html(facts: Facts, *, language: str = "en", title: str = "") -> str:
    """The page for the facts of :func:`querencia.insight.report.build`, in English, Spanish or Portuguese.

    >>> from querencia.insight import report, samples
    >>> page = report.html(report.build(samples.cdnow().head(300), currency="USD"), language="es")
    >>> '<html lang="es">' in page, "<script" in page
    (True, False)
    """
    from querencia.insight.language import spoken

    with spoken(language):
        return environment(facts["currency"] or "").get_template("page.html").render(_context(facts, title))


def environment(currency: str) -> Environment:
    """Templates of pages that are one file, with numbers, days and money (text, in units) as readers write them."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(),
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
    )
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {
        "number": wording.number,
        "percent": wording.percent,
        "day": _day,
        "money": partial(_money, currency=currency),
    }
    return made


def _date(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def _day(text: str, style: str = "medium") -> str:
    return wording.day(_date(text), style)


def _money(text: str, currency: str) -> str:
    return wording.money(float(Decimal(text).scaleb(wording.decimals(currency))), currency)


def _context(facts: Facts, title: str) -> dict[str, Any]:
    months = facts["defections"]["rows"][-MONTHS:]
    over = [row for row in months if _is_over(row["period"], facts["as_of"])]
    return {
        "f": facts,
        "title": title,
        "language": language.current(),
        "explain": explain,
        "reasons": [explain.silence(call) for call in facts["calls"]],
        "month": over[-1] if over else None,
        "months": months,
        "open_month": months[-1]["period"] if months and months[-1:] != over[-1:] else None,
        "cohorts": _cohorts(facts),
        "late": (facts["stages"] or {}).get("late", 0),
        "stages": _stages(facts),
        "withheld": _withheld(facts),
        "sources": [_source(source) for source in facts["sources"]],
        "pictures": _pictures(facts, months),
    }


def _is_over(month: str, as_of: str) -> bool:
    """Whether the next month begins by the day after."""
    first = _date(month)
    following = (first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
    return following - datetime.timedelta(days=1) <= _date(as_of)


def _cohorts(facts: Facts) -> dict[str, Any]:
    by_start: dict[str, list[Facts]] = {}
    for cell in facts["cohorts"]["rows"]:
        by_start.setdefault(cell["cohort"], []).append(cell)
    later = [cell for cell in facts["cohorts"]["rows"] if 0 < cell["period"] <= COLUMNS_MAX]
    widest = max((cell["period"] for cell in later), default=0)
    strongest = max((cell["share"] for cell in later), default=0) or 1
    for cell in later:
        cell["heat"] = round(cell["share"] / strongest * HEAT_MAX, 1)
    rows = [
        {
            "start": start,
            "customers": cells[0]["customers"],
            "cells": [next((c for c in cells if c["period"] == n), None) for n in range(1, widest + 1)],
        }
        for start, cells in sorted(by_start.items())
    ]
    shown = rows if widest else []
    is_wide = widest > COLUMNS_BESIDE
    return {"period": facts["cohorts"]["period"], "rows": shown, "periods": range(1, widest + 1), "is_wide": is_wide}


def _stages(facts: Facts) -> list[Facts]:
    counts = facts["stages"] or {}
    total = sum(counts.values()) or 1
    names = {"new": _("New"), "active": _("Active"), "late": _("Late"), "left": _("Left"), "returned": _("Returned")}
    order = ("active", "returned", "new", "late", "left")
    assert set(order) == set(defection.STATUSES)
    return [
        {
            "code": code,
            "name": names[code],
            "meaning": explain.stage(code),
            "customers": counts[code],
            "share": counts[code] / total,
        }
        for code in order
        if counts
    ]


def _withheld(facts: Facts) -> list[tuple[str, list[str]]]:
    """The reasons with the figures that they keep from being shown."""
    names = {
        "pareto": _("who brings the money"),
        "cohorts": _("who comes back"),
        "retention": _("retention"),
        "defection": _("who left"),
        "forecast": _("the next days"),
        "value": _("revenue at risk"),
    }
    found: dict[str, list[str]] = {}
    for figure, reasons in facts["withheld"].items():
        for reason in reasons if figure in names else ():
            found.setdefault(reason, []).append(names[figure])
    return list(found.items())


def _source(source: Facts) -> Facts:
    columns = ", ".join(f"{name} ← {column}" for name, column in source["columns"].items())
    return {
        "file": Path(source["file"]).name,
        "columns": columns,
        "is_guessed": bool(source["guessed"]),
        "notes": source["notes"],
    }


def _pictures(facts: Facts, months: list[Facts]) -> dict[str, str]:
    made = {}
    numbered = [{**row, "period": day_number(_date(row["period"]))} for row in months]
    if facts["classes"]:
        made["curve"] = plot.svg(plot.concentration(facts["curve"], facts["top_20_percent_share"]))
    if len(months) > 1 and any(row["defections"] for row in months):
        made["defections"] = plot.svg(plot.defections(numbered, width=980))
        made["defections_narrow"] = plot.svg(plot.defections(numbered[-MONTHS_NARROW:], width=270))
    return made
