"""All that is known of a person, to hand out: as JSON for machines, and as one page that needs nothing beside it. Both
come row by row, so that a person with a million events takes no more memory than one with ten."""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import batched, islice
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from querencia.business.queries import business as the_business
from querencia.common import money
from querencia.customers.privacy import Section
from querencia.customers.queries import profile
from querencia.flows import privacy

FORMAT = "querencia.person/1"
PAGE = "flows/person.html"
# A browser shows no million rows; the JSON file holds them all.
SHOWN = 1_000
TOGETHER = 500
# So few rows are read better from top to bottom.
BESIDE = 3


def language_of(customer_id: int) -> str:
    """The person's own language, if it is one of the house's, else the business's."""
    business, person = the_business(), profile.person(customer_id)
    own = person.language.split("-")[0] if person else ""
    return own if own in dict(settings.LANGUAGES) else business.language if business else "en"


def as_json(customer_id: int, *, at: datetime) -> Iterator[str]:
    """An object with a list of rows for each kind of what is known. Amounts are minor units of their currency."""
    business = the_business()
    head = {"format": FORMAT, "exported_at": at, "business": business.name if business else ""}
    head |= {"currency": business.currency if business else ""}
    yield json.dumps(head, cls=DjangoJSONEncoder, ensure_ascii=False)[:-1]
    yield ', "sections": {'
    for number, section in enumerate(privacy.everything_of(customer_id)):
        yield f"{', ' if number else ''}\n{json.dumps(section.name)}: ["
        rows = map(dict, section.rows)
        for place, some in enumerate(batched(rows, TOGETHER, strict=False)):
            said = json.dumps(some, cls=DjangoJSONEncoder, ensure_ascii=False)
            yield f"{',' if place else ''}\n{said[1:-1]}"
        yield "]"
    yield "}}\n"


def as_page(customer_id: int, *, at: datetime, language: str) -> Iterator[str]:
    """HTML in one of the house's languages, to read, to print and to mail; of each kind the newest thousand rows."""
    business = the_business()
    reader = _Reader(language, business.time_zone if business else "UTC", business.currency if business else "")
    with translation.override(language):
        name = business.name if business else ""
        said = {"language": language, "business": name, "at": reader.moment(at)}
        yield render_to_string(f"{PAGE}#head", said)
    for section in privacy.everything_of(customer_id):
        # Between two pieces somebody else may speak another language in this thread.
        with translation.override(language):
            yield render_to_string(f"{PAGE}#section", _shown(section, reader))
    with translation.override(language):
        yield render_to_string(f"{PAGE}#foot", {})


def _shown(section: Section, reader: "_Reader") -> dict[str, Any]:
    rows = list(islice(section.rows, SHOWN + 1))
    told = [{name: reader.told(section, name, row) for name in section.columns} for row in rows[:SHOWN]]
    # What is blank from top to bottom says nothing.
    names = [name for name in section.columns if any(row[name] for row in told)]
    labels = {name: _capital(str(section.columns[name])) for name in names}
    return {
        "title": section.title,
        "labels": labels.values(),
        "rows": [[row[name] for name in names] for row in told],
        "pairs": [(labels[name], [row[name] for row in told]) for name in names],
        "is_beside": len(rows) <= BESIDE,
        "has_more": len(rows) > SHOWN,
        "shown": reader.number(SHOWN),
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class _Reader:
    """Values as a reader of a language, where the business is, has them."""

    def __init__(self, language: str, zone: str, currency: str) -> None:
        self.language, self.zone, self.currency = language, ZoneInfo(zone), currency
        self.locale = money.LOCALES.get(language, "en_US")

    def told(self, section: Section, name: str, row: Mapping[str, Any]) -> str:
        value = row[name]
        if name in section.money and value is not None:
            return self.money(value, row.get("currency") or self.currency)
        if name in section.words and value in section.words[name]:
            return str(section.words[name][value])
        if name == "lines":
            return "; ".join(self._line(line, row.get("currency") or self.currency) for line in value)
        return self.plain(value)

    def _line(self, line: Mapping[str, Any], currency: str) -> str:
        what = " · ".join(part for part in (line["name"], line["sku"], line["category"]) if part)
        times = f"{self.plain(line['quantity'])} × " if line["quantity"] is not None else ""
        return f"{times}{what} {self.money(line['amount'], currency)}".strip()

    def plain(self, value: Any) -> str:
        match value:
            case None | "" | {} | []:
                return ""
            case bool():
                return _("yes") if value else _("no")
            case datetime():
                return self.moment(value)
            case date():
                return str(format_date(value, "long", locale=self.locale))
            case Decimal():
                return f"{value.normalize():f}"
            case float():
                return f"{value:.4g}"
            case dict() | list():
                return json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder)
            case _:
                return str(value)

    def moment(self, value: datetime) -> str:
        return str(format_datetime(value, "medium", tzinfo=self.zone, locale=self.locale))

    def money(self, minor: int, currency: str) -> str:
        return money.show(minor, currency, self.language, cents=True) if currency else str(minor)

    def number(self, value: int) -> str:
        from babel.numbers import format_decimal

        return str(format_decimal(value, locale=self.locale))
