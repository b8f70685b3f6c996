"""`querencia doctor`: whether everything is well, in words."""

import json as _json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from querencia.cli import faults, house

COUNTED = ("customers", "purchases", "events")
MARKS = {"well": ("ok", "green"), "warning": ("mind", "yellow"), "problem": ("wrong", "red")}


def command(
    json: Annotated[bool, typer.Option("--json", help="Say it as JSON, with the counts of what is kept.")] = False,
) -> None:
    """Say in words whether everything is well: exit code 0 if so, 1 if something needs to be done."""
    looks, counts = _looks()
    is_well = all(look["level"] != "problem" for look in looks)
    if json:
        typer.echo(_json.dumps({"is_well": is_well, "counts": counts, "looks": looks}, indent=2))
    else:
        for look in looks:
            mark, colour = MARKS[look["level"]]
            typer.echo(f"{typer.style(f'{mark:>5}', fg=colour)}  {look['said']}")
        if counts["customers"] is not None:
            typer.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()) + ".")
    if not is_well:
        raise typer.Exit(1)


def _looks() -> tuple[list[dict[str, Any]], dict[str, int | None]]:
    import psycopg

    try:
        house.enter()
    except psycopg.Error as fault:  # the queue lives in PostgreSQL and asks for it at once
        said, _code = faults.explain(fault)
        return [{"name": "database", "level": "problem", "said": said, "facts": {}}], dict.fromkeys(COUNTED)
    from querencia.common.time import now
    from querencia.measures import health

    return [asdict(look) for look in health.look(at=now())], health.counts()
