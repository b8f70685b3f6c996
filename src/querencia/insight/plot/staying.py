"""How long customers stay under a contract: survival curves and hazards."""

from typing import Any

import altair as alt

from querencia.insight import wording
from querencia.insight.language import gettext as _
from querencia.insight.plot.base import ACCENT, MUTED, Layers, data, listed, percents

# Groups are told apart by their strokes and their names, colour being one.
STROKES = ([1, 0], [6, 3], [2, 3], [10, 3, 2, 3])


def survival(curve: Any) -> Layers:
    """The curves of :func:`querencia.insight.survival.curve`, each with its interval and its name at the end.

    >>> from querencia.insight import plot, samples, survival
    >>> plot.survival(survival.curve(samples.subscribers(), by="plan")).description
    'Share of customers still there. At the end: high end 39%; regular 17%.'
    """
    found = [row | {"name": row["group"] if row["group"] is not None else ""} for row in listed(curve)]
    names = list(dict.fromkeys(row["name"] for row in found))
    last = {row["name"]: row for row in found}
    x = alt.X("tenure:Q", title=_("tenure"), axis=alt.Axis(tickCount=6))
    y = alt.Y("share:Q", title=_("share still there"), axis=percents(), scale=alt.Scale(domain=[0, 1]))
    dashes = [STROKES[place % len(STROKES)] for place in range(len(names))]
    dash = alt.StrokeDash("name:N", sort=names, scale=alt.Scale(domain=names, range=dashes), legend=None)
    base = alt.Chart(data(found))
    band = base.mark_area(color=ACCENT, opacity=0.12, interpolate="step-after").encode(
        x=x, y=alt.Y("low:Q"), y2="high:Q", detail="name:N"
    )
    line = base.mark_line(color=ACCENT, strokeWidth=2, interpolate="step-after").encode(x=x, y=y, strokeDash=dash)
    ends = alt.Chart(data(list(last.values())))
    text = ends.mark_text(align="right", dy=16, color=MUTED, fontSize=12).encode(x=x, y=y, text="name:N")
    shares = "; ".join(f"{name} {wording.percent(row['share'])}".strip() for name, row in last.items())
    said = _("Share of customers still there. At the end: %(shares)s.") % {"shares": shares}
    return alt.layer(band, line, text).properties(width=380, height=230, description=said)


def hazard(rates: Any) -> Layers:
    """When the danger is greatest: :func:`querencia.insight.survival.hazard`, each share with its interval.

    >>> from querencia.insight import plot, samples, survival
    >>> plot.hazard(survival.hazard(samples.subscribers(), by="plan")).description
    'Of those who had stayed until then, the share who left; the greatest 37%, at 1.'
    """
    found = [row | {"name": row["group"] if row["group"] is not None else ""} for row in listed(rates)]
    worst = max(found, key=lambda row: row["share"])
    x = alt.X("tenure:O", title=_("tenure"), axis=alt.Axis(labelAngle=0, labelOverlap=True, format="~g"))
    y = alt.Y("share:Q", title=_("share who left"), axis=percents())
    names = list(dict.fromkeys(row["name"] for row in found))
    shapes = ["circle", "square", "triangle-up", "diamond"]
    shape = alt.Shape(
        "name:N",
        scale=alt.Scale(domain=names, range=[shapes[place % len(shapes)] for place in range(len(names))]),
        legend=alt.Legend(title=None, symbolFillColor=ACCENT, symbolStrokeColor=ACCENT) if len(names) > 1 else None,
    )
    base = alt.Chart(data(found))
    ends = base.mark_rule(color=MUTED, strokeWidth=1.5).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    dots = base.mark_point(color=ACCENT, fill=ACCENT, size=45, opacity=1).encode(x=x, y=y, shape=shape)
    said = _("Of those who had stayed until then, the share who left; the greatest %(share)s, at %(tenure)s.") % {
        "share": wording.percent(worst["share"]),
        "tenure": wording.number(worst["tenure"]),
    }
    return alt.layer(ends, dots).properties(width=380, height=200, description=said)
