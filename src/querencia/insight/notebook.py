"""What a result looks like in a notebook: a title, plain sentences, and figures with how far each could be off.

Everything is escaped: names of columns, arms and levels come from whoever filled the table.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import floor, isfinite, log10
from typing import Any

from querencia.insight.language import gettext as _
from querencia.insight.wording import number

DIGITS = 4
DECIMALS_MAX = 8


def card(title: str, *sentences: str, columns: Sequence[str] = (), rows: Iterable[Sequence[str]] = ()) -> str:
    """The HTML of a result; ``rows`` begin with their name.

    >>> card("Gate", "Customers: <9>", rows=[("share", "0.4", "between 0.1 and 0.8")])  # doctest: +ELLIPSIS
    '<div class="querencia"><p><strong>Gate</strong></p><p>Customers: &lt;9&gt;</p><table><tbody><tr><th ...'
    """
    parts = [f"<p><strong>{escape(title)}</strong></p>"] if title else []
    parts += [f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence]
    body = "".join(_row(row) for row in rows)
    if body:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
        parts.append(f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>")
    return f'<div class="querencia">{"".join(parts)}</div>'


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    told = "".join(f"<td>{escape(cell)}</td>" for cell in others)
    return f'<tr><th scope="row">{escape(first)}</th>{told}</tr>'


def figure(value: float | None) -> str:
    """A number to four digits, as readers of the current language write it; – for none.

    >>> figure(0.0123456), figure(1234567.8), figure(None)
    ('0.01235', '1,234,568', '–')
    """
    if value is None or not isfinite(value):
        return "–"
    places = DIGITS - 1 - floor(log10(abs(value))) if value else 0
    return number(value, min(max(places, 0), DECIMALS_MAX))


def between(low: Any, high: Any) -> str:
    """``between 0.1 and 0.8``, of numbers or of what is written already; nothing where an end is unknown."""
    if low is None or high is None:
        return ""
    ends = {name: end if isinstance(end, str) else figure(end) for name, end in (("low", low), ("high", high))}
    return _("between %(low)s and %(high)s") % ends


def fitted(model: Any) -> str:
    """A model that learns: its parameters with their 95 % intervals, or that it has not learned yet."""
    name = getattr(model, "name", type(model).__name__)
    if not hasattr(model, "params_"):
        return card(name, _("Not fitted yet."))
    facts = {"customers": number(model.customers_), "likelihood": number(model.log_likelihood_, 2)}
    doubts = []
    if not model.converged_:
        doubts.append(_("The search for the best parameters did not come to its end."))
    if not model.identified_:
        doubts.append(_("The data leave a parameter open; a weak prior decided it."))
    return card(
        name,
        _("Fitted on %(customers)s customers; log-likelihood %(likelihood)s.") % facts,
        *doubts,
        rows=parameters(model.params_, model.intervals_),
    )


def by_chance(p_value: float) -> str:
    """What a p-value says.

    >>> by_chance(0.0312)
    'By chance alone, groups differ this much with probability 0.03120.'
    """
    return _("By chance alone, groups differ this much with probability %(p)s.") % {"p": figure(p_value)}


def parameters(values: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> list[tuple[str, str, str]]:
    """A row per parameter."""
    return [(name, figure(value), between(*intervals[name])) for name, value in values.items()]


def estimates(named: Mapping[str, Any], written: Any = figure) -> list[tuple[str, str, str]]:
    """A row per :class:`querencia.insight.estimate.Estimate`; None is passed over. ``written``: how a value is."""
    return [
        (name, written(one.value), between(written(one.low), written(one.high)))
        for name, one in named.items()
        if one is not None
    ]
