"""Numbers, money and dates as readers of the language write them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import format_decimal, format_percent
from django import template
from django.utils.translation import get_language

from querencia.business.models import Business
from querencia.common import money as moneys
from querencia.common import time
from querencia.insight import explain

register = template.Library()

LOCALES = {"es": "es_ES", "pt": "pt_PT", "en": "en_US"}


def language() -> str:
    return (get_language() or "en").split("-")[0]


@register.simple_tag
def spoken() -> str:
    """The language of the page, by the code that the house knows it by."""
    return language()


def locale() -> Locale:
    return Locale.parse(LOCALES.get(language(), "en_US"))


@register.filter
def number(value: float | None, decimals: int = 0) -> str:
    """1234.5 → 1,234 or 1 234,5; nothing for None."""
    if value is None:
        return ""
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    # Spanish and Portuguese leave four digits ungrouped by default; in columns of figures that reads badly.
    return str(format_decimal(round(value, decimals), format=pattern, locale=locale(), group_separator=True))


@register.filter
def percent(value: float | None, decimals: int = 0) -> str:
    """0.382 → 38 % or 38%."""
    if value is None:
        return ""
    pattern = locale().percent_formats[None].pattern
    if decimals:
        pattern = pattern.replace("0", "0." + "0" * decimals, 1) if "." not in pattern else pattern
    return str(format_percent(value, format=pattern, locale=locale()))


@register.filter
def money(minor: float | None, business: Business | str | None) -> str:
    """Minor units of the business's currency; without cents from a thousand on."""
    if minor is None or not business:
        return ""
    currency = business if isinstance(business, str) else business.currency
    return moneys.show(minor, currency, language())


@register.filter
def exact(minor: float | None, business: Business | str | None) -> str:
    """Minor units with all their decimals, as on a receipt."""
    if minor is None or not business:
        return ""
    currency = business if isinstance(business, str) else business.currency
    return moneys.show(minor, currency, language(), cents=True)


@register.filter
def signed(value: int) -> str:
    """+12 or −12."""
    return f"+{number(value)}" if value > 0 else f"−{number(-value)}" if value < 0 else "0"


@register.filter
def magnitude(minor: int) -> int:
    """Without its sign, where a word says it already: a refund of 5.00."""
    return abs(minor)


@register.filter
def country_name(code: str) -> str:
    """PT → Portugal; a code nobody knows as it stands."""
    return str(locale().territories.get(code, code))


@register.filter
def language_name(code: str) -> str:
    """pt → Portuguese, in the reader's language; a code nobody knows as it stands."""
    return str(locale().languages.get(code.split("-")[0], code))


@register.filter
def day(value: date | datetime | int | None, style: str = "medium") -> str:
    """A date (or a day number) in words; ``month`` is month and year, ``short`` day and month."""
    if value is None:
        return ""
    on = time.day_of(value) if isinstance(value, int) else value
    if style == "month":
        return str(format_skeleton("yMMM", on, locale=locale()))
    if style == "long month":
        return str(format_skeleton("yMMMM", on, locale=locale()))
    if style == "month name":
        return str(format_date(on, "LLLL", locale=locale()))
    if style == "short":
        return str(format_skeleton("MMMd", on, locale=locale()))
    return str(format_date(on, style, locale=locale()))


@register.filter
def weekday_name(number: int) -> str:
    """1 → Monday, 7 → Sunday."""
    return str(locale().days["format"]["wide"][number - 1])


@register.filter
def moment(value: datetime | None, business: Business | None = None) -> str:
    """A moment where the business is."""
    if value is None:
        return ""
    zone = ZoneInfo(business.time_zone if business else "UTC")
    return str(format_datetime(value.astimezone(zone), "short", tzinfo=zone, locale=locale()))


@register.filter
def share_of(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


@register.filter
def get(mapping: dict[str, object], key: str) -> object:
    return mapping.get(key)


@register.filter
def percent_number(share: float) -> str:
    """0.382 → 38, for cells that are known to be of a hundred."""
    return number(share * 100)


@register.filter
def points(change: float | None) -> str:
    """A change of a share in percentage points: 0.009 → 0.9."""
    return "" if change is None else number(abs(change) * 100, 1)


@register.filter
def model(name: str) -> str:
    """The name of a model or of a simple rule, in the reader's language."""
    return explain.model_name(name) if name else ""


@register.filter
def seconds(durations: dict[str, float]) -> float:
    """All steps of a run together."""
    return sum(durations.values())
