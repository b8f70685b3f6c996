"""What customers say: drivers of satisfaction on a map, by weight and by contrast; the iceberg of problems."""

from typing import Any

import altair as alt

from querencia.insight import drivers as asked
from querencia.insight import wording
from querencia.insight.language import gettext as _
from querencia.insight.plot.base import ACCENT, LINE, MUTED, SOFT, Layers, data, listed, percents


def drivers(places: Any) -> Layers:
    """Importance against performance: :func:`querencia.insight.drivers.importance_performance`, cut at the means.

    >>> from querencia.insight import drivers, plot, samples
    >>> asked = {"outcome": "rating", "drivers": ["complaints", "learning", "privileges"]}
    >>> plot.drivers(drivers.importance_performance(samples.attitudes(), **asked)).description
    '3 drivers by importance and performance; to work on first: none.'
    """
    found = listed(places)
    x = alt.X("performance:Q", title=_("performance"), axis=percents(), scale=alt.Scale(zero=False, padding=30))
    y = alt.Y("importance:Q", title=_("importance"), axis=percents(), scale=alt.Scale(zero=False, padding=16))
    base = alt.Chart(data(found))
    dots = base.mark_point(color=ACCENT, fill=ACCENT, size=60, opacity=1).encode(x=x, y=y)
    names = base.mark_text(align="center", dy=-11, color=MUTED, fontSize=12).encode(x=x, y=y, text="driver:N")
    middle = [{name: sum(row[name] for row in found) / max(len(found), 1) for name in ("importance", "performance")}]
    cuts = alt.Chart(data(middle)).mark_rule(color=LINE, strokeWidth=1.5)
    first = [str(row["driver"]) for row in found if row["quadrant"] == "concentrate"]
    said = _("%(count)s drivers by importance and performance; to work on first: %(first)s.") % {
        "count": wording.number(len(found)),
        "first": ", ".join(first) or _("none"),
    }
    upright, level = cuts.encode(x="performance:Q"), cuts.encode(y="importance:Q")
    return alt.layer(upright, level, dots, names).properties(width=400, height=280, description=said)


def weights(weights: Any) -> Layers:
    """How much each driver counts, with its interval: :func:`querencia.insight.drivers.weights`.

    >>> from querencia.insight import drivers, plot, samples
    >>> asked = {"outcome": "rating", "drivers": ["complaints", "learning"]}
    >>> plot.weights(drivers.weights(samples.attitudes(), **asked)).description
    'complaints makes up 71% of what can be explained (between 52% and 88%); mean answer 66.6.'
    """
    found = listed(weights)
    y = alt.Y("driver:N", title=None, sort=None)
    x = alt.X("share:Q", title=_("share of what can be explained"), axis=percents())
    base = alt.Chart(data(found))
    bars = base.mark_bar(color=SOFT, cornerRadiusEnd=2, height={"band": 0.6}).encode(y=y, x=x)
    ends = base.mark_rule(color=MUTED, strokeWidth=1.5).encode(y=y, x=alt.X("share_low:Q"), x2="share_high:Q")
    dots = base.mark_point(color=ACCENT, fill=ACCENT, size=45, opacity=1).encode(y=y, x=x)
    said = asked.said(found[0]) if found else ""
    return alt.layer(bars, ends, dots).properties(width=340, height=alt.Step(28), description=said)


def contrasts(contrasts: Any) -> Layers:
    """What failing takes and excelling gives: :func:`querencia.insight.drivers.penalty_reward`, with the intervals.

    >>> from querencia.insight import drivers, plot, samples
    >>> asked = {"outcome": "rating", "drivers": ["complaints", "learning"]}
    >>> plot.contrasts(drivers.penalty_reward(samples.attitudes(), low=50, high=75, **asked)).description
    'complaints counts both ways: the better it is done, the better for all.'
    """
    found = listed(contrasts)
    ends = {"penalty": _("when it fails"), "reward": _("when it excels")}
    table = [
        {"driver": row["driver"], "end": said, "value": row[end], "low": row[f"{end}_low"], "high": row[f"{end}_high"]}
        for row in found
        for end, said in ends.items()
        if row[end] is not None
    ]
    y = alt.Y("driver:N", title=None, sort=None)
    x = alt.X("value:Q", title=_("change of the overall answer"), axis=alt.Axis(tickCount=5, grid=True))
    shape = alt.Shape("end:N", legend=alt.Legend(title=None, orient="bottom"), sort=list(ends.values()))
    base = alt.Chart(data(table))
    shift = alt.YOffset("end:N", sort=list(ends.values()))
    rules = base.mark_rule(color=MUTED, strokeWidth=1.5).encode(y=y, yOffset=shift, x=alt.X("low:Q"), x2="high:Q")
    dots = base.mark_point(color=ACCENT, fill=ACCENT, size=55, opacity=1).encode(y=y, yOffset=shift, x=x, shape=shape)
    zero = alt.Chart(data([{"zero": 0}])).mark_rule(color=LINE, strokeWidth=2).encode(x="zero:Q")
    said = asked.said(found[0]) if found else ""
    return alt.layer(zero, rules, dots).properties(width=380, height=alt.Step(22), description=said)


def iceberg(found: Any) -> Layers:
    """Who says so and who does not: an :class:`querencia.insight.iceberg.Iceberg`, with the intervals.

    >>> from querencia.insight import iceberg, plot, samples
    >>> plot.iceberg(iceberg.asked(samples.problems(), customers=20_000)).description
    'Customers with a problem: 7,000; of them 1,400 say so and 5,600 do not.'
    """
    parts = ((_("say so"), found.complaints), (_("say nothing"), found.silent))
    table = [{"part": name, "value": part.value, "low": part.low, "high": part.high} for name, part in parts]
    y = alt.Y("part:N", title=None, sort=None)
    x = alt.X("value:Q", title=_("customers"), axis=alt.Axis(tickCount=5, grid=True, format=",~f"))
    base = alt.Chart(data(table))
    bars = base.mark_bar(color=ACCENT, cornerRadiusEnd=2, height={"band": 0.6}).encode(y=y, x=x)
    ends = base.mark_rule(color=MUTED, strokeWidth=2).encode(y=y, x=alt.X("low:Q"), x2="high:Q")
    said = _("Customers with a problem: %(problems)s; of them %(complaints)s say so and %(silent)s do not.") % {
        "problems": wording.number(found.problems.value),
        "complaints": wording.number(found.complaints.value),
        "silent": wording.number(found.silent.value),
    }
    return alt.layer(bars, ends).properties(width=360, height=alt.Step(40), description=said)
