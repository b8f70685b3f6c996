"""Rows of a customers file as typed people: names parted, addresses in one notation, consents yes or no."""

from collections.abc import Callable
from functools import cache, lru_cache

import phonenumbers
import polars as pl
from babel import Locale
from email_validator import EmailNotValidError, validate_email

from querencia.common.time import known_time_zones
from querencia.customers import names
from querencia.customers.imports import dates, values, vocabulary
from querencia.customers.imports.checks import KEY_LENGTH_MAX, Sieve, Source

PLAIN_EMAIL = (
    r"^[a-z0-9](?:[a-z0-9._%+-]*[a-z0-9_%+-])?"
    r"@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\.[a-z]{2,24}$"
)
EMAIL_LENGTH_MAX = 254
LENGTHS = {"given_name": 120, "family_name": 160, "city": 120, "branch": 80}
YES = (
    "1",
    "yes",
    "y",
    "true",
    "t",
    "si",
    "sí",
    "s",
    "sim",
    "granted",
    "opt-in",
    "opted in",
    "subscribed",
    "x",
    "verdadero",
    "verdadeiro",
)
NO = (
    "0",
    "no",
    "n",
    "false",
    "f",
    "não",
    "nao",
    "denied",
    "opt-out",
    "opted out",
    "unsubscribed",
    "falso",
    "withdrawn",
)
NAMES_FOR_NOTHING = ("nan", "NaN", "NULL", "#N/A", "<NA>")
OLDEST_DAY = -43_830  # 1850-01-01


def typed(source: Source, sieve: Sieve) -> pl.DataFrame:
    """Columns ``row, key`` and those mapped of ``given_name, family_name, city, branch, email, phone, language,
    country, time_zone, birthday (ISO), created_at (s since 1970 UTC), consent_* (granted or denied)``; null where the
    file is silent."""
    key = values.customer_key(source.raw("key"))
    sieve.reject("no_key", source.column("key"), key.is_null(), source.raw("key"))
    sieve.reject("customer_key_long", source.column("key"), key.str.len_chars() > KEY_LENGTH_MAX, key)
    found = {"row": source.rows, "key": key, **_names(source)}
    for field in ("city", "branch"):
        if source.has(field):
            found[field] = values.label(source.raw(field))
    for field, length in LENGTHS.items():
        if field in found:
            long = found[field].str.len_chars() > length
            sieve.warn("too_long", source.column(field) or source.column("name"), long, found[field])
            found[field] = values.shortened(found[field], length)
    found |= _coded(source, sieve) | _days(source, sieve) | _consents(source, sieve)
    return pl.DataFrame(found)


def _names(source: Source) -> dict[str, pl.Series]:
    found: dict[str, pl.Series] = {}
    for field in ("given_name", "family_name"):
        if source.has(field):
            found[field] = _name(source.raw(field))
    if source.has("name"):
        language = source.terms.business.language
        whole = _name(source.raw("name"))
        parted = [names.split(name, language) if name else (None, None) for name in whole.to_list()]
        for place, field in enumerate(("given_name", "family_name")):
            part = pl.Series([pair[place] or None for pair in parted], dtype=pl.String)
            found[field] = pl.select(pl.coalesce(found[field], part)).to_series() if field in found else part
    return found


def _name(raw: pl.Series) -> pl.Series:
    # Null is a family name; only what programs alone write is nothing.
    written = values.text(raw)
    return pl.select(pl.when(~pl.lit(written).is_in(NAMES_FOR_NOTHING)).then(written)).to_series()


def _coded(source: Source, sieve: Sieve) -> dict[str, pl.Series]:
    region = source.terms.business.country or None
    readings: dict[str, Callable[[str], str | None]] = {
        "email": email,
        "phone": lambda written: phone(written, region),
        "country": country,
        "language": language,
        "time_zone": lambda written: written if written in known_time_zones() else None,
    }
    found = {}
    for field, reading in readings.items():
        if source.has(field):
            written = values.label(source.raw(field))
            found[field] = _each(written, reading, quick=_quick_email if field == "email" else None)
            sieve.warn(f"bad_{field}", source.column(field), written.is_not_null() & found[field].is_null(), written)
    return found


def _quick_email(written: pl.Series) -> pl.Series:
    lower = written.str.to_lowercase()
    plain = lower.str.contains(PLAIN_EMAIL) & ~lower.str.contains("..", literal=True) & (lower.str.len_chars() <= 200)
    return pl.select(pl.when(plain & ~pl.lit(lower).str.contains(r"@[^@]*--")).then(lower)).to_series()


