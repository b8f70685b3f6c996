"""Who comes first: a question of its own, since whoever errs least by numbers need not rank best.

The candidates are told by the share of purchases that the customers ranked highest made on the days held out; the two
that put most of them in front rank together, by the mean of both ranks: their errors are their own, and in part cancel.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import numpy as np

from querencia.insight.forecast.accuracy import captured_at
from querencia.insight.forecast.histories import Histories
from querencia.insight.lifetime.groups import Array

TOPS = (0.05, 0.1, 0.2)  # of customers: the tenth alone hangs on the few who stand at its border
TOGETHER = 2


def merit(score: Array, history: Histories) -> float:
    """Mean share of purchases made by the best so many customers."""
    return float(captured_at(score, history.held_out, history.weight, tops=TOPS).mean())


def best[K](merits: Mapping[K, float], losses: Mapping[K, float], can_answer: Callable[[K], bool]) -> tuple[K, ...]:
    """Those that rank together, the better first; of equals who errs less by numbers."""
    ordered = sorted(merits, key=lambda kind: (-merits[kind], losses[kind]))
    able: Iterable[K] = filter(can_answer, ordered)
    return tuple(islice(able, TOGETHER))


def ranks(scores: Sequence[Array], weight: Array) -> Array:
    """The rank of each, one for the highest, by the mean of its ranks by each score; who are equal share a rank."""
    together = np.mean([_ranked(score, weight)[1] for score in scores], axis=0)
    return _ranked(-together, weight)[0]


def _ranked(score: Array, weight: Array) -> tuple[Array, Array]:
    """Of each the first rank and the middle one of those that it shares with its equals."""
    # The last digits hang on the order in which an engine adds up.
    _, place = np.unique(-score.astype(np.float32), return_inverse=True)
    customers = np.bincount(place, weights=weight)
    first = np.cumsum(customers) - customers + 1
    return first[place], (first + (customers - 1) / 2)[place]
