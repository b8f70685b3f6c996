"""What is beside what would be: the same figures twice."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from querencia.insight import wording
from querencia.insight.language import gettext as _
from querencia.insight.plot.base import ACCENT, LINE, Layers, data

SAID_MAX = 8


def compared(rows: Sequence[dict[str, Any]], *, title: str = "") -> Layers:
    """Two bars a row (``name``, ``before``, ``after``), in the order given; where nothing was before, one.

    >>> from querencia.insight import plot
    >>> plot.compared([{"name": "A", "before": 10, "after": 1200}], title="members").description
    'members, until now and then: A 10, 1,200.'
    """
    ends = {"before": _("until now"), "after": _("then")}
    if not any(row["before"] for row in rows):
        del ends["before"]
    table = [{"name": row["name"], "end": said, "value": row[end]} for row in rows for end, said in ends.items()]
    order = [row["name"] for row in rows]
    names = list(ends.values())
    x = alt.X("name:N", title=None, sort=order, axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False))
    y = alt.Y("value:Q", title=title or None, axis=alt.Axis(tickCount=5, grid=True, format=",~f"))
    colour = alt.Color(
        "end:N",
        sort=names,
        scale=alt.Scale(domain=names, range=[LINE, ACCENT][-len(names) :]),
        legend=alt.Legend(title=None, orient="top") if len(names) > 1 else None,
    )
    bars = alt.Chart(data(table)).mark_bar(cornerRadiusEnd=2)
    bars = bars.encode(x=x, y=y, xOffset=alt.XOffset("end:N", sort=names), color=colour)
    said = _("%(title)s, until now and then: %(figures)s.") if len(names) > 1 else _("%(title)s: %(figures)s.")
    figures = ", ".join(f"{row['name']} {', '.join(wording.number(row[end]) for end in ends)}" for row in _few(rows))
    described = said % {"title": title, "figures": figures}
    return alt.layer(bars).properties(width=min(440, max(360, 40 * len(rows))), height=220, description=described)


def _few(rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """As many as can be heard: of more, the first and the last."""
    return rows if len(rows) <= SAID_MAX else [rows[0], rows[-1]]
