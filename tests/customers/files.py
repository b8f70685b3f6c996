"""Files as businesses have them, and what the database holds after they were read."""

import gzip
import io
import json
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl

from querencia.business.queries import business
from querencia.customers import actions, imports
from querencia.customers.imports import Inspection
from querencia.customers.models import Consent, ContactPoint, Customer, Identifier, Import, Purchase, PurchaseLine

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
type Row = Sequence[Any]


def look(path: Path, **how: Any) -> Inspection:
    return imports.inspect(path, file_name=path.name, business=imports.facts_of(business()), at=AT, **how)


def register(path: Path, *, source: str = "import", limit: float = 0.1, **how: Any) -> Import:
    """As the command line does: what is told replaces what is guessed."""
    told = how.pop("mapping", {})
    seen = look(path, **how)
    if told:
        how["kind"] = how.get("kind") or seen.kind
        seen = look(path, mapping={**seen.mapping, **told}, **how)
    assert seen.is_ready, seen.problem
    return actions.register_import(
        path=path,
        file_name=path.name,
        kind=seen.kind,
        mapping={field: column for field, column in seen.mapping.items() if column},
        file_format=seen.file_format,
        at=AT,
        source=source,
        reject_limit=limit,
        rows_estimated=seen.rows_estimated,
    )


def bring_in(path: Path, **how: Any) -> Import:
    """The file imported to its end."""
    return run(register(path, **how))


def run(imported: Import) -> Import:
    done = actions.run_import(imported.pk, at=AT)
    assert done.rows_read == done.rows_new + done.rows_changed + done.rows_unchanged + done.rows_rejected or (
        done.status != Import.Status.DONE
    )
    return done


def counts(done: Import) -> tuple[int, int, int, int]:
    """Read, new, unchanged, rejected."""
    assert done.status == Import.Status.DONE, done.error
    return done.rows_read, done.rows_new, done.rows_unchanged, done.rows_rejected


def reasons(done: Import) -> dict[str, int]:
    return {reason["code"]: reason["count"] for reason in done.reasons}


def table(header: Sequence[str], rows: Sequence[Row], *, delimiter: str = ",", end: str = "\n") -> str:
    """As text with columns; cells are written as they are."""
    lines = [delimiter.join(str(cell) for cell in row) for row in ([header, *rows] if header else rows)]
    return end.join(lines) + end


def workbook(rows: Sequence[Row], *, title: str = "Sheet", more: dict[str, Sequence[Row]] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for name, others in (more or {}).items():
        beside = book.create_sheet(name)
        for row in others:
            beside.append(list(row))
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def zipped(files: dict[str, bytes | str]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return kept.getvalue()


def packed(content: bytes, packing: str) -> bytes:
    if packing == "zip":
        return zipped({"data.csv": content})
    return gzip.compress(content) if packing == "gzip" else content


def json_lines(header: Sequence[str], rows: Sequence[Row]) -> bytes:
    return "\n".join(json.dumps(dict(zip(header, row, strict=True)), default=str) for row in rows).encode()


def parquet(header: Sequence[str], rows: Sequence[Row]) -> bytes:
    kept = io.BytesIO()
    pl.DataFrame(list(rows), schema=list(header), orient="row").write_parquet(kept)
    return kept.getvalue()


def purchases() -> list[tuple[Any, ...]]:
    """Every purchase with its lines, without ids and what only says when it was recorded."""
    lines: dict[int, list[tuple[Any, ...]]] = {}
    for line in PurchaseLine.objects.order_by("purchase_id", "number"):
        facts = (line.number, line.sku, line.name, line.category, line.quantity, line.amount)
        lines.setdefault(line.purchase_id, []).append(facts)
    found = Purchase.objects.select_related("customer").order_by("source", "key")
    return [
        (p.source, p.key, p.customer.key, p.at, p.day, p.amount, p.currency, p.cost, p.channel, p.branch, p.refund_of,
         tuple(lines.get(p.pk, [])))
        for p in found
    ]  # fmt: skip


def people() -> list[tuple[Any, ...]]:
    """Every customer with identifiers, addresses and consents."""
    found = []
    for person in Customer.objects.order_by("key"):
        facts = {field.name: getattr(person, field.name) for field in Customer._meta.concrete_fields}
        for name in ("id", "created_at"):
            facts.pop(name)
        identifiers = sorted(Identifier.objects.filter(customer=person).values_list("kind", "value"))
        points = sorted(ContactPoint.objects.filter(customer=person).values_list("kind", "value"))
        consents = sorted(Consent.objects.filter(customer=person).values_list("channel", "purpose", "status"))
        terms = sorted(person.search_terms.values_list("term", flat=True))
        found.append((tuple(facts.values()), identifiers, points, consents, terms))
    return found


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    with suppress(FileNotFoundError):
        path.unlink()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
