"""`querencia members import FILE`: members of a loyalty programme out of another system, with the points they have."""

import csv
import json as _json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from querencia.cli import house, options
from querencia.cli.faults import Refused
from querencia.cli.screen import Screen

if TYPE_CHECKING:
    from querencia.flows.members import Brought, Rejected
    from querencia.loyalty.models import Programme


class Do(StrEnum):
    bring_in = "import"


def command(
    do: Annotated[Do, typer.Argument(metavar="import", help="Bring members in.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, TSV, Excel, Parquet or JSON lines, also as gz or zip.")
    ],
    programme: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Which programme: its name, or its number.", show_default="the only one that there is"
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Which column tells what: customer_key, email, phone, external, card_number, points, expires, "
            "joined, key. FIELD= leaves one out. Repeat it.",
            show_default="guessed, and said",
        ),
    ] = None,
    source: Annotated[
        str, typer.Option(help="Where the file comes from: the same points of the same source come once.")
    ] = "members",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do it all, say what came of it, and keep nothing.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Write rows that were left out, with their reasons, to this CSV file.")
    ] = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    date_order: options.DateOrder = None,
    sheet: options.Sheet = None,
    json: Annotated[bool, typer.Option("--json", help="Say what came of it as JSON.")] = False,
) -> None:
    """Bring in members with their cards and points. The same file twice changes nothing; one that was cut off is
    brought in again.

    Exit code 0 if every row was taken, 1 if any was left out.
    """
    house.enter()
    house.migrate()
    from django.utils import translation

    from querencia.business import queries
    from querencia.common.time import now
    from querencia.customers.imports import Unreadable
    from querencia.flows import members

    known = queries.business()
    with translation.override(known.language if known else "en"), _rejects(rejects) as reject:
        try:
            with Screen(quiet=json).progress("Members") as progress:
                brought = members.bring_in(
                    file,
                    programme=_programme(programme),
                    at=now(),
                    source=_source(source),
                    mapping=_mapping(columns or []),
                    file_format=options.written(delimiter, encoding, None, date_order, sheet),
                    is_dry=dry_run,
                    reject=reject,
                    progress=progress,
                )
        except Unreadable as fault:
            raise Refused(f"{file.name}: {fault}") from None
        _say(brought, is_dry=dry_run, as_json=json)
    if brought.rejected:
        raise typer.Exit(1)


def _programme(said: str | None) -> "Programme":
    from querencia.loyalty import queries

    known = queries.programmes()
    meant = [each for each in known if said is None or said in (each.name, str(each.pk))]
    if len(meant) == 1:
        return meant[0]
    names = ", ".join(f"{each.pk} {each.name}" for each in known) or "none yet"
    raise Refused(f"Say with --programme which programme is meant. There are: {names}.")


def _source(said: str) -> str:
    if not 0 < len(said) <= 40:
        raise Refused("--source is a word of at most 40 letters.")
    return said


def _mapping(given: list[str]) -> dict[str, str]:
    found = {}
    for pair in given:
        name, sign, column = (part.strip() for part in pair.partition("="))
        if not sign:
            raise Refused(f"--map takes FIELD=COLUMN, for example --map points=Saldo; {pair!r} is none.")
        found[name] = column
    return found


@contextmanager
def _rejects(path: Path | None) -> "Iterator[Callable[[Rejected], None]]":
    """Where rows go that are left out."""
    if path is None:
        yield lambda rejected: None
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer: Any = None

        def write(rejected: "Rejected") -> None:
            nonlocal writer
            if writer is None:
                writer = csv.writer(file)
                writer.writerow(["row", "reason", *rejected.cells])
            writer.writerow([rejected.row, rejected.reason, *rejected.cells.values()])

        yield write


def _say(brought: "Brought", *, is_dry: bool, as_json: bool) -> None:
    from querencia.flows.members import REASONS

    if as_json:
        told = {name: value for name, value in vars(brought).items() if name != "rejected"}
        typer.echo(_json.dumps({**told, "rejected": dict(brought.rejected), "is_dry": is_dry}, indent=2))
        return
    from django.utils.translation import gettext as _

    from querencia.customers.imports import count

    typer.echo(", ".join(f"{name}={column}" for name, column in brought.columns.items()))
    counts = {
        _("read"): brought.read,
        _("new members"): brought.joined,
        _("members already"): brought.known,
        _("lots of points brought along"): brought.balances,
        _("points in them"): brought.points,
        _("lots known already"): brought.balances_known,
        _("rejected"): sum(brought.rejected.values()),
    }
    for name, number in counts.items():
        typer.echo(f"{count(number):>12}  {name}")
    for code, number in brought.rejected.most_common():
        typer.echo(f"{count(number):>12}  {_(REASONS[code])}")
    if is_dry:
        typer.echo(_("Nothing of it was kept (--dry-run)."))
