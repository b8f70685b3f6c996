"""Numbers, money and days as readers of the current language write them."""

import datetime
import re

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision

from querencia.insight.language import current
from querencia.insight.reading import date_of

MONTH_STYLES = {"month": "yMMMM", "short month": "yMMM"}
LOCALES = {"en": "en_US", "es": "es_ES", "pt": "pt_PT"}


def _locale() -> Locale:
    return Locale.parse(LOCALES[current()])


def decimals(currency: str) -> int:
    """Decimals of a currency by ISO 4217."""
    return int(get_currency_precision(currency.upper()))


def number(value: float, digits: int = 0) -> str:
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return str(format_decimal(round(value, digits), format=pattern, locale=_locale()))


def percent(share: float, digits: int = 0) -> str:
    pattern = _locale().percent_formats[None].pattern.replace("0", "0." + "0" * digits if digits else "0", 1)
    return str(format_percent(share, format=pattern, locale=_locale()))


def money(minor: float, currency: str) -> str:
    """An amount in minor units; from a thousand on without cents. A bare number where nobody knows the currency."""
    value = minor / 10 ** decimals(currency)
    is_whole = abs(value) >= 1000
    if not currency:
        return number(value, 0 if is_whole else 2)
    pattern = _locale().currency_formats["standard"].pattern
    pattern = re.sub(r"\.0+", "", pattern) if is_whole else pattern
    return str(format_currency(value, currency, format=pattern, locale=_locale(), currency_digits=not is_whole))


def day(on: int | datetime.date, style: str = "medium") -> str:
    """A date or a day number; ``month`` and ``short month`` are month and year."""
    date = date_of(on) if isinstance(on, int) else on
    if style in MONTH_STYLES:
        return str(format_skeleton(MONTH_STYLES[style], date, locale=_locale()))
    return str(format_date(date, style, locale=_locale()))
