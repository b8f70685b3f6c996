"""`querencia backtest RULES.json FILE…`: what rules of a loyalty programme would have given on a purchase log."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from querencia.cli import options
from querencia.cli.faults import Refused
from querencia.cli.screen import Screen

if TYPE_CHECKING:
    from querencia.cli.logs import Log
    from querencia.loyalty.backtest import Outcome
    from querencia.loyalty.earning import Rule

# A purchase with what refunds that name it left of it. A log of days says nothing of hours.
PURCHASES = "SELECT customer_id AS member, DATE '1970-01-01' + day::INTEGER AS local, amount FROM purchases"
NET = """
SELECT customer_id AS member, DATE '1970-01-01' + day::INTEGER AS local,
  greatest(0, amount + coalesce(back, 0)) AS amount
FROM purchases LEFT JOIN (
  SELECT refund_of AS key, sum(amount) AS back FROM purchases WHERE refund_of <> '' AND amount < 0 GROUP BY refund_of
) USING (key) WHERE amount > 0
"""


@dataclass(frozen=True)
class Told:
    """``owed``: points that have not lapsed on the last day, ``as_of``, if nobody spent any; ``cost_minor`` in minor
    units of the currency. ``winners`` and ``losers``: customers who have more, or fewer, than by the rules beside."""

    currency: str
    as_of: str
    points: int
    cost_minor: int
    owed: int
    purchases: int
    customers: int
    by_rule: dict[str, int]
    winners: int | None = None
    losers: int | None = None
    more: int | None = None


def command(
    rules: Annotated[
        Path,
        typer.Argument(
            metavar="RULES.json", help="Rules by name, as they are published; or one of them.", show_default=False
        ),
    ],
    files: options.Files,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RULES.json", help="The rules that they are compared with.", show_default=False),
    ] = None,
    expires_months: Annotated[
        int, typer.Option(min=0, max=1_200, help="Months after which points expire.", show_default="never")
    ] = 0,
    cost_per_thousand: Annotated[
        int, typer.Option(min=0, help="What 1,000 points cost, in minor units (cents).", show_default="nothing")
    ] = 0,
    columns: options.Columns = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="The last day that counts.",
            show_default="the last day of the log",
        ),
    ] = None,
    currency: options.Currency = None,
    language: options.Language = "en",
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    decimal_comma: options.DecimalComma = None,
    date_order: options.DateOrder = None,
    sheet: options.Sheet = None,
) -> None:
    """What rules of a loyalty programme would have given on a purchase log, as if every customer were a member.

    The result is JSON: points, cost and what would be owed at the end, in all and by rule; with --against also who
    would have more and who fewer. For example:

    [bold]querencia backtest new.json purchases.csv --against old.json --expires-months 12 --cost-per-thousand 1000[/]

    A log of days and amounts tells nothing of articles, hours, channels or birthdays: rules that ask about them are
    refused here, and tried in the cockpit.
    """
    form = options.written(delimiter, encoding, decimal_comma, date_order, sheet)
    with options.speaking(language):
        from querencia.cli import logs
        from querencia.cli.understanding import Asked, pairs

        new = _read(rules)
        old = _read(against) if against else None
        last = options.day(as_of) if as_of else None
        screen = Screen()
        asked = Asked(pairs(columns or []), form, (currency or "").upper(), last)
        with logs.opened(files, asked, screen=screen, now=logs.END_OF_TIME) as log:
            logs.summarise(screen, log)
            told = _tried(log, new, old, expires_months, cost_per_thousand, last)
    typer.echo(json.dumps({name: value for name, value in asdict(told).items() if value is not None}, indent=1))


def _read(path: Path) -> "list[Rule]":
    """Rules out of a file. Refuses what is none."""
    from querencia.loyalty.earning import read
    from querencia.loyalty.earning.rules import agree

    try:
        given = json.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise Refused(f"{path} cannot be read: {fault.strerror}.") from fault
    except ValueError as fault:
        raise Refused(f"{path} is no JSON: {fault}.") from fault
    documents = {path.stem: given} if isinstance(given, dict) and "then" in given else given
    if not isinstance(documents, dict) or not documents:
        raise Refused(f'{path} holds no rules: say {{"name": {{"then": {{"points": 1, "per": 100}}}}}}.')
    try:
        found = [read(document, key=str(key)) for key, document in sorted(documents.items())]
        agree(found)
    except ValueError as fault:
        raise Refused(f"{path}: {fault}.") from fault
    return found


def _tried(
    log: "Log", new: "Sequence[Rule]", old: "Sequence[Rule] | None", months: int, cost: int, last: date | None
) -> Told:
    import polars as pl

    from querencia.loyalty import expiry
    from querencia.loyalty.backtest import CannotTell, backtest, winners_and_losers

    named = "refund_of" in {name for name, *_type in log.desk.execute("DESCRIBE purchases").fetchall()}
    purchases = pl.DataFrame(log.desk.sql(NET if named else PURCHASES).to_arrow_table())
    end: Any = last or purchases["local"].max()

    def outcome(rules: "Sequence[Rule]") -> "Outcome":
        policy = expiry.Policy(months)
        return backtest(purchases, rules, policy=policy, cost_per_thousand=cost, as_of=end, zone="UTC")

    try:
        found, beside = outcome(new), outcome(old) if old is not None else None
    except CannotTell as fault:
        raise Refused(f"{fault}.") from fault
    told = Told(
        currency=log.currency,
        as_of=end.isoformat(),
        points=found.points,
        cost_minor=found.cost,
        owed=found.owed,
        purchases=found.purchases,
        customers=found.members.height,
        by_rule=dict(found.by_rule.select("rule", "points").iter_rows()),
    )
    if beside is None:
        return told
    gains = winners_and_losers(beside, found)["gain"]
    compared = {"winners": int((gains > 0).sum()), "losers": int((gains < 0).sum()), "more": int(gains.sum())}
    return Told(**{**asdict(told), **compared})
