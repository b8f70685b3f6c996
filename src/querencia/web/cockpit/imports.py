"""Handing over a file: what it is, how it is read, what became of it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from querencia.common.time import now
from querencia.customers import imports as files
from querencia.customers.models import Import
from querencia.customers.queries import imports as queries
from querencia.flows import catching_up
from querencia.flows import imports as flow
from querencia.web.access import Request, needs
from querencia.web.cockpit.forms import UploadForm
from querencia.web.cockpit.parts import show

FORMAT_CHOICES = {
    "delimiter": [",", ";", "\t", "|"],
    "encoding": ["utf-8", "utf-8-sig", "windows-1252", "iso-8859-1", "utf-16"],
    "decimal": [".", ","],
    "date_order": ["ymd", "dmy", "mdy"],
}
AT_WORK = (Import.Status.QUEUED, Import.Status.CHECKING, Import.Status.WRITING)


@require_http_methods(["GET", "POST"])
@needs("import")
def imports(request: Request) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        made = flow.hand_over(
            file=file,
            file_name=file.name,
            at=now(),
            kind=form.cleaned_data["kind"] or None,
            started_by=request.user,
        )
        return redirect("import", pk=made.pk)
    return render(request, "cockpit/imports.html", {"form": form, "imports": queries.imports(limit=30)})


@require_GET
@needs("import")
def imported(request: Request, pk: UUID) -> HttpResponse:
    """Before it is confirmed: how the file is read. After: how far it is and what became of it."""
    found = _found(pk)
    if found.status == Import.Status.UPLOADED:
        return _looked_at(request, found, "cockpit/import_look.html")
    context = {
        "imported": found,
        "is_at_work": found.status in AT_WORK,
        "progress": round(queries.progress_of(found) * 100),
        "why": queries.why(found),
        "reasons": [files.reason_text(reason) for reason in found.reasons],
        "format": files.format_in_words(found.file_format),
        "mapping": [
            (field.label, column) for field in files.fields(found.kind) if (column := found.mapping.get(field.name))
        ],
        "has_rejects": queries.rejects_path(found) is not None,
        "earned": catching_up.share_done(found),
    }
    return show(request, "cockpit/import.html", "state", context)


@require_POST
@needs("import")
def look(request: Request, pk: UUID) -> HttpResponse:
    """The same file read another way, shown at once."""
    return _looked_at(request, _found(pk), "cockpit/import_look.html#reading")


@require_POST
@needs("import")
def confirm(request: Request, pk: UUID) -> HttpResponse:
    found = _found(pk)
    read = _reading(request, found)
    try:
        flow.confirm(
            found,
            mapping=read["mapping"] if read["mapping"] is not None else found.mapping,
            file_format=read["file_format"] or found.file_format,
            at=now(),
            kind=read["kind"] or None,
            reject_limit=1.0 if request.POST.get("take_all") else 0.1,
        )
    except ValidationError as refused:
        messages.error(request, " ".join(refused.messages))
    return redirect("import", pk=pk)


@require_POST
@needs("import")
def again(request: Request, pk: UUID) -> HttpResponse:
    found = _found(pk)
    if found.status == Import.Status.FAILED:
        flow.again(found, at=now())
    return redirect("import", pk=pk)


@require_POST
@needs("import")
def discard(request: Request, pk: UUID) -> HttpResponse:
    flow.discard(_found(pk))
    messages.success(request, _("The file was forgotten; nothing of it was written."))
    return redirect("imports")


@require_GET
@needs("import")
def rejects(request: Request, pk: UUID) -> FileResponse:
    """The rows left out, with row, column, value and reason."""
    path = queries.rejects_path(_found(pk))
    if path is None:
        raise Http404
    return FileResponse(path.open("rb"), as_attachment=True, filename="rejected-rows.csv", content_type="text/csv")


def _found(pk: UUID) -> Import:
    found = queries.import_by_id(pk)
    if found is None:
        raise Http404
    return found


def _reading(request: Request, found: Import) -> dict[str, Any]:
    """How the page says the file is to be read: nothing said, nothing overridden."""
    kind = request.POST.get("kind", "")
    named = [field.name for field in files.fields(kind or found.kind)]
    mapping = {name: request.POST.get(f"field-{name}", "").strip() for name in named}
    given = {name: request.POST[f"format-{name}"] for name in FORMAT_CHOICES if request.POST.get(f"format-{name}")}
    is_read = any(f"field-{name}" in request.POST for name in named) and kind == request.POST.get("kind_before", kind)
    return {
        "kind": kind,
        "mapping": mapping if is_read else None,
        "file_format": {**found.file_format, **given} if given else None,
    }


def _looked_at(request: Request, found: Import, template: str) -> HttpResponse:
    read = _reading(request, found)
    seen = flow.look_at(
        found, at=now(), kind=read["kind"] or None, mapping=read["mapping"], file_format=read["file_format"]
    )
    fields: list[dict[str, Any]] = [
        {
            "field": field,
            "value": seen.mapping.get(field.name, ""),
            "is_missing": field.name in seen.missing,
            "is_shown": field.is_required or bool(seen.mapping.get(field.name)),
        }
        for field in files.fields(seen.kind)
    ]
    formats = [
        {"name": name, "value": seen.file_format[name], "choices": choices}
        for name, choices in FORMAT_CHOICES.items()
        if seen.file_format.get(name) is not None
    ]
    shown = [entry["field"] for entry in fields if entry["value"]]
    context = {
        "imported": found,
        "seen": seen,
        "fields": fields,
        "formats": formats,
        "format": files.format_in_words(seen.file_format),
        "shown": shown,
        "rows": [{"row": row, "values": [row.values.get(field.name, "") for field in shown]} for row in seen.preview],
    }
    return render(request, template, context)
