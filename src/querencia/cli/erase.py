"""`querencia erase WHO…`: people are forgotten, facts stay."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from querencia.cli import house, person
from querencia.cli.faults import Failed, Refused

SHOWN = 20


class Reason(StrEnum):
    request = "request"
    objection = "objection"
    mistake = "mistake"


def command(
    who: Annotated[
        list[str] | None, typer.Argument(metavar="[WHO]…", help=f"Whom: {person.SAID}.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="One of them on each line; - reads standard input.", show_default=False),
    ] = None,
    reason: Annotated[
        Reason,
        typer.Option(
            metavar="request|objection|mistake",
            help="Why: they asked for it, they object to the processing, or they should never have been stored.",
        ),
    ] = Reason.request,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first. It cannot be undone.")] = False,
) -> None:
    """Forget people, with all their entries that were merged. What they bought stays, and names nobody.

    No file and no machine brings them back. Exit code 2 if somebody is not known: then nobody is erased.
    """
    house.enter()
    house.migrate()
    from querencia.common.time import now
    from querencia.customers.queries import persons
    from querencia.flows import privacy

    found, gone = _found(_wanted(who or [], file))
    if gone:
        typer.echo(f"Erased before: {gone}.")
    people = len(set(persons.heads(found).values()))
    if people:
        _agree(people, yes)
        privacy.ask_to_erase(found, reason=reason.value, source="command", at=now())
    # Whatever was asked for earlier and cut off is finished, too.
    if privacy.erase_waiting(at=now()) is None:
        raise Failed(f"{people} will be erased by the worker: another process holds what is to be erased.")
    typer.echo(f"Erased: {people}.")


def _wanted(who: Sequence[str], file: Path | None) -> list[str]:
    lines = list(who)
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as fault:
            raise Refused(f"{file} is not text in UTF-8 (byte {fault.start}). Nobody was erased.") from None
        lines += text.splitlines()
    wanted = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not wanted:
        raise Refused(f"Say whom: {person.SAID}; or --file with one of them on each line.")
    return wanted


def _found(wanted: Sequence[str]) -> tuple[list[int], int]:
    """Customers, and how many of those who were named are erased already. Raises Refused if somebody is not known."""
    from querencia.business import queries
    from querencia.customers.queries import search, tombstones

    business = queries.business()
    named = search.named(wanted, country=business.country if business else "")
    unknown = [text for text, ids in named.items() if not ids]
    erased = tombstones.are_erased(unknown, country=business.country if business else "")
    missing = [place for place, text in enumerate(wanted, 1) if text in unknown and text not in erased]
    if missing:
        places = ", ".join(map(str, missing[:SHOWN])) + (", …" if len(missing) > SHOWN else "")
        raise Refused(
            f"Not known: {len(missing)} of {len(wanted)} (number {places} of those named). Nobody was erased."
        )
    return [pk for ids in named.values() for pk in ids], len(erased)


def _agree(people: int, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{people} people would be erased, which cannot be undone. Say --yes.")
    said = typer.prompt(f"{people} will be erased, which cannot be undone. Type the number to go on", default="")
    if said.strip() != str(people):
        raise Refused("Nobody was erased.")
