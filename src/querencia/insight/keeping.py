"""Results that several figures read, computed once and kept where the data are."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import narwhals as nw

from querencia.insight.engine import Frame


@contextmanager
def kept(beside: Frame) -> Iterator[Callable[[Frame], Frame]]:
    """Gives a function that computes a frame of the engine of ``beside`` and hands its rows back as a frame.

    DuckDB keeps them in temporary tables, which go to disk when memory is short and are dropped at the end; other
    engines hold them in memory.
    """
    native = nw.to_native(beside)
    names: list[str] = []

    def keep(frame: Frame) -> Frame:
        if not frame.implementation.is_duckdb():
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
