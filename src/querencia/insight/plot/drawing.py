"""Charts as SVG, drawn without a browser (Vega in vl-convert): for a page, whose colours they take, or as a file."""

import hashlib
import json
import re
from functools import lru_cache
from html import escape
from typing import Any

import vl_convert
from babel import Locale

from querencia.insight import wording
from querencia.insight.language import current
from querencia.insight.plot.base import ACCENT, INK, LINE, MUTED, SOFT

# Vega draws what colours it is told; the page says what they are, by day and by night.
VARIABLES = {ACCENT: "--accent", SOFT: "--accent-soft", MUTED: "--muted", LINE: "--line", INK: "--ink"}
NIGHT = {
    "--accent": "#e58b5f",
    "--accent-soft": "#3a2619",
    "--muted": "#aaa195",
    "--line": "#37312b",
    "--ink": "#ece6dd",
}
PAPER = ("#fffefb", "#1f1c19")
FONT = "system-ui, sans-serif"
# Readers' fonts may be wider than the one that Vega measures with.
PADDING = {"left": 12, "right": 12, "top": 4, "bottom": 4}
COLOURS = re.compile("|".join(VARIABLES))


def svg(chart: Any) -> str:
    """The chart as an ``<svg>`` element: named for screen readers, sized by its viewBox, without inline styles.

    Colours are those of the page: its custom properties ``--accent``, ``--accent-soft``, ``--muted``, ``--line``,
    ``--ink``.

    >>> from querencia.insight import plot
    >>> drawn = plot.svg(plot.sparkline([{"day": 1, "rate": 0.4}, {"day": 2, "rate": 0.5}]))
    >>> drawn.startswith("<svg"), 'aria-label="From 40.0% to 50.0%."' in drawn, "var(--accent)" in drawn
    (True, True, True)
    """
    return _drawn(json.dumps(chart.to_dict(), sort_keys=True), current())


def picture(chart: Any) -> str:
    """The chart as an SVG that stands alone, to be written to a file: on paper by day, on dark paper by night.

    >>> from querencia.insight import plot
    >>> drawn = plot.picture(plot.sparkline([{"day": 1, "rate": 0.4}, {"day": 2, "rate": 0.5}]))
    >>> "prefers-color-scheme: dark" in drawn
    True
    """
    day = "".join(f"{name}:{colour};" for colour, name in VARIABLES.items())
    night = "".join(f"{name}:{colour};" for name, colour in NIGHT.items())
    style = (
        f"<style>svg{{{day}background:{PAPER[0]}}}"
        f"@media (prefers-color-scheme: dark){{svg{{{night}background:{PAPER[1]}}}}}</style>"
    )
    head, bracket, rest = svg(chart).partition(">")
    return f"{head}{bracket}{style}{rest}\n"


@lru_cache(maxsize=512)
def _drawn(spec: str, language: str) -> str:
    said = json.loads(spec).get("description", "")
    drawn = vl_convert.vegalite_to_svg(_themed(json.loads(spec), language))
    head, _bracket, rest = drawn.partition(">")
    size = re.search(r'viewBox="([^"]+)"', head)
    # A page that forbids inline styles drops them silently, so none may be needed.
    rest = re.sub(r' style="[^"]*"', "", rest)
    rest = re.sub(r' (aria-[a-z]+|role|pointer-events)="[^"]*"', "", rest)
    rest = COLOURS.sub(lambda found: f"var({VARIABLES[found[0]]})", rest)
    # Pictures of one page must not take each other's parts for their own.
    mark = hashlib.sha256(f"{language}{spec}".encode()).hexdigest()[:8]
    rest = re.sub(r'( id="|url\(#)([^")]+)', rf"\1\2-{mark}", rest)
    view = size[1] if size else "0 0 100 100"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" width="{view.split()[2]}" role="img" '
        f'aria-label="{escape(said)}">{rest}'
    )


def _themed(spec: dict[str, Any], language: str) -> dict[str, Any]:
    axis = {
        "domainColor": LINE,
        "gridColor": LINE,
        "tickColor": LINE,
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "grid": False,
    }
    legend = {"labelColor": MUTED, "labelFont": FONT, "labelFontSize": 12}
    look = {"axis": axis, "view": {"stroke": None}, "text": {"font": FONT}, "legend": legend, "background": None}
    symbols = Locale.parse(wording.LOCALES[language]).number_symbols["latn"]
    per_cent = Locale.parse(wording.LOCALES[language]).percent_formats[None].pattern.rpartition("0")[2]
    numbers = {
        "decimal": symbols["decimal"],
        "thousands": symbols["group"],
        "grouping": [3],
        "currency": ["", ""],
        "percent": per_cent,
    }
    return {**spec, "config": {**look, "locale": {"number": numbers}}, "padding": PADDING}
