"""Results as a table on the screen and as ``docs/benchmarks.md``."""

import dataclasses
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.table import Table

from benchmarks import data
from benchmarks.measuring import Result
from benchmarks.registry import Benchmark

COLUMNS = ("case", "rows", "time", "per second", "peak memory", "also")


def table(results: Iterable[Result]) -> Table:
    """For the terminal."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    made.add_column("benchmark")
    for column in COLUMNS:
        made.add_column(column, justify="right" if column in COLUMNS[1:5] else "left", no_wrap=column != "also")
    for result in results:
        made.add_row(result.benchmark, *_cells(dataclasses.replace(result, unit="")))  # narrow screens
    return made


def remember(results: Iterable[Result]) -> list[Result]:
    """Keep the results beside those of other benchmarks; all that are known now."""
    file = data.folder() / "results.json"
    known = {(r["benchmark"], r["case"]): r for r in json.loads(file.read_text())} if file.exists() else {}
    for result in results:
        known[result.benchmark, result.case] = dataclasses.asdict(result)
    file.write_text(json.dumps(list(known.values()), indent=1))
    return [Result(**each) for each in known.values()]


def write(
    path: Path,
    results: Sequence[Result],
    benchmarks: Mapping[str, Benchmark],
    machine: Mapping[str, str],
    day: datetime.date,
) -> None:
    """The page about all benchmarks that still exist."""
    lines = [
        "# Benchmarks",
        "",
        f"Measured on {day.isoformat()} with `python -m benchmarks --write`: each case in a process of its own, the",
        "median of three runs, a single run where it takes longer than twenty seconds. Peak memory is that of the",
        "process and its children together. The data are simulated (`querencia.insight.simulate`).",
        "",
        *(f"- {what}: {value}" for what, value in machine.items()),
    ]
    for benchmark in benchmarks.values():
        found = {result.case: result for result in results if result.benchmark == benchmark.name}
        rows = [found[case] for case in benchmark.cases if case in found]
        if rows:
            lines += ["", f"## {benchmark.name}", ""]
            for paragraph in benchmark.paragraphs:
                lines += [paragraph, ""]
            lines += [_row(COLUMNS), "|---|---:|---:|---:|---:|---|", *(_row(_cells(result)) for result in rows)]
    path.write_text("\n".join(lines) + "\n" + _accuracy(path))


def _accuracy(path: Path) -> str:
    """The section about accuracy, which is measured by another command and stays."""
    page = path.read_text() if path.exists() else ""
    _, heading, rest = page.partition("\n## accuracy\n")
    return heading + rest.partition("\n## ")[0].rstrip("\n") + "\n" if heading else ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(result: Result) -> tuple[str, ...]:
    if result.skipped:
        return (result.case, "", "", "", "", f"skipped: {result.skipped}")
    return (
        result.case,
        f"{result.rows:,} {result.unit}".strip(),
        _time(result.seconds),
        f"{result.rows / result.seconds:,.0f}",
        f"{result.peak_bytes / 1e6:,.0f} MB",
        ", ".join(f"{what} {value}" for what, value in result.notes.items()),
    )


def _time(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.2f} s"
