"""By what people are found in text that no row ties to them: what was rejected, reasons, files."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import phonenumbers
import polars as pl

from querencia.customers import names
from querencia.customers.models import ContactPoint, Customer, Identifier

ASKED = 5_000
# Shorter ones stand by chance in any text; they count where they are all that a cell or a field says.
INSIDE_MIN = 6
BETWEEN_DIGITS = re.compile(r"(?<=\d)[ ().\-/·]+(?=[\d(])")
PHONES = ("phone", "whatsapp")


@dataclass
class Words:
    """``whole``: values that name somebody where they stand alone; ``inside``: wherever they stand;
    ``full_names``: by the words of a family name those of the given names that go with it."""

    whole: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    full_names: dict[frozenset[str], list[frozenset[str]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, customer_ids: Sequence[int]) -> "Words":
        words = cls()
        for some in batched(customer_ids, ASKED, strict=False):
            people = Customer.objects.filter(pk__in=some)
            for key, given, family in people.values_list("key", "given_name", "family_name"):
                words._value("customer_key", key)
                if given and family:
                    words.full_names[frozenset(names.words(family))].append(frozenset(names.words(given)))
            for model in (Identifier, ContactPoint):
                for kind, value in model.objects.filter(customer__in=some).values_list("kind", "value"):
                    words._value(kind, value)
        return words

    def _value(self, kind: str, value: str) -> None:
        plain = value.casefold()
        self.whole.add(plain)
        if kind in PHONES:
            digits = value.lstrip("+")
            forms = {digits, _national(value)}
            self.whole |= forms
            self.inside |= {form for form in forms if len(form) >= INSIDE_MIN}
        # Numbers that only this house or a till gives stand in other texts by chance.
        elif len(plain) >= INSIDE_MIN and not plain.isdecimal():
            self.inside.add(plain)

    def are_in(self, texts: Sequence[str]) -> list[bool]:
        """For each text (JSON, or the values of a row) whether it names one of these people."""
        if not texts:
            return []
        said = [_values(text) for text in texts]
        joined = pl.Series(["\x1f".join(map(tidied, values)) for values in said], dtype=pl.String)
        inside = joined.str.contains_any(sorted(self.inside)).to_list() if self.inside else [False] * len(said)
        return [found or self._is_named(values) for found, values in zip(inside, said, strict=True)]

    def _is_named(self, values: Sequence[str]) -> bool:
        if any(tidied(value) in self.whole for value in values):
            return True
        said = {word for value in values for word in names.words(value)}
        return any(
            family <= said and any(given <= said for given in givens) for family, givens in self.full_names.items()
        )


def tidied(text: str) -> str:
    """In small letters, and numbers without what people write between their digits."""
    return BETWEEN_DIGITS.sub("", text.strip().casefold())


def _national(phone: str) -> str:
    try:
        return str(phonenumbers.parse(phone, None).national_number)
    except phonenumbers.NumberParseException:
        return phone.lstrip("+")


def _values(text: str) -> list[str]:
    """What JSON says, without the names of its fields; any other text as it is."""
    try:
        return list(_scalars(json.loads(text)))
    except ValueError:
        return [text]


def _scalars(value: Any) -> Iterator[str]:
    children: Iterable[Any]
    match value:
        case dict():
            children = value.values()
        case list():
            children = value
        case _:
            yield str(value)
            return
    for child in children:
        yield from _scalars(child)
