"""A file was handed over: it is kept, looked at, confirmed by somebody, and read in the background."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from querencia.business.models import Staff
from querencia.business.queries import business
from querencia.customers import actions, imports
from querencia.customers.imports import Inspection
from querencia.customers.models import Import
from querencia.customers.queries import imports as queries


def hand_over(
    *, file: Any, file_name: str, at: datetime, kind: str | None = None, started_by: Staff | None = None
) -> Import:
    """Keep a file (an upload, an open file or a path) and note what it seems to be. Nothing is written of it yet."""
    imported = actions.receive_file(path=actions.spool(file), file_name=file_name, at=at, started_by=started_by)
    seen = look_at(imported, at=at, kind=kind)
    return actions.describe_import(
        imported=imported,
        kind=seen.kind,
        mapping=seen.mapping,
        file_format=seen.file_format,
        rows_estimated=seen.rows_estimated,
    )


def look_at(
    imported: Import,
    *,
    at: datetime,
    kind: str | None = None,
    mapping: dict[str, str] | None = None,
    file_format: dict[str, Any] | None = None,
) -> Inspection:
    """How the file is, or would be, read. Writes nothing."""
    return imports.inspect(
        queries.file_path(imported),
        file_name=imported.file_name,
        business=imports.facts_of(business()),
        at=at,
        kind=kind or (imported.kind if mapping is not None else None),
        mapping=mapping,
        file_format=file_format,
    )


def confirm(
    imported: Import,
    *,
    mapping: dict[str, str],
    file_format: dict[str, Any],
    at: datetime,
    kind: str | None = None,
    reject_limit: float = 0.1,
    source: str = "import",
) -> Import:
    """Have the file read so, in the background. Raises ValidationError when it cannot be read so, or is read already.

    A file that stopped because of its rejects goes on from there when more of them are allowed.
    """
    if imported.status == Import.Status.DONE:
        raise ValidationError(_("This file has been imported already."))
    seen = look_at(imported, at=at, kind=kind or imported.kind, mapping=mapping, file_format=file_format)
    if not seen.is_ready:
        raise ValidationError(seen.problem)
    try:
        queued = actions.queue_import(
            imported=imported,
            kind=seen.kind,
            mapping={field: column for field, column in seen.mapping.items() if column},
            file_format=seen.file_format,
            source=source,
            reject_limit=reject_limit,
        )
    except actions.AlreadyRunning:
        raise ValidationError(_("This file is being imported already.")) from None
    _wake(queued)
    return queued


def again(imported: Import, *, at: datetime) -> Import:
    """Go on with one that failed or was cut off; one at which somebody is at work goes on anyway."""
    with suppress(actions.AlreadyRunning):
        imported = actions.requeue_import(imported=imported)
        _wake(imported)
    return imported


def discard(imported: Import) -> bool:
    """Forget a file of which nothing was written; whether it could be forgotten."""
    try:
        return actions.discard_import(imported=imported)
    except actions.AlreadyRunning:
        return False


def carry_out(import_id: Any, *, at: datetime) -> Import | None:
    """What the worker does. None: somebody else is at it. What follows from it is a reaction."""
    try:
        return actions.run_import(import_id, at=at)
    except (actions.AlreadyRunning, Import.DoesNotExist):
        return None


def _wake(imported: Import) -> None:
    # The row is what counts: a message that is lost costs a minute, never an import.
    from querencia.flows import tasks

    tasks.run_import(str(imported.pk))
