"""Tables to take home, as CSV that spreadsheets read and do not run."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

from django.http import HttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_file(name: str, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    written = StringIO()
    writer = csv.writer(written)
    writer.writerow(heading)
    for row in rows:
        writer.writerow([_plain(cell) for cell in row])
    return HttpResponse(
        "\ufeff" + written.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _plain(cell: Any) -> Any:
    # A cell that begins like a formula is run by spreadsheets.
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
