"""What drives satisfaction: how much each aspect counts, how well it is done, and where it punishes or delights.

``answers`` is any table with one row per answer: a column of the outcome (overall satisfaction, willingness to
recommend, 1 and 0 for stayed and left) and one column of numbers per driver. Answers with a gap in one of these
columns are left out; :func:`check` says how many. Answers that are alike are counted inside the engine; only these
counts leave it.

Importance is the relative weight of Johnson (2000), "A Heuristic Method for Estimating the Relative Weight of Predictor
Variables in Multiple Regression", Multivariate Behavioral Research 35(1): the part of R² that each driver brings, also
where drivers go together, as questions of one survey always do. Coefficients of a regression do not tell that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from querencia.insight.engine import frame_of, numbers, rows, small, whole
from querencia.insight.errors import InputError
from querencia.insight.gates import Gate, Gates
from querencia.insight.intervals import CONFIDENCE
from querencia.insight.language import gettext as _
from querencia.insight.reading import example_of
from querencia.insight.wording import number, percent

__all__ = ["QUADRANTS", "check", "importance_performance", "penalty_reward", "said", "weights"]

type Array = NDArray[np.float64]

ANSWERS_MIN = 100
ANSWERS_PER_DRIVER = 10
DRAWS = 1_000
DRAWS_MIN = 20
DRIVERS_MAX = 60
FLAT = 1e-12
BLOCK = 4_000_000  # counts of resamples that are in memory at once

QUADRANTS = ("concentrate", "keep_up", "low_priority", "overkill")
KINDS = ("basic", "performance", "excitement", "indifferent")

WEIGHT_TYPES = {
    "driver": nw.String,
    "weight": nw.Float64,
    "low": nw.Float64,
    "high": nw.Float64,
    "share": nw.Float64,
    "share_low": nw.Float64,
    "share_high": nw.Float64,
    "correlation": nw.Float64,
    "mean": nw.Float64,
}
PLACE_TYPES = {
    "driver": nw.String,
    "importance": nw.Float64,
    "performance": nw.Float64,
    "mean": nw.Float64,
    "quadrant": nw.String,
    "certainty": nw.Float64,
}
CONTRAST_TYPES = {
    "driver": nw.String,
    **{f"{name}{end}": nw.Float64 for name in ("penalty", "reward", "asymmetry") for end in ("", "_low", "_high")},
    "kind": nw.String,
    "low_answers": nw.Float64,
    "high_answers": nw.Float64,
}


@dataclass(frozen=True)
class _Answers:
    """Different answers, with how many gave each: outcome, a column per driver, number."""

    drivers: tuple[str, ...]
    outcome: Array
    values: Array
    count: Array
    left_out: int

    @property
    def total(self) -> int:
        return round(float(self.count.sum()))


def _read(answers: Any, outcome: str, drivers: Sequence[str]) -> _Answers:
    """Grouped inside the engine, those with a gap left out and counted."""
    frame = frame_of(answers)
    schema = frame.collect_schema()
    names = tuple(dict.fromkeys(drivers))
    if not 0 < len(names) <= DRIVERS_MAX or outcome in names:
        raise InputError(f"Give between 1 and {DRIVERS_MAX} drivers, other than the outcome {outcome!r}.")
    for name in (outcome, *names):
        if name not in schema.names():
            raise InputError(f"There is no column {name!r}: the table has {', '.join(schema.names())}.", column=name)
        if not schema[name].is_numeric() and schema[name] != nw.Boolean:
            known = frame.filter(~nw.col(name).is_null())
            if count := whole(rows(known.select(nw.len().alias("count")))[0]["count"]):
                example = rows(known.select(name).head(1))[0][name]
                raise InputError(
                    f"Column {name!r} holds {schema[name]}, not numbers: {count:,} rows, for example "
                    f"{example_of(example)}.",
                    column=name,
                    count=count,
                    example=example,
                )
    columns = {f"x{place}": _number(name, schema[name]) for place, name in enumerate((outcome, *names))}
    counted = frame.select(**columns).group_by(*columns).agg(nw.len().alias("count")).sort(*columns).collect()
    # A missing answer is null in some engines, not a number in others.
    table = np.column_stack([numbers(counted[name]).astype(np.float64) for name in (*columns, "count")])
    whole_rows = np.isfinite(table).all(axis=1)
    kept = table[whole_rows]
    left_out = round(float(table[~whole_rows, -1].sum()))
    return _Answers(names, kept[:, 0], kept[:, 1:-1], kept[:, -1], left_out)


def _number(name: str, dtype: Any) -> nw.Expr:
    given = nw.col(name)
    return (given.cast(nw.Int64()) if dtype == nw.Boolean else given).cast(nw.Float64())


def check(answers: Any, *, outcome: str, drivers: Sequence[str]) -> Gates:
    """The gates ``answers`` (a hundred, and ten per driver) and ``spread`` (the outcome is not always the same).

    >>> from querencia.insight import drivers, samples
    >>> asked = {"outcome": "rating", "drivers": ["complaints", "learning", "privileges"]}
    >>> [(gate.name, gate.is_open) for gate in drivers.check(samples.attitudes(), **asked)]
    [('answers', False), ('spread', True)]
    """
    read = _read(answers, outcome, drivers)
    least = max(ANSWERS_MIN, ANSWERS_PER_DRIVER * len(read.drivers))
    facts = {"count": read.total, "least": least, "left_out": read.left_out}
    if read.total >= least:
        reason = _("Whole answers: %(count)s, enough (at least %(least)s). Left out for a gap: %(left_out)s.")
    else:
        reason = _(
            "Whole answers: %(count)s. What counts how much takes %(least)s to tell. Left out for a gap: %(left_out)s."
        )
    enough = Gate("answers", read.total >= least, reason % facts, facts)
    is_open = read.total > 0 and float(np.ptp(read.outcome)) > 0
    if is_open:
        reason = _("The overall answers differ from customer to customer, as they must to be explained.")
    else:
        reason = _("All customers gave the same overall answer: there is nothing to explain.")
    return Gates([enough, Gate("spread", is_open, reason)])


def weights(answers: Any, *, outcome: str, drivers: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Any:
    """How much each driver counts: a small table, the weightiest first.

    ``driver``; ``weight`` (its part of R²; the weights add up to R²) with its bootstrap interval ``low``, ``high``;
    ``share`` of all weights with ``share_low``, ``share_high``; ``correlation`` with the outcome (the weight has no
    sign); ``mean`` answer. Intervals are percentiles of resampled answers (Johnson 2004, Organizational Research
    Methods 7(3)); a weight is never below zero, so an interval near zero does not prove that a driver counts. Empty
    without answers; where the outcome never changes all weights are 0.

    >>> from querencia.insight import drivers, samples
    >>> asked = {"outcome": "rating", "drivers": ["complaints", "learning", "privileges"]}
    >>> [(row[0], round(row[1], 2)) for row in drivers.weights(samples.attitudes(), **asked).rows()]
    [('complaints', 0.46), ('learning', 0.19), ('privileges', 0.07)]
    """
    read = _read(answers, outcome, drivers)
    _enough_draws(draws)
    if not read.total:
        return small({name: [] for name in WEIGHT_TYPES}, WEIGHT_TYPES, answers)
    correlations = _correlations(read.count[None, :], read)
    weight = _relative(correlations)[0]
    drawn = np.vstack([_relative(_correlations(block, read)) for block in _resampled(read, draws, seed)])
    low, high = _tails(drawn)
    share_low, share_high = _tails(_shares(drawn))
    share, mean = _shares(weight[None, :])[0], read.count @ read.values / read.total
    table: list[tuple[Any, ...]] = [
        (
            name,
            float(weight[n]),
            *(float(end) for end in (min(low[n], weight[n]), max(high[n], weight[n]))),
            float(share[n]),
            *(float(end) for end in (min(share_low[n], share[n]), max(share_high[n], share[n]))),
            float(correlations[0, 0, n + 1]),
            float(mean[n]),
        )
        for n, name in enumerate(read.drivers)
    ]
    table.sort(key=lambda row: (-float(row[1]), row[0]))
    return _small(table, WEIGHT_TYPES, answers)


def importance_performance(
    answers: Any,
    *,
    outcome: str,
    drivers: Sequence[str],
    scale: tuple[float, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Any:
    """What to work on: each driver by how much it counts and how well it is done, a small table.

    ``driver``; ``importance`` (its share of all weights); ``performance`` (the mean answer as a share of the
    ``scale``, by default from the least to the greatest answer to any driver); ``mean``; ``quadrant``: ``concentrate``
    (counts more than the average driver, done worse), ``keep_up`` (counts more, done well), ``low_priority`` (counts
    less, done worse), ``overkill`` (counts less, done well); ``certainty``: the share of resamples in which it is in
    that quadrant. Martilla & James (1977), "Importance-Performance Analysis", Journal of Marketing 41(1), with the
    cuts at the means and importance derived rather than asked.

    >>> from querencia.insight import drivers, samples
    >>> asked = {"outcome": "rating", "drivers": ["complaints", "learning", "privileges"]}
    >>> drivers.importance_performance(samples.attitudes(), **asked).select("driver", "quadrant").rows()
    [('complaints', 'keep_up'), ('learning', 'low_priority'), ('privileges', 'low_priority')]
    """
    read = _read(answers, outcome, drivers)
    _enough_draws(draws)
    if not read.total:
        return small({name: [] for name in PLACE_TYPES}, PLACE_TYPES, answers)
    bottom, top = scale or (float(read.values.min()), float(read.values.max()))
    if not bottom < top and scale is not None:
        raise InputError(f"A scale goes from its lowest answer to its highest, not {scale!r}.", example=scale)
    blocks = [read.count[None, :], *_resampled(read, draws, seed)]
    importance = np.vstack([_shares(_relative(_correlations(block, read))) for block in blocks])
    mean = np.vstack([block @ read.values / read.total for block in blocks])
    performance = (mean - bottom) / (top - bottom) if bottom < top else np.zeros_like(mean)
    counts_more = importance >= importance.mean(axis=1, keepdims=True)
    done_well = performance >= performance.mean(axis=1, keepdims=True)
    placed = np.where(counts_more, np.where(done_well, 1, 0), np.where(done_well, 3, 2))
    certainty = (placed[1:] == placed[0]).mean(axis=0)
    table = [
        (name, float(importance[0, n]), float(performance[0, n]), float(mean[0, n]), QUADRANTS[placed[0, n]], certain)
        for n, (name, certain) in enumerate(zip(read.drivers, map(float, certainty), strict=True))
    ]
    table.sort(key=lambda row: (QUADRANTS.index(row[4]), -row[1], row[0]))
    return _small(table, PLACE_TYPES, answers)


def penalty_reward(answers: Any, *, outcome: str, drivers: Sequence[str], low: float, high: float) -> Any:
    """Which drivers punish when they fail and which delight when they excel: a small table.

    An answer up to ``low`` to a driver is a failure, one from ``high`` on excels, those between are ordinary.
    ``penalty`` and ``reward``: how far the outcome lies from the ordinary when the driver fails or excels, all other
    drivers being equal (regression on both indicators of all drivers), each with its 95 % interval; ``asymmetry`` is
    their sum. ``kind``: ``basic`` (failing takes clearly more than excelling gives), ``excitement`` (excelling gives
    clearly more), ``performance`` (both alike), ``indifferent`` (neither is clear). ``low_answers``, ``high_answers``:
    how many failed and excelled; where none did, or all who did are told apart by nothing else, the figure is null.

    Brandt (1987), "A procedure for identifying value-enhancing service components using customer satisfaction survey
    data"; Matzler & Sauerwein (2002), International Journal of Service Industry Management 13(4). Errors hold where the
    spread is uneven (White 1980, HC1).

    >>> from querencia.insight import drivers, samples
    >>> asked = {"outcome": "rating", "drivers": ["complaints", "learning", "privileges"]}
    >>> drivers.penalty_reward(samples.attitudes(), low=50, high=75, **asked).select("driver", "kind").rows()
    [('complaints', 'performance'), ('learning', 'indifferent'), ('privileges', 'indifferent')]
    """
    if not low < high:
        raise InputError(f"Failing ends below where excelling begins: low={low!r}, high={high!r}.", example=(low, high))
    read = _read(answers, outcome, drivers)
    if not read.total:
        return small({name: [] for name in CONTRAST_TYPES}, CONTRAST_TYPES, answers)
    failing, excelling = read.values <= low, read.values >= high
    design = np.column_stack([failing, excelling]).astype(np.float64)
    coefficient, covariance, known, freedom = _regression(design, read)
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) if freedom > 0 else None
    size = len(read.drivers)
    table: list[tuple[Any, ...]] = []
    for n, name in enumerate(read.drivers):
        ends = {"penalty": [n], "reward": [n + size], "asymmetry": [n, n + size]}
        found = {
            kind: _contrast(places, coefficient, covariance, reach) if known[places].all() else (None, None, None)
            for kind, places in ends.items()
        }
        many = (float(read.count @ failing[:, n]), float(read.count @ excelling[:, n]))
        figures = [value for kind in ends for value in found[kind]]
        table.append((name, *figures, _kind(found), *many))
    return _small(table, CONTRAST_TYPES, answers)


def _regression(design: Array, read: _Answers) -> tuple[Array, Array, NDArray[np.bool_], int]:
    """Coefficients without the intercept, their robust covariance, which are known, and the degrees of freedom."""
    table = np.column_stack([np.ones(len(design)), design])
    kept = [0]
    root = np.sqrt(read.count)[:, None]
    for column in range(1, table.shape[1]):
        tried = root * table[:, [*kept, column]]
        if np.linalg.matrix_rank(tried) == len(kept) + 1:
            kept.append(column)
    x = table[:, kept]
    inverse = np.linalg.inv(x.T @ (read.count[:, None] * x))
    found = inverse @ (x.T @ (read.count * read.outcome))
    rest = read.outcome - x @ found
    freedom = read.total - len(kept)
    middle = x.T @ ((read.count * rest**2)[:, None] * x)
    spread = inverse @ middle @ inverse * (read.total / freedom if freedom > 0 else 1.0)
    width = table.shape[1]
    coefficient, covariance, known = np.zeros(width), np.zeros((width, width)), np.zeros(width, dtype=bool)
    coefficient[kept], known[kept] = found, True
    covariance[np.ix_(kept, kept)] = spread
    return coefficient[1:], covariance[1:, 1:], known[1:], freedom


def _contrast(
    places: Sequence[int], coefficient: Array, covariance: Array, reach: float | None
) -> tuple[float | None, float | None, float | None]:
    value = float(coefficient[list(places)].sum())
    if reach is None:
        return value, None, None
    error = float(np.sqrt(max(0.0, float(covariance[np.ix_(places, places)].sum()))))
    return value, value - reach * error, value + reach * error


def _kind(found: Mapping[str, tuple[float | None, float | None, float | None]]) -> str:
    def is_clear(name: str) -> bool:
        low, high = found[name][1:]
        return low is not None and high is not None and not low <= 0 <= high

    if is_clear("asymmetry"):
        return "basic" if (found["asymmetry"][0] or 0) < 0 else "excitement"
    return "performance" if is_clear("penalty") or is_clear("reward") else "indifferent"


def said(row: Mapping[str, Any]) -> str:
    """A row of :func:`weights`, :func:`importance_performance` or :func:`penalty_reward` in one sentence.

    >>> from querencia.insight import drivers, samples
    >>> asked = {"outcome": "rating", "drivers": ["complaints", "learning", "privileges"]}
    >>> drivers.said(drivers.weights(samples.attitudes(), **asked).row(1, named=True))
    'learning makes up 26% of what can be explained (between 10% and 44%); mean answer 56.4.'
    """
    facts: dict[str, Any] = {"driver": row["driver"]}
    if "kind" in row:
        return {
            "basic": _("%(driver)s is taken for granted: failing costs more than excelling brings."),
            "excitement": _("%(driver)s delights: excelling brings more than failing costs."),
            "performance": _("%(driver)s counts both ways: the better it is done, the better for all."),
            "indifferent": _("%(driver)s: neither failing nor excelling clearly moves the overall answer."),
        }[row["kind"]] % facts
    if "quadrant" in row:
        facts["certainty"] = percent(row["certainty"])
        return {
            "concentrate": _("%(driver)s counts much and is done less well: work on it first (sure to %(certainty)s)."),
            "keep_up": _("%(driver)s counts much and is done well: keep it up (sure to %(certainty)s)."),
            "low_priority": _("%(driver)s is done less well, but counts little: it can wait (sure to %(certainty)s)."),
            "overkill": _(
                "%(driver)s is done well, but counts little: perhaps too much of it (sure to %(certainty)s)."
            ),
        }[row["quadrant"]] % facts
    facts |= {name: percent(row[name]) for name in ("share", "share_low", "share_high")}
    facts["mean"] = number(row["mean"], 1)
    return (
        _(
            "%(driver)s makes up %(share)s of what can be explained (between %(share_low)s and %(share_high)s); mean "
            "answer %(mean)s."
        )
        % facts
    )


def _correlations(counts: Array, read: _Answers) -> Array:
    """Correlation matrices of (outcome, drivers) for each row of counts; who never changes correlates with nothing."""
    middle = (read.count @ np.column_stack([read.outcome, read.values])) / read.count.sum()
    table = np.column_stack([read.outcome, read.values]) - middle
    size = table.shape[1]
    total = counts.sum(axis=1)
    mean = counts @ table / total[:, None]
    moments = np.empty((len(counts), size, size))
    for column in range(size):
        moments[:, column] = counts @ (table[:, [column]] * table) / total[:, None]
    covariance = moments - mean[:, :, None] * mean[:, None, :]
    deviation = np.sqrt(np.maximum(np.einsum("kii->ki", covariance), 0))
    scale = deviation[:, :, None] * deviation[:, None, :]
    made = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > FLAT)
    made[:, np.arange(size), np.arange(size)] = 1.0
    clipped: Array = np.clip(made, -1.0, 1.0)
    return clipped


def _relative(correlations: Array) -> Array:
    """Johnson's weights: the drivers' nearest orthogonal counterparts explain the outcome, shared out by loading."""
    among, with_outcome = correlations[:, 1:, 1:], correlations[:, 1:, 0]
    values, vectors = np.linalg.eigh(among)
    root = np.sqrt(np.maximum(values, 0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 1e-6)
    loading = np.einsum("kij,kj,klj->kil", vectors, root, vectors)
    back = np.einsum("kij,kj,klj->kil", vectors, inverse, vectors)
    beta = np.einsum("kij,kj->ki", back, with_outcome)
    made: Array = np.einsum("kij,kj->ki", loading**2, beta**2)
    return made


def _shares(weight: Array) -> Array:
    total = weight.sum(axis=1, keepdims=True)
    return np.divide(weight, total, out=np.zeros_like(weight), where=total > FLAT)


def _resampled(read: _Answers, draws: int, seed: int) -> Iterator[Array]:
    """So many resamples of the answers, a row of counts for each, in blocks that fit into memory."""
    random, chance = np.random.default_rng(seed), read.count / read.count.sum()
    size = max(1, BLOCK // len(chance))
    for start in range(0, draws, size):
        yield random.multinomial(read.total, chance, size=min(size, draws - start)).astype(np.float64)


def _tails(drawn: Array) -> tuple[Array, Array]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high


def _enough_draws(draws: int) -> None:
    if draws < DRAWS_MIN:
        raise InputError(f"An interval takes at least {DRAWS_MIN} draws, not {draws}.", example=draws)


def _small(table: Sequence[tuple[Any, ...]], types: Mapping[str, Any], like: Any) -> Any:
    return small({name: [row[place] for row in table] for place, name in enumerate(types)}, types, like)
