"""The door of insight: any table of purchases in, and the two canonical tables that everything else reads.

``purchases``: one row per purchase or refund: ``customer_id``, ``day`` (integer, days since 1970-01-01), ``amount``
(integer, minor units of one currency; a refund is negative) and, where given, ``key``, ``refund_of``, ``margin``
(minor units), ``channel``, ``branch``, ``category``.

``days``: one row per customer and day: ``customer_id``, ``day``, ``amount`` (net), ``is_purchase``.

Every function of insight takes either. Names are mapped once, here; nothing further in takes a column name.
"""

import datetime
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, Literal

import narwhals as nw

from querencia.insight import reading
from querencia.insight.engine import Frame, frame_of, like, rows, whole
from querencia.insight.errors import InputError
from querencia.insight.reading import Check, Reading, date_of, day_number, example_of

__all__ = ["as_days", "date_of", "day_number", "days", "purchases"]

Day = int | datetime.date

LABELS = ("key", "refund_of", "channel", "branch", "category")
NAMES = ("customer_id", "at", "day", "amount", "margin", *LABELS)


def purchases(
    table: Any,
    *,
    columns: Mapping[str, str | None] | None = None,
    currency: str | None = None,
    unit: Literal["major", "minor"] = "major",
    as_of: Day | None = None,
) -> Any:
    """Canonical purchases of any table, in the table's own engine.

    ``columns`` maps our names to the table's (``{"customer_id": "cust", "at": "date"}``); a name left out is looked for
    as it is. ``at`` may be dates, datetimes (the day in the time zone they carry; DuckDB: in the session's), ISO text
    or YYYYMMDD as text or integer; ``day`` instead of ``at`` holds days since 1970-01-01. ``{"amount": None}`` says
    that the log has no money: all amounts are 0. ``currency`` is an ISO 4217 code and gives the decimals (2 if not
    stated); ``unit`` says whether amounts are euros or cents. Ids keep their kind: text stays text, integers stay
    integers, floats of whole numbers become integers.

    Raises :class:`InputError` naming column, number and an example: a missing column, a row without customer, date or
    amount, a text that is no date or no number, an infinite amount, a date after ``as_of``. An empty table is fine.
    One aggregated row is computed to know; the table itself stays lazy if it was.

    >>> import polars as pl
    >>> shop = pl.DataFrame({"cust": ["ana", "ana"], "date": ["2026-01-05", "2026-02-10"], "amt": [12.5, 9.9]})
    >>> purchases(shop, columns={"customer_id": "cust", "at": "date", "amount": "amt"}).rows()
    [('ana', 20458, 1250), ('ana', 20494, 990)]
    """
    frame = frame_of(table)
    found = _found(frame, dict(columns or {}))
    frame = _without_objects(frame, found)
    readings = _readings(frame, found, 0 if unit == "minor" else reading.exponent(currency))
    checks = [check for made in readings.values() for check in made.checks]
    frame = _prepared(frame, readings)
    if as_of is not None:
        column = found.get("at") or found["day"]
        future = readings["day"].made > day_number(as_of)
        # A row that is no date at all is told as that, not as a date to come.
        for check in readings["day"].checks:
            future = future & ~check.bad
        checks.append(Check(str(column), future, f"lie after {date_of(day_number(as_of))}, the day looked at"))
    has_refunds = _verify(frame, checks, found)
    made = {name: column.made.alias(name) for name, column in readings.items() if name != "refund_of" or has_refunds}
    return like(frame.select(**made), table)


