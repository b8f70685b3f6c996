"""`querencia import FILE…`: purchases or customers out of files into the database."""

import math
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from querencia.cli import house, options
from querencia.cli.faults import Failed, Refused

if TYPE_CHECKING:
    from rich.console import Console

    from querencia.customers.imports import BusinessFacts, Inspection
    from querencia.customers.models import Import

SOURCE_LENGTH_MAX = 40
STDIN, STDIN_NAME = "-", "standard input"
# What may be written for what: one word for the customer, whatever the file and whatever the command.
SAME = {"customer_id": {"purchases": "customer_key", "customers": "key"}}
# By the problem, what to write on the command line.
HINTS = {
    "no_purchases": "--map customer_id=…,at=…,amount=…",
    "no_customers": "--map customer_id=…",
    "no_amounts": "--map amount=…",
    "no_business": "--currency EUR",
    "one_column": "--delimiter semicolon",
    "encoding": "--encoding windows-1252",
    "encoding_unknown": "--encoding windows-1252",
    "excel_sheet": "--sheet …",
    "doubled": "--max-rejected 1",
}


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…", help="CSV, TSV, Excel, Parquet or JSON lines, also as gz or zip; - reads standard input."
        ),
    ],
    kind: Annotated[
        str | None, typer.Option(metavar="purchases|customers", help="What the file holds.", show_default="found out")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            "--columns",
            metavar="FIELD=COLUMN",
            help="Which column tells what, for example amount=Quantity*UnitPrice; FIELD= leaves one out. "
            "Repeat it, or separate by commas.",
        ),
    ] = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    decimal_comma: options.DecimalComma = None,
    date_order: options.DateOrder = None,
    sheet: options.Sheet = None,
    currency: Annotated[str | None, typer.Option(help="Currency of the amounts, for example EUR.")] = None,
    source: Annotated[
        str, typer.Option(help="Where the file comes from: purchase numbers are unique per source.")
    ] = "import",
    max_rejected: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rejected rows above which nothing is written.")
    ] = 0.1,
    rejects: Annotated[
        Path | None, typer.Option(help="Write rejected rows with their reasons to this CSV file.")
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="en|es|pt", help="Language of messages and reasons.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before writing.")] = False,
) -> None:
    """Bring purchases or customers in. The same file twice changes nothing; a broken one goes on where it stopped."""
    house.enter()
    house.migrate()
    from django.utils import translation

    told = options.written(delimiter, encoding, decimal_comma, date_order, sheet)
    told |= {"currency": currency.upper()} if currency else {}
    kind = _one_of("--kind", kind, ("purchases", "customers"))
    if not 0 < len(source) <= SOURCE_LENGTH_MAX:
        raise Refused(f"--source is a word of at most {SOURCE_LENGTH_MAX} letters.")
    facts, spoken = _business(currency)
    with translation.override(_one_of("--language", language, ("en", "es", "pt")) or spoken):
        mapping = _mapping(columns or [])
        _check_writable(rejects)
        with _paths(files) as paths:
            looked_at = [
                (path, _look(path, name, facts, kind=kind, mapping=mapping, given=told)) for path, name in paths
            ]
            _agree(looked_at, yes)
            results = [_bring_in(path, seen, source, max_rejected) for path, seen in looked_at]
        if rejects is not None:
            _write_rejects(results, rejects)
        _end(results)


def _one_of(option: str, value: str | None, known: tuple[str, ...]) -> str | None:
    return None if value is None else options.one_of(option, value, known)


def _mapping(given: list[str]) -> dict[str, str]:
    found = {}
    # A comma parts two pairs only where another one begins: names of columns may hold commas too.
    for pair in (pair for text in given for pair in re.split(r",(?=\s*\w+\s*=)", text) if pair.strip()):
        field, sign, column = (part.strip() for part in pair.partition("="))
        if not sign:
            raise Refused(f"--map takes field=column pairs, for example --map amount=Total; {pair!r} is none.")
        if field in found:
            raise Refused(f"--map names {field} twice.")
        found[field] = column
    return found


