"""Any engine in, the same engine out: the one place that knows which kinds of table there are.

Inside insight every table is a Narwhals ``LazyFrame``, so that one way of writing serves DuckDB, Polars, pandas,
PyArrow, Spark and a warehouse through Ibis, and nothing that only an eager table can do slips in.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from querencia.insight.errors import InputError

Frame = nw.LazyFrame[Any]
Small = nw.DataFrame[Any]
DEPTH, HEIGHT = 2**40, 2**62  # below every day and above every amount: in one wide number they stay apart
HASHES = 2**64
GROUPED_BYTES = 150  # what a row takes while DuckDB groups it twice, measured


def frame_of(table: Any) -> Frame:
    """The table as a Narwhals lazy frame; :class:`InputError` when it is no table that Narwhals knows."""
    try:
        frame: Frame = nw.from_native(table).lazy()
        return frame
    except TypeError:
        raise InputError(
            f"A {type(table).__name__} is not a table Querencia can read: give a DuckDB relation, a Polars, pandas or "
            "PyArrow table, a Spark frame or an Ibis table."
        ) from None


def like(frame: Frame, table: Any) -> Any:
    """The result in the kind of the table it came from: eager for eager, lazy for lazy, Narwhals for Narwhals."""
    if isinstance(table, nw.LazyFrame):
        return frame
    if isinstance(table, nw.DataFrame):
        return frame.collect()
    given = nw.from_native(table)
    return (frame.collect() if isinstance(given, nw.DataFrame) else frame).to_native()


def small(columns: Mapping[str, Sequence[Any]], types: Mapping[str, Any], table: Any) -> Any:
    """A table of at most some hundred rows, eager: Polars for Polars, pandas for pandas, PyArrow for the rest."""
    implementation = nw.from_native(table).implementation
    backend: Any = implementation if implementation.is_polars() or implementation.is_pandas() else "pyarrow"
    kinds = dict(types)
    if implementation.is_pandas():
        # Its integers know no null; they become floats, as everywhere in pandas.
        kinds |= {name: nw.Float64 for name in kinds if None in columns[name] and kinds[name] == nw.Int64}
    made = nw.from_dict(dict(columns), schema=kinds, backend=backend)
    return made if isinstance(table, (nw.DataFrame, nw.LazyFrame)) else made.to_native()


def rows(frame: Frame) -> list[dict[str, Any]]:
    """The rows of a small result as dictionaries. Engines sum integers to decimals or to nothing: see :func:`whole`."""
    return frame.collect().rows(named=True)


def whole(value: Any) -> int:
    """An aggregate as a Python integer; the sum of no rows (null in SQL, NaN in pandas) is 0."""
    return 0 if value is None or value != value else int(value)


def numbers(column: nw.Series[Any]) -> NDArray[Any]:
    """A column of a collected table as an array, maybe not to be written to. PyArrow by itself would load pandas for
    this, which takes more memory than a fit of a million customers."""
    is_plain = column.dtype.is_integer() or column.dtype.is_float()
    if column.implementation.is_pyarrow() and is_plain and column.null_count() == 0:
        native = column.to_native()
        return np.from_dlpack(native.chunk(0) if native.num_chunks == 1 else native.combine_chunks())
    return column.to_numpy()


def windowed(frame: Frame) -> Frame:
    """The same rows in an engine with window functions: PyArrow has none and is read by DuckDB, without a copy."""
    if not frame.implementation.is_pyarrow():
        return frame
    import duckdb

    read: Frame = nw.from_native(duckdb.connect().from_arrow(frame.collect().to_native()))
    return read


def edge(frame: Frame, name: str, *, by: str, of: str, last: bool = False) -> tuple[Frame, nw.Expr, nw.Expr]:
    """The first (or last) row of each ``of`` in the order of ``by``, of which no two are the same: what ``by`` and
    ``name`` are there. Both are whole numbers, ``name`` is none below zero.

    The frame to group, and the expressions to aggregate it with: Narwhals has no such aggregate for Spark, where the
    row is marked before; DuckDB would write an order key as text for every row, where one wide number says both.
    """
    given = nw.col(name)
    if frame.implementation.is_duckdb():
        height = (nw.col(by) + DEPTH).cast(nw.Int128()) * HEIGHT + given
        at = nw.col(f"__{name}").max() if last else nw.col(f"__{name}").min()
        # Through a float, which is exact here as long as the value is below 2**61: dividing wide numbers is slow.
        place = (at.cast(nw.Float64()) / HEIGHT).floor().cast(nw.Int64())
        held = (at - place.cast(nw.Int128()) * HEIGHT).cast(nw.Int64())
        return frame.with_columns(height.alias(f"__{name}")), place - DEPTH, held
    place = nw.col(by).max() if last else nw.col(by).min()
    if not frame.implementation.is_spark_like():
        return frame, place, given.last(order_by=by) if last else given.first(order_by=by)
    marked = nw.when(nw.col(by) == place.over(of)).then(given)
    return frame.with_columns(marked.alias(f"__{name}")), place, nw.col(f"__{name}").max()


def in_parts(work: Callable[[Frame], Frame], frame: Frame, *, of: str) -> Frame:
    """``work(frame)``, which treats each ``of`` by itself: where all rows at once would not fit into the memory that
    DuckDB may take, some of these after others, each part read anew. That is faster than to spill, by a third.
    """
    if not frame.implementation.is_duckdb():
        return work(frame)
    native = nw.to_native(frame)
    parts = _parts(native)
    if parts == 1:
        return work(frame)
    # By ranges of the hash: what equals a remainder the planner takes for a few rows, and works at all parts at once.
    edges = [HASHES * part // parts for part in range(parts)] + [HASHES]
    ranges = (f'hash("{of}") BETWEEN {low} AND {high - 1}' for low, high in pairwise(edges))
    return nw.concat([work(nw.from_native(native.filter(chosen))) for chosen in ranges])


def _parts(native: Any) -> int:
    """Into how many parts: by how many rows the engine expects, which costs it no reading."""
    explained = native.query("querencia_plan", "explain (format json) select * from querencia_plan").fetchall()[0][1]
    expected = int(json.loads(explained)[0]["extra_info"].get("Estimated Cardinality", 0))
    limit = "select parse_formatted_bytes(current_setting('memory_limit'))"
    memory: int = native.query("querencia_limit", limit).fetchall()[0][0]
    return max(1, -(-expected * GROUPED_BYTES // memory))


def beside(columns: Mapping[str, Any], frame: Frame) -> Frame:
    """Arrays as a lazy frame of the same engine (in DuckDB: of the same connection), to be joined to ``frame``."""
    import pyarrow as pa

    known = (pa.Array, pa.ChunkedArray)
    arrays = pa.table({name: v if isinstance(v, known) else pa.array(v) for name, v in columns.items()})
    implementation = frame.implementation
    if implementation.is_duckdb():
        native = nw.to_native(frame)
        made: Frame = nw.from_native(native.query("querencia_beside", "select * from arrays"))
    elif implementation.is_polars() or implementation.is_pandas():
        made = nw.from_arrow(arrays, backend=implementation).lazy()
    elif implementation.is_spark_like():
        made = nw.from_native(nw.to_native(frame).sparkSession.createDataFrame(arrays))
    elif implementation.is_ibis():
        import ibis

        made = nw.from_native(ibis.memtable(arrays))
    else:
        made = nw.from_native(arrays).lazy()
    return made
