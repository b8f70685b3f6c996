"""A run of an import from where it stands to its end: pass one if it is not done, pass two from the next batch on."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from babel import Locale
from babel.numbers import format_percent
from django.db import DatabaseError, transaction
from django.utils import translation

from querencia.business.queries import business as the_business
from querencia.customers import events, kinds
from querencia.customers.imports import bulk, mapping, people, purchases, reasons, vocabulary
from querencia.customers.imports import erased as erased_people
from querencia.customers.imports.checks import BusinessFacts, Terms
from querencia.customers.imports.folder import Folder, RejectsFile, fingerprint_of
from querencia.customers.imports.formats import FileFormat
from querencia.customers.imports.inspection import check_currency, sampled
from querencia.customers.imports.problems import Unreadable, sentence
from querencia.customers.imports.purchases import Stamp, Written
from querencia.customers.imports.reasons import Tally
from querencia.customers.imports.staging import Progress, Staged, stage
from querencia.customers.models import (
    ContactPoint,
    Customer,
    Identifier,
    Import,
    Purchase,
    PurchaseLine,
    SearchTerm,
)

TEMPORARY = (
    "staged_purchases", "staged_lines", "staged_buyers", "staged_people", "staged_identifiers", "staged_points",
    "staged_consents", "staged_keys", "staged_terms", "staged_known",
)  # fmt: skip
# Two receipts of one customer on one day may be of the same amount; ten in one file hardly are by chance.
WRITTEN = {
    vocabulary.PURCHASES: (Customer, Identifier, Purchase, PurchaseLine),
    vocabulary.CUSTOMERS: (Customer, Identifier, ContactPoint, SearchTerm),
}
DOUBLED_MIN = 10
COUNTED = ("new", "changed", "unchanged", "rejected", "erased")
Status = Import.Status


def facts_of(imported: Import) -> BusinessFacts:
    """What the business adds; before it is set up, the currency of what is there, else the one the import names."""
    business = the_business()
    if business is None:
        stored = Purchase.objects.order_by("pk").values_list("currency", flat=True).first()
        return BusinessFacts(currency=stored or str(imported.file_format.get("currency") or "").upper())
    return BusinessFacts(business.currency, business.time_zone, business.language, business.country)


def run(imported: Import, *, at: datetime, progress: Progress, language: str) -> Import:
    """Call with the import's folder claimed. Problems that people can mend end in a status, not in an exception."""
    folder = Folder.of(imported.pk)
    try:
        with translation.override(language):
            _passes(imported, folder, at, progress)
    except Unreadable as fault:
        _fail(imported, fault.code, fault.facts, at)
    except OSError as fault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        _fail(imported, "disk_full" if full else "disk", {"message": str(fault)}, at)
    except DatabaseError as fault:
        message = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
        _fail(imported, "disk_full" if "full" in message else "database", {"message": message}, at)
    except Exception as fault:
        _fail(imported, "unexpected", {"message": f"{type(fault).__name__}: {fault}"[:500]}, at)
        raise
    return imported


def _passes(imported: Import, folder: Folder, at: datetime, progress: Progress) -> None:
    found = folder.read_checked()
    if found is None:
        terms = _terms(imported, _columns(imported, folder))
        _begin(imported, at)
        staged = stage(folder, imported.kind, terms, progress, read=lambda so_far: _tell(imported, so_far))
    else:
        staged = Staged.from_json(found)
        terms = _terms(imported, staged.columns)
    if not _may_be_written(imported, staged, at):
        return
    if staged.batches and _is_doubled(imported, folder, terms, at):
        return
    if staged.batches:
        _write(imported, folder, terms, staged, progress)
    folder.join_rejects()
    _end(imported, at)
    folder.sweep(keep_file=False)


