"""`querencia check`: whether the books of points are right, to the point."""

import json as _json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from querencia.cli import house

SHOWN = 100


def command(
    json: Annotated[bool, typer.Option("--json", help="Say it as JSON, every difference.")] = False,
) -> None:
    """Reckon every balance of points anew from its entries, and say what differs. Changes nothing.

    Exit code 0 if all agree, 1 if anything differs.
    """
    house.enter()
    house.migrate()
    from querencia.loyalty import queries

    found: list[dict[str, Any]] = []
    for programme in queries.programmes():
        here = [{"programme": programme.name, **asdict(each)} for each in queries.check(programme)]
        found += here
        if not json:
            typer.echo(f"{programme.name}: {len(here)} differences." if here else f"{programme.name}: all agree.")
    if json:
        typer.echo(_json.dumps({"differences": found}, indent=2))
    else:
        for each in found[:SHOWN]:
            said = f"{each['is_said']} is said, {each['is_reckoned']} reckoned"
            typer.echo(f"  {each['of']} {each['pk']}, {each['what']}: {said}.")
        if not queries.programmes():
            typer.echo("There is no programme yet.")
    if found:
        raise typer.Exit(1)
