"""Who buys: the concentration curve, the triangle of cohorts, the map of recency and frequency, purchases by month."""

from typing import Any

import altair as alt
import narwhals as nw

from querencia.insight import wording
from querencia.insight.engine import frame_of, rows, whole
from querencia.insight.language import gettext as _
from querencia.insight.plot.base import ACCENT, INK, MUTED, SOFT, Layers, data, listed, month, month_of, percents
from querencia.insight.reading import date_of

MONTHS_MAX = 60
FAINT, STRONG = 0.04, 0.5  # of the accent: a cell of few is still a cell, and ink can be read on one of many


def concentration(curve: Any, top_share: float | None = None) -> Layers:
    """The 80/20 curve of :func:`querencia.insight.pareto.curve`, with the share of the best fifth marked.

    ``top_share``: that share where it is known exactly (:func:`querencia.insight.pareto.top_share`), else it is read
    off the curve.

    >>> from querencia.insight import pareto, plot, samples, rfm
    >>> curve = pareto.curve(rfm.summary(samples.cdnow(), as_of=samples.CDNOW_END))
    >>> plot.concentration(curve).description
    'The best fifth of customers brings 67% of revenue.'
    """
    points = [{"x": 0.0, "y": 0.0}, *({"x": row["customer_share"], "y": row["value_share"]} for row in listed(curve))]
    share = top_share if top_share is not None else _at_fifth(points)
    mark = [{"x": 0.2, "y": share, "text": wording.percent(share)}]
    x = alt.X("x:Q", title=_("share of customers, best first"), axis=percents([0, 0.2, 0.5, 1]))
    y = alt.Y("y:Q", title=_("share of revenue"), axis=percents([0, 0.5, 1]), scale=alt.Scale(domain=[0, 1]))
    area = alt.Chart(data(points)).mark_area(color=SOFT, line={"color": ACCENT, "strokeWidth": 2}).encode(x=x, y=y)
    lines = alt.Chart(data(mark)).mark_rule(color=MUTED)
    point = alt.Chart(data(mark)).mark_point(color=ACCENT, fill=ACCENT, size=60, opacity=1).encode(x="x:Q", y="y:Q")
    text = point.mark_text(align="left", dx=9, dy=10, color=MUTED, fontSize=13).encode(text="text:N")
    upright = lines.encode(x="x:Q", y=alt.Y("y:Q"), y2=alt.datum(0))
    level = lines.encode(y="y:Q", x=alt.X("x:Q"), x2=alt.datum(0))
    said = _("The best fifth of customers brings %(share)s of revenue.") % {"share": wording.percent(share)}
    return alt.layer(area, upright, level, point, text).properties(width=340, height=200, description=said)


def _at_fifth(points: list[dict[str, float]]) -> float:
    before = points[0]
    for point in points:
        if point["x"] >= 0.2:
            width = point["x"] - before["x"]
            return before["y"] + (point["y"] - before["y"]) * ((0.2 - before["x"]) / width if width else 1.0)
        before = point
    return before["y"]


