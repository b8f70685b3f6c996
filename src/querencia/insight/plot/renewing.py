"""The economics of retention as charts: what points of retention bring, and who renews."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from querencia.insight import wording
from querencia.insight.intervals import wilson
from querencia.insight.language import gettext as _
from querencia.insight.plot.base import ACCENT, LINE, MUTED, SOFT, data


def gain(rows: Sequence[dict[str, Any]], *, marked: float, currency: str) -> Any:
    """What points of retention bring (rows of :func:`querencia.insight.economics.at_points`), with the interval;
    ``marked`` points stand out.

    >>> from querencia.insight import plot
    >>> rows = [{"points": p / 100, "gain": p * 100, "low": p * 80, "high": p * 130} for p in range(6)]
    >>> plot.gain(rows, marked=0.05, currency="EUR").description[-45:]
    'At 5 points: €5.00 (between €4.00 and €6.50).'
    """
    units = 10 ** wording.decimals(currency)
    table = [
        {"x": row["points"] * 100, **{name: row[name] / units for name in ("gain", "low", "high")}} for row in rows
    ]
    point = [row for row in table if abs(row["x"] - marked * 100) < 1e-9]
    x = alt.X("x:Q", title=_("points of retention more"), axis=alt.Axis(tickCount=6, format=".1~f"))
    y = alt.Y("gain:Q", title=currency, axis=alt.Axis(tickCount=5, grid=True, format=",.2~f"))
    shown = data(table)
    band = alt.Chart(shown).mark_area(color=SOFT).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    line = alt.Chart(shown).mark_line(color=ACCENT, strokeWidth=2).encode(x=x, y=y)
    zero = alt.Chart(data([{"zero": 0}])).mark_rule(color=MUTED).encode(y="zero:Q")
    here = alt.Chart(data(point))
    reach = here.mark_rule(color=ACCENT).encode(x="x:Q", y="low:Q", y2="high:Q")
    dot = here.mark_point(color=ACCENT, fill=ACCENT, size=70, opacity=1).encode(x="x:Q", y="gain:Q")
    said = _("What more retention brings with today's customers, less what it costs.")
    if point:
        facts = {
            "points": wording.number(marked * 100, 1 if round(marked * 100, 1) % 1 else 0),
            **{name: wording.money(point[0][name] * units, currency) for name in ("gain", "low", "high")},
        }
        said += " " + _("At %(points)s points: %(gain)s (between %(low)s and %(high)s).") % facts
    return alt.layer(band, zero, line, reach, dot).properties(width=480, height=220, description=said)


def renewals(could: Sequence[int], renewed: Sequence[int], fitted: Sequence[float] = ()) -> Any:
    """Of those who could renew, the share who did, with Wilson's interval; ``fitted``: the curve through the shares.

    ``could`` and ``renewed`` of :class:`querencia.insight.economics.Kept`.

    >>> from querencia.insight import plot
    >>> plot.renewals([1000, 631, 468], [631, 468, 382]).description
    'Of those who could stay, the share who did, window after window.'
    """
    table = [
        {"x": n, "share": did / all_of_them, **dict(zip(("low", "high"), wilson(did, all_of_them), strict=True))}
        for n, (all_of_them, did) in enumerate(zip(could, renewed, strict=True), 1)
        if all_of_them
    ]
    drawn = [{"x": n, "share": share} for n, share in enumerate(fitted[: len(table)], 1)]
    ticks = [row["x"] for row in table]
    x = alt.X("x:Q", title=_("renewal"), axis=alt.Axis(values=ticks, format="d"), scale=alt.Scale(padding=12))
    y = alt.Y("share:Q", title=None, axis=alt.Axis(format="~%", tickCount=4, grid=True), scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(data(table))
    ends = base.mark_rule(color=MUTED, strokeWidth=1.5).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    dots = base.mark_point(color=ACCENT, fill=ACCENT, size=50, opacity=1).encode(x=x, y=y)
    line = alt.Chart(data(drawn)).mark_line(color=LINE, strokeWidth=2).encode(x="x:Q", y="share:Q")
    said = _("Of those who could stay, the share who did, window after window.")
    return alt.layer(line, ends, dots).properties(width=360, height=230, description=said)
