"""Invented people: names, addresses that reach nobody, towns. Pools by Faker, combined in whole columns."""

import datetime
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from faker import Faker

from querencia.insight.simulate.process import Integers, whole_number

LOCALES = {"es": ("es_ES", "ES"), "pt": ("pt_PT", "PT"), "en": ("en_GB", "GB")}
LANGUAGE_SHARES: Mapping[str, float] = {"es": 0.6, "pt": 0.25, "en": 0.15}
TWO_SURNAMES = ("es", "pt")
POOL_SIZE = 1_500
BLOCK = 1 << 16
SEED_MAX = 2**63 - 1

DOMAINS = ("example.com", "example.org", "example.net")  # RFC 2606: nobody can own them
EMAIL_SHARE, PHONE_SHARE, BIRTHDAY_SHARE = 0.94, 0.85, 0.75
AGES = (18, 90)
# Numbers that Ofcom keeps free for drama, each standing for a thousand: eleven towns, then no town, mobile, London,
# Tyneside, Belfast and Cardiff.
DRAMA = np.array(
    [int(f"44{area}4960") for area in (113, 114, 115, 116, 117, 118, 121, 131, 141, 151, 161)]
    + [441632960, 447700900, 442079460, 441914980, 442896496, 442920180]
)  # fmt: skip
# Elsewhere: leading digits that the national plans of Spain, Portugal and the United Kingdom leave unassigned, and how
# many digits follow.
UNASSIGNED = {"es": (343, 8), "pt": (3515, 8), "en": (444, 9)}
SCATTER = 61_803_399  # odd and no multiple of five: multiplying by it shuffles all numbers of eight or nine digits


def people(
    count: int,
    *,
    seed: int,
    languages: Mapping[str, float] | Sequence[str] = LANGUAGE_SHARES,
    adults_on: datetime.date = datetime.date(2025, 1, 1),
) -> Any:
    """Invented people as a PyArrow table, the same for the same seed.

    Columns: ``given_name``, ``family_name``, ``language`` (es, pt, en), ``country`` (ISO 3166), ``email``, ``phone``
    (E.164), ``birthday`` (date; of legal age on ``adults_on``), ``city``, ``postcode``. E-mail, phone and birthday are
    missing for some, as in life; no two people share an e-mail address or a phone. ``languages`` are the wanted ones,
    or their shares. The addresses reach nobody, but it is for the caller to say that these people are invented. Raises
    ``ValueError`` for parameters out of range.

    >>> people(3, seed=1).num_rows
    3
    """
    whole_number("count", count, 0, 100_000_000)
    whole_number("seed", seed, 0, SEED_MAX)
    population = Population(languages, adults_on)
    blocks = []
    for block, first in enumerate(range(0, count, BLOCK)):
        random = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(1, block))))
        blocks.append(population.draw(random, first, min(BLOCK, count - first)))
    return pa.Table.from_batches(blocks, schema=SCHEMA)


TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("given_name", pa.string()),
        ("family_name", pa.string()),
        ("language", TEXT),
        ("country", TEXT),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("birthday", pa.date32()),
        ("city", pa.string()),
        ("postcode", pa.string()),
    ]
)


@dataclass(frozen=True)
class Pool:
    """Values of all wanted languages in one column, and where each language's begin."""

    values: Any
    begin: Integers
    size: Integers

    def place(self, random: np.random.Generator, language: Integers) -> Any:
        """A random place in the pool for each person."""
        within = (random.random(len(language)) * self.size[language]).astype(np.int64)
        return pa.array((self.begin[language] + within).astype(np.int32))


