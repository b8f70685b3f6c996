"""Files of purchases and people: handed over, described, queued, run, discarded."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from querencia.business.models import Staff
from querencia.business.queries import business as the_business
from querencia.customers.imports import running
from querencia.customers.imports.folder import Busy, Folder, fingerprint_of
from querencia.customers.imports.staging import Progress
from querencia.customers.models import Import

FINISHED = (Import.Status.DONE,)
CHUNK = 1 << 20


class AlreadyRunning(Exception):
    """Another process is at work on this import."""


def spool(file: Any) -> Path:
    """A copy in our own folder, on the same disk as where it will be kept, without holding the file in memory."""
    folder = Path(settings.IMPORTS_FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"incoming-{secrets.token_hex(8)}"
    try:
        with path.open("wb") as out:
            for chunk in _chunks(file):
                out.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _chunks(file: Any) -> Iterator[bytes]:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            yield from _chunks(opened)
    elif hasattr(file, "chunks"):
        yield from file.chunks()
    else:
        while chunk := file.read(CHUNK):
            yield chunk


def register_import(
    *,
    path: Path,
    file_name: str,
    kind: str,
    mapping: dict[str, str],
    file_format: dict[str, Any],
    at: datetime,
    source: str = "import",
    reject_limit: float = 0.1,
    started_by: Staff | None = None,
    rows_estimated: int = 0,
    move: bool = False,
) -> Import:
    """Take a file in, ready to be run. The same file read the same way that has not come to its end is the same import:
    it goes on where it stopped. `move`: the file is ours and moves; else it stays where it is and must stay so.
    """
    fingerprint = fingerprint_of(path, kind, mapping, file_format, source)
    with transaction.atomic():
        known = (
            Import.objects.filter(fingerprint=fingerprint).exclude(status__in=FINISHED).order_by("-created_at").first()
        )
        if known is not None:
            known.reject_limit, known.started_by = reject_limit, started_by or known.started_by
            known.save(update_fields=["reject_limit", "started_by"])
            imported = known
        else:
            imported = Import.objects.create(
                kind=kind,
                status=Import.Status.QUEUED,
                file_name=file_name[:255],
                fingerprint=fingerprint,
                source=source,
                file_format=file_format,
                mapping=mapping,
                reject_limit=reject_limit,
                rows_total=rows_estimated,
                started_by=started_by,
                created_at=at,
            )
    Folder.of(imported.pk).keep(path, move=move)
    return imported


def receive_file(*, path: Path, file_name: str, at: datetime, started_by: Staff | None = None) -> Import:
    """Keep an uploaded file (it moves) until somebody confirms how it is to be read."""
    imported = Import.objects.create(
        file_name=file_name[:255], created_at=at, started_by=started_by, status=Import.Status.UPLOADED
    )
    Folder.of(imported.pk).keep(path, move=True)
    return imported


def describe_import(
    *, imported: Import, kind: str, mapping: dict[str, str], file_format: dict[str, Any], rows_estimated: int = 0
) -> Import:
    """Note how a received file would be read."""
    imported.kind, imported.mapping, imported.file_format = kind, mapping, file_format
    imported.rows_total = rows_estimated
    imported.save(update_fields=["kind", "mapping", "file_format", "rows_total"])
    return imported


def queue_import(
    *,
    imported: Import,
    kind: str,
    mapping: dict[str, str],
    file_format: dict[str, Any],
    source: str = "import",
    reject_limit: float = 0.1,
) -> Import:
    """Make a received file ready to be run. What was checked is checked anew only if it is to be read otherwise.

    Raises AlreadyRunning.
    """
    with _to_itself(imported) as folder:
        if imported.status in FINISHED:
            return imported
        fingerprint = fingerprint_of(folder.file, kind, mapping, file_format, source)
        if fingerprint != imported.fingerprint:
            folder.sweep()
            imported.batches_done = 0
        imported.kind, imported.mapping, imported.file_format = kind, mapping, file_format
        imported.source, imported.reject_limit, imported.fingerprint = source, reject_limit, fingerprint
        imported.status, imported.error = Import.Status.QUEUED, ""
        imported.save()
    return imported


def requeue_import(*, imported: Import) -> Import:
    """Have one that failed or was cut off go on. One that is done stays so. Raises AlreadyRunning."""
    with _to_itself(imported):
        if imported.status not in FINISHED:
            imported.status, imported.error = Import.Status.QUEUED, ""
            imported.save(update_fields=["status", "error"])
    return imported


def discard_import(*, imported: Import) -> bool:
    """Forget a file of which nothing was written; whether it could be forgotten. Raises AlreadyRunning."""
    with _to_itself(imported) as folder:
        if imported.batches_done or imported.status in FINISHED:
            return False
        imported.delete()
        folder.remove()
    return True


@contextmanager
def _to_itself(imported: Import) -> Iterator[Folder]:
    """The import's folder, and its row as it is now, while nobody else is at work on it. Raises AlreadyRunning."""
    folder = Folder.of(imported.pk)
    try:
        with folder.claimed():
            imported.refresh_from_db()
            yield folder
    except Busy:
        raise AlreadyRunning from None


def run_import(
    import_id: Any, *, at: datetime, progress: Progress | None = None, language: str | None = None
) -> Import:
    """Run an import from where it stands to its end; one that is done stays so. Ends in status done, stopped (too many
    rejects: nothing was written) or failed (goes on when run again). Raises AlreadyRunning.
    """
    imported = Import.objects.select_related("started_by").get(pk=import_id)
    if imported.status in FINISHED:
        return imported
    with _to_itself(imported):
        if imported.status in FINISHED:
            return imported
        return running.run(
            imported,
            at=at,
            progress=progress or (lambda _stage, _share: None),
            language=language or _language_of(imported),
        )


def _language_of(imported: Import) -> str:
    if imported.started_by and imported.started_by.language:
        return imported.started_by.language
    business = the_business()
    return business.language if business else "en"