def _found(frame: Frame, columns: dict[str, str | None]) -> dict[str, str | None]:
    """Our names with the table's, of the columns that are there."""
    if unknown := sorted(set(columns) - set(NAMES)):
        raise InputError(f"{unknown[0]!r} is no column of purchases: map {', '.join(NAMES)}.", column=unknown[0])
    present = frame.collect_schema().names()
    found: dict[str, str | None] = {name: name for name in NAMES if name in present and name not in columns}
    for name, column in columns.items():
        if column is None:
            if name != "amount":
                raise InputError(f"Only amounts may be declared absent, not {name!r}.", column=name)
        elif column not in present:
            raise InputError(f"There is no column {column!r}: the table has {_listed(present)}.", column=column)
        found[name] = column
    if "at" in found and "day" in found:
        # A mapped column wins over one that happens to bear our name.
        del found["day" if "at" in columns or "day" not in columns else "at"]
    for name in ("customer_id", "amount") if "day" in found else ("customer_id", "at", "amount"):
        if name not in found:
            raise InputError(
                f"There is no column {name!r}: the table has {_listed(present)}. Say which one it is, for example "
                f'columns={{"{name}": "…"}}.',
                column=name,
            )
    return found


def _listed(names: list[str]) -> str:
    listed = ", ".join(repr(name) for name in names[:30])
    return f"{listed}, …" if len(names) > 30 else listed or "no columns"


