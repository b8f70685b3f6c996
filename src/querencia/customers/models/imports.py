"""A file that was handed over, and how far it has come."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Import(models.Model):
    """One file of purchases or customers: what it is, how it was read, what became of its rows."""

    class Kind(models.TextChoices):
        PURCHASES = "purchases", _("Purchases")
        CUSTOMERS = "customers", _("Customers")

    class Status(models.TextChoices):
        UPLOADED = "uploaded", _("Waiting for you to confirm")
        QUEUED = "queued", _("Waiting for its turn")
        CHECKING = "checking", _("Reading the file")
        WRITING = "writing", _("Writing")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped before writing")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.UPLOADED)
    file_name = models.CharField(_("file"), max_length=255)
    # SHA-256 of content, mapping and format: the same file read the same way resumes instead of starting anew.
    fingerprint = models.CharField(_("fingerprint"), max_length=64, db_index=True, blank=True)
    source = models.CharField(_("source"), max_length=40, default="import")
    file_format = models.JSONField(_("format"), default=dict)  # delimiter, encoding, decimal comma, date order, ...
    mapping = models.JSONField(_("columns"), default=dict)  # field -> column or formula
    reject_limit = models.FloatField(_("share of rejected rows that stops it"), default=0.1)
    rows_total = models.BigIntegerField(_("rows"), default=0)
    rows_read = models.BigIntegerField(_("read"), default=0)
    rows_new = models.BigIntegerField(_("new"), default=0)
    rows_changed = models.BigIntegerField(_("changed"), default=0)  # of customers; purchases never change
    rows_unchanged = models.BigIntegerField(_("unchanged"), default=0)
    rows_rejected = models.BigIntegerField(_("rejected"), default=0)
    rows_erased = models.BigIntegerField(_("of erased people"), default=0)  # left out
    batches_done = models.PositiveIntegerField(_("batches done"), default=0)
    reasons = models.JSONField(_("reasons for rejects"), default=list)  # [{code, column, count, example, row}]
    error = models.TextField(_("error"), blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("started by"),
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(_("handed over"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name
