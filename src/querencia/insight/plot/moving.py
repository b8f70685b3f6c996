"""Pictures of what comes and goes."""

from collections.abc import Sequence

import altair as alt

from querencia.insight import wording
from querencia.insight.language import gettext as _
from querencia.insight.plot.base import ACCENT, MUTED, Layers, data


def bridge(steps: Sequence[tuple[str, int]], *, opening: tuple[str, int], closing: tuple[str, int]) -> Layers:
    """From what there was to what there is: a bar for each step, named by its caller, that begins where the one before
    it ends.

    >>> from querencia.insight import plot
    >>> plot.bridge([("in", 50), ("out", -20)], opening=("before", 100), closing=("after", 130)).description
    'From 100 to 130.'
    """
    level, table = opening[1], [{"order": 0, "label": opening[0], "low": 0, "high": opening[1], "is_sum": True}]
    for order, (label, change) in enumerate(steps, 1):
        table.append({"order": order, "label": label, "low": level, "high": level + change, "is_sum": False})
        level += change
    last = {"order": len(table), "label": closing[0], "low": 0, "high": closing[1], "is_sum": True}
    table.append(last)
    x = alt.X("label:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(labelAngle=0, labelLimit=90))
    y = alt.Y("low:Q", title=None, axis=alt.Axis(tickCount=4, grid=True))
    colour = alt.condition("datum.is_sum", alt.value(MUTED), alt.value(ACCENT))
    bars = alt.Chart(data(table)).mark_bar(cornerRadius=2, width={"band": 0.6})
    said = _("From %(first)s to %(last)s.") % {
        "first": wording.number(opening[1]),
        "last": wording.number(closing[1]),
    }
    drawn = bars.encode(x=x, y=y, y2="high:Q", color=colour)
    return alt.layer(drawn).properties(width=420, height=170, description=said)
