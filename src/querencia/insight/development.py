"""How cohorts develop with age, and where they will end: the chain ladder, with its standard error.

A triangle holds, for each cohort (the oldest first), what it amounted to at each age so far. It was made for claims
of insurers, and serves whatever develops: points that members have not used yet, say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, sqrt
from statistics import NormalDist

from querencia.insight.errors import InputError
from querencia.insight.intervals import CONFIDENCE

type Triangle = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Ended:
    """What a cohort amounts to in the end, and the standard error of that.

    >>> Ended(latest=100.0, ultimate=110.0, error=4.0).ultimate
    110.0
    """

    latest: float
    ultimate: float
    error: float


@dataclass(frozen=True)
class Development:
    """``factors`` from each age to the next, ``cohorts`` in the order of the triangle, and all of them together.

    >>> chain_ladder([[100, 50], [80, 40], [60]]).factors
    (0.5,)
    """

    factors: tuple[float, ...]
    cohorts: tuple[Ended, ...]
    total: Ended


def chain_ladder(triangle: Triangle) -> Development:
    """Where each cohort ends, if it goes on as older ones did (Mack 1993, *Distribution-free calculation of the
    standard error of chain ladder reserve estimates*, ASTIN Bulletin 23: theorem 3 and its corollary).

    What the oldest cohort amounts to at its last age is taken for the end. Raises InputError for what is no triangle.

    >>> developed = chain_ladder([[100, 60, 50], [100, 50, 45], [100, 55], [200]])
    >>> [round(each.ultimate) for each in developed.cohorts]
    [50, 45, 48, 95]
    """
    _look_at(triangle)
    ages = len(triangle[0])
    factors: list[float] = []
    sigmas: list[float] = []
    bases: list[float] = []
    for age in range(ages - 1):
        pairs = [(row[age], row[age + 1]) for row in triangle if len(row) > age + 1]
        base = sum(one for one, _next in pairs)
        factor = sum(after for _one, after in pairs) / base if base else 1.0
        bases.append(base)
        factors.append(factor)
        sigmas.append(_sigma(pairs, factor, sigmas))
    ends, paths = [], []
    for row in triangle:
        path = [float(row[-1])]
        for factor in factors[len(row) - 1 :]:
            path.append(path[-1] * factor)
        paths.append(path)
        ends.append(Ended(float(row[-1]), path[-1], sqrt(_variance(path, len(row), factors, sigmas, bases))))
    return Development(tuple(factors), tuple(ends), _together(triangle, ends, factors, sigmas, bases))


def _look_at(triangle: Triangle) -> None:
    if not triangle or not triangle[0]:
        raise InputError("A triangle needs one cohort with one age at least.")
    lengths = [len(row) for row in triangle]
    if any(later > earlier for earlier, later in pairwise(lengths)) or lengths[-1] < 1:
        raise InputError("Cohorts go from the oldest to the youngest: none has more ages than the one before it.")
    if any(value < 0 for row in triangle for value in row):
        raise InputError("A cohort cannot amount to less than nothing.")


def _sigma(pairs: Sequence[tuple[float, float]], factor: float, before: Sequence[float]) -> float:
    """How much cohorts differ in this step, squared. Of one cohort alone it cannot be told: it is carried on from the
    steps before, as Mack does."""
    if len(pairs) > 1:
        return sum((after - factor * one) ** 2 / one for one, after in pairs if one) / (len(pairs) - 1)
    if len(before) < 2:
        return before[-1] if before else 0.0
    earlier, last = before[-2:]
    return min(last * last / earlier if earlier else 0.0, earlier, last)


def _variance(
    path: Sequence[float], age: int, factors: Sequence[float], sigmas: Sequence[float], bases: Sequence[float]
) -> float:
    """Of one cohort: what chance adds from here on, and that the factors are estimates."""
    parts = 0.0
    for step, here in enumerate(path[:-1], start=age - 1):
        if factors[step] and here and bases[step]:
            parts += sigmas[step] / factors[step] ** 2 * (1 / here + 1 / bases[step])
    return path[-1] ** 2 * parts


def _together(
    triangle: Triangle,
    ends: Sequence[Ended],
    factors: Sequence[float],
    sigmas: Sequence[float],
    bases: Sequence[float],
) -> Ended:
    """The sum; cohorts share the factors, so that their errors do not cancel as chance would have them do."""
    variance = 0.0
    for place, (row, end) in enumerate(zip(triangle, ends, strict=True)):
        younger = sum(each.ultimate for each in ends[place + 1 :])
        steps = range(len(row) - 1, len(factors))
        shared = sum(2 * sigmas[n] / factors[n] ** 2 / bases[n] for n in steps if factors[n] and bases[n])
        variance += end.error**2 + end.ultimate * younger * shared
    return Ended(sum(each.latest for each in ends), sum(each.ultimate for each in ends), sqrt(variance))


def share_between(share: float, error: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Where a share lies whose standard error is known: normal on the scale of its log-odds, so that it stays within 0
    and 1 (delta method).

    >>> [round(end, 3) for end in share_between(0.2, 0.02)]
    [0.164, 0.242]
    """
    if not 0 < share < 1 or error <= 0:
        return share, share
    centre, spread = log(share / (1 - share)), error / (share * (1 - share))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = (1 / (1 + exp(-(centre + sign * z * spread))) for sign in (-1, 1))
    return low, high