def _each(
    written: pl.Series, reading: Callable[[str], str | None], quick: Callable[[pl.Series], pl.Series] | None
) -> pl.Series:
    """Each different value once: columns repeat themselves, and the libraries behind the readings are slow."""
    made = quick(written) if quick else pl.Series([None] * len(written), dtype=pl.String)
    rest = written.filter(written.is_not_null() & made.is_null()).unique()
    if rest.is_empty():
        return made
    known = {value: reading(value) for value in rest.to_list()}
    slow = written.replace_strict(known, default=None, return_dtype=pl.String)
    return pl.select(pl.coalesce(made, slow)).to_series()


def email(written: str) -> str | None:
    """In lower case; None when no mail could reach it by its form. Asks no server."""
    try:
        found = validate_email(written, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None
    return found if len(found) <= EMAIL_LENGTH_MAX else None


@lru_cache(maxsize=100_000)
def phone(written: str, region: str | None) -> str | None:
    """As E.164, such as +34612345678; None when it cannot be dialled."""
    try:
        found = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(found):
        return None
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


@cache
def _countries() -> dict[str, str]:
    found = {"uk": "GB", "usa": "US", "eeuu": "US", "ee uu": "US", "eua": "US", "eire": "IE", "holland": "NL"}
    for spoken in ("en", "es", "pt"):
        for code, name in Locale.parse(spoken).territories.items():
            if len(code) == 2 and code.isalpha():
                found[" ".join(names.words(name))] = code
                found[code.lower()] = code
    return found


def country(written: str) -> str | None:
    """ISO 3166 code of a country named in English, Spanish or Portuguese, or coded."""
    return _countries().get(" ".join(names.words(written)))


@cache
def _languages() -> dict[str, str]:
    found = {}
    for spoken in ("en", "es", "pt"):
        for code, name in Locale.parse(spoken).languages.items():
            if len(code) == 2:
                found[names.fold(name)] = code
                found[code] = code
    return found | {"castellano": "es", "castilian": "es", "castelhano": "es"}


def language(written: str) -> str | None:
    """ISO 639 code of a language named or coded: ``es-MX``, ``Español`` and ``es`` are es."""
    said = names.fold(written.strip())
    return _languages().get(said) or _languages().get(said.replace("_", "-").split("-")[0])


def _days(source: Source, sieve: Sieve) -> dict[str, pl.Series]:
    order, zone = source.terms.form.date_order, source.terms.business.time_zone
    found = {}
    today = int(source.terms.at.timestamp()) // dates.SECONDS_A_DAY
    if source.has("birthday"):
        raw = source.moment("birthday")
        day = dates.read(raw, order=order, zone=zone)["day"]
        usable = day.is_between(OLDEST_DAY, today)
        sieve.warn(
            "bad_birthday", source.column("birthday"), ~usable.fill_null(False) & values.label(raw).is_not_null(), raw
        )
        iso = pl.when(usable).then(pl.lit(day).cast(pl.Date).dt.strftime("%Y-%m-%d"))
        found["birthday"] = pl.select(iso).to_series()
    if source.has("created_at"):
        raw = source.moment("created_at")
        moment = dates.read(raw, order=order, zone=zone)["at"]
        usable = moment.is_between(
            OLDEST_DAY * dates.SECONDS_A_DAY, int(source.terms.at.timestamp()) + dates.SECONDS_A_DAY
        )
        sieve.warn(
            "bad_created_at",
            source.column("created_at"),
            ~usable.fill_null(False) & values.label(raw).is_not_null(),
            raw,
        )
        found["created_at"] = pl.select(pl.when(usable).then(moment)).to_series()
    return found


def _consents(source: Source, sieve: Sieve) -> dict[str, pl.Series]:
    found = {}
    for field in vocabulary.CONSENT_FIELDS:
        if source.has(field):
            written = values.label(source.raw(field)).str.to_lowercase()
            answer = pl.lit(written)
            said = pl.when(answer.is_in(YES)).then(pl.lit("granted")).when(answer.is_in(NO)).then(pl.lit("denied"))
            found[field] = pl.select(said).to_series()
            sieve.warn("bad_consent", source.column(field), written.is_not_null() & found[field].is_null(), written)
    return found