def _check_writable(path: Path | None) -> None:
    """Refuse before an hour of work what would fail after it."""
    if path is not None:
        with path.open("a"):
            pass


def _business(currency: str | None) -> "tuple[BusinessFacts, str]":
    from querencia.business import queries
    from querencia.customers import imports
    from querencia.customers.queries.imports import currency_in_use

    business = queries.business()
    return imports.facts_of(business, currency_in_use() or currency or ""), business.language if business else "en"


@contextmanager
def _paths(files: list[str]) -> Iterator[list[tuple[Path, str]]]:
    """The files; standard input as one that is gone again unless an import has taken it."""
    from querencia.customers import actions

    if files.count(STDIN) > 1:
        raise Refused("Standard input (-) can be read once.")
    spooled = actions.spool(sys.stdin.buffer) if STDIN in files else None
    try:
        yield [(spooled, STDIN_NAME) if spooled and name == STDIN else (Path(name), Path(name).name) for name in files]
    finally:
        if spooled is not None:
            spooled.unlink(missing_ok=True)


def _look(
    path: Path, name: str, facts: "BusinessFacts", *, kind: str | None, mapping: dict[str, str], given: dict[str, Any]
) -> "Inspection":
    """What the file is. What is told replaces what is guessed, field by field. Refuses what cannot be imported."""
    from querencia.common.time import now
    from querencia.customers import imports

    at = now()
    seen = imports.inspect(path, file_name=name, business=facts, at=at, kind=kind, file_format=given)
    if mapping and seen.columns:
        other = imports.CUSTOMERS if seen.kind == imports.PURCHASES else imports.PURCHASES
        if kind is None and not _all_known(mapping, seen.kind) and _all_known(mapping, other):
            seen = imports.inspect(path, file_name=name, business=facts, at=at, kind=other, file_format=given)
        told = {**seen.mapping, **_named(mapping, seen.kind)}
        seen = imports.inspect(
            path, file_name=name, business=facts, at=at, kind=seen.kind, mapping=told, file_format=given
        )
    if not seen.is_ready:
        raise Refused(f"{name}: {_with_hint(seen.problem, HINTS.get(seen.code, ''))}")
    return seen


def _named(mapping: dict[str, str], kind: str) -> dict[str, str]:
    return {SAME.get(field, {}).get(kind, field): column for field, column in mapping.items()}


def _all_known(mapping: dict[str, str], kind: str) -> bool:
    from querencia.customers import imports

    return _named(mapping, kind).keys() <= {known.name for known in imports.fields(kind)}


def _with_hint(problem: str, hint: str) -> str:
    from django.utils.translation import gettext as _

    return _("%(problem)s On the command line: %(hint)s") % {"problem": problem, "hint": hint} if hint else problem


def _agree(looked_at: "list[tuple[Path, Inspection]]", yes: bool) -> None:
    """Show how the files are read; ask where somebody is there to answer."""
    screen = _screen()
    for _path, seen in looked_at:
        _describe(screen, seen)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        from django.utils.translation import gettext as _

        if not typer.confirm(_("Import?"), default=True, err=True):
            raise typer.Exit(0)


def _screen() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def _describe(screen: "Console", seen: "Inspection") -> None:
    from rich.markup import escape

    from querencia.customers import imports

    labels = {field.name: str(field.label) for field in imports.fields(seen.kind)}
    form = ", ".join(f"{label}: {value}" for label, value in imports.format_in_words(seen.file_format))
    screen.print(f"[bold]{escape(seen.file_name)}[/]  {escape(form)}")
    pairs = [f"{labels[field]} ← {column}" for field, column in seen.mapping.items() if column]
    screen.print("  " + escape("; ".join(pairs)))
    for note in seen.notes:
        screen.print(f"  [yellow]{escape(note)}[/]")


