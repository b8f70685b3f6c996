"""The programme in the back office: what it promises can be changed, what happened can only be looked at."""

from django.contrib import admin

from querencia.common.backoffice import Kept, Rows
from querencia.loyalty.models import Close, Entry, Member, Partner, Programme, RuleVersion, TierScheme


@admin.register(Programme)
class ProgrammeAdmin(Rows):
    list_display = ("name", "currency", "starts_at", "ends_at")
    readonly_fields = ("created_at",)
    ordering = ("pk",)

    def has_add_permission(self, request: object) -> bool:
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(RuleVersion)
class RuleVersionAdmin(Kept):
    list_display = ("key", "version", "in_force_from", "published_at", "published_by")
    ordering = ("-pk",)


@admin.register(TierScheme)
class TierSchemeAdmin(Kept):
    list_display = ("programme", "version", "in_force_from", "published_at", "published_by")
    ordering = ("-pk",)


@admin.register(Partner)
class PartnerAdmin(Kept):
    list_display = ("key", "name", "programme", "created_at")
    ordering = ("pk",)


@admin.register(Member)
class MemberAdmin(Kept):
    list_display = ("card_number", "customer", "joined_at", "left_at", "active", "pending")
    list_select_related = ("customer",)
    search_fields = ("card_number__exact",)
    ordering = ("-pk",)


@admin.register(Entry)
class EntryAdmin(Kept):
    list_display = ("kind", "member", "at", "pending", "active", "held", "deficit")
    list_select_related = ("member",)
    ordering = ("-pk",)


@admin.register(Close)
class CloseAdmin(Kept):
    list_display = ("programme", "month", "closed_at", "closed_by")
    ordering = ("-pk",)
