"""`querencia doctor`: whether everything is well, in words."""

import json as _json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from querencia.cli import faults, house

COUNTED = ("customers", "purchases", "events")
MARKS = {"well": ("ok", "green"), "warning": ("mind", "yellow"), "problem": ("wrong", "red")}
BEGIN = "Begin with: querencia up"
SECONDS_TO_ANSWER = 5


def command(
    json: Annotated[bool, typer.Option("--json", help="Say it as JSON, with the counts of what is kept.")] = False,
) -> None:
    """Say in words whether everything is well: database, tables, queue, disk, consistency. Changes nothing.

    Exit code 0 if all is well, 1 if something needs to be done.
    """
    looks, counts = examine()
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


def examine() -> tuple[list[dict[str, Any]], dict[str, int | None]]:
    """What was seen, and how many rows there are (None where they cannot be counted)."""
    if missing := _missing():
        return [{"name": "database", "level": "problem", "said": missing, "facts": {}}], dict.fromkeys(COUNTED)
    house.enter()
    from querencia.common.time import now
    from querencia.measures import health

    return [asdict(look) for look in health.look(at=now())], health.counts()


def _missing() -> str:
    """Why there is nothing to look at, if so. Asked before Django is set up, which would make what is not there."""
    from querencia.common import environment, home

    place = home.place()
    found = environment.database(place)
    if not found["ENGINE"].endswith("sqlite3"):
        return _missing_on_server(os.environ["DATABASE_URL"])
    where = place if Path(found["NAME"]).parent == place else found["NAME"]
    return _missing_in_file(found["NAME"], f"There is no installation in {where} yet. {BEGIN}")


def _missing_in_file(path: str, absent: str) -> str:
    import sqlite3
    from contextlib import closing

    if not Path(path).is_file():
        return absent
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as opened:
            opened.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except sqlite3.DatabaseError as fault:
        if "no such table" in str(fault):
            return absent
        return f"{path} cannot be read as a database: {fault}. Put a backup of the file in its place."
    return ""


def _missing_on_server(address: str) -> str:
    import psycopg

    try:
        with psycopg.connect(address, connect_timeout=SECONDS_TO_ANSWER) as opened:
            opened.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except psycopg.errors.UndefinedTable:
        return f"The database that DATABASE_URL names is empty. {BEGIN}"
    except psycopg.Error as fault:
        return faults.explain(fault)[0]
    return ""
