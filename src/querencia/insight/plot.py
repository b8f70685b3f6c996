"""Pictures as Altair charts, and charts as SVG that a page can hold: colours follow its theme, nothing is fetched.

Charts take small tables as lists of dictionaries. ``svg`` draws one without a browser (Vega in vl-convert).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any

import altair as alt
import vl_convert
from babel import Locale
from babel.dates import format_skeleton

from querencia.insight import wording
from querencia.insight.language import current
from querencia.insight.language import gettext as _
from querencia.insight.reading import date_of

# Vega draws what colours it is told; the page says what they are.
ACCENT, SOFT, MUTED, LINE = "var(--accent)", "var(--accent-soft)", "var(--muted)", "var(--line)"
FONT = "system-ui, sans-serif"
MONTHS_MAX = 60

type Rows = Sequence[dict[str, Any]]
type Layers = alt.LayerChart | alt.FacetChart


def concentration(curve: Rows, top_share: float) -> Layers:
    """The 80/20 curve: ``customer_share``, ``value_share``, with the share of the best fifth marked."""
    rows = [{"x": 0.0, "y": 0.0}, *({"x": row["customer_share"], "y": row["value_share"]} for row in curve)]
    mark = [{"x": 0.2, "y": top_share, "text": wording.percent(top_share)}]
    x = alt.X("x:Q", title=_("share of customers, best first"), axis=_percents([0, 0.2, 0.5, 1]))
    y = alt.Y("y:Q", title=_("share of revenue"), axis=_percents([0, 0.5, 1]), scale=alt.Scale(domain=[0, 1]))
    area = alt.Chart(_data(rows)).mark_area(color=SOFT, line={"color": ACCENT, "strokeWidth": 2}).encode(x=x, y=y)
    lines = alt.Chart(_data(mark)).mark_rule(color=MUTED)
    point = alt.Chart(_data(mark)).mark_point(color=ACCENT, fill=ACCENT, size=60, opacity=1).encode(x="x:Q", y="y:Q")
    text = point.mark_text(align="left", dx=9, dy=10, color=MUTED, fontSize=13).encode(text="text:N")
    upright = lines.encode(x="x:Q", y=alt.Y("y:Q"), y2=alt.datum(0))
    level = lines.encode(y="y:Q", x=alt.X("x:Q"), x2=alt.datum(0))
    said = _("The best fifth of customers brings %(share)s of revenue.") % {"share": wording.percent(top_share)}
    return alt.layer(area, upright, level, point, text).properties(width=340, height=200, description=said)


def defections(rows: Rows, *, width: int = 860) -> Layers:
    """Customers who left per period (``period``, ``defections``, ``low``, ``high``), with the interval of each."""
    table = [
        {"order": n, "label": _month(row["period"]), "y": row["defections"], "low": row["low"], "high": row["high"]}
        for n, row in enumerate(rows)
    ]
    x = alt.X("label:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=4, grid=True))
    bars = alt.Chart(_data(table)).mark_bar(color=ACCENT, cornerRadiusEnd=2, width={"band": 0.55}).encode(x=x, y=y)
    known = [row for row in table if row["low"] is not None]
    between = alt.Chart(_data(known)).mark_rule(color=MUTED, strokeWidth=1.5)
    ends = between.encode(x=alt.X("label:N", sort=alt.SortField("order")), y="low:Q", y2="high:Q")
    said = _("Customers who left, by month; the latest: %(count)s.") % {"count": wording.number(rows[-1]["defections"])}
    return alt.layer(bars, ends).properties(width=width, height=170, description=said)


def sparkline(rows: Rows) -> alt.Chart:
    """The trend of a rate (``day``, ``rate``): a line without axes."""
    table = [{"x": row["day"], "y": row["rate"]} for row in rows]
    x = alt.X("x:Q", axis=None, scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(zero=False, padding=4))
    said = _("From %(first)s to %(last)s.") % {
        "first": wording.percent(rows[0]["rate"], 1),
        "last": wording.percent(rows[-1]["rate"], 1),
    }
    line = alt.Chart(_data(table)).mark_line(color=ACCENT, strokeWidth=1.6)
    made: alt.Chart = line.encode(x=x, y=y).properties(width=220, height=34, description=said)
    return made


def purchases(rows: Rows, *, currency: str) -> alt.Chart:
    """What one customer brought by month (``day``, ``amount`` in minor units), months without a purchase included."""
    months: dict[int, int] = {}
    for row in rows:
        day = date_of(row["day"])
        months[day.year * 12 + day.month - 1] = months.get(day.year * 12 + day.month - 1, 0) + row["amount"]
    last = max(months)
    first = max(min(months), last - MONTHS_MAX + 1)
    units = 10 ** wording.decimals(currency)
    table = [
        {"order": m, "label": _month_of(m), "y": months.get(m, 0) / units}
        for m in range(first, max(last, first + 11) + 1)
    ]
    x = alt.X("label:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("y:Q", title=currency, axis=alt.Axis(tickCount=3, grid=True))
    said = _("Purchases by month, in %(currency)s.") % {"currency": currency}
    bars = alt.Chart(_data(table)).mark_bar(color=ACCENT, cornerRadiusEnd=2, width={"band": 0.7})
    made: alt.Chart = bars.encode(x=x, y=y).properties(width=560, height=130, description=said)
    return made


def svg(chart: Any) -> str:
    """The chart as an ``<svg>`` element: named for screen readers, sized by its viewBox, without inline styles."""
    return _drawn(json.dumps(chart.to_dict(), sort_keys=True), current())


@lru_cache(maxsize=512)
def _drawn(spec: str, language: str) -> str:
    said = json.loads(spec).get("description", "")
    drawn = vl_convert.vegalite_to_svg(_themed(json.loads(spec), language))
    head, _bracket, rest = drawn.partition(">")
    size = re.search(r'viewBox="([^"]+)"', head)
    # A page that forbids inline styles drops them silently, so none may be needed.
    rest = re.sub(r' style="[^"]*"', "", rest)
    rest = re.sub(r' (aria-[a-z]+|role|pointer-events)="[^"]*"', "", rest)
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
    look = {"axis": axis, "view": {"stroke": None}, "text": {"font": FONT}, "background": None}
    symbols = Locale.parse(wording.LOCALES[language]).number_symbols["latn"]
    per_cent = Locale.parse(wording.LOCALES[language]).percent_formats[None].pattern.rpartition("0")[2]
    numbers = {
        "decimal": symbols["decimal"],
        "thousands": symbols["group"],
        "grouping": [3],
        "currency": ["", ""],
        "percent": per_cent,
    }
    return {**spec, "config": {**look, "locale": {"number": numbers}}, "padding": 2}


def _data(rows: Rows) -> alt.Data:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _percents(values: list[float]) -> alt.Axis:
    return alt.Axis(values=values, format="~%", labelExpr="datum.label")


def _month(day: int) -> str:
    on = date_of(day)
    return _month_of(on.year * 12 + on.month - 1)


def _month_of(month: int) -> str:
    first = date_of(0).replace(year=max(month // 12, 1), month=month % 12 + 1, day=1)
    return str(format_skeleton("yMMM", first, locale=wording.LOCALES[current()]))