@transaction.atomic
def _end(imported: Import, at: datetime) -> None:
    """Done, and told: the rows themselves set nothing off, that a file is done may."""
    imported.status, imported.finished_at, imported.error = Status.DONE, at, ""
    imported.save(update_fields=["status", "finished_at", "error"])
    rows = {name: getattr(imported, f"rows_{name}") for name in COUNTED}
    told = {"import": imported.pk.hex, "kind": imported.kind, **rows}
    events.record([events.NewEvent(kinds.IMPORT_DONE, imported.pk.hex, "imports", properties=told)], at=at)


def _columns(imported: Import, folder: Folder) -> list[str]:
    """The file's columns. Raises Unreadable when it is no longer the file that was handed over."""
    if not folder.file.exists():
        raise Unreadable("gone")
    if imported.started_at and imported.fingerprint:
        how = (imported.kind, imported.mapping, imported.file_format, imported.source)
        if fingerprint_of(folder.file, *how) != imported.fingerprint:
            raise Unreadable("changed")
    return sampled(folder.file, imported.file_format).columns


def _terms(imported: Import, columns: list[str]) -> Terms:
    form = FileFormat.from_json(imported.file_format)
    business = facts_of(imported)
    check_currency(imported.kind, form, business)
    # The future begins a day after the file was handed over, however often it is started again.
    return Terms(mapping.resolve(imported.kind, imported.mapping, columns), form, business, imported.created_at)


def _begin(imported: Import, at: datetime) -> None:
    imported.status, imported.error, imported.batches_done = Status.CHECKING, "", 0
    imported.started_at = imported.started_at or at
    imported.rows_read = imported.rows_new = imported.rows_changed = imported.rows_unchanged = (
        imported.rows_rejected
    ) = imported.rows_erased = 0
    imported.reasons = []
    imported.save()


def _tell(imported: Import, staged: Staged) -> None:
    imported.rows_read, imported.rows_rejected = staged.rows_read, staged.tally.rejected
    imported.save(update_fields=["rows_read", "rows_rejected"])


def _may_be_written(imported: Import, staged: Staged, at: datetime) -> bool:
    rejected, read = staged.tally.rejected, staged.rows_read
    if imported.batches_done == 0:
        imported.rows_total = imported.rows_read = read
        imported.rows_rejected, imported.reasons = rejected, staged.tally.as_json()
        imported.rows_erased = staged.erased
    is_nothing_left = staged.batches == 0 and staged.erased == 0
    if imported.batches_done == 0 and (is_nothing_left or rejected > imported.reject_limit * read):
        imported.status, imported.finished_at = Status.STOPPED, at
        facts = {"rejected": rejected, "read": read, "limit": imported.reject_limit}
        code = "rejects" if staged.batches else "nothing_left"
        imported.error = json.dumps({"code": code, "facts": facts})
        imported.save()
        return False
    imported.status, imported.error = Status.WRITING, ""
    imported.save()
    return True


