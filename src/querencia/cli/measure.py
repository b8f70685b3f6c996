"""`querencia measure`: score every customer and measure the business, now."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from querencia.cli import house
from querencia.cli.faults import Failed, Refused

if TYPE_CHECKING:
    from querencia.measures.models import Measure, Run


def command(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="The last day that counts. By default yesterday, or the last day with a purchase.",
        ),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Copy all purchases again, not only the new ones.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing unless it fails.")] = False,
) -> None:
    """Score every customer and measure the business, now. Running it twice for one day replaces that day's figures."""
    house.enter()
    house.migrate()
    from querencia.common.time import now
    from querencia.measures import actions, queries
    from querencia.measures.models import Run

    last = queries.yesterday(now())
    if as_of and as_of.date() > last:
        raise Refused(f"{as_of:%Y-%m-%d} is not over yet: the last day that can be measured is {last}.")
    try:
        with _shown(quiet) as progress:
            done = actions.run(as_of=as_of.date() if as_of else None, at=now(), anew=anew, progress=progress)
    except actions.AnotherRun as fault:
        raise Failed(str(fault)) from None
    if done.status != Run.Status.DONE:
        raise Failed(queries.why(done))
    if not quiet:
        _summarise(done, queries.measure_of(done))


class _shown:
    """A line for each step, with a bar while it is at work; nothing at all when quiet."""

    SAID = {
        "copy": "Copying the purchases",
        "score": "Scoring customers",
        "forecast": "Looking ahead",
        "measure": "Measuring the business",
        "write": "Writing",
    }

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True, quiet=quiet),
        )
        self.tasks = {name: self.bars.add_task(said, total=1.0, start=False) for name, said in self.SAID.items()}

    def __enter__(self) -> "_shown":
        self.bars.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.bars.stop()

    def __call__(self, step: str, share: float) -> None:
        names = list(self.tasks)
        self.bars.start_task(self.tasks[step])
        self.bars.update(self.tasks[step], completed=share)
        if share >= 1.0 and step != names[-1]:
            self.bars.start_task(self.tasks[names[names.index(step) + 1]])


def _summarise(run: "Run", measure: "Measure | None") -> None:
    from rich.console import Console
    from rich.table import Table

    from querencia.business import queries as business
    from querencia.common import money

    known = business.business()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("As of", str(run.as_of))
    table.add_row("Customers", f"{run.customers:,}")
    table.add_row("Purchases", f"{run.purchases:,}")
    if measure:

        def shown(minor: int | None) -> str:
            if minor is None:
                return "not known yet"
            return money.show(minor, known.currency, "en") if known else f"{minor:,} (minor units)"

        table.add_row("Active", f"{measure.active:,}, of them late {measure.late:,}")
        table.add_row("Left in 30 days", f"{measure.defections:,}, worth {shown(measure.defections_value)} a year")
        rate = "not known yet" if measure.retention_rate is None else f"{measure.retention_rate:.1%}"
        window = f" over {measure.retention_window_days} days" if measure.retention_window_days else ""
        table.add_row("Retention", rate + window)
        table.add_row("Revenue, 365 days", shown(measure.revenue_year))
        table.add_row("Revenue at risk", shown(measure.revenue_at_risk))
    seconds = sum(run.durations.values())
    table.add_row("Took", f"{seconds:.1f} s")
    Console().print(table)
