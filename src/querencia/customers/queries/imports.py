"""Reading imports: how far they are, what came of them."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from querencia.customers.imports import running
from querencia.customers.imports.folder import Folder
from querencia.customers.models import Import, Purchase

Status = Import.Status
# The first pass is the quicker one.
SHARE_OF_CHECKING = 0.4
AT_WORK = (Status.QUEUED, Status.CHECKING, Status.WRITING)


def imports(limit: int = 50) -> list[Import]:
    """The newest imports."""
    return list(Import.objects.select_related("started_by").order_by("-created_at", "pk")[:limit])


def import_by_id(pk: Any) -> Import | None:
    try:
        return Import.objects.select_related("started_by").filter(pk=pk).first()
    except (ValidationError, ValueError):
        return None


def file_path(imported: Import) -> Path:
    """The file as it was handed over; gone once the import is done."""
    return Folder.of(imported.pk).file


def rejects_path(imported: Import) -> Path | None:
    """The rejected rows as CSV (row, column, value, reason, outcome), or None when there are none."""
    path = Folder.of(imported.pk).rejects
    return path if path.exists() else None


def progress_of(imported: Import) -> float:
    """How far it is, 0..1 over both passes."""
    if imported.status == Status.DONE:
        return 1.0
    checked = Folder.of(imported.pk).read_checked()
    if checked is None:
        return SHARE_OF_CHECKING * min(imported.rows_read / max(imported.rows_total, 1), 1.0)
    return SHARE_OF_CHECKING + (1 - SHARE_OF_CHECKING) * imported.batches_done / max(int(checked["batches"]), 1)


def why(imported: Import) -> str:
    """Why it stopped or failed: a sentence in the active language, empty if it did not."""
    return running.why(imported)


def problem_of(imported: Import) -> str:
    """The code of why it stopped or failed; empty if it did not."""
    return str(running.problem(imported).get("code", ""))


def waiting() -> list[Import]:
    """Those that should run and on which nobody is at work: queued, or left behind by a process that died."""
    found = Import.objects.filter(status__in=AT_WORK).order_by("created_at", "pk")
    return [imported for imported in found if not Folder.of(imported.pk).is_claimed()]


def currency_in_use() -> str:
    """The currency of the purchases there are, empty when there are none: what counts before the business is set up."""
    return Purchase.objects.order_by("pk").values_list("currency", flat=True).first() or ""
