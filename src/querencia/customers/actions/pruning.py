"""What is kept for a time only: at each call some of what is older than a moment goes; how much it was."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from querencia.customers.imports.folder import Busy, Folder
from querencia.customers.models import Arrival, Event, Import, Reject
from querencia.customers.models.facts import PAGE_VIEWS

ROWS = 5_000
SPOOLED = "incoming-*"


def arrivals(before: datetime, at: datetime) -> int:
    """Requests that were taken in; what they brought stays."""
    return _gone(Arrival.objects.filter(state=Arrival.State.DONE, received_at__lt=before).order_by("received_at"))


def rejects(before: datetime, at: datetime) -> int:
    """Events that could not be taken in and that nobody mended."""
    return _gone(Reject.objects.filter(rejected_at__lt=before).order_by("pk"))


def page_views(before: datetime, at: datetime) -> int:
    """Pages and screens that were looked at."""
    return _gone(Event.objects.filter(kind__in=PAGE_VIEWS, occurred_at__lt=before).order_by("occurred_at"))


def _gone(rows: QuerySet[Any]) -> int:
    ids = list(rows.values_list("pk", flat=True)[:ROWS])
    rows.model._default_manager.filter(pk__in=ids).delete()
    return len(ids)


def import_files(before: datetime, at: datetime) -> int:
    """Files of imports, what was rejected of them, and examples of it. How many; all of them in one go."""
    count = 0
    for imported in Import.objects.filter(created_at__lt=before).order_by("pk").iterator():
        folder = Folder.of(imported.pk)
        if not folder.path.exists():
            continue
        try:
            with folder.claimed(), transaction.atomic():
                told = [{**reason, "example": ""} for reason in imported.reasons]
                Import.objects.filter(pk=imported.pk).update(reasons=told)
                folder.remove()
                count += 1
        except Busy:
            continue
    return count + _spooled(before)


def _spooled(before: datetime) -> int:
    """Uploads that ended half-way."""
    old = [path for path in Path(settings.IMPORTS_FOLDER).glob(SPOOLED) if path.stat().st_mtime < before.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