def _without_objects(frame: Frame, found: Mapping[str, str | None]) -> Frame:
    """pandas keeps dates and decimals as Python objects: give those columns the type that their values have."""
    schema = frame.collect_schema()
    objects = [column for column in found.values() if column is not None and schema[column] == nw.Object]
    if not objects:
        return frame
    if not frame.implementation.is_pandas():
        raise InputError(f"Column {objects[0]!r} holds Python objects: give text, numbers or dates.", column=objects[0])
    import pyarrow as pa

    pandas = nw.dependencies.get_pandas()
    native = frame.collect().to_native()
    for column in objects:
        try:
            values = pa.array(native[column], from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            kinds = sorted({type(value).__name__ for value in native[column]})
            raise InputError(
                f"Column {column!r} mixes kinds of values ({', '.join(kinds)}): make it one kind.",
                column=column,
                count=len(native),
                example=native[column].iloc[0],
            ) from None
        typed = pa.chunked_array([values]).to_pandas(types_mapper=pandas.ArrowDtype)
        native = native.assign(**{column: typed.set_axis(native.index)})
    return frame_of(native)


def _readings(frame: Frame, found: Mapping[str, str | None], decimals: int) -> dict[str, Reading]:
    schema = frame.collect_schema()
    made: dict[str, Reading] = {}
    for name, column in found.items():
        if column is None:
            made[name] = Reading(nw.lit(0).cast(nw.Int64()))
            continue
        dtype = schema[column]
        try:
            if name == "customer_id":
                made[name] = reading.identifier(column, dtype)
            elif name in ("at", "day"):
                made["day"] = reading.day(column, dtype, numbered=name == "day")
            elif name in ("amount", "margin"):
                made[name] = reading.money(column, dtype, decimals=decimals, required=name == "amount")
            else:
                made[name] = reading.label(column, dtype)
        except InputError as error:
            _explain_kind(frame, column, error)
            if name != "margin":
                made["day" if name == "at" else name] = _without_values(column, name)
    order = ("customer_id", "day", "amount", "key", "refund_of", "margin", "channel", "branch", "category")
    return {name: made[name] for name in order if name in made}


def _prepared(frame: Frame, readings: Mapping[str, Reading]) -> Frame:
    """The frame with the steps of all readings; the first steps of each go together, then the second, and so on."""
    for step in zip_longest(*(made.steps for made in readings.values())):
        frame = frame.with_columns(**dict(named for named in step if named is not None))
    return frame


def _explain_kind(frame: Frame, column: str, error: InputError) -> None:
    """A column of the wrong kind, with its number and an example; a column of no values has no kind to be wrong."""
    known = frame.filter(~nw.col(column).is_null())
    count = whole(rows(known.select(nw.len().alias("count")))[0]["count"])
    if count == 0:
        return
    example = rows(known.select(column).head(1))[0][column]
    raise InputError(
        f"{error} {count:,} rows, for example {example_of(example)}.", column=column, count=count, example=example
    ) from None


def _without_values(column: str, name: str) -> Reading:
    """The reading of a required column that has no value: an empty table, or one that no row of can be used."""
    stand_in = nw.lit("") if name == "customer_id" else nw.lit(0).cast(nw.Int64())
    return Reading(stand_in, [Check(column, nw.col(column).is_null(), "have no value: give each its own")])


def _verify(frame: Frame, checks: list[Check], found: Mapping[str, str | None]) -> bool:
    """Raise for the first check that fails; say whether any row names the purchase it refunds."""
    asked = {f"check_{number}": check.bad.cast(nw.Int64()).sum() for number, check in enumerate(checks)}
    if refund_of := found.get("refund_of"):
        asked["refunds"] = (~nw.col(refund_of).is_null()).cast(nw.Int64()).sum()
    answers = rows(frame.select(**asked))[0]
    for number, check in enumerate(checks):
        if count := whole(answers[f"check_{number}"]):
            example = rows(frame.filter(check.bad).select(check.column).head(1))[0][check.column]
            raise InputError(
                f"Column {check.column!r}: {count:,} rows {check.said}. For example {example_of(example)}.",
                column=check.column,
                count=count,
                example=example,
            )
    return whole(answers.get("refunds", 0)) > 0


def days(purchases: Any, *, as_of: Day) -> Any:
    """One row per customer and day up to ``as_of``: ``customer_id``, ``day``, ``amount`` (net), ``is_purchase``.

    A refund that names a purchase of the same customer counts on that purchase's day, any other on its own. A day is a
    purchase day when something was bought on it (an amount of zero is a purchase too) and refunds did not eat it up:
    no refund fell on it, or its net is above zero. Days of refunds alone are money, not purchases.

    >>> import polars as pl
    >>> bought = pl.DataFrame({"customer_id": ["ana"] * 3, "day": [20_000, 20_000, 20_030], "amount": [900, 350, -350]})
    >>> days(bought, as_of=20_100).sort("day").rows()
    [('ana', 20000, 1250, True), ('ana', 20030, -350, False)]
    """
    return like(as_days(purchases, as_of=as_of), purchases)


def as_days(table: Any, *, as_of: Day) -> Frame:
    """:func:`days` as a lazy frame, for use inside insight; a table of days is only cut at ``as_of``."""
    frame = frame_of(table)
    names = frame.collect_schema().names()
    seen = frame.filter(nw.col("day") <= day_number(as_of))
    if "is_purchase" in names:
        return seen.select("customer_id", "day", "amount", "is_purchase")
    if "refund_of" in names and "key" in names:
        seen = _netted(seen)
    # Without a refund everything was bought; with one, a net above zero says that something was. A small mark instead
    # of the smallest amount: of a hundred million days it is gigabytes.
    amount = nw.col("amount")
    marked = seen.with_columns((amount < 0).cast(nw.Int8()).alias("refunded"))
    grouped = marked.group_by("customer_id", "day").agg(amount.sum().alias("net"), nw.col("refunded").max())
    return grouped.select(
        "customer_id",
        "day",
        nw.col("net").cast(nw.Int64()).alias("amount"),
        ((nw.col("refunded") == 0) | (nw.col("net") > 0)).alias("is_purchase"),
    )


def _netted(seen: Frame) -> Frame:
    """Refunds moved to the day of the purchase they name. Only keys that are refunded enter the joins."""
    is_named = (nw.col("amount") < 0) & ~nw.col("refund_of").is_null()
    refunds = seen.filter(is_named).select("customer_id", "day", "amount", "refund_of")
    others = seen.filter(~is_named).select("customer_id", "day", "amount")
    named = (
        seen.filter((nw.col("amount") >= 0) & ~nw.col("key").is_null())
        .join(refunds, left_on=["customer_id", "key"], right_on=["customer_id", "refund_of"], how="semi")
        .group_by("customer_id", "key")
        .agg(nw.col("day").min().alias("bought_on"))
    )
    moved = refunds.join(
        named, left_on=["customer_id", "refund_of"], right_on=["customer_id", "key"], how="left"
    ).select("customer_id", nw.coalesce("bought_on", "day").cast(nw.Int64()).alias("day"), "amount")
    return nw.concat([others, moved], how="vertical")
