"""How far a forecast or a ranking can be trusted: calibration, lift, Qini, effects of an experiment."""

from typing import Any

import altair as alt

from querencia.insight import wording
from querencia.insight.language import gettext as _
from querencia.insight.plot.base import ACCENT, LINE, MUTED, SOFT, Layers, data, listed, percents


def calibration(tenths: Any, *, width: int = 300) -> Layers:
    """Chances said against shares seen, by tenths of customers: ``calibration`` of a
    :class:`querencia.insight.forecast.Backtest` (``said``, ``seen``, ``low``, ``high``).

    >>> from querencia.insight import plot
    >>> few = {"said": 0.1, "seen": 0.12, "low": 0.08, "high": 0.17}
    >>> tenths = [few, {"said": 0.5, "seen": 0.4, "low": 0.33, "high": 0.47}]
    >>> plot.calibration(tenths).description
    'Chance foretold against share seen, in 2 groups of customers; in 1 of them the interval of what was seen holds it.'
    """
    found = listed(tenths)
    top = max((max(row["said"], row["high"]) for row in found), default=1.0)
    # Most customers have a small chance: the root draws those apart and leaves a straight line straight.
    scale = alt.Scale(type="sqrt", domain=[0, top], nice=False)
    axis = percents([0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1])
    x = alt.X("said:Q", title=_("chance foretold"), axis=axis, scale=scale)
    y = alt.Y("seen:Q", title=_("share who bought"), axis=axis, scale=scale)
    ideal = alt.Chart(data([{"said": 0, "seen": 0}, {"said": top, "seen": top}]))
    line = ideal.mark_line(color=MUTED, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y)
    base = alt.Chart(data(found))
    ends = base.mark_rule(color=MUTED, strokeWidth=1.5).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    dots = base.mark_point(color=ACCENT, fill=ACCENT, size=50, opacity=1).encode(x=x, y=y)
    said = _(
        "Chance foretold against share seen, in %(groups)s groups of customers; in %(held)s of them the interval of "
        "what was seen holds it."
    ) % {"groups": wording.number(len(found)), "held": wording.number(held(found))}
    return alt.layer(line, ends, dots).properties(width=width, height=width * 0.8, description=said)


def held(tenths: Any) -> int:
    """In how many groups of customers the interval of the share seen holds the chance said.

    >>> held([{"said": 0.1, "low": 0.08, "high": 0.17}, {"said": 0.5, "low": 0.33, "high": 0.47}])
    1
    """
    return sum(row["low"] <= row["said"] <= row["high"] for row in listed(tenths))


def lift(shares: Any, *, width: int = 300) -> Layers:
    """Purchases made by the customers ranked highest: ``lift`` of a :class:`querencia.insight.forecast.Backtest`
    (``customer_share``, ``purchase_share``), beside customers drawn by lot.

    >>> from querencia.insight import plot
    >>> shares = [{"customer_share": x / 10, "purchase_share": min(1, x / 5)} for x in range(11)]
    >>> plot.lift(shares).description
    'The tenth of customers ranked highest made 20% of the purchases, the fifth 40%.'
    """
    table = [{"x": row["customer_share"], "y": row["purchase_share"]} for row in listed(shares)]
    x = alt.X("x:Q", title=_("share of customers, ranked highest first"), axis=percents([0, 0.2, 0.5, 1]))
    y = alt.Y("y:Q", title=_("share of purchases"), axis=percents([0, 0.5, 1]), scale=alt.Scale(domain=[0, 1]))
    area = alt.Chart(data(table)).mark_area(color=SOFT, line={"color": ACCENT, "strokeWidth": 2}).encode(x=x, y=y)
    lot = alt.Chart(data([{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
    straight = lot.mark_line(color=MUTED, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y)
    said = _("The tenth of customers ranked highest made %(tenth)s of the purchases, the fifth %(fifth)s.") % {
        "tenth": wording.percent(_at(table, 0.1)),
        "fifth": wording.percent(_at(table, 0.2)),
    }
    return alt.layer(area, straight).properties(width=width, height=width * 0.7, description=said)


def _at(table: list[dict[str, float]], share: float) -> float:
    """The point next to that share."""
    return min(table, key=lambda row: abs(row["x"] - share))["y"] if table else 0.0


def qini(curve: Any) -> Layers:
    """What contacting the customers of the highest predicted effect brings: ``curve`` of a fitted
    :class:`querencia.insight.uplift.UpliftModel` (``share``, ``gain``, ``by_lot``).

    >>> from querencia.insight import plot
    >>> curve = [{"share": x / 10, "gain": min(0.04, x / 100), "by_lot": x * 0.004} for x in range(11)]
    >>> plot.qini(curve).description
    'Contacting everybody brings 4.0 outcomes per hundred customers; the best fifth by the model, 2.0; by lot, 0.8.'
    """
    found = listed(curve)
    x = alt.X(
        "share:Q", title=_("share of customers contacted, greatest effect first"), axis=percents([0, 0.2, 0.5, 1])
    )
    y = alt.Y("gain:Q", title=_("outcomes more per customer"), axis=alt.Axis(tickCount=4, grid=True, format="~g"))
    base = alt.Chart(data(found))
    line = base.mark_line(color=ACCENT, strokeWidth=2).encode(x=x, y=y)
    straight = base.mark_line(color=MUTED, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=alt.Y("by_lot:Q"))
    fifth = min(found, key=lambda row: abs(row["share"] - 0.2))
    said = _(
        "Contacting everybody brings %(all)s outcomes per hundred customers; the best fifth by the model, %(best)s; by "
        "lot, %(lot)s."
    ) % {
        "all": wording.number(found[-1]["gain"] * 100, 1),
        "best": wording.number(fifth["gain"] * 100, 1),
        "lot": wording.number(fifth["by_lot"] * 100, 1),
    }
    return alt.layer(straight, line).properties(width=360, height=230, description=said)


def effects(arms: Any) -> Layers:
    """What each arm changed against control, with its interval: :func:`querencia.insight.uplift.effects`.

    >>> from querencia.insight import plot
    >>> mailed = {"arm": "e-mail", "effect": 0.06, "effect_low": 0.05, "effect_high": 0.07}
    >>> plot.effects([{"arm": "control", "effect": None}, mailed]).description
    'Effect against control: e-mail 0.060 (between 0.050 and 0.070).'
    """
    found = [row for row in listed(arms) if row["effect"] is not None and row["effect_low"] is not None]
    y = alt.Y("arm:N", title=None, sort=None)
    x = alt.X("effect:Q", title=_("outcomes more per customer"), axis=alt.Axis(tickCount=5, grid=True, format="~g"))
    base = alt.Chart(data(found))
    zero = alt.Chart(data([{"zero": 0}])).mark_rule(color=LINE, strokeWidth=2).encode(x="zero:Q")
    ends = base.mark_rule(color=MUTED, strokeWidth=1.5).encode(y=y, x=alt.X("effect_low:Q"), x2="effect_high:Q")
    dots = base.mark_point(color=ACCENT, fill=ACCENT, size=60, opacity=1).encode(y=y, x=x)
    each = [
        _("%(name)s %(value)s (between %(low)s and %(high)s)")
        % {
            "name": row["arm"],
            "value": wording.number(row["effect"], 3),
            "low": wording.number(row["effect_low"], 3),
            "high": wording.number(row["effect_high"], 3),
        }
        for row in found
    ]
    said = _("Effect against control: %(effects)s.") % {"effects": "; ".join(each)}
    return alt.layer(zero, ends, dots).properties(width=360, height=alt.Step(36), description=said)
