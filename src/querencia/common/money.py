"""Money is an integer number of minor units with an ISO 4217 currency; this is where text and decimals become it."""

import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cache

from babel import Locale
from babel.core import get_global
from babel.numbers import format_currency, get_currency_precision



@cache
def known_currencies() -> frozenset[str]:
    """ISO 4217 codes that the Unicode data knows."""
    return frozenset(code for code in get_global("all_currencies") if len(code) == 3 and code.isalpha())


def is_currency(code: str) -> bool:
    return code.upper() in known_currencies()


@cache
def exponent(currency: str) -> int:
    """How many decimals the currency has: EUR 2, JPY 0, KWD 3."""
    return int(get_currency_precision(currency.upper()))


def to_minor(amount: Decimal, currency: str) -> int:
    """Minor units of an amount; half a unit goes to the even neighbour (ISO 80000-1, as banks do)."""
    return int((amount * (10 ** exponent(currency))).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def to_decimal(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-exponent(currency))


def parse(text: str, *, decimal_comma: bool = False) -> Decimal:
    """Read an amount as people write it: ``1.234,56 €``, ``-12.5``, ``(3,00)``.

    Raises ValueError when it is no number.
    """
    cleaned = re.sub(r"[^\d.,'()+\-eE \u00a0\u202f]", "", text).strip()
    negative = cleaned.startswith("(") and cleaned.endswith(")")
    cleaned = cleaned.strip("()").replace("'", "").replace(" ", "").replace("\u00a0", "").replace("\u202f", "")
    cleaned = cleaned.replace(".", "").replace(",", ".") if decimal_comma else cleaned.replace(",", "")
    try:
        value = Decimal(cleaned)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not an amount")
    return -value if negative else value


def show(minor: float, currency: str, language: str, *, cents: bool | None = None) -> str:
    """An amount as readers of the language write it; from 1,000 on without cents unless asked for."""
    value = Decimal(round(minor)).scaleb(-exponent(currency))
    whole = abs(value) >= 1000 if cents is None else not cents
    if whole:
        value = value.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    locale = Locale.parse({"es": "es_ES", "pt": "pt_PT"}.get(language, "en_US"))
    pattern = locale.currency_formats["standard"].pattern
    if whole:
        pattern = re.sub(r"\.0+", "", pattern)
    return str(format_currency(value, currency, format=pattern, locale=locale, currency_digits=not whole))
