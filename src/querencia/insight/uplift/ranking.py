"""How well a ranking of customers finds those whom contact changes: uplift curve, AUUC, Qini.

Uplift curve and its area: Gutierrez & Gérardy (2017), "Causal Inference and Uplift Modelling", PMLR 67, section 3.
Qini: Radcliffe (2007), "Using Control Groups to Target on Predicted Lift", Direct Marketing Analytics Journal.
Customers of equal rank enter together: nothing tells who of them is first.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querencia.insight.errors import InputError

type Array = NDArray[np.float64]


def _arrays(*given: ArrayLike | None) -> list[Array]:
    first = np.asarray(given[0], dtype=np.float64)
    made = [np.ones(len(first)) if one is None else np.asarray(one, dtype=np.float64) for one in given]
    if any(one.ndim != 1 or len(one) != len(first) for one in made):
        raise InputError("Give one predicted effect, outcome and contact per customer.", count=len(first))
    if not all(np.isfinite(one).all() for one in made):
        raise InputError("Effects, outcomes and weights must be finite numbers.")
    return made


def _steps(effect: Array, outcome: Array, treated: Array, weight: Array) -> dict[str, Array]:
    """Sums over the customers ranked highest, at the end of each run of equal ranks; the first entry is nobody."""
    order = np.argsort(-effect, kind="stable")
    ranked = effect[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1) if len(ranked) else np.zeros(0, dtype=int)

    def summed(values: Array) -> Array:
        return np.concatenate([[0.0], np.cumsum(values[order])[ends]])

    contacted, control = weight * treated, weight * (1 - treated)
    return {
        "share": np.concatenate([[0.0], (ends + 1) / max(len(ranked), 1)]),
        "contacted": summed(contacted),
        "control": summed(control),
        "outcome_contacted": summed(contacted * outcome),
        "outcome_control": summed(control * outcome),
    }


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def curve(
    effect: ArrayLike, outcome: ArrayLike, treated: ArrayLike, *, weight: ArrayLike | None = None
) -> dict[str, Array]:
    """``share`` of customers contacted, those of the highest predicted effect first, and the ``gain`` that it brings.

    ``gain`` is in outcomes per customer of the whole list: (mean outcome of the contacted less that of control, both
    among the share) × share. ``qini`` is Radcliffe's: outcomes more than control would have, per contacted customer of
    the whole experiment. ``treated`` is 1 for who was contacted, 0 for control; ``weight`` by default 1.

    >>> effect, outcome, contacted = [0.3, 0.2, 0.1, 0.0], [1, 0, 0, 1], [1, 0, 1, 0]
    >>> curve(effect, outcome, contacted)["gain"].round(3).tolist()
    [0.0, 0.25, 0.5, 0.375, 0.0]
    """
    steps = _steps(*_arrays(effect, outcome, treated, weight))
    lift = _ratio(steps["outcome_contacted"], steps["contacted"]) - _ratio(steps["outcome_control"], steps["control"])
    as_many = _ratio(steps["contacted"], steps["control"])
    extra = steps["outcome_contacted"] - steps["outcome_control"] * as_many
    whole = steps["contacted"][-1]
    return {
        "share": steps["share"],
        "gain": lift * steps["share"],
        "qini": extra / whole if whole > 0 else np.zeros_like(extra),
    }


def auuc(effect: ArrayLike, outcome: ArrayLike, treated: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Area under the uplift curve; a ranking by lot has half of the average effect.

    >>> effect, outcome, contacted = [0.3, 0.2, 0.1, 0.0], [1, 0, 0, 1], [1, 0, 1, 0]
    >>> round(auuc(effect, outcome, contacted), 3)
    0.281
    """
    drawn = curve(effect, outcome, treated, weight=weight)
    return float(np.trapezoid(drawn["gain"], drawn["share"]))


def qini(effect: ArrayLike, outcome: ArrayLike, treated: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Area between the Qini curve and the straight line of a ranking by lot: 0 for a lot, below 0 for worse.

    >>> effect, outcome, contacted = [0.3, 0.2, 0.1, 0.0], [1, 0, 0, 1], [1, 0, 1, 0]
    >>> round(qini(effect, outcome, contacted), 3)
    0.375
    """
    drawn = curve(effect, outcome, treated, weight=weight)
    above = drawn["qini"] - drawn["qini"][-1] * drawn["share"]
    return float(np.trapezoid(above, drawn["share"]))


def resampled(effect: Array, outcome: Array, treated: Array, weight: Array, *, draws: int, seed: int) -> dict[str, Any]:
    """``auuc`` and ``qini`` of so many resamples of the customers, each arm of its own size (Efron's bootstrap)."""
    random = np.random.default_rng(seed)
    arms = [np.flatnonzero(treated == side) for side in (0, 1)]
    made: dict[str, list[float]] = {"auuc": [], "qini": []}
    for _draw in range(draws):
        times = np.zeros(len(effect))
        for arm in arms:
            times[arm] = random.multinomial(len(arm), np.full(len(arm), 1 / max(len(arm), 1))) if len(arm) else 0
        # Repeated rather than weighed: the share of the list moves along too.
        chosen = np.repeat(np.arange(len(effect)), times.astype(int))
        sample = (effect[chosen], outcome[chosen], treated[chosen])
        made["auuc"].append(auuc(*sample, weight=weight[chosen]))
        made["qini"].append(qini(*sample, weight=weight[chosen]))
    return made
