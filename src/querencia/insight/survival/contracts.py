"""The door of survival: tenure and whether they left, of any table; and what leaves the engine, which is counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from querencia.insight.engine import Frame, frame_of, like, rows, whole
from querencia.insight.errors import InputError
from querencia.insight.gates import CUSTOMERS_MIN, Gate, Gates
from querencia.insight.language import gettext as _
from querencia.insight.reading import example_of

type Array = NDArray[np.float64]

NAMES = ("customer_id", "tenure", "left", "weight")
# Leavers for each figure that is estimated from them: Peduzzi et al. (1996), "A simulation study of the number of
# events per variable in logistic regression analysis", Journal of Clinical Epidemiology 49(12).
LEAVERS_MIN = 10


def contracts(table: Any, *, columns: Mapping[str, str] | None = None, left_value: Any = None) -> Any:
    """The table with our names for ``customer_id``, ``tenure``, ``left``, ``weight``, and its other columns unchanged.

    ``columns`` maps our names to the table's. ``left_value`` is what the column says of who left (``"Yes"``); without
    it the column holds 1 and 0, or true and false. A row without a tenure, with a tenure below zero or with nothing in
    ``left`` raises :class:`InputError`; an empty table is fine. The table stays in its engine, lazy if it was.

    >>> import polars as pl
    >>> table = pl.DataFrame({"months": [3, 12], "Churn": ["Yes", "No"], "plan": ["a", "b"]})
    >>> contracts(table, columns={"tenure": "months", "left": "Churn"}, left_value="Yes").rows()
    [(3, 1, 'a'), (12, 0, 'b')]
    """
    frame = frame_of(table)
    mapped = dict(columns or {})
    present = frame.collect_schema().names()
    if unknown := sorted(set(mapped) - set(NAMES)):
        raise InputError(f"{unknown[0]!r} is no column of contracts: map {', '.join(NAMES)}.", column=unknown[0])
    for column in mapped.values():
        if column not in present:
            raise InputError(f"There is no column {column!r}: the table has {', '.join(present)}.", column=column)
    found = {name: mapped.get(name, name) for name in NAMES if name in mapped or name in present}
    made = [nw.col(column).alias(name) for name, column in found.items() if name != "left"]
    if "left" in found:
        made.append(_left(frame, found["left"], left_value).alias("left"))
    others = [name for name in present if name not in found.values() and name not in NAMES]
    frame = frame.select(*made, *others)
    counts(frame)
    return like(frame, table)


def _left(frame: Frame, column: str, left_value: Any) -> nw.Expr:
    given, dtype = nw.col(column), frame.collect_schema()[column]
    if left_value is not None:
        is_text = dtype in (nw.String, nw.Categorical, nw.Enum)
        if isinstance(left_value, str) != is_text:
            raise InputError(
                f"Column {column!r} holds {dtype}, which is never {left_value!r}: say in left_value what it holds for "
                "who left.",
                column=column,
                example=left_value,
            )
        said = nw.when((given.cast(nw.String()) if is_text else given) == left_value).then(nw.lit(1))
        return nw.when(~given.is_null()).then(said.otherwise(nw.lit(0))).cast(nw.Int64())
    if dtype == nw.Boolean or dtype.is_numeric():
        return given.cast(nw.Float64()) if dtype.is_float() else given.cast(nw.Int64())
    examples = rows(frame.filter(~given.is_null()).select(column).head(1))
    example = examples[0][column] if examples else None
    if example is None:
        return nw.lit(None).cast(nw.Int64())
    raise InputError(
        f"Column {column!r} holds {dtype}, for example {example_of(example)}: say what it holds for who left, such as "
        f"left_value={example_of(example)}.",
        column=column,
        example=example,
    )


@dataclass(frozen=True)
class Counts:
    """Customers by tenure, in order: how many left at it and how many were last seen there. ``group`` is their name."""

    group: str | None
    tenure: Array
    left: Array
    censored: Array

    @property
    def customers(self) -> float:
        return float(self.left.sum() + self.censored.sum())

    @property
    def at_risk(self) -> Array:
        """Customers who had not left nor gone out of sight just before each tenure."""
        gone = self.left + self.censored
        remaining: Array = gone[::-1].cumsum()[::-1]
        return remaining


def counts(contracts: Any, by: str | None = None) -> list[Counts]:
    """Counts of each group, the groups in order; one group named None without ``by``; none for an empty table."""
    frame = frame_of(contracts)
    names = frame.collect_schema().names()
    for name in ("tenure", "left", *((by,) if by else ())):
        if name not in names:
            raise InputError(
                f"There is no column {name!r}: the table has {', '.join(names)}. Give tenure and left, or map them "
                "with survival.contracts(table, columns=…).",
                column=name,
            )
    schema = frame.collect_schema()
    for name in ("tenure", "left", "weight"):
        if name in names and not (schema[name].is_numeric() or schema[name] == nw.Boolean):
            refuse_kind(frame, name, schema[name])
    grouped = frame.with_columns(
        nw.col("tenure").cast(nw.Float64()),
        nw.col("left").cast(nw.Float64()),
        (nw.col("weight").cast(nw.Float64()) if "weight" in names else nw.lit(1.0)).alias("weight"),
        (nw.col(by).cast(nw.String()) if by else nw.lit("")).alias("__group"),
    )
    found = rows(grouped.group_by("__group", "tenure", "left").agg(nw.col("weight").sum(), nw.len().alias("rows")))
    _verify(found)
    names_of = sorted({row["__group"] for row in found}, key=lambda name: (name is None, name))
    return [_counts_of([row for row in found if row["__group"] == name], name if by else None) for name in names_of]


def refuse_kind(frame: Frame, name: str, dtype: Any) -> None:
    """Raise for a column that holds no numbers, unless it holds nothing at all."""
    known = frame.filter(~nw.col(name).is_null())
    count = whole(rows(known.select(nw.len().alias("count")))[0]["count"])
    if count:
        example = rows(known.select(name).head(1))[0][name]
        raise InputError(
            f"Column {name!r} holds {dtype}, not numbers: {count:,} rows, for example {example_of(example)}.",
            column=name,
            count=count,
            example=example,
        )


def _verify(found: list[dict[str, Any]]) -> None:
    """Raise for what no customer can have. Counts are small: they are looked at here, not in the engine."""

    def known(value: Any) -> bool:
        return value is not None and value == value

    checks: list[tuple[str, Callable[[Any], bool], str]] = [
        ("tenure", lambda v: not known(v), "have no tenure: leave them out, or give each its tenure"),
        ("tenure", lambda v: v < 0 or v == float("inf"), "have a tenure below zero or without end"),
        ("left", lambda v: not known(v), "do not say whether they left"),
        ("left", lambda v: v not in (0, 1), "say neither 1 (left) nor 0 (still there)"),
        ("weight", lambda v: not known(v) or v < 0 or v == float("inf"), "have a weight below zero or none"),
    ]
    for column, is_bad, said in checks:
        bad = [row for row in found if is_bad(row[column])]
        if bad:
            count = sum(whole(row["rows"]) for row in bad)
            raise InputError(
                f"Column {column!r}: {count:,} rows {said}. For example {example_of(bad[0][column])}.",
                column=column,
                count=count,
                example=bad[0][column],
            )


def _counts_of(found: list[dict[str, Any]], group: str | None) -> Counts:
    left: dict[float, float] = {}
    censored: dict[float, float] = {}
    for row in found:
        side = left if row["left"] else censored
        side[row["tenure"]] = side.get(row["tenure"], 0.0) + row["weight"]
    tenures = sorted({*left, *censored})
    arrays = [[side.get(tenure, 0.0) for tenure in tenures] for side in (left, censored)]
    return Counts(group, *(np.array(values, dtype=np.float64) for values in (tenures, *arrays)))


def check(contracts: Any, *, parameters: int = 1) -> Gates:
    """The gates ``customers`` and ``leavers`` for a curve, or for a model that learns so many ``parameters``.

    >>> from querencia.insight import samples, survival
    >>> [(gate.name, gate.is_open) for gate in survival.check(samples.subscribers())]
    [('customers', True), ('leavers', True)]
    """
    found = counts(contracts)
    customers = round(sum(one.customers for one in found))
    left = round(sum(float(one.left.sum()) for one in found))
    facts = {"count": customers, "least": CUSTOMERS_MIN}
    if customers >= CUSTOMERS_MIN:
        reason = _("Customers with a contract: %(count)s, enough to speak of shares (at least %(least)s).")
    else:
        reason = _(
            "Customers with a contract: %(count)s. Below %(least)s, chance moves every share by more than 17 points."
        )
    enough = Gate("customers", customers >= CUSTOMERS_MIN, reason % facts, facts)
    least = LEAVERS_MIN * parameters
    facts = {"count": left, "least": least}
    if left >= least:
        reason = _("Customers who have left: %(count)s, enough to learn from (at least %(least)s).")
    else:
        reason = _(
            "Customers who have left: %(count)s. To tell when and why customers leave takes %(least)s who did: ten for "
            "each figure that is learned from them."
        )
    return Gates([enough, Gate("leavers", left >= least, reason % facts, facts)])
