"""How a file of purchases is read: as it was told, and where nothing was told as its own rows suggest.

With a day to look from, only rows up to that day suggest anything: what happened later must not decide how earlier rows
are understood.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from querencia.cli import hindsight
from querencia.cli.faults import Refused
from querencia.common import money
from querencia.customers.imports import inspection, mapping, values, vocabulary
from querencia.customers.imports.checks import BusinessFacts, Resolved
from querencia.customers.imports.formats import FileFormat
from querencia.customers.imports.inspection import Sample
from querencia.customers.imports.problems import Unreadable, listed

# What the analysis calls the customer's own id is the customer's key in the database.
OURS = {"customer_id": "customer_key"}
THEIRS = {field: name for name, field in OURS.items()}
REQUIRED = ("customer_key", "at", "amount")
REFUNDS = ("key", "refund_of")
HINT = "--columns customer_id=…,at=…,amount=…"


@dataclass(frozen=True)
class Asked:
    """What the command line says: our names with the file's columns, how the file is written, the day looked from."""

    columns: dict[str, str]
    file_format: dict[str, Any]
    currency: str = ""
    as_of: date | None = None


@dataclass(frozen=True)
class Understood:
    """A file with all that is needed to read its rows. ``columns``: ours with the file's; ``guessed``: those untold."""

    name: str
    path: Path
    form: FileFormat
    resolved: Resolved
    columns: dict[str, str]
    guessed: list[str]
    notes: list[str]
    currency: str = ""
    has_numbered_ids: bool = False


def names() -> list[str]:
    """What ``--columns`` may name, the most important first."""
    return [THEIRS.get(known.name, known.name) for known in vocabulary.fields(vocabulary.PURCHASES)]


def pairs(given: Sequence[str]) -> dict[str, str]:
    """``customer_id=id,at=date`` as fields with the file's columns; a comma parts pairs only where another begins."""
    known = {name: OURS.get(name, name) for name in (*names(), *OURS.values())}
    found: dict[str, str] = {}
    for pair in (pair for text in given for pair in re.split(r",(?=\s*\w+\s*=)", text) if pair.strip()):
        name, sign, column = (part.strip() for part in pair.partition("="))
        if not sign:
            raise Refused(_("%(pair)r is no pair; write %(hint)s") % {"pair": pair.strip(), "hint": HINT})
        if name not in known:
            raise Refused(str(Unreadable("unknown_field", name=name, fields=listed(names(), 30))))
        if known[name] in found:
            raise Refused(_("--columns names %(name)s twice.") % {"name": name})
        found[known[name]] = column
    return found


def understand(path: Path, name: str, asked: Asked) -> Understood | None:
    """How the file is to be read; None when it holds nothing up to the day looked from. Refuses what is no log."""
    try:
        sample = inspection.sampled(path, asked.file_format)
        at = mapping.resolve(vocabulary.PURCHASES, _dates(sample, asked), sample.columns).get("at")
        if asked.as_of is not None and at is not None:
            seen = hindsight.up_to(asked.as_of, path, sample, at=at, given=asked.file_format, business=_business(asked))
            if seen is None:
                return None
            sample = seen.sample
            asked = replace(asked, file_format={**asked.file_format, **seen.known})
        return _understood(path, name, sample, asked)
    except Unreadable as fault:
        if "path" in fault.facts:
            fault.facts["path"] = name
            raise Refused(str(fault)) from fault
        raise Refused(f"{name}: {fault}") from fault


def _understood(path: Path, name: str, sample: Sample, asked: Asked) -> Understood:
    known = inspection.known_columns(sample)
    guessed = _guessed(sample)
    told = mapping.resolve(vocabulary.PURCHASES, asked.columns, sample.columns)
    mapped = {**guessed, **asked.columns}
    if missing := [field for field in REQUIRED if not mapped.get(field)]:
        raise Refused(f"{name}: {inspection.lacking(vocabulary.PURCHASES, missing, sample.columns)} {HINT}")
    for field in ("at", "amount"):
        if isinstance(column := told.get(field), str):
            _check_kind(name, field, next(each for each in known if each.name == column))
    form, notes = inspection.settled(sample, known, mapped, asked.file_format, _business(asked))
    needed = [*REQUIRED, "currency", *(REFUNDS if all(mapped.get(field) for field in REFUNDS) else ())]
    used = {field: mapped[field] for field in needed if mapped.get(field)}
    currency = _currency_of(sample, used.get("currency", ""))
    if not currency:
        used.pop("currency", None)
    return Understood(
        name,
        path,
        form,
        mapping.resolve(vocabulary.PURCHASES, used, sample.columns),
        {THEIRS.get(field, field): column for field, column in used.items()},
        [THEIRS.get(field, field) for field in used if not asked.columns.get(field)],
        notes,
        currency,
        sample.batch.frame[used["customer_key"]].dtype.is_numeric(),
    )


def _dates(sample: Sample, asked: Asked) -> dict[str, str]:
    """What tells the date: as told, else as guessed."""
    mapped = {**_guessed(sample), **asked.columns}
    return {"at": mapped.get("at", "")}


def _guessed(sample: Sample) -> dict[str, str]:
    return mapping.guess(vocabulary.PURCHASES, inspection.known_columns(sample))


def _check_kind(name: str, field: str, column: mapping.Known) -> None:
    """Refuse what a whole column contradicts: money that is dates, a date that is small numbers."""
    facts = {"column": column.name, "example": next(iter(column.values), "")}
    if field == "amount" and column.kind == mapping.DATE:
        raise Refused(f"{name}: " + _("amount=%(column)s: that column holds dates, such as %(example)s.") % facts)
    moments = r"[2-7]\d{4}(\.\d+)?|1\d{9}|1\d{12}"
    if field == "at" and column.kind == mapping.NUMERIC and column.share(re.compile(moments).fullmatch) < 0.5:
        raise Refused(f"{name}: " + _("at=%(column)s: that column holds no dates, but %(example)s.") % facts)


def _business(asked: Asked) -> BusinessFacts:
    """How a file is read must not hang on the language of the report: dollars are written the American way, the rest of
    the world writes the day first and, where a semicolon parts columns, decimals after a comma."""
    return BusinessFacts(asked.currency, language="en" if asked.currency == "USD" else "es")


def _currency_of(sample: Sample, column: str) -> str:
    """The currency that most rows name; none where the column holds something else."""
    if column not in sample.columns:
        return ""
    said = Counter(values.label(sample.batch.frame[column]).drop_nulls().str.to_uppercase().to_list())
    code = said.most_common(1)[0][0] if said else ""
    return code if money.is_currency(code) else ""
