"""Which benchmarks there are, and what a benchmark function is given."""

import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import benchmarks


class Prepared(Exception):
    """All that comes before the measurement is done: the data lie in their folder."""


class Skipped(Exception):
    """Raised by a benchmark that cannot run here, with the reason and what to do about it."""


@dataclass
class Measure:
    """What a benchmark function measures with.

    ::

        with measure(rows=1_000_000, unit="purchases"):
            ...
        measure.note("p95", "38 ms")

    What the function does before ``with`` is not timed. It is done once in a process of its own, so that making data
    does not count as memory, and again before each measurement: keep large data in :mod:`benchmarks.data`, which makes
    them once.
    """

    scratch: Path
    """An empty folder for this run alone, removed after it."""
    preparing: bool = False
    seconds: float = 0.0
    rows: int = 0
    unit: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def __call__(self, *, rows: int, unit: str = "rows") -> Iterator[None]:
        if self.preparing:
            raise Prepared
        self.rows, self.unit = rows, unit
        begin = time.perf_counter()
        yield
        self.seconds = time.perf_counter() - begin

    def note(self, what: str, value: str) -> None:
        """Another figure worth knowing, shown beside the time."""
        self.notes[what] = value


Function = Callable[[str, Measure], None]


@dataclass(frozen=True)
class Benchmark:
    name: str
    module: str
    function: Function
    cases: Sequence[str]
    quick: Sequence[str]

    @property
    def paragraphs(self) -> list[str]:
        """The documentation, a line for each paragraph."""
        return [" ".join(each.split()) for each in (self.function.__doc__ or "").split("\n\n") if each.strip()]


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(
    *, cases: Sequence[str], quick: Sequence[str] | None = None, name: str | None = None
) -> Callable[[Function], Function]:
    """Register ``function(case, measure)``. Each case runs in its own process; ``--quick`` runs the ``quick`` cases.

    The benchmark is called like its module unless it has a ``name``.
    """

    def register(function: Function) -> Function:
        module = function.__module__
        called = name or module.rpartition(".")[2]
        if called in BENCHMARKS:
            raise ValueError(f"Two benchmarks are called {called!r}: in {BENCHMARKS[called].module} and in {module}.")
        if not (function.__doc__ or "").strip():
            raise ValueError(f"Say in the docstring of {module}.{function.__name__} what it measures.")
        BENCHMARKS[called] = Benchmark(called, module, function, cases, cases if quick is None else quick)
        return function

    return register


def load() -> Mapping[str, Benchmark]:
    """All benchmarks of this folder by name."""
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"benchmarks.{module.name}")
    return dict(sorted(BENCHMARKS.items()))
