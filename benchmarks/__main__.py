"""``python -m benchmarks [NAME ...] [--quick] [--write]``"""

import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from benchmarks import machine, telling
from benchmarks.measuring import Failed, Result, measure
from benchmarks.registry import Benchmark, load

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
screen = Console()
aside = Console(stderr=True)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which benchmarks to run; all if none is named.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small data: does it run, roughly how fast?")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write docs/benchmarks.md.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Say which benchmarks there are.")] = False,
) -> None:
    """Measure time and peak memory on simulated data."""
    known = load()
    if show:
        for each in known.values():
            screen.print(f"[bold]{each.name}[/]  {each.paragraphs[0]}")
        return
    unknown = [name for name in names or () if name not in known]
    if unknown:
        _stop(f"There is no benchmark called {unknown[0]}. There are: {', '.join(known)}.")
    if quick and write:
        _stop("Figures of --quick are too rough to publish: leave --quick out, or --write.")
    chosen = [known[name] for name in names or known]
    results, failed = _run(chosen, quick=quick)
    screen.print(telling.table(results))
    if not quick:
        everything = telling.remember(results)
        if write:
            telling.write(PAGE, everything, known, machine.facts(), datetime.date.today())
    for name, said in failed.items():
        aside.print(f"\n[bold red]{name} failed[/]\n{said}", highlight=False)
    if failed:
        raise typer.Exit(1)


def _run(chosen: list[Benchmark], *, quick: bool) -> tuple[list[Result], dict[str, str]]:
    results: list[Result] = []
    failed: dict[str, str] = {}
    with aside.status("") as status:
        for benchmark in chosen:
            for case in benchmark.quick if quick else benchmark.cases:
                title = f"{benchmark.name}: {case}"
                try:
                    results.append(measure(benchmark, case, tell=partial(_tell, status, title)))
                except Failed as error:
                    failed[title] = str(error)
    return results, failed


def _tell(status: Status, title: str, doing: str) -> None:
    status.update(f"{title}, {doing}")


def _stop(said: str) -> None:
    aside.print(said, highlight=False)
    raise typer.Exit(2)


typer.run(main)
