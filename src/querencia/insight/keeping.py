"""Results that several figures read, computed once and kept where the data are."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import narwhals as nw

from querencia.insight.engine import Frame


@contextmanager
def kept(beside: Frame) -> Iterator[Callable[[Frame], Frame]]:
    """Gives a function that computes a frame of the engine of ``beside`` and hands its rows back as a frame.

    DuckDB keeps them in temporary tables, Spark and a warehouse in what they have for it: on disk when memory is short,
    dropped at the end. Polars, pandas and PyArrow hold them in memory.
    """
    native = nw.to_native(beside)
    names: list[str] = []
    held: list[Callable[[], object]] = []

    def keep(frame: Frame) -> Frame:
        implementation = frame.implementation
        if implementation.is_spark_like() or implementation.is_ibis():
            stored, release = _stored(frame)
            held.append(release)
            return stored
        if not implementation.is_duckdb():
            return frame.collect().lazy()
        name = f"querencia_{secrets.token_hex(8)}"
        nw.to_native(frame).query("given", f'CREATE TEMP TABLE "{name}" AS FROM given')
        names.append(name)
        made: Frame = nw.from_native(native.query("given", f'FROM "{name}"'))
        return made

    try:
        yield keep
    finally:
        for name in names:
            native.query("given", f'DROP TABLE "{name}"')
        for release in held:
            release()


def _stored(frame: Frame) -> tuple[Frame, Callable[[], object]]:
    """The same rows where Spark or a warehouse keeps results, and what to call to let go of them."""
    native = nw.to_native(frame)
    stored = native.persist() if frame.implementation.is_spark_like() else native.cache()
    made: Frame = nw.from_native(stored)
    return made, stored.unpersist if frame.implementation.is_spark_like() else stored.release
