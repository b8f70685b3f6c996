"""What every command that reads purchase logs asks for: the files, which column tells what, how they are written."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any

import typer

from querencia.cli import house
from querencia.cli.faults import Refused

DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
ORDERS = ("dmy", "mdy", "ymd")
LANGUAGES = ("en", "es", "pt")
READING = "How the files are written (found out, unless told)"

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…",
        help="CSV, TSV, Excel, Parquet or JSON lines, also as gz or zip; several are one log; - reads standard input.",
        show_default=False,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="NAME=COLUMN,…",
        help="Which column tells what: customer_id, at, amount; key and refund_of where refunds name their purchase. "
        "An amount may be a formula: amount=Quantity*UnitPrice.",
        show_default="guessed, and said",
    ),
]
Currency = Annotated[
    str | None, typer.Option(metavar="CODE", help="Currency of the amounts.", show_default="what the files say")
]
Language = Annotated[str, typer.Option(metavar="en|es|pt", help="Language of everything that is said.")]
Delimiter = Annotated[
    str | None,
    typer.Option(help="Between columns: comma, semicolon, tab, pipe.", show_default=False, rich_help_panel=READING),
]
Encoding = Annotated[
    str | None, typer.Option(help="For example windows-1252.", show_default=False, rich_help_panel=READING)
]
DecimalComma = Annotated[
    bool | None,
    typer.Option(
        "--decimal-comma/--decimal-point",
        help="What stands before the cents.",
        show_default=False,
        rich_help_panel=READING,
    ),
]
DateOrder = Annotated[
    str | None,
    typer.Option(
        metavar="dmy|mdy|ymd", help="Order of day, month and year.", show_default=False, rich_help_panel=READING
    ),
]
Sheet = Annotated[str | None, typer.Option(help="Sheet of a workbook.", show_default=False, rich_help_panel=READING)]


def written(
    delimiter: str | None, encoding: str | None, decimal_comma: bool | None, date_order: str | None, sheet: str | None
) -> dict[str, Any]:
    """How the files are written, as far as somebody said so."""
    if date_order is not None:
        one_of("--date-order", date_order, ORDERS)
    sign = DELIMITERS.get(delimiter, delimiter) if delimiter else None
    if sign is not None and len(sign) != 1:
        raise Refused(f"--delimiter is one sign, or one of {', '.join(DELIMITERS)}; {delimiter!r} is neither.")
    given = {
        "delimiter": sign,
        "encoding": encoding,
        "decimal": None if decimal_comma is None else "," if decimal_comma else ".",
        "date_order": date_order,
        "sheet": sheet,
    }
    return {name: value for name, value in given.items() if value is not None}


def day(given: datetime) -> date:
    """The day to look from. The calendar of dates ends with the year 9999, and days after it have to be named too."""
    if given.year >= date.max.year:
        raise Refused(f"--as-of: dates cannot be reckoned with from {date.max.year} on; name an earlier day.")
    return given.date()


def one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Refused(f"{option} is one of {', '.join(known)}, not {value!r}.")
    return value


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Django without a home, and everything said in that language."""
    one_of("--language", language, LANGUAGES)
    house.enter_without_home()
    from django.utils import translation

    from querencia.insight.language import spoken

    with translation.override(language), spoken(language):
        yield
