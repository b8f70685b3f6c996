"""What explains leaving, as numbers: covariates of any kind become columns, tenures become steps of the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np

from querencia.insight.engine import Frame, frame_of, numbers, whole
from querencia.insight.errors import InputError
from querencia.insight.reading import example_of
from querencia.insight.survival.contracts import LEAVERS_MIN, Array, counts

LEVELS_MAX = 50
STEPS_MAX = 12
ALIAS = 1e-8  # of its own variance that a column must keep beside the others


@dataclass(frozen=True)
class Patterns:
    """Customers alike in tenure, covariates and whether they left, with their number; the longest tenures first."""

    tenure: Array
    left: Array
    weight: Array
    values: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.tenure)


def patterns(contracts: Any, covariates: Sequence[str]) -> Patterns:
    """Grouped inside the engine. Raises InputError for a missing column or value, and a tenure that is not whole."""
    counts(contracts)
    frame = frame_of(contracts)
    names = frame.collect_schema().names()
    for name in covariates:
        if name not in names or name in ("tenure", "left", "weight"):
            raise InputError(
                f"{name!r} is no column that could explain leaving: there are {', '.join(names)}.", column=name
            )
    weight = nw.col("weight").cast(nw.Float64()) if "weight" in names else nw.lit(1.0)
    tenure, left = nw.col("tenure").cast(nw.Float64()), nw.col("left").cast(nw.Float64())
    named = {f"x{place}": nw.col(name) for place, name in enumerate(covariates)}
    grouped = (
        frame.select(weight.alias("weight"), tenure=tenure, left=left, **named)
        .group_by("tenure", "left", *named)
        .agg(nw.col("weight").sum())
        .sort("tenure", "left", *named, descending=[True, *(False for _ in range(1 + len(named)))])
        .collect()
    )
    longest, gone, many = (numbers(grouped[name]).astype(np.float64) for name in ("tenure", "left", "weight"))
    values = {name: grouped[f"x{place}"].to_list() for place, name in enumerate(covariates)}
    made = Patterns(longest, gone, many, values)
    _verify(made)
    return made


def _verify(made: Patterns) -> None:
    fractions = made.tenure != np.floor(made.tenure)
    too_early = (made.left == 1) & (made.tenure < 1)
    for bad, said in (
        (fractions, "have a tenure that is no whole number: count whole periods"),
        (too_early, "left before their first period: tenure is at least 1 for who left"),
    ):
        if bad.any():
            count = whole(made.weight[bad].sum())
            raise InputError(
                f"Column 'tenure': {count:,} rows {said}. For example {made.tenure[bad][0]:g}.",
                column="tenure",
                count=count,
            )
    for name, values in made.values.items():
        bad = np.array([value is None or value != value for value in values], dtype=bool)
        if bad.any():
            count = whole(made.weight[bad].sum())
            raise InputError(
                f"Column {name!r}: {count:,} rows have no value. Leave them out, or name what is missing in a word.",
                column=name,
                count=count,
            )


@dataclass(frozen=True)
class Column:
    """One column of the design: a number as it is, or 1 where a covariate has a level. ``name`` is its parameter's."""

    name: str
    covariate: str
    level: Any = None
    centre: float = 0.0
    scale: float = 1.0

    def of(self, values: Sequence[Any]) -> Array:
        """Centred and scaled, as it was fitted."""
        raw = [value == self.level for value in values] if self.level is not None else values
        made: Array = (np.array(raw, dtype=np.float64) - self.centre) / self.scale
        return made


@dataclass(frozen=True)
class Design:
    """Columns of the covariates, the reference level of each that has levels, and the columns that say nothing new."""

    columns: list[Column]
    references: dict[str, Any] = field(default_factory=dict)
    levels: dict[str, list[Any]] = field(default_factory=dict)
    aliased: tuple[str, ...] = ()

    def matrix(self, values: dict[str, list[Any]], rows: int) -> Array:
        """One row per pattern. Raises InputError for a level that was not there when the model was fitted."""
        for name, known in self.levels.items():
            new = [value for value in values[name] if value not in known]
            if new:
                raise InputError(
                    f"Column {name!r} holds {example_of(new[0])}, which was not there when the model was fitted: there "
                    f"were {', '.join(map(str, known))}.",
                    column=name,
                    count=len(new),
                    example=new[0],
                )
        made = [column.of(values[column.covariate]) for column in self.columns]
        return np.column_stack(made) if made else np.zeros((rows, 0))


