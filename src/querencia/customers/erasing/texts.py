"""What was written down of people before anybody knew whose it is: rejected events, reasons, files of imports."""

import csv
import json
from contextlib import suppress
from itertools import batched
from pathlib import Path
from typing import Any

import polars as pl

from querencia.business.models import KeptAnswer
from querencia.customers.erasing.words import Words
from querencia.customers.imports import formats, readers
from querencia.customers.imports.folder import BOM, Busy, Folder
from querencia.customers.imports.problems import Unreadable
from querencia.customers.models import Import, Reject

LOOKED_AT = 2_000
# The third column of rejects is the value.
VALUE = 2
GONE = "…"
FILE_GONE = json.dumps({"code": "erased", "facts": {}})
Status = Import.Status
# Whatever is at work on these reads marks of erased people itself, and sweeps its files.
AT_WORK = (Status.CHECKING, Status.WRITING)


def scrub(words: Words) -> None:
    """Take out whatever names these people. Harmless when repeated."""
    _rejects(words)
    _answers(words)
    for imported in Import.objects.order_by("pk").iterator(LOOKED_AT):
        _import(imported, words)
        with suppress(Busy):
            _folder(imported, words)


def _rejects(words: Words) -> None:
    rows = Reject.objects.exclude(event="").order_by("pk").values_list("pk", "kind", "facts", "event")
    # Read to the end first: rows that go while they are read confuse SQLite.
    gone: list[int] = []
    for some in batched(rows.iterator(LOOKED_AT), LOOKED_AT, strict=False):
        texts = [f"[{json.dumps(kind)}, {json.dumps(facts)}, {event}]" for _pk, kind, facts, event in some]
        gone += [row[0] for row, found in zip(some, words.are_in(texts), strict=True) if found]
    for part in batched(gone, LOOKED_AT, strict=False):
        Reject.objects.filter(pk__in=part).delete()


def _answers(words: Words) -> None:
    """What programs were answered and may ask for again within a day."""
    rows = KeptAnswer.objects.order_by("pk").values_list("pk", "headers", "body")
    gone: list[int] = []
    for some in batched(rows.iterator(LOOKED_AT), LOOKED_AT, strict=False):
        texts = [f"[{json.dumps(headers)}, {bytes(body).decode(errors='replace') or 0}]" for _pk, headers, body in some]
        gone += [row[0] for row, found in zip(some, words.are_in(texts), strict=True) if found]
    for part in batched(gone, LOOKED_AT, strict=False):
        KeptAnswer.objects.filter(pk__in=part).delete()


def _import(imported: Import, words: Words) -> None:
    changed: dict[str, Any] = {}
    examples = [str(reason.get("example") or "") for reason in imported.reasons]
    if any(found := words.are_in(examples)):
        changed["reasons"] = [
            {**reason, "example": ""} if is_theirs else reason
            for reason, is_theirs in zip(imported.reasons, found, strict=True)
        ]
    for name in ("file_name", "error"):
        if words.are_in([getattr(imported, name)])[0]:
            changed[name] = GONE
    if changed:
        Import.objects.filter(pk=imported.pk).update(**changed)


def _folder(imported: Import, words: Words) -> None:
    """Raises Busy."""
    folder = Folder.of(imported.pk)
    if not folder.path.exists() or imported.status in AT_WORK:
        return
    with folder.claimed():
        for path in (folder.rejects, *folder.path.glob("rejects-*.csv")):
            if path.exists():
                _cells(path, words)
        is_ours = folder.file.is_file() and not folder.file.is_symlink()
        if is_ours and _names_them(imported, folder.file, words):
            # A file is not taken apart: whoever handed it over has it, and hands over another one.
            folder.sweep(keep_file=False)
            gone = Import.objects.filter(pk=imported.pk).exclude(status=Status.DONE)
            gone.update(status=Status.FAILED, error=FILE_GONE)
        elif not is_ours:
            folder.sweep()  # made anew from where the file is


def _cells(path: Path, words: Words) -> None:
    """The rejects without the values that name these people; the reasons stay."""
    waiting = path.with_name(f"{path.name}.erasing")
    has_bom = path.open("rb").read(3) == BOM.encode()
    encoding = "utf-8-sig" if has_bom else "utf-8"
    is_changed = False
    with path.open(encoding=encoding, newline="") as file, waiting.open("w", encoding=encoding, newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        for some in batched(csv.reader(file), LOOKED_AT, strict=False):
            found = words.are_in([row[VALUE] if len(row) > VALUE else "" for row in some])
            is_changed = is_changed or any(found)
            for row, is_theirs in zip(some, found, strict=True):
                writer.writerow([*row[:VALUE], "", *row[VALUE + 1 :]] if is_theirs else row)
    if is_changed:
        waiting.replace(path)
    else:
        waiting.unlink()


def _names_them(imported: Import, path: Path, words: Words) -> bool:
    try:
        form = formats.container_of(path, imported.file_format)
        return any(
            any(words.are_in(batch.frame.cast(pl.String).write_ndjson().splitlines()))
            or any(words.are_in([broken.text for broken in batch.broken]))
            for batch in readers.read(path, form)
        )
    except (Unreadable, OSError, ValueError):
        return True  # nobody can tell, and nobody can read it
