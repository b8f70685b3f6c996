"""Curves and their summaries from counts by tenure: Kaplan–Meier, hazard, median, restricted mean, log-rank.

Kaplan & Meier (1958), "Nonparametric estimation from incomplete observations", JASA 53; the variance is Greenwood's
(1926); the interval is that of log(-log S), which stays within 0 and 1 (Kalbfleisch & Prentice 1980, The Statistical
Analysis of Failure Time Data, 1.3). All of it can be checked on the 42 patients of Freireich et al. (1963).
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import narwhals as nw
import numpy as np
from scipy.special import chdtrc

from querencia.insight import notebook
from querencia.insight.engine import small
from querencia.insight.errors import InputError
from querencia.insight.intervals import CONFIDENCE, wilson
from querencia.insight.language import gettext as _
from querencia.insight.survival.contracts import Array, Counts, counts

HALF = 0.5
NOISE = 1e-12  # a share that is a half in arithmetic may fall just beside it in floats

CURVE_TYPES = {
    "group": nw.String,
    "tenure": nw.Float64,
    "at_risk": nw.Float64,
    "left": nw.Float64,
    "censored": nw.Float64,
    "share": nw.Float64,
    "standard_error": nw.Float64,
    "low": nw.Float64,
    "high": nw.Float64,
}
HAZARD_TYPES = {name: nw.String if name == "group" else nw.Float64 for name in (
    "group", "tenure", "at_risk", "left", "share", "low", "high"
)}  # fmt: skip
TYPICAL_TYPES = {name: nw.String if name == "group" else nw.Float64 for name in (
    "group", "customers", "left", "median", "median_low", "median_high", "mean", "mean_error", "mean_low", "mean_high",
    "horizon",
)}  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """A Kaplan–Meier curve: share still there just after each tenure, with Greenwood's error and the interval."""

    tenure: Array
    share: Array
    error: Array
    low: Array
    high: Array


def steps(one: Counts, confidence: float = CONFIDENCE) -> Steps:
    """The curve of one group at its tenures."""
    at_risk, left = one.at_risk, one.left
    share = np.cumprod(1 - left / at_risk)
    # Once everybody has left, Greenwood's sum has no end; the share is then 0 and its upper limit the last known.
    gone = at_risk - left <= 0
    terms = np.divide(left, at_risk * (at_risk - left), out=np.zeros_like(left), where=~gone)
    spread = np.sqrt(np.cumsum(terms))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    inside = (share > NOISE) & (share < 1)
    log = np.log(np.where(inside, share, HALF))
    reach = np.exp(z * spread / -log)
    low = np.where(inside, np.exp(log * reach), 0.0)
    high = np.where(inside, np.exp(log / reach), 1.0)
    nobody_yet = share >= 1
    low[nobody_yet] = [wilson(n, n, confidence)[0] for n in at_risk[nobody_yet]]
    ended = share <= NOISE
    if ended.any():
        high[ended] = float(high[~ended][-1]) if (~ended).any() else wilson(0, float(at_risk[0]), confidence)[1]
    return Steps(one.tenure, np.where(ended, 0.0, share), np.where(ended, 0.0, share * spread), low, high)


def curve(contracts: Any, *, by: str | None = None, confidence: float = CONFIDENCE) -> Any:
    """Share of customers still there at each tenure (Kaplan–Meier): a small table, one group of ``by`` after another.

    ``group`` (null without ``by``), ``tenure``, ``at_risk`` (just before it), ``left`` (at it), ``censored`` (last seen
    there), ``share`` (just after it), ``standard_error`` (Greenwood), ``low``, ``high``. Each group begins at tenure 0,
    where all are there. While nobody has left, the interval is Wilson's of the customers at risk.

    >>> from querencia.insight import samples, survival
    >>> found = survival.curve(samples.subscribers(), by="plan")
    >>> found.select("group", "tenure", "share").row(1)
    ('high end', 1.0, 0.869)
    """
    made: list[tuple[Any, ...]] = []
    for one in counts(contracts, by):
        if one.customers <= 0:
            continue
        drawn, at_risk = steps(one, confidence), one.at_risk
        if one.tenure[0] > 0:
            made.append((one.group, 0.0, one.customers, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0))
        columns = (one.tenure, at_risk, one.left, one.censored, drawn.share, drawn.error, drawn.low, drawn.high)
        made.extend((one.group, *map(float, row)) for row in zip(*columns, strict=True))
    return _table(made, CURVE_TYPES, contracts)


def hazard(contracts: Any, *, by: str | None = None, confidence: float = CONFIDENCE) -> Any:
    """Of those who had stayed until a tenure, the share who left at it: a small table, for when the danger is greatest.

    ``group``, ``tenure``, ``at_risk``, ``left``, ``share`` with its Wilson interval ``low``, ``high``. For tenures in
    whole periods (months, renewals); tenures measured finer have hardly anybody each.

    >>> from querencia.insight import samples, survival
    >>> survival.hazard(samples.subscribers(), by="plan").select("group", "tenure", "left").row(0)
    ('high end', 1.0, 131.0)
    """
    made: list[tuple[Any, ...]] = []
    for one in counts(contracts, by):
        for tenure, at_risk, left in zip(one.tenure, one.at_risk, one.left, strict=True):
            if at_risk > 0 and tenure > 0:
                interval = wilson(float(left), float(at_risk), confidence)
                made.append((one.group, float(tenure), float(at_risk), float(left), float(left / at_risk), *interval))
    return _table(made, HAZARD_TYPES, contracts)


