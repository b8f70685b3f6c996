"""`querencia forecast FILE…`: what each customer will buy, looking at nothing after the day given."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from querencia.cli import options, results
from querencia.cli.faults import Refused
from querencia.cli.screen import Screen

if TYPE_CHECKING:
    from querencia.cli.logs import Log
    from querencia.insight.forecast import Forecast

HORIZON_MAX = 3_650
DECIMALS = 6  # what is left of a number after them hangs on the order in which an engine adds up
NOTHING_KEPT = "nothing kept"
COUNTS = ("expected_purchases", "chance_of_purchase")
LIKELY, RANK = "likely_purchases", "rank"
# Whoever reads columns by their place finds them where they were: a new one comes after the others.
FIRST = ("customer_id", *COUNTS, "expected_spend", "model", LIKELY, RANK)
INTERVALS = (
    *("expected_purchases_low", "expected_purchases_high", "chance_low", "chance_high"),
    *("expected_spend_low", "expected_spend_high"),
)
WRITERS = {".csv": "FORMAT csv, HEADER", ".parquet": "FORMAT parquet, COMPRESSION zstd"}


@dataclass(frozen=True)
class Told:
    """What is said of a forecast: who made it, of how many of the customers, and what stands in the way of trust."""

    chosen: "Forecast"
    customers: int
    foretold: int
    doubts: list[str]
    explained: dict[str, Any] | None


def command(
    files: options.Files,
    as_of: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="The day to look from: nothing later counts for anything.",
            show_default=False,
        ),
    ],
    horizon_days: Annotated[
        int, typer.Option(min=1, max=HORIZON_MAX, help="How many days ahead to look.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.csv|.parquet", help="Where it goes.", show_default=False)],
    columns: options.Columns = None,
    currency: options.Currency = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Add how far each figure could be off: …_low and …_high.")
    ] = False,
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Write a page on how far it can be trusted: who was tried, how each did, what is left unsaid.",
            show_default=False,
        ),
    ] = None,
    language: options.Language = "en",
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    decimal_comma: options.DecimalComma = None,
    date_order: options.DateOrder = None,
    sheet: options.Sheet = None,
) -> None:
    """What each customer will buy in the days after a day: one row for everybody who had bought by then.

    Its columns: customer_id, expected_purchases (the mean, to be added up), chance_of_purchase (of at least one),
    expected_spend, model, likely_purchases (exceeded no more often than not), rank (1: whom to look after first).

    The model is chosen by a trial inside the history; whatever comes after the day changes nothing. For example:

    [bold]querencia forecast sales.csv --as-of 2026-06-30 --horizon-days 90 --out forecast.csv --explain why.html[/]
    """
    if out.suffix.lower() not in WRITERS:
        raise Refused(f"--out ends in .csv or .parquet, which says how it is written; {out} does neither.")
    target = results.target(out, "--out", inputs=files)
    page = results.target(explain, "--explain", inputs=files) if explain else None
    if page and page.resolve() == target.resolve():
        raise Refused(f"--out and --explain both name {page}: give each a file of its own.")
    form = options.written(delimiter, encoding, decimal_comma, date_order, sheet)
    with options.speaking(language):
        from django.utils.translation import gettext as _

        from querencia.cli import logs
        from querencia.cli.understanding import Asked, pairs

        screen = Screen()
        asked = Asked(pairs(columns or []), form, (currency or "").upper(), options.day(as_of))
        with logs.opened(files, asked, screen=screen) as log:
            logs.summarise(screen, log)
            with screen.progress(_("Looking ahead")):
                told = _written(
                    log, as_of.date(), horizon_days, target, with_intervals=intervals, is_explained=page is not None
                )
            if page and told.explained:
                _explain(page, told.explained, language, files)
            _tell(screen, told, target)
            if page:
                screen.say(_("Written: %(path)s") % {"path": page})


def _written(
    log: "Log", day: date, horizon_days: int, target: Path, *, with_intervals: bool, is_explained: bool
) -> "Told":
    """Write the forecast; what is worth saying of it."""
    from querencia.insight import forecast, gates, tables
    from querencia.insight.engine import frame_of
    from querencia.insight.forecast import explained
    from querencia.insight.keeping import kept

    with kept(frame_of(log.purchases)) as keep:
        days = keep(tables.as_days(log.purchases, as_of=day))
        chosen = forecast.prepare(days, as_of=day, horizon_days=horizon_days)
        expected = keep(chosen.table()).to_native()
        with results.replacing(target) as path:
            expected.query("expected", _copy(log, with_intervals, path, WRITERS[target.suffix.lower()]))
        checked = gates.check(days, as_of=day, horizon_days=horizon_days)
        foretold = expected.shape[0]
        why = None
        if is_explained:
            why = explained.explain(chosen, currency=log.currency, gates=checked, table=frame_of(expected))
    reasons = [gate.reason for gate in gates.closed(checked, "forecast")]
    return Told(chosen, log.desk.table("customers").shape[0], foretold, reasons, why)


def _explain(page: Path, facts: dict[str, Any], language: str, files: list[str]) -> None:
    from querencia.insight.forecast import explained_page

    title = ", ".join(Path(name).name for name in files if name != "-")
    with results.replacing(page) as path:
        path.write_text(explained_page.html(facts, language=language, title=title), encoding="utf-8")


def _copy(log: "Log", with_intervals: bool, path: Path, form: str) -> str:
    """The statement that writes the forecast, customers in the order of their ids.

    Of somebody who gave everything back no model knows anything: nothing is expected of them, and said to be so.
    """
    from querencia.insight import wording

    places = wording.decimals(log.currency)
    chosen = []
    for name in (*FIRST, *(INTERVALS if with_intervals else ())):
        if name == "customer_id":
            chosen.append("id AS customer_id")
        elif name.startswith("expected_spend"):
            chosen.append(f"coalesce(round({name} / {10**places}, {places}), 0) AS {name}")
        elif name == "model":
            chosen.append(f"coalesce(model, '{NOTHING_KEPT}') AS model")
        elif name == LIKELY:
            chosen.append(f"coalesce({name}, 0) AS {name}")
        elif name == RANK:
            chosen.append("coalesce(rank, (SELECT count(*) + 1 FROM expected)) AS rank")
        else:
            chosen.append(f"coalesce(round({name}, {DECIMALS}), 0) AS {name}")
    place = str(path).replace("'", "''")
    return (
        f"COPY (SELECT {', '.join(chosen)} FROM customers LEFT JOIN expected USING (customer_id) ORDER BY customer_id) "  # noqa: S608
        f"TO '{place}' ({form})"
    )


def _tell(screen: Screen, told: "Told", target: Path) -> None:
    from django.utils.translation import gettext as _

    from querencia.insight import explain, wording

    if (trial := told.chosen.backtest) is None:
        screen.say(_("Too little history to try a model on: everybody's rate of buying stands in for it."), warn=True)
    else:
        screen.say(explain.model(told.chosen.model, beats_simple_by=trial.beats_simple_by, simple=trial.simple))
    if gone := told.customers - told.foretold:
        screen.say("  " + _("Customers who gave back all they bought: %(count)s.") % {"count": wording.number(gone)})
    for doubt in told.doubts:
        screen.say("  " + _("Mind: %(reason)s") % {"reason": doubt}, warn=True)
    facts = {"customers": wording.number(told.customers), "path": target}
    screen.say(_("Written: %(path)s, customers: %(customers)s") % facts)
    screen.say(
        "  "
        + _(
            "To add up: expected_purchases, expected_spend. Of one customer: likely_purchases,"
            " chance_of_purchase. Whom to look after first: rank 1."
        )
    )
