"""What was known of customers before the contact, as columns of numbers: the same in every engine, for every table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from querencia.insight.engine import Frame, numbers, rows, whole
from querencia.insight.errors import InputError
from querencia.insight.uplift.experiment import NAMES

type Array = NDArray[np.float64]

LEVELS_MAX = 20
DIFFERENT_MAX = 1_000  # beyond it a column of text is a name of its own for nearly everybody


@dataclass(frozen=True)
class Column:
    """A number in standard units (missing: the mean), or 1 for a level of a text, or 1 where a number is missing."""

    name: str
    covariate: str
    level: str | None = None
    is_missing: bool = False
    centre: float = 0.0
    scale: float = 1.0

    def of(self, frame: Frame) -> nw.Expr:
        given, dtype = nw.col(self.covariate), frame.collect_schema()[self.covariate]
        if self.level is not None:
            return nw.when(_text(given, dtype) == self.level).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
        absent = _absent(given, dtype)
        if self.is_missing:
            return nw.when(absent).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
        number = nw.when(absent).then(nw.lit(self.centre)).otherwise(_number(given, dtype))
        return (number - self.centre) / self.scale


def _number(given: nw.Expr, dtype: Any) -> nw.Expr:
    return (given.cast(nw.Int64()) if dtype == nw.Boolean else given).cast(nw.Float64())


def _absent(given: nw.Expr, dtype: Any) -> nw.Expr:
    return given.is_null() | given.is_nan() | (given.abs() == float("inf")) if dtype.is_float() else given.is_null()


def _text(given: nw.Expr, dtype: Any) -> nw.Expr:
    return (given if dtype == nw.String else given.cast(nw.String())).fill_null("")


def chosen(frame: Frame, covariates: Sequence[str] | None) -> list[str]:
    """The covariates asked for; by default every column that is not one of ours."""
    present = frame.collect_schema().names()
    if covariates is None:
        return [name for name in present if name not in NAMES]
    for name in covariates:
        if name not in present or name in ("arm", "outcome", "propensity"):
            raise InputError(
                f"{name!r} is no column known before the contact: there are {', '.join(present)}.", column=name
            )
    return list(dict.fromkeys(covariates))


def columns(frame: Frame, covariates: Sequence[str]) -> list[Column]:
    """The columns of numbers for covariates, with what is needed to make them again of another table."""
    schema = frame.collect_schema()
    made: list[Column] = []
    for name in covariates:
        dtype = schema[name]
        if dtype.is_numeric() or dtype == nw.Boolean:
            made.extend(_numeric(frame, name, dtype))
        elif dtype in (nw.String, nw.Categorical, nw.Enum):
            made.extend(_levels(frame, name, dtype))
        else:
            raise InputError(f"Column {name!r} holds {dtype}: give numbers or text that is known before.", column=name)
    return made


def _numeric(frame: Frame, name: str, dtype: Any) -> list[Column]:
    given = nw.col(name)
    absent = _absent(given, dtype)
    known = frame.filter(~absent).select(value=_number(given, dtype))
    found = rows(known.select(nw.len().alias("count"), nw.col("value").mean().alias("mean")))[0]
    missing = whole(rows(frame.select(absent.cast(nw.Int64()).sum().alias("missing")))[0]["missing"])
    if not whole(found["count"]):
        return []
    mean = float(found["mean"])
    away = nw.col("value") - mean
    variance = float(rows(known.select((away * away).mean().alias("variance")))[0]["variance"])
    made = [Column(name, name, centre=mean, scale=variance**0.5)] if variance > 0 else []
    if missing:
        made.append(Column(f"{name} missing", name, is_missing=True))
    return made


def _levels(frame: Frame, name: str, dtype: Any) -> list[Column]:
    """The commonest levels, one column each but for the commonest of all."""
    text = frame.select(level=_text(nw.col(name), dtype))
    counted = text.group_by("level").agg(nw.len().alias("customers"))
    different = whole(rows(counted.select(nw.len().alias("different")))[0]["different"])
    if different > DIFFERENT_MAX:
        raise InputError(
            f"Column {name!r} has {different:,} different texts: put them into groups, or leave it out.",
            column=name,
            count=different,
        )
    found = sorted(rows(counted), key=lambda row: (-whole(row["customers"]), str(row["level"])))
    return [Column(f"{name}={row['level']}", name, level=str(row["level"])) for row in found[1 : LEVELS_MAX + 1]]


def matrix(frame: Frame, made: Sequence[Column], *others: nw.Expr) -> tuple[Array, list[Any]]:
    """The columns as one array, and other expressions as lists, the rows in an order of their own values."""
    named = {f"x{place}": column.of(frame) for place, column in enumerate(made)}
    kept = {f"o{place}": other for place, other in enumerate(others)}
    # Engines hand rows over in any order; folds must not depend on it.
    read = frame.select(**kept, **named).sort(*kept, *named).collect()
    values = [numbers(read[name]).astype(np.float64) for name in named]
    table = np.column_stack(values) if values else np.zeros((len(read), 0))
    return table, [read[name].to_list() for name in kept]