def typical(
    contracts: Any, *, by: str | None = None, horizon: float | None = None, confidence: float = CONFIDENCE
) -> Any:
    """How long customers stay: median and restricted mean, a small table of one row per group.

    ``customers``, ``left``; ``median`` with ``median_low``, ``median_high`` (Brookmeyer & Crowley 1982: tenures whose
    interval holds one half; null where the curve does not come down that far); ``mean`` with its interval: tenure on
    average within the first ``horizon`` (Klein & Moeschberger 2003, Survival Analysis, 4.5). Without ``horizon``: as
    far as every group is observed, so that their means compare.

    >>> from querencia.insight import samples, survival
    >>> found = survival.typical(samples.subscribers(), by="plan")
    >>> found.select("group", "median", "horizon").rows()
    [('high end', 7.0, 12.0), ('regular', 2.0, 12.0)]
    """
    groups = [one for one in counts(contracts, by) if one.customers > 0]
    if horizon is not None and not 0 < horizon < float("inf"):
        raise InputError(f"A horizon is a tenure above zero, not {horizon!r}.", example=horizon)
    until = horizon if horizon is not None else min((float(one.tenure[-1]) for one in groups), default=0.0)
    made = []
    for one in groups:
        drawn = steps(one, confidence)
        medians = [_first(drawn.tenure, line) for line in (drawn.share, drawn.low, drawn.high)]
        mean, error = restricted_mean(one, drawn, until)
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        around = (mean, error, max(0.0, mean - z * error), min(until, mean + z * error))
        made.append((one.group, one.customers, float(one.left.sum()), *medians, *around, until))
    return _table(made, TYPICAL_TYPES, contracts)


def _first(tenure: Array, line: Array) -> float | None:
    """The first tenure at which a line has come down to one half."""
    below = np.flatnonzero(line <= HALF + NOISE)
    return float(tenure[below[0]]) if len(below) else None


def restricted_mean(one: Counts, drawn: Steps, until: float) -> tuple[float, float]:
    """Area under the curve up to a tenure, and its standard error."""
    inside = drawn.tenure < until
    ends = np.concatenate([[0.0], drawn.tenure[inside], [until]])
    heights = np.concatenate([[1.0], drawn.share[inside]])
    areas = np.diff(ends) * heights
    ahead = areas[::-1].cumsum()[::-1][1:]
    at_risk, left = one.at_risk[inside], one.left[inside]
    stay = at_risk - left
    terms = np.divide(left, at_risk * stay, out=np.zeros_like(left), where=stay > 0)
    return float(areas.sum()), float(np.sqrt((ahead**2 * terms).sum()))


@dataclass(frozen=True)
class Comparison:
    """Whether groups differ in how long customers stay: the log-rank test.

    >>> from querencia.insight import samples, survival
    >>> found = survival.compare(samples.subscribers(), by="plan")
    >>> found.degrees_of_freedom, found.p_value < 0.001
    (1, True)
    """

    chi_square: float
    degrees_of_freedom: int
    p_value: float

    def _repr_html_(self) -> str:
        rows = {"χ²": notebook.figure(self.chi_square), _("degrees of freedom"): str(self.degrees_of_freedom)}
        return notebook.card("", notebook.by_chance(self.p_value), rows=rows.items())


def compare(contracts: Any, *, by: str) -> Comparison | None:
    """The log-rank test of the groups of ``by`` (Mantel 1966; Peto & Peto 1972); None with fewer than two of them.

    A small ``p_value`` says that chance alone would seldom make the groups differ so much.

    >>> from querencia.insight import samples, survival
    >>> round(survival.compare(samples.subscribers(), by="plan").chi_square)
    182
    """
    groups = [one for one in counts(contracts, by) if one.customers > 0]
    if len(groups) < 2:
        return None
    tenures = np.unique(np.concatenate([one.tenure[one.left > 0] for one in groups]))
    left = np.array([_at(one.tenure, one.left, tenures) for one in groups])
    at_risk = np.array([_later(one, tenures) for one in groups])
    all_left, all_at_risk = left.sum(axis=0), at_risk.sum(axis=0)
    share = at_risk / all_at_risk
    excess = (left - share * all_left).sum(axis=1)
    spare = np.maximum(all_at_risk - 1, 0)
    factor = np.divide(all_left * (all_at_risk - all_left), spare, out=np.zeros_like(spare), where=spare > 0)
    covariance = np.diag((share * factor).sum(axis=1)) - (share * factor) @ share.T
    # The excesses add up to nothing: one group is implied by the others.
    statistic = float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
    freedom = int(np.linalg.matrix_rank(covariance, hermitian=True))
    return Comparison(statistic, freedom, float(chdtrc(freedom, statistic)) if freedom else 1.0)


def _at(tenure: Array, values: Array, wanted: Array) -> Array:
    """Values at the wanted tenures, 0 where a group has none."""
    made = np.zeros(len(wanted))
    inside = np.isin(tenure, wanted)
    made[np.searchsorted(wanted, tenure[inside])] = values[inside]
    return made


def _later(one: Counts, wanted: Array) -> Array:
    """Customers of a group at risk at the wanted tenures."""
    remaining = np.append(one.at_risk, 0.0)
    return remaining[np.searchsorted(one.tenure, wanted)]


def _table(made: list[tuple[Any, ...]], types: dict[str, Any], like: Any) -> Any:
    return small({name: [row[place] for row in made] for place, name in enumerate(types)}, types, like)
