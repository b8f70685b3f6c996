"""`querencia duplicates`: look for records that may be one person."""

from typing import Annotated

import typer

from querencia.cli import house
from querencia.cli.faults import Failed
from querencia.cli.screen import Screen


def command(
    sure: Annotated[
        float, typer.Option("--sure", min=0.01, max=1.0, help="Propose pairs from this chance on of being one person.")
    ] = 0.5,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing unless it fails.")] = False,
) -> None:
    """Compare all customers and propose those that may be one person, on the page Duplicates. Nothing is joined before
    somebody says so; a pair that is not the same is never proposed again."""
    house.enter()
    house.migrate()
    from querencia.common.time import now
    from querencia.measures import duplicates

    screen = Screen(quiet=quiet)
    try:
        with screen.progress("Comparing") as progress:
            done = duplicates.look(at=now(), probability_min=sure, progress=progress)
    except duplicates.Busy as fault:
        raise Failed(str(fault)) from None
    if not quiet:
        typer.echo(
            f"{done.records:,} records compared. {done.proposed.waiting:,} pairs wait for a decision, "
            f"{done.proposed.new:,} of them new; {done.proposed.gone:,} wait no longer."
        )
