"""Money is an integer number of minor units with an ISO 4217 currency; this is where text and decimals become it."""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import cache

from babel import Locale
from babel.core import get_global
from babel.numbers import format_currency, get_currency_precision

# More digits than any amount has: sums and shifts inside it are exact.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
MINOR_MAX = 9 * 10**14  # ten thousand of these still add up within 64 bits
SPACES = re.compile(r"[\s\u00a0\u202f'’]")
# A currency before or after the number: a sign, a code of three letters, R$, US$, S/.
MARK = r"(?:[A-Za-z]{0,3}[$€£¥₡₦₩₪₫₱₲₴₹₺₽₿¢]|S/\.?|[A-Za-z]{3})"
NUMBER = {
    False: re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"),
    True: re.compile(r"(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?|,\d+"),
}


@cache
def known_currencies() -> frozenset[str]:
    """ISO 4217 codes that the Unicode data knows."""
    return frozenset(code for code in get_global("all_currencies") if len(code) == 3 and code.isalpha())


# Where figures are written as readers of each language expect them.
LOCALES = {"en": "en_US", "es": "es_ES", "pt": "pt_PT"}


def is_currency(code: str) -> bool:
    return code.upper() in known_currencies()


@cache
def exponent(currency: str) -> int:
    """How many decimals the currency has: EUR 2, JPY 0, KWD 3."""
    return int(get_currency_precision(currency.upper()))


def to_minor(amount: Decimal, currency: str) -> int:
    """Minor units of an amount; half a unit goes to the even neighbour (ISO 80000-1, as banks do).

    Raises ValueError when it is no finite number, or beyond 9 × 10¹⁴ minor units.
    """
    if not amount.is_finite() or abs(amount) > MINOR_MAX:
        raise ValueError(f"{amount} is no amount of money")
    minor = int(amount.scaleb(exponent(currency), EXACT).to_integral_value(ROUND_HALF_EVEN, EXACT))
    if abs(minor) > MINOR_MAX:
        raise ValueError(f"{amount} is beyond {MINOR_MAX:,} minor units")
    return minor


def to_decimal(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-exponent(currency), EXACT)


def parse(text: str, *, decimal_comma: bool = False) -> Decimal:
    """Read an amount as people write it: ``1.234,56 €``, ``-12.5``, ``12,50-``, ``(3,00)``.

    A separator where it cannot stand is an error, not a thousandfold amount: ``1,5`` is no number with a decimal point.
    Raises ValueError when it is no number.
    """
    cleaned = SPACES.sub("", text).replace("−", "-")
    inner = cleaned[1:-1] if cleaned.startswith("(") and cleaned.endswith(")") else cleaned
    found = re.fullmatch(rf"(?P<a>[-+]?)(?:{MARK})?(?P<b>[-+]?)(?P<n>[\d.,]+)(?P<c>-?)(?:{MARK})?(?P<d>-?)", inner)
    signs = "".join(found.group("a", "b", "c", "d")) if found else ""
    if not found or len(signs) > 1 or (signs and inner != cleaned) or not NUMBER[decimal_comma].fullmatch(found["n"]):
        raise ValueError(f"{text!r} is not an amount")
    digits = found["n"].replace(".", "").replace(",", ".") if decimal_comma else found["n"].replace(",", "")
    try:
        value = Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount") from None
    return value.copy_negate() if inner != cleaned or signs == "-" else value


def show(minor: float, currency: str, language: str, *, cents: bool | None = None) -> str:
    """An amount as readers of the language write it; from 1,000 on without cents unless asked for."""
    value = to_decimal(round(minor), currency)
    whole = abs(value) >= 1000 if cents is None else not cents
    if whole:
        value = value.to_integral_value(ROUND_HALF_EVEN, EXACT)
    locale = Locale.parse(LOCALES.get(language, "en_US"))
    pattern = locale.currency_formats["standard"].pattern
    if whole:
        pattern = re.sub(r"\.0+", "", pattern)
    return str(format_currency(value, currency, format=pattern, locale=locale, currency_digits=not whole))