class Population:
    """Pools to draw people from; one per run, since making it takes longer than drawing ten thousand people."""

    def __init__(self, languages: Mapping[str, float] | Sequence[str], adults_on: datetime.date):
        shares = _shares(languages)
        self.languages = list(shares)
        self.edges = np.cumsum(list(shares.values())) / sum(shares.values())
        self.given = _pool([_made(each)["first_name"] for each in self.languages])
        surnames = [_made(each)["last_name"] for each in self.languages]
        self.family = _pool(surnames)
        second = zip(self.languages, surnames, strict=True)
        self.second = _pool(
            [tuple(f" {s}" for s in names) if each in TWO_SURNAMES else ("",) for each, names in second]
        )
        self.city = _pool([_made(each)["city"] for each in self.languages])
        self.postcode = _pool([_made(each)["postcode"] for each in self.languages])
        self.given_address = _addressable(self.given)
        self.family_address = _addressable(self.family)
        self.born_before = (adults_on - datetime.date(1970, 1, 1)).days

    def draw(self, random: np.random.Generator, first: int, count: int) -> Any:
        """People number ``first`` to ``first + count - 1`` as a record batch of :data:`SCHEMA`."""
        language = np.searchsorted(self.edges, random.random(count), side="right").clip(max=len(self.edges) - 1)
        number = np.arange(first, first + count)
        given, family = self.given.place(random, language), self.family.place(random, language)
        second = self.second.values.take(self.second.place(random, language))
        country = pa.array([LOCALES[each][1] for each in self.languages])
        columns = [
            self.given.values.take(given),
            pc.binary_join_element_wise(self.family.values.take(family), second, ""),
            pa.DictionaryArray.from_arrays(language.astype(np.int32), pa.array(self.languages)),
            pa.DictionaryArray.from_arrays(language.astype(np.int32), country),
            self._email(random, given, family, number),
            self._phone(random, language, number),
            self._birthday(random, count),
            self.city.values.take(self.city.place(random, language)),
            self.postcode.values.take(self.postcode.place(random, language)),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    def _email(self, random: np.random.Generator, given: Any, family: Any, number: Integers) -> Any:
        domain = pa.array([f"@{each}" for each in DOMAINS]).take(
            pa.array(random.integers(0, len(DOMAINS), len(number)))
        )
        local = pc.binary_join_element_wise(
            self.given_address.take(given),
            self.family_address.take(family),
            pa.array(number + 1).cast(pa.string()),
            ".",
        )
        return _some(random, EMAIL_SHARE, pc.binary_join_element_wise(local, domain, ""))

    def _phone(self, random: np.random.Generator, language: Integers, number: Integers) -> Any:
        made = np.empty(len(number), np.int64)
        for code, each in enumerate(self.languages):
            theirs = language == code
            prefix, digits = UNASSIGNED[each]
            made[theirs] = prefix * 10**digits + number[theirs] * SCATTER % 10**digits
            if each == "en":
                drama = theirs & (number < 1_000 * len(DRAMA))
                made[drama] = DRAMA[number[drama] % len(DRAMA)] * 1_000 + number[drama] // len(DRAMA)
        return _some(random, PHONE_SHARE, pc.binary_join_element_wise("+", pa.array(made).cast(pa.string()), ""))

    def _birthday(self, random: np.random.Generator, count: int) -> Any:
        youngest, oldest = (int(age * 365.25) + 1 for age in AGES)
        days = self.born_before - youngest - (random.beta(1.6, 2.4, count) * (oldest - youngest)).astype(np.int32)
        return _some(random, BIRTHDAY_SHARE, pa.array(days.astype(np.int32)).cast(pa.date32()))


def _shares(languages: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    if isinstance(languages, str):
        languages = [languages]
    shares = (
        {k: float(v) for k, v in languages.items()} if isinstance(languages, Mapping) else dict.fromkeys(languages, 1.0)
    )
    if unknown := [each for each in shares if each not in LOCALES]:
        raise ValueError(
            f"languages names {unknown[0]!r}, for which there are no names: choose from {', '.join(LOCALES)}."
        )
    shares = {each: share for each, share in shares.items() if share != 0}
    if not shares or not all(0 < share < float("inf") for share in shares.values()):
        raise ValueError(f"languages is {languages!r}: name at least one language, with a share above zero.")
    return shares


@lru_cache
def _made(language: str) -> Mapping[str, tuple[str, ...]]:
    """Draws of Faker's providers, with the repetitions that make frequent names frequent. The same in every run."""
    fake = Faker(LOCALES[language][0])
    fake.seed_instance(language)
    kinds = ("first_name", "last_name", "city", "postcode")
    return {kind: tuple(str(getattr(fake, kind)()) for _ in range(POOL_SIZE)) for kind in kinds}


def _pool(values: Sequence[tuple[str, ...]]) -> Pool:
    size = np.array([len(each) for each in values], np.int64)
    return Pool(pa.array([value for each in values for value in each]), np.cumsum(size) - size, size)


def _addressable(pool: Pool) -> Any:
    """The pool's names as they appear in e-mail addresses: small ASCII letters."""
    plain = (unicodedata.normalize("NFKD", value.lower()) for value in pool.values.to_pylist())
    return pa.array(["".join(letter for letter in value if "a" <= letter <= "z") for value in plain])


def _some(random: np.random.Generator, share: float, values: Any) -> Any:
    known = pa.array(random.random(len(values)) < share)
    return pc.if_else(known, values, pa.scalar(None, values.type))
