"""Runs and measures in the back office: to look at."""

from django.contrib import admin

from querencia.common.backoffice import Kept
from querencia.measures.models import Measure, Run


@admin.register(Run)
class RunAdmin(Kept):
    list_display = ("as_of", "status", "trigger", "started_at", "finished_at", "customers", "purchases", "started_by")
    list_select_related = ("started_by",)
    list_filter = ("status", "trigger")
    ordering = ("-pk",)


@admin.register(Measure)
class MeasureAdmin(Kept):
    list_display = ("day", "customers", "active", "new", "returned", "defections", "retention_rate", "revenue")
    ordering = ("-day",)