def cohorts(retention: Any) -> Layers:
    """The triangle of :func:`querencia.insight.cohorts.retention`: of each cohort, the share who bought later on.

    >>> from querencia.insight import cohorts, plot, samples
    >>> table = cohorts.retention(samples.cdnow(), as_of=samples.CDNOW_END, period="month")
    >>> plot.cohorts(table).description
    'Of 3 cohorts, the share who bought again in each later period: between 4% and 16%.'
    """
    cells = [row for row in listed(retention) if row["period"] > 0]
    strongest = max((row["share"] for row in cells), default=0.0) or 1.0
    table = [
        {
            "order": row["cohort"],
            "cohort": wording.day(int(row["cohort"])),
            "period": row["period"],
            "strength": FAINT + (STRONG - FAINT) * row["share"] / strongest,
            "text": wording.percent(row["share"]),
        }
        for row in cells
    ]
    x = alt.X("period:O", title=_("periods since the first purchase"), axis=alt.Axis(labelAngle=0, ticks=False))
    y = alt.Y("cohort:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(ticks=False))
    base = alt.Chart(data(table)).encode(x=x, y=y)
    strength = alt.Opacity("strength:Q", scale=None, legend=None)
    squares = base.mark_rect(color=ACCENT, cornerRadius=3).encode(opacity=strength)
    texts = base.mark_text(fontSize=11, color=INK).encode(text="text:N")
    facts = {
        "cohorts": wording.number(len({row["order"] for row in table})),
        "low": wording.percent(min((row["share"] for row in cells), default=0.0)),
        "high": wording.percent(max((row["share"] for row in cells), default=0.0)),
    }
    said = (
        _("Of %(cohorts)s cohorts, the share who bought again in each later period: between %(low)s and %(high)s.")
        % facts
    )
    return alt.layer(squares, texts).properties(width=alt.Step(36), height=alt.Step(26), description=said)


def scores(scored: Any) -> Layers:
    """The map of :func:`querencia.insight.rfm.score`: customers by how lately and how often they bought.

    Only the counts of its 25 fields leave the engine.

    >>> from querencia.insight import plot, rfm, samples
    >>> plot.scores(rfm.score(rfm.summary(samples.cdnow(), as_of=samples.CDNOW_END))).description
    '2,357 customers by how lately (across) and how often (upward) they bought, in fifths.'
    """
    frame = frame_of(scored).group_by("recency_score", "frequency_score").agg(nw.len().alias("customers"))
    counted = [{name: whole(value) for name, value in row.items()} for row in rows(frame)]
    most = max((row["customers"] for row in counted), default=1)
    table = [
        {
            **row,
            "strength": FAINT + (STRONG - FAINT) * row["customers"] / most,
            "text": wording.number(row["customers"]),
        }
        for row in counted
    ]
    x = alt.X("recency_score:O", title=_("how lately, 5: the latest"), axis=alt.Axis(labelAngle=0, ticks=False))
    y = alt.Y("frequency_score:O", sort="descending", title=_("how often, 5: the oftenest"), axis=alt.Axis(ticks=False))
    base = alt.Chart(data(table)).encode(x=x, y=y)
    squares = base.mark_rect(color=ACCENT, cornerRadius=3).encode(
        opacity=alt.Opacity("strength:Q", scale=None, legend=None)
    )
    texts = base.mark_text(fontSize=12, color=INK).encode(text="text:N")
    facts = {"customers": wording.number(sum(row["customers"] for row in counted))}
    said = _("%(customers)s customers by how lately (across) and how often (upward) they bought, in fifths.") % facts
    return alt.layer(squares, texts).properties(width=alt.Step(56), height=alt.Step(40), description=said)


def sparkline(trend: Any) -> alt.Chart:
    """The trend of a rate (``day``, ``rate``): a line without axes.

    >>> from querencia.insight import plot
    >>> plot.sparkline([{"day": 20_000, "rate": 0.62}, {"day": 20_091, "rate": 0.655}]).description
    'From 62.0% to 65.5%.'
    """
    found = listed(trend)
    table = [{"x": row["day"], "y": row["rate"]} for row in found]
    x = alt.X("x:Q", axis=None, scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(zero=False, padding=4))
    said = _("From %(first)s to %(last)s.") % {
        "first": wording.percent(found[0]["rate"], 1),
        "last": wording.percent(found[-1]["rate"], 1),
    }
    line = alt.Chart(data(table)).mark_line(color=ACCENT, strokeWidth=1.6)
    made: alt.Chart = line.encode(x=x, y=y).properties(width=220, height=34, description=said)
    return made


def purchases(days: Any, *, currency: str) -> alt.Chart:
    """What one customer brought by month (``day``, ``amount`` in minor units), months without a purchase included.

    >>> from querencia.insight import plot
    >>> plot.purchases([{"day": 20_000, "amount": 1250}, {"day": 20_040, "amount": 990}], currency="EUR").description
    'Purchases by month, in EUR.'
    """
    months: dict[int, int] = {}
    for row in listed(days):
        day = date_of(int(row["day"]))
        months[day.year * 12 + day.month - 1] = months.get(day.year * 12 + day.month - 1, 0) + row["amount"]
    last = max(months)
    first = max(min(months), last - MONTHS_MAX + 1)
    units = 10 ** wording.decimals(currency)
    table = [
        {"order": m, "label": month_of(m), "y": months.get(m, 0) / units}
        for m in range(first, max(last, first + 11) + 1)
    ]
    x = alt.X("label:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("y:Q", title=currency, axis=alt.Axis(tickCount=3, grid=True))
    said = _("Purchases by month, in %(currency)s.") % {"currency": currency}
    bars = alt.Chart(data(table)).mark_bar(color=ACCENT, cornerRadiusEnd=2, width={"band": 0.7})
    made: alt.Chart = bars.encode(x=x, y=y).properties(width=560, height=130, description=said)
    return made


def defections(periods: Any, *, width: int = 860) -> Layers:
    """Customers who left per month, with the interval of each: :func:`querencia.insight.defection.by_period`.

    >>> from querencia.insight import defection, plot, samples
    >>> plot.defections(defection.by_period(samples.cdnow(), as_of=samples.CDNOW_END)).description
    'Customers who left, by month; the latest: 17.'
    """
    found = listed(periods)
    table = [
        {"order": n, "label": month(row["period"]), "y": row["defections"], "low": row["low"], "high": row["high"]}
        for n, row in enumerate(found)
    ]
    x = alt.X("label:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=4, grid=True))
    bars = alt.Chart(data(table)).mark_bar(color=ACCENT, cornerRadiusEnd=2, width={"band": 0.55}).encode(x=x, y=y)
    known = [row for row in table if row["low"] is not None]
    between = alt.Chart(data(known)).mark_rule(color=MUTED, strokeWidth=1.5)
    ends = between.encode(x=alt.X("label:N", sort=alt.SortField("order")), y="low:Q", y2="high:Q")
    said = _("Customers who left, by month; the latest: %(count)s.") % {
        "count": wording.number(found[-1]["defections"])
    }
    return alt.layer(bars, ends).properties(width=width, height=170, description=said)
