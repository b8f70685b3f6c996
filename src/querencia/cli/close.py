"""`querencia close`: close months of the books of points."""

import json as _json
from typing import Annotated, Any

import typer

from querencia.cli import house

SAID = {
    "unchanged": "was closed before",
    "not_over": "is not over yet",
    "too_early": "cannot be closed: a month before it is open, or nothing was recorded yet",
    "differs": "is not closed: the books do not agree (see `querencia check`)",
}


def command(
    month: Annotated[str, typer.Option(help="Which month, such as 2026-04. Without it, all that are over.")] = "",
    programme: Annotated[int, typer.Option(help="The id of a programme. Without it, all of them.")] = 0,
    json: Annotated[
        bool, typer.Option("--json", help="Say it as JSON, with everything that was written down.")
    ] = False,
) -> None:
    """Close months: their sums are written down for good, and nothing can be recorded in them any more.

    Exit code 0 if they are closed now, 1 if one could not be.
    """
    house.enter()
    house.migrate()
    from querencia.common.time import now
    from querencia.loyalty import actions, closing, queries
    from querencia.loyalty.queries.closing import waiting

    try:
        asked = [closing.read_month(month)] if month else None
    except ValueError:
        raise typer.BadParameter(f"{month} is no month: say it as 2026-04.") from None
    known = [each for each in queries.programmes() if programme in (0, each.pk)]
    if programme and not known:
        raise typer.BadParameter(f"There is no programme {programme}.")
    at, told, is_well = now(), [], True
    for each in known:
        for done in actions.close(programme=each, months=asked or waiting(each, at=at), at=at):
            is_well &= done.is_done
            told.append(_told(each.name, done))
            if not json:
                _say(each.name, done)
    if json:
        typer.echo(_json.dumps({"months": told}, indent=2))
    elif not told:
        typer.echo("Nothing is to be closed." if known else "There is no programme yet.")
    if not is_well:
        raise typer.Exit(1)


def _told(name: str, done: Any) -> dict[str, Any]:
    row = done.row
    return {
        "programme": name,
        "month": f"{done.month:%Y-%m}",
        "result": done.result,
        "fingerprint": row.fingerprint if row else None,
        "document": row.document if row else None,
    }


def _say(name: str, done: Any) -> None:
    from querencia.loyalty import closing

    said = SAID.get(done.result)
    if said is None:
        line = closing.bridge(done.row.document)
        parts = [f"{getattr(line, part):+,} {part.replace('_', ' ')}" for part in closing.LINES if getattr(line, part)]
        said = f"closed. {line.opening:,} points {' '.join(parts)} = {line.closing:,}."
        said += f" Fingerprint {done.row.fingerprint[:12]}."
    typer.echo(f"{name}, {done.month:%Y-%m}: {said.rstrip('.')}.")
    for each in done.differences:
        typer.echo(f"  {each.of} {each.pk}, {each.what}: {each.is_said} is said, {each.is_reckoned} reckoned.")
