"""`querencia report FILE…`: what a purchase log says, as a page to mail and as JSON; no database is needed."""

import json as json_module
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from querencia.cli import options, results
from querencia.cli.faults import Refused
from querencia.cli.screen import Screen

if TYPE_CHECKING:
    from querencia.cli.understanding import Asked

STDOUT = "-"


def command(
    files: options.Files,
    columns: options.Columns = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="The last day that counts; nothing later is looked at.",
            show_default="the last day of the log",
        ),
    ] = None,
    currency: options.Currency = None,
    language: options.Language = "en",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the page: one file, to be mailed or printed.")
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Write all figures as JSON; - is standard output."),
    ] = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    decimal_comma: options.DecimalComma = None,
    date_order: options.DateOrder = None,
    sheet: options.Sheet = None,
) -> None:
    """Who your customers are, what they are worth, who is leaving and what that costs: from a purchase log alone.

    No database is needed and nothing is kept. Purchases of one day are one; refunds are taken off.

    What the data are too thin for is left unsaid, with the reason. For example:

    [bold]querencia report sales.csv --currency EUR --language es --out report.html[/]

    [bold]querencia report lines.parquet --columns amount=Quantity*UnitPrice --json - | jq .repeat_rate[/]
    """
    if out is None and json is None:
        raise Refused("Say where the report goes: --out report.html, or --json - for the figures.")
    page = results.target(out, "--out", inputs=files) if out else None
    figures = results.target(Path(json), "--json", inputs=files) if json and json != STDOUT else None
    if page and figures and page.resolve() == figures.resolve():
        raise Refused(f"--out and --json both name {page}: give each a file of its own.")
    form = options.written(delimiter, encoding, decimal_comma, date_order, sheet)
    with options.speaking(language):
        from querencia.cli.understanding import Asked, pairs

        asked = Asked(pairs(columns or []), form, (currency or "").upper(), options.day(as_of) if as_of else None)
        facts = _facts(files, asked)
        if page:
            _write_page(page, facts, language, files)
        if figures:
            with results.replacing(figures) as path:
                path.write_bytes(_as_json(facts))
            _wrote(figures)
        if json == STDOUT:
            sys.stdout.buffer.write(_as_json(facts))
            sys.stdout.buffer.flush()


def _facts(files: list[str], asked: "Asked") -> dict[str, Any]:
    from django.utils.translation import gettext as _

    from querencia.cli import logs
    from querencia.common.time import now
    from querencia.insight import report

    screen = Screen()
    with logs.opened(files, asked, screen=screen, now=now()) as log:
        logs.summarise(screen, log)
        with screen.progress(_("Reckoning")):
            return report.build(
                log.purchases,
                currency=log.currency,
                as_of=asked.as_of,
                rows_read=log.rows,
                rows_later=log.later,
                rejected=log.rejected,
                sources=log.sources,
                named=log.ids,
            )


def _write_page(page: Path, facts: dict[str, Any], language: str, files: list[str]) -> None:
    from querencia.insight import report

    title = ", ".join(Path(name).name for name in files if name != STDOUT)
    with results.replacing(page) as path:
        path.write_text(report.html(facts, language=language, title=title), encoding="utf-8")
    _wrote(page)


def _wrote(path: Path) -> None:
    from django.utils.translation import gettext as _

    Screen().say(_("Written: %(path)s") % {"path": path})


def _as_json(facts: dict[str, Any]) -> bytes:
    return (json_module.dumps(facts, allow_nan=False, ensure_ascii=False, indent=2) + "\n").encode()
