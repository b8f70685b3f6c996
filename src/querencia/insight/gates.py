"""What a figure needs before it may be shown. Where it is missing, insight abstains and says why, in one sentence.

The thresholds are where a figure begins to say more about customers than about chance:

- 30 customers: a share of one half is then known to ±17 points (Wilson 95 %); with fewer, worse.
- 50 customers who came back: the rate at which customers return is then known to about ±14 % (1/√50).
- History of two horizons: one to learn from, one to check the forecast on.
- A purchase in the last period: otherwise the log ended earlier than the day looked at, and everybody seems to leave.
- Money: some amount above zero, else there is no value to divide.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw

from querencia.insight import notebook
from querencia.insight.engine import rows, whole
from querencia.insight.language import gettext as _
from querencia.insight.rfm import as_summary
from querencia.insight.tables import Day, day_number
from querencia.insight.wording import number

CUSTOMERS_MIN = 30
REPEATERS_MIN = 50
HORIZONS_MIN = 2
HISTORY_DAYS_MIN = 56
RECENT_DAYS = 28

# What each kind of figure rests on.
NEEDS: dict[str, tuple[str, ...]] = {
    "rfm": ("customers",),
    "pareto": ("customers", "money"),
    "cohorts": ("customers", "history"),
    "defection": ("customers", "repeaters", "history", "recent"),
    "retention": ("customers", "history", "recent"),
    "forecast": ("customers", "repeaters", "history", "recent"),
    "value": ("customers", "repeaters", "history", "recent", "money"),
}


@dataclass(frozen=True)
class Gate:
    """One condition: whether it is met, a sentence in the current language, and the numbers behind it.

    >>> Gate("money", False, "No customer has brought money in.").is_open
    False
    """

    name: str
    is_open: bool
    reason: str
    facts: Mapping[str, int] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return notebook.card("", rows=[self.row()])

    def row(self) -> tuple[str, str, str]:
        """Its name, whether it is open, and why, as a notebook shows them."""
        return self.name, _("open") if self.is_open else _("closed"), self.reason


class Gates(list[Gate]):
    """Gates that were looked at together: a list, and in a notebook a table.

    >>> len(Gates([Gate("money", False, "No customer has brought money in.")]))
    1
    """

    def _repr_html_(self) -> str:
        return notebook.card("", rows=[gate.row() for gate in self])


def check(purchases: Any, *, as_of: Day, horizon_days: int | None = None) -> Gates:
    """The gates ``customers, repeaters, history, recent, money`` for a table of purchases or of days.

    ``horizon_days``: how far ahead is to be looked; the history asked for is twice that, and at least eight weeks.
    The recent period is the horizon, at most; four weeks without one. One aggregated row leaves the engine.

    >>> from querencia.insight import gates, samples
    >>> checked = gates.check(samples.cdnow(), as_of=samples.CDNOW_END, horizon_days=365)
    >>> [gate.name for gate in checked if not gate.is_open]
    ['history']
    """
    today = day_number(as_of)
    summary = as_summary(purchases, as_of=today)
    one = nw.lit(1)
    facts = rows(
        summary.with_columns(
            nw.when(nw.col("frequency") > 0).then(one).otherwise(nw.lit(0)).alias("repeats"),
            nw.when(nw.col("amount") > 0).then(one).otherwise(nw.lit(0)).alias("spends"),
        ).select(
            nw.len().alias("customers"),
            nw.col("repeats").sum().alias("repeaters"),
            nw.col("spends").sum().alias("spenders"),
            nw.col("age").max().alias("history_days"),
            nw.col("last_day").max().alias("last_day"),
        )
    )[0]
    customers, repeaters, spenders = (whole(facts[name]) for name in ("customers", "repeaters", "spenders"))
    history = whole(facts["history_days"]) + 1 if customers else 0
    silent = today - whole(facts["last_day"]) if customers else None
    return Gates(
        [
            _customers(customers),
            _repeaters(repeaters),
            _history(history, horizon_days),
            _recent(silent, horizon_days or RECENT_DAYS),
            _money(spenders),
        ]
    )


def closed(gates: Collection[Gate], figure: str) -> Gates:
    """The gates in the way of a kind of figure (see ``NEEDS``); none means that it may be shown.

    >>> from querencia.insight import gates, samples
    >>> checked = gates.check(samples.cdnow(), as_of=samples.CDNOW_END, horizon_days=365)
    >>> gates.closed(checked, "forecast")[0].reason
    'Days of history: 546. To look 365 days ahead takes 730: half to learn from, half to check the forecast.'
    """
    return Gates(gate for gate in gates if gate.name in NEEDS[figure] and not gate.is_open)


def _filled(reason: str, facts: Mapping[str, int]) -> str:
    return reason % {name: number(value) for name, value in facts.items()}


def _customers(customers: int) -> Gate:
    facts = {"count": customers, "least": CUSTOMERS_MIN}
    if customers >= CUSTOMERS_MIN:
        reason = _("Customers who have bought: %(count)s, enough to speak of shares (at least %(least)s).")
    else:
        reason = _(
            "Customers who have bought so far: %(count)s. Below %(least)s, chance moves every share by more than "
            "17 points."
        )
    return Gate("customers", customers >= CUSTOMERS_MIN, _filled(reason, facts), facts)


def _repeaters(repeaters: int) -> Gate:
    facts = {"count": repeaters, "least": REPEATERS_MIN}
    if repeaters >= REPEATERS_MIN:
        reason = _("Customers who have come back: %(count)s, enough to learn their rhythm (at least %(least)s).")
    else:
        reason = _(
            "Customers who have come back so far: %(count)s. How often customers return cannot be learned from fewer "
            "than %(least)s."
        )
    return Gate("repeaters", repeaters >= REPEATERS_MIN, _filled(reason, facts), facts)


def _history(days: int, horizon_days: int | None) -> Gate:
    least = max(HISTORY_DAYS_MIN, HORIZONS_MIN * (horizon_days or 0))
    facts = {"days": days, "least": least, "horizon": horizon_days or 0}
    if days >= least:
        reason = _("Days of history: %(days)s, enough (at least %(least)s).")
    elif least > HISTORY_DAYS_MIN:
        reason = _(
            "Days of history: %(days)s. To look %(horizon)s days ahead takes %(least)s: half to learn from, half to "
            "check the forecast."
        )
    else:
        reason = _("Days of history: %(days)s. At least %(least)s are needed.")
    return Gate("history", days >= least, _filled(reason, facts), facts)


def _recent(silent: int | None, least: int) -> Gate:
    if silent is None:
        return Gate("recent", False, _("There are no purchases yet."), {"least": least})
    facts = {"days": silent, "least": least}
    if silent < least:
        reason = _("Days since the latest purchase: %(days)s. The purchases are up to date.")
    else:
        reason = _(
            "Days since the latest purchase: %(days)s. Nobody bought within %(least)s days: more likely purchases are "
            "still to be handed in than all customers have left."
        )
    return Gate("recent", silent < least, _filled(reason, facts), facts)


def _money(spenders: int) -> Gate:
    facts = {"count": spenders}
    if spenders:
        reason = _("Customers who have brought money in: %(count)s.")
    else:
        reason = _("No customer has brought money in: the purchases have no amounts, or everything was given back.")
    return Gate("money", spenders > 0, _filled(reason, facts), facts)
