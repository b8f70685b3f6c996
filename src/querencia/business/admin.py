"""The business, its staff and what they changed, in the back office. For owners (see ``web/access.py``)."""

from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from querencia.business import actions, queries
from querencia.business.models import Business, Role, Staff
from querencia.common.backoffice import Kept


class BusinessForm(forms.ModelForm):
    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()


@admin.register(Business)
class BusinessAdmin(ModelAdmin):
    list_display = ("name", "currency", "time_zone", "language", "country")
    form = BusinessForm

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # there is one

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class StaffForm(UserChangeForm):
    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if not (found.get("role") == Role.OWNER and found.get("is_active")) and queries.is_last_owner(self.instance):
            raise ValidationError(_("Somebody has to own this installation: make another person owner first."))
        return found


class NewStaffForm(UserCreationForm):
    """Everybody begins with a password: there is no other way in."""

    usable_password = None

    class Meta:
        model = Staff
        fields = ("email", "name", "role", "language")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].required = self.fields["password2"].required = True

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


@admin.register(Staff)
class StaffAdmin(UserAdmin, ModelAdmin):
    form = StaffForm
    add_form = NewStaffForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "role", "is_active", "has_second_step", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("email", "name")
    ordering = ("name", "email")
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined", "has_second_step")
    fieldsets = (
        (None, {"fields": ("email", "name", "role", "is_active", "language")}),
        (gettext_lazy("Log-in"), {"fields": ("password", "has_second_step", "last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "role", "language", "password1", "password2")}),)
    actions = ("take_away_second_step",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # whoever leaves may no longer log in; what they did stays under their name

    @admin.display(boolean=True, description=gettext_lazy("two-step log-in"))
    def has_second_step(self, staff: Staff) -> bool:
        return Authenticator.objects.filter(user=staff, type=Authenticator.Type.TOTP).exists()

    @admin.action(description=gettext_lazy("Take away the two-step log-in (phone and codes lost)"))
    def take_away_second_step(self, request: HttpRequest, queryset: QuerySet[Staff]) -> None:
        taken = [staff for staff in queryset if actions.take_away_second_step(staff=staff)]
        for staff in taken:
            self.log_change(request, staff, "Two-step log-in taken away.")
        said = ngettext(
            "%(count)s person now logs in with the password alone.",
            "%(count)s people now log in with the password alone.",
            len(taken),
        )
        self.message_user(request, said % {"count": len(taken)}, messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Staff, form: Any, change: bool) -> None:
        if change:
            try:
                # Decides once more, with all owners locked: two may be demoting each other at this moment.
                actions.change_staff(staff_id=obj.pk, role=obj.role, is_active=obj.is_active)
            except ValidationError as refused:
                raise PermissionDenied from refused
        super().save_model(request, obj, form, change)
        actions.forget_former_addresses(staff=obj)


@admin.register(LogEntry)
class LogEntryAdmin(Kept):
    list_display = ("action_time", "user", "content_type", "object_repr", "get_change_message")
    list_display_links = ("action_time",)
    list_select_related = ("user", "content_type")
    ordering = ("-pk",)
    fields = ("action_time", "user", "content_type", "object_repr", "get_change_message")
