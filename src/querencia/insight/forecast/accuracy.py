"""How good a forecast was, once it is known what was bought. Customers may be weighted."""

from collections.abc import Sequence

import numpy as np

from querencia.insight.lifetime.groups import Array

DECILES = 10


def auc(score: Array, positive: Array, weight: Array) -> float:
    """Chance that somebody who bought was ranked above somebody who did not, ties counting half."""
    _, place = np.unique(score, return_inverse=True)
    yes = np.bincount(place, weights=weight * positive)
    no = np.bincount(place, weights=weight * (1 - positive))
    if yes.sum() == 0 or no.sum() == 0:
        return 0.5
    below = np.cumsum(no) - no
    return float(yes @ (below + no / 2) / (yes.sum() * no.sum()))


def captured(score: Array, actual: Array, weight: Array, *, top: float = 0.1) -> float:
    """Share of purchases made by the tenth ranked highest; those who tie at its border count in proportion."""
    return float(captured_at(score, actual, weight, tops=(top,))[0])


def captured_at(score: Array, actual: Array, weight: Array, *, tops: Sequence[float]) -> Array:
    """The same of the best so many customers each: shares of one."""
    distinct, place = np.unique(-score, return_inverse=True)
    customers = np.bincount(place, weights=weight, minlength=len(distinct))
    made = np.bincount(place, weights=weight * actual, minlength=len(distinct))
    upto, bought = np.append(0.0, np.cumsum(customers)), np.append(0.0, np.cumsum(made))
    share: Array = np.interp(np.asarray(tops) * upto[-1], upto, bought) / max(bought[-1], 1e-300)
    return share


def miscalibration(chance: Array, bought: Array, weight: Array) -> float:
    """Root mean square distance, over tenths of customers by chance said, in log-odds, less what chance explains."""
    rows = calibration(chance, bought, weight)
    customers, said, seen = rows
    kept = customers > 0
    # Half a customer each way keeps the log-odds of empty tenths finite.
    said_odds = np.log((said + 0.5) / (customers - said + 0.5))[kept]
    seen_odds = np.log((seen + 0.5) / (customers - seen + 0.5))[kept]
    by_chance = (1 / (seen + 0.5) + 1 / (customers - seen + 0.5))[kept]
    beyond = customers[kept] @ ((said_odds - seen_odds) ** 2 - by_chance) / customers[kept].sum()
    return float(np.sqrt(np.maximum(beyond, 0.0)))


def calibration(chance: Array, bought: Array, weight: Array) -> tuple[Array, Array, Array]:
    """By tenths of customers, least chance first: customers, buyers expected, buyers seen."""
    order = np.argsort(chance, kind="stable")
    tenth = np.minimum((np.cumsum(weight[order]) / weight.sum() * DECILES).astype(int), DECILES - 1)
    customers = np.bincount(tenth, weights=weight[order], minlength=DECILES)
    said = np.bincount(tenth, weights=(weight * chance)[order], minlength=DECILES)
    seen = np.bincount(tenth, weights=(weight * bought)[order], minlength=DECILES)
    return customers, said, seen