def _bring_in(path: Path, seen: "Inspection", source: str, limit: float) -> "Import":
    from django.utils.translation import gettext as _

    from querencia.common.time import now
    from querencia.customers import actions
    from querencia.customers.queries import imports as queries

    imported = actions.register_import(
        path=path,
        file_name=seen.file_name,
        kind=seen.kind,
        mapping={field: column for field, column in seen.mapping.items() if column},
        file_format=seen.file_format,
        at=now(),
        source=source,
        reject_limit=limit,
        rows_estimated=seen.rows_estimated,
        move=seen.file_name == STDIN_NAME,
    )
    with _progress() as show:
        try:
            done = actions.run_import(imported.pk, at=now(), progress=show, language=_active())
        except actions.AlreadyRunning:
            raise Failed(
                _("%(file)s is being imported by another process already.") % {"file": seen.file_name}
            ) from None
    _summarise(done, _with_hint(queries.why(done), _hint_for(done)))
    return done


def _hint_for(done: "Import") -> str:
    from querencia.customers.queries import imports as queries

    code = queries.problem_of(done)
    if code == "rejects":
        share = done.rows_rejected / max(done.rows_read, 1)
        return f"--max-rejected {min(math.ceil(share * 10 + 0.01) / 10, 1):g}"
    return HINTS.get(code, "")


def _active() -> str:
    from django.utils import translation

    return translation.get_language() or "en"


def _progress() -> AbstractContextManager[Any]:
    """A bar on a terminal, silence elsewhere."""
    return _Bar() if sys.stderr.isatty() else nullcontext(None)


class _Bar:
    def __init__(self) -> None:
        from django.utils.translation import gettext as _
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self.said = {"checking": _("Reading"), "sorting": _("Sorting"), "writing": _("Writing")}
        self.bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=_screen(),
        )
        self.task = self.bar.add_task(self.said["checking"], total=1.0)
        self.shares = {"checking": (0.0, 0.3), "sorting": (0.3, 0.4), "writing": (0.4, 1.0)}

    def __enter__(self) -> Any:
        self.bar.start()
        return self

    def __call__(self, stage: str, share: float) -> None:
        begin, end = self.shares[stage]
        self.bar.update(self.task, description=self.said[stage], completed=begin + (end - begin) * share)

    def __exit__(self, *fault: object) -> None:
        self.bar.stop()


def _summarise(done: "Import", why: str) -> None:
    from django.utils.translation import gettext as _
    from rich.console import Console
    from rich.table import Table

    from querencia.customers import imports

    table = Table(box=None, title=done.file_name, title_justify="left", title_style="bold", pad_edge=False)
    counts = {
        _("read"): done.rows_read,
        _("new"): done.rows_new,
        _("changed"): done.rows_changed,
        _("unchanged"): done.rows_unchanged,
        _("rejected"): done.rows_rejected,
        **({_("of erased people"): done.rows_erased} if done.rows_erased else {}),
    }
    if done.kind == imports.PURCHASES:
        del counts[_("changed")]
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*[imports.count(number) for number in counts.values()])
    screen = Console(highlight=False, soft_wrap=True)
    screen.print(table)
    for reason in done.reasons:
        screen.print("  " + imports.reason_text(reason), markup=False)
    if why:
        Console(stderr=True, highlight=False, soft_wrap=True).print(why, markup=False)


def _write_rejects(results: "list[Import]", path: Path) -> None:
    import shutil

    from querencia.customers.queries import imports as queries

    kept = [found for done in results if (found := queries.rejects_path(done)) is not None]
    if not kept:
        path.unlink(missing_ok=True)
        return
    shutil.copyfile(kept[0], path)
    for more in kept[1:]:
        with more.open("rb") as source, path.open("ab") as target:
            source.readline()
            shutil.copyfileobj(source, target)


def _end(results: "list[Import]") -> None:
    statuses = {done.status for done in results}
    if "failed" in statuses:
        raise typer.Exit(1)
    if "stopped" in statuses:
        raise typer.Exit(2)