def design(made: Patterns) -> Design:
    """Columns for covariates, centred and scaled; the commonest level is what the others are compared with."""
    columns: list[Column] = []
    references: dict[str, Any] = {}
    levels: dict[str, list[Any]] = {}
    for name, values in made.values.items():
        first = values[0] if values else 0
        if isinstance(first, (int, float)) and not isinstance(first, bool):
            columns.append(_scaled(Column(name, name), values, made.weight))
            continue
        sizes: dict[Any, float] = {}
        for value, weight in zip(values, made.weight, strict=True):
            sizes[value] = sizes.get(value, 0.0) + float(weight)
        if len(sizes) > LEVELS_MAX:
            raise InputError(
                f"Column {name!r} has {len(sizes):,} different values, for example {example_of(first)}: beyond "
                f"{LEVELS_MAX}, put them into groups.",
                column=name,
                count=len(sizes),
                example=first,
            )
        levels[name] = sorted(sizes, key=str)
        references[name] = max(levels[name], key=lambda level: sizes[level])
        columns.extend(
            _scaled(Column(f"{name}={level}", name, level), values, made.weight)
            for level in levels[name]
            if level != references[name]
        )
    kept, aliased = _independent(columns, made)
    return Design(kept, references, levels, aliased)


def _scaled(column: Column, values: Sequence[Any], weight: Array) -> Column:
    raw = column.of(values)
    total = float(weight.sum())
    centre = float(weight @ raw) / total if total else 0.0
    spread = float(np.sqrt(weight @ (raw - centre) ** 2 / total)) if total else 0.0
    return Column(column.name, column.covariate, column.level, centre, spread or 1.0)


def _independent(columns: list[Column], made: Patterns) -> tuple[list[Column], tuple[str, ...]]:
    """The columns without those that are sums of others or never change; earlier ones are kept (Gram–Schmidt)."""
    kept: list[Column] = []
    aliased: list[str] = []
    basis: list[Array] = []
    root = np.sqrt(made.weight)
    for column in columns:
        rest = root * column.of(made.values[column.covariate])
        size = float(rest @ rest)
        for known in basis:
            rest = rest - (known @ rest) * known
        left = float(rest @ rest)
        if size <= 0 or left <= ALIAS * size:
            aliased.append(column.name)
            continue
        kept.append(column)
        basis.append(rest / np.sqrt(left))
    return kept, tuple(aliased)


def steps(made: Patterns, baseline: str) -> Array:
    """Last period of each step of the baseline; the hazard of who is alike is the same within a step.

    ``each``: every period is one. ``steps``: as few periods as hold ten leavers, and a twelfth of all leavers.
    """
    last = int(made.tenure.max()) if len(made) else 0
    if last < 1:
        return np.zeros(0)
    if baseline == "each":
        return np.arange(1.0, last + 1)
    left = np.bincount(made.tenure.astype(int), weights=made.left * made.weight, minlength=last + 1)[1:]
    least = max(LEAVERS_MIN, float(left.sum()) / STEPS_MAX)
    ends: list[float] = []
    held = 0.0
    for period, count in enumerate(left, 1):
        held += float(count)
        if held >= least:
            ends.append(float(period))
            held = 0.0
    # Too few for a step of their own: they go with the one before.
    if not ends:
        return np.array([float(last)])
    ends[-1] = float(last)
    return np.array(ends)


def frame_patterns(contracts: Any, covariates: Sequence[str]) -> tuple[Frame, Patterns]:
    """The frame, and its different tenures with covariates: what a score has to be computed for."""
    frame = frame_of(contracts)
    names = frame.collect_schema().names()
    for name in ("tenure", *covariates):
        if name not in names:
            raise InputError(f"There is no column {name!r}: the table has {', '.join(names)}.", column=name)
    shown = frame.select("tenure", *dict.fromkeys(covariates)).with_columns(nw.lit(0).alias("left"))
    return frame, patterns(shown, covariates)