def _is_doubled(imported: Import, folder: Folder, terms: Terms, at: datetime) -> bool:
    """Stop before the same log is counted twice under other numbers, unless everything is to be taken."""
    if imported.kind != vocabulary.PURCHASES or imported.batches_done or imported.reject_limit >= 1:
        return False
    first = pl.DataFrame(pl.from_arrow(pq.ParquetFile(folder.staged).read_row_group(0)))
    with transaction.atomic():
        bulk.begin()
        purchases.load(first)
        doubled = purchases.stored_under_other_numbers(_stamp(imported, terms))
    if doubled <= max(DOUBLED_MIN, len(first) // 2):
        return False
    imported.status, imported.finished_at = Status.STOPPED, at
    imported.error = json.dumps({"code": "doubled", "facts": {"doubled": doubled, "read": len(first)}})
    imported.save(update_fields=["status", "finished_at", "error"])
    return True


def _write(imported: Import, folder: Folder, terms: Terms, staged: Staged, progress: Progress) -> None:
    writer: Callable[[pl.DataFrame, pl.DataFrame | None, Stamp], Written]
    writer = people.write if imported.kind == vocabulary.CUSTOMERS else purchases.write
    stamp = _stamp(imported, terms)
    rows = pq.ParquetFile(folder.staged)
    lines = pq.ParquetFile(folder.lines) if folder.lines.exists() else None
    for number in range(imported.batches_done, staged.batches):
        part = pl.DataFrame(pl.from_arrow(rows.read_row_group(number)))
        its_lines = pl.DataFrame(pl.from_arrow(lines.read_row_group(number))) if lines else None
        with transaction.atomic():
            bulk.begin()
            part, left_out, erased = erased_people.left_out(imported.kind, part, stamp.columns)
            written = writer(part, its_lines, stamp) if len(part) else Written(0, 0, reasons.nothing(), 0)
            written = replace(written, rejects=pl.concat([left_out, written.rejects]))
            imported.rows_erased += erased
            if not written.rejects.is_empty():
                with RejectsFile(folder.rejects_of(number), with_header=False) as file:
                    file.add(written.rejects)
            _count(imported, number, written)
        if _is_time_to_count(number, staged.batches):
            bulk.count_anew(*WRITTEN[imported.kind])
        progress("writing", (number + 1) / staged.batches)
    bulk.drop(*TEMPORARY)


def _is_time_to_count(number: int, batches: int) -> bool:
    """After the first, second, fourth, eighth batch and so on, and after the last: whenever tables have doubled."""
    done = number + 1
    return done == batches or done & number == 0


def _stamp(imported: Import, terms: Terms) -> Stamp:
    return Stamp(
        source=imported.source,
        currency=terms.business.currency,
        recorded_at=int((imported.started_at or imported.created_at).timestamp()),
        columns={name: given if isinstance(given, str) else given.text for name, given in terms.resolved.items()},
        file_name=imported.file_name,
        reference=imported.pk.hex[:8],
    )


def _count(imported: Import, number: int, written: Written) -> None:
    tally = Tally.of(imported.reasons)
    tally.add(written.rejects)
    imported.reasons = tally.as_json()
    imported.rows_new += written.new
    imported.rows_changed += written.changed
    imported.rows_unchanged += written.unchanged
    imported.rows_rejected += written.rejected
    imported.batches_done = number + 1
    imported.save(update_fields=["reasons", *(f"rows_{name}" for name in COUNTED), "batches_done"])


def _fail(imported: Import, code: str, facts: dict[str, Any], at: datetime) -> None:
    kept = {name: value if isinstance(value, int | float) else str(value) for name, value in facts.items()}
    # What a broken transaction counted is not so: the row tells how far it really came.
    imported.refresh_from_db()
    imported.status, imported.finished_at = Status.FAILED, at
    imported.error = json.dumps({"code": code, "facts": kept})
    imported.save(update_fields=["status", "finished_at", "error"])


def problem(imported: Import) -> dict[str, Any]:
    """The ``code`` and ``facts`` of why it stopped or failed; empty when it did not."""
    try:
        found: dict[str, Any] = json.loads(imported.error) if imported.error else {}
    except ValueError:
        return {}
    return found


def why(imported: Import) -> str:
    """Why it stopped or failed, in the active language."""
    found = problem(imported)
    if not found:
        return imported.error
    facts = dict(found["facts"])
    if found["code"] in ("rejects", "nothing_left"):
        facts |= {"share": _percent(facts["rejected"] / max(facts["read"], 1)), "limit": _percent(facts["limit"])}
    counted = {name: reasons.count(value) for name, value in facts.items() if isinstance(value, int)}
    return sentence(found["code"], facts | counted)


def _percent(share: float) -> str:
    locale = Locale.parse(translation.to_locale(translation.get_language() or "en"))
    # The language's own way, with one decimal where there is one.
    return str(format_percent(share, format=locale.percent_formats[None].pattern.replace("0", "0.#"), locale=locale))
