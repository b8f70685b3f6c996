"""The door of uplift: who was contacted, what came of it, and what was known before, of any table."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw

from querencia.insight.engine import Frame, frame_of, like, rows, whole
from querencia.insight.errors import InputError
from querencia.insight.reading import example_of

NAMES = ("customer_id", "arm", "outcome", "propensity")
CONTROL, CONTACTED = "control", "contacted"


def experiment(table: Any, *, columns: Mapping[str, str] | None = None, control: Any = CONTROL) -> Any:
    """The table with our names for ``customer_id``, ``arm``, ``outcome`` and ``propensity``, and its other columns.

    ``columns`` maps our names to the table's. ``control`` is what the column says of who was not contacted; that arm
    becomes ``control`` (of true and false, the other becomes ``contacted``). ``propensity`` is the chance with which a
    customer was to be contacted; with it there are two arms. A row without an arm, without an outcome or with a chance
    that is none raises :class:`InputError`; an empty table is fine. The table stays in its engine, lazy if it was.

    >>> import polars as pl
    >>> sent = pl.DataFrame({"id": [1, 2], "segment": ["No E-Mail", "Mens E-Mail"], "visit": [0, 1]})
    >>> columns = {"customer_id": "id", "arm": "segment", "outcome": "visit"}
    >>> experiment(sent, columns=columns, control="No E-Mail").rows()
    [(1, 'control', 0), (2, 'Mens E-Mail', 1)]
    """
    frame = frame_of(table)
    mapped = dict(columns or {})
    present = frame.collect_schema().names()
    if unknown := sorted(set(mapped) - set(NAMES)):
        raise InputError(f"{unknown[0]!r} is no column of experiments: map {', '.join(NAMES)}.", column=unknown[0])
    for column in mapped.values():
        if column not in present:
            raise InputError(f"There is no column {column!r}: the table has {', '.join(present)}.", column=column)
    found = {name: mapped.get(name, name) for name in NAMES if name in mapped or name in present}
    for name in ("arm", "outcome"):
        if name not in found:
            raise InputError(
                f"There is no column {name!r}: the table has {', '.join(present)}. Say which one it is, for example "
                f'columns={{"{name}": "…"}}.',
                column=name,
            )
    made = {name: nw.col(column) for name, column in found.items()}
    made["arm"] = _arm(frame, found["arm"], control)
    others = [name for name in present if name not in found.values() and name not in NAMES]
    frame = frame.select(*(expression.alias(name) for name, expression in made.items()), *others)
    arms(frame)
    return like(frame, table)


def _arm(frame: Frame, column: str, control: Any) -> nw.Expr:
    given, dtype = nw.col(column), frame.collect_schema()[column]
    if dtype == nw.Boolean:
        is_control = given if control is True else ~given
        return nw.when(is_control).then(nw.lit(CONTROL)).when(~given.is_null()).then(nw.lit(CONTACTED))
    text = given if dtype == nw.String else given.cast(nw.String())
    named = nw.when(text == str(control)).then(nw.lit(CONTROL)).otherwise(text)
    # Somebody's arm may be called control without being it.
    return named if str(control) == CONTROL else nw.when(text == CONTROL).then(nw.lit("control?")).otherwise(named)


def arms(frame: Frame) -> list[str]:
    """The arms other than control, in order. Raises InputError for what no experiment can hold."""
    schema = frame.collect_schema()
    names = schema.names()
    for name in ("arm", "outcome"):
        if name not in names:
            raise InputError(
                f"There is no column {name!r}: the table has {', '.join(names)}. Give arm and outcome, or map them "
                "with uplift.experiment(table, columns=…).",
                column=name,
            )
    _numbers(frame, "outcome")
    checks = [
        ("arm", nw.col("arm").is_null(), "do not say whether they were contacted"),
        ("outcome", _missing(frame, "outcome"), "have no outcome: leave them out, or give each its outcome"),
    ]
    if "propensity" in names:
        _numbers(frame, "propensity")
        chance = nw.col("propensity").cast(nw.Float64())
        sure = _missing(frame, "propensity") | (chance <= 0) | (chance >= 1)
        checks.append(("propensity", sure, "have no chance between 0 and 1 of being contacted"))
    _verify(frame, checks)
    found = sorted(str(row["arm"]) for row in rows(frame.group_by("arm").agg(nw.len().alias("customers"))))
    others = [name for name in found if name != CONTROL]
    if "propensity" in names and len(others) > 1:
        raise InputError(
            f"With a propensity there is one arm beside control, not {len(others)} ({', '.join(others)}): look at one "
            "after the other.",
            column="arm",
            count=len(others),
        )
    return others


def _numbers(frame: Frame, name: str) -> None:
    dtype = frame.collect_schema()[name]
    if dtype.is_numeric() or dtype == nw.Boolean:
        return
    known = frame.filter(~nw.col(name).is_null())
    if count := whole(rows(known.select(nw.len().alias("count")))[0]["count"]):
        example = rows(known.select(name).head(1))[0][name]
        raise InputError(
            f"Column {name!r} holds {dtype}, not numbers: {count:,} rows, for example {example_of(example)}.",
            column=name,
            count=count,
            example=example,
        )


def _missing(frame: Frame, name: str) -> nw.Expr:
    """Null, not a number or infinite."""
    given = nw.col(name)
    if not frame.collect_schema()[name].is_float():
        return given.is_null()
    return given.is_null() | given.is_nan() | (given.abs() == float("inf"))


def _verify(frame: Frame, checks: list[tuple[str, nw.Expr, str]]) -> None:
    asked = {f"check_{number}": bad.cast(nw.Int64()).sum() for number, (_, bad, _) in enumerate(checks)}
    answers = rows(frame.select(**asked))[0]
    for number, (column, bad, said) in enumerate(checks):
        if count := whole(answers[f"check_{number}"]):
            example = rows(frame.filter(bad).select(column).head(1))[0][column]
            raise InputError(
                f"Column {column!r}: {count:,} rows {said}. For example {example_of(example)}.",
                column=column,
                count=count,
                example=example,
            )


def outcome_of(frame: Frame) -> nw.Expr:
    """The outcome as a float; true and false are 1 and 0."""
    given = nw.col("outcome")
    return (given.cast(nw.Int64()) if frame.collect_schema()["outcome"] == nw.Boolean else given).cast(nw.Float64())
