"""What all charts share: colours, tables as rows, axes of shares and months."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
from babel.dates import format_skeleton

from querencia.insight import wording
from querencia.insight.engine import frame_of, rows
from querencia.insight.language import current
from querencia.insight.reading import date_of

# By day; what a page draws takes the colours of the page instead (querencia.insight.plot.drawing).
ACCENT, SOFT, MUTED, LINE, INK = "#a3461f", "#f6e6dc", "#665e54", "#e6dfd4", "#26211c"

type Rows = Sequence[Mapping[str, Any]]
type Layers = alt.LayerChart | alt.FacetChart


def listed(table: Any) -> list[dict[str, Any]]:
    """The rows of a small table: what insight returns, of any engine, or a list of dictionaries."""
    if isinstance(table, Sequence):
        return [dict(row) for row in table]
    return [{name: _plain(value) for name, value in row.items()} for row in rows(frame_of(table))]


def _plain(value: Any) -> Any:
    """pandas says NaN for null, engines have decimals for sums."""
    if value is None or isinstance(value, str | bool | int):
        return value
    return None if value != value else float(value)


def data(table: Rows) -> alt.Data:
    return alt.Data(values=list(table))  # type: ignore[no-untyped-call]


def percents(values: Sequence[float] | None = None) -> alt.Axis:
    if values is None:
        return alt.Axis(format="~%", tickCount=4, grid=True)
    return alt.Axis(values=list(values), format="~%", labelExpr="datum.label")


def month(day: int) -> str:
    """``Jan 2026``, of a day number."""
    on = date_of(int(day))
    return month_of(on.year * 12 + on.month - 1)


def month_of(number: int) -> str:
    """``Jan 2026``, of months counted from January of the year 0."""
    first = date_of(0).replace(year=max(number // 12, 1), month=number % 12 + 1, day=1)
    return str(format_skeleton("yMMM", first, locale=wording.LOCALES[current()]))
