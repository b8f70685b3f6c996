"""The central database in the back office. People are changed here; facts are only ever looked at or added to."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from querencia.business import queries as business
from querencia.common import money
from querencia.common.backoffice import Kept, KeptInline, Rows
from querencia.common.time import now
from querencia.customers.models import (
    Consent,
    ContactPoint,
    Customer,
    Event,
    Identifier,
    Import,
    Purchase,
    PurchaseLine,
)
from querencia.customers.queries import persons, search

FOUND_MAX = 1000


def _country() -> str:
    known = business.business()
    return known.country if known else ""


def _found(text: str) -> list[int]:
    return search.records(text, country=_country())


def _of_key_or_customer(rows: QuerySet[Any], moment: str, text: str) -> QuerySet[Any]:
    """Facts that have this key, or are of a customer whom the text finds."""
    if not text:
        return rows
    # Ids first, each along its index: asked for both at once and sorted, PostgreSQL reads the table from its end.
    known = rows.order_by()
    ids = [*known.filter(key=text.strip()).values_list("pk", flat=True)]
    everybody = {node for nodes in persons.nodes(_found(text)).values() for node in nodes}
    theirs = known.filter(customer__in=everybody).order_by("customer", f"-{moment}")
    return rows.filter(pk__in=[*ids, *theirs.values_list("pk", flat=True)[:FOUND_MAX]])


@admin.display(description=gettext_lazy("amount"))
def _amount(row: Purchase) -> str:
    return money.show(row.amount, row.currency, (get_language() or "en").split("-")[0], cents=True)


class CustomerForm(ModelForm):
    """Country and language may be written in words, as in a file."""

    country = forms.CharField(
        label=gettext_lazy("Country"), required=False, max_length=80, widget=UnfoldAdminTextInputWidget
    )
    language = forms.CharField(
        label=gettext_lazy("Language"), required=False, max_length=80, widget=UnfoldAdminTextInputWidget
    )

    def clean_country(self) -> str:
        from querencia.customers.imports import person_checks

        return self._read("country", person_checks.country, _("%(text)s is no country that we know."))

    def clean_language(self) -> str:
        from querencia.customers.imports import person_checks

        return self._read("language", person_checks.language, _("%(text)s is no language that we know."))

    def _read(self, field: str, reading: Any, refusal: str) -> str:
        text = str(self.cleaned_data.get(field, "")).strip()
        found = reading(text) if text else ""
        if found is None:
            raise forms.ValidationError(refusal % {"text": text})
        return str(found)


class ContactPointForm(ModelForm):
    """An address is written once: bounces and opt-outs are those of this address, and stay with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["kind"].disabled = self.fields["value"].disabled = True

    def clean(self) -> dict[str, Any]:
        from querencia.customers.imports import person_checks

        found = super().clean() or {}
        kind, value = found.get("kind"), str(found.get("value", "")).strip()
        if self.instance.pk is None and value:
            if kind == ContactPoint.Kind.EMAIL:
                found["value"] = person_checks.email(value)
            elif kind in (ContactPoint.Kind.PHONE, ContactPoint.Kind.WHATSAPP):
                found["value"] = person_checks.phone(value, _country() or None)
            if not found["value"]:
                self.add_error("value", _("Nobody can be reached at %(address)s.") % {"address": value})
        return found


class ContactPointFormSet(BaseInlineFormSet):
    """Forgetting an address that was opted out would let the next file bring it back."""

    def clean(self) -> None:
        super().clean()
        for form in self.deleted_forms:
            if form.instance.opted_out_at:
                said = _("%(address)s was opted out. It has to stay, so that nobody writes to it again.")
                raise forms.ValidationError(said % {"address": form.instance.value})

    def save_new(self, form: Any, commit: bool = True) -> ContactPoint:
        point = super().save_new(form, commit=False)
        if commit:
            from querencia.customers import people

            people.reach(point=point)
        return point


class ContactPoints(TabularInline):
    model = ContactPoint
    form = ContactPointForm
    formset = ContactPointFormSet
    fields = ("kind", "value", "bounced_at", "opted_out_at")
    readonly_fields = ("bounced_at",)
    extra = 0


class Identifiers(TabularInline):
    model = Identifier
    fields = ("kind", "value")
    extra = 0

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what points at somebody is removed or added, never turned into something else

    def get_queryset(self, request: HttpRequest) -> QuerySet[Identifier]:
        return super().get_queryset(request).exclude(kind=Identifier.Kind.CUSTOMER_KEY)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kind":
            kwargs["choices"] = [each for each in Identifier.Kind.choices if each[0] != Identifier.Kind.CUSTOMER_KEY]
        return super().formfield_for_choice_field(db_field, request, **kwargs)


class Consents(KeptInline):
    """The history of what was allowed and forbidden. A change of mind is another row: the latest counts."""

    model = Consent
    fields = ("channel", "purpose", "status", "basis", "evidence", "source", "at")
    readonly_fields = ("source", "at")
    ordering = ("-at", "-pk")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(TabularInline.has_add_permission(self, request, obj))


@admin.register(Customer)
class CustomerAdmin(Rows):
    list_display = ("key", "given_name", "family_name", "country", "city", "branch", "created_at")
    list_display_links = ("key", "given_name", "family_name")
    sortable_by = ("key",)
    ordering = ("-pk",)
    search_fields = ("key",)
    search_help_text = gettext_lazy("Name, phone, e-mail, card or order")
    form = CustomerForm
    inlines = (ContactPoints, Identifiers, Consents)
    readonly_fields = ("value_answers", "facts", "created_from", "created_at")
    fieldsets = (
        (None, {"fields": ("key", ("given_name", "family_name"), "birthday", "facts")}),
        (gettext_lazy("Where and how"), {"fields": (("language", "time_zone"), ("country", "city"), "branch")}),
        (gettext_lazy("Origin"), {"fields": (("created_from", "created_at"), "value_answers")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # The key is what files and other systems know the customer by.
        return (*self.readonly_fields, "key") if obj else self.readonly_fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        return (queryset.filter(pk__in=_found(search_term)) if search_term else queryset), False

    @admin.display(description=gettext_lazy("facts"))
    def facts(self, customer: Customer) -> str:
        if customer.pk is None:
            return ""
        places = [(_("Purchases"), "purchase"), (_("Events"), "event")]
        links = [
            format_html('<a href="{}?customer__id__exact={}">{}</a>', reverse(f"admin:customers_{m}_changelist"), pk, t)
            for (t, m), pk in ((place, customer.pk) for place in places)
        ]
        page = format_html('<a href="{}">{}</a>', reverse("customer", args=[customer.pk]), _("The customer's page"))
        return format_html("{} · {} · {}", page, *links)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Whoever was erased has nothing left that could be changed, and gets no name again.
        return not (obj and obj.erasure_id) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a customer goes by erasure, which leaves the facts true, not by a button here

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        from querencia.customers import people

        people.keep(customer=obj, at=now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        changed = [form, *(each for each in formsets if each.model is not Consent)]
        if change and any(each.has_changed() for each in changed):
            from querencia.customers import people

            people.note_change(customer=form.instance, at=now())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is Consent:
            from querencia.customers import people

            people.allow(consents=formset.save(commit=False), evidence=str(request.user), at=now())
            return
        formset.save()


class Lines(KeptInline):
    model = PurchaseLine
    fields = ("number", "sku", "name", "category", "quantity", "amount")
    ordering = ("number",)


@admin.register(Purchase)
class PurchaseAdmin(Kept):
    list_display = ("key", "at", "customer", _amount, "channel", "branch", "refund_of", "source")
    list_select_related = ("customer",)
    ordering = ("-pk",)
    search_fields = ("key",)
    search_help_text = gettext_lazy("A purchase key, or whatever finds the customer")
    inlines = (Lines,)
    fields = (
        *("key", "source", "customer", "at", _amount, "cost", "channel", "branch", "tenders"),
        *("refund_of", "recorded_at"),
    )
    readonly_fields = (_amount,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Purchase], search_term: str
    ) -> tuple[QuerySet[Purchase], bool]:
        return _of_key_or_customer(queryset, "at", search_term), False


@admin.register(Event)
class EventAdmin(Kept):
    list_display = ("kind", "occurred_at", "customer", "channel", "source", "key")
    list_select_related = ("customer",)
    ordering = ("-pk",)
    search_fields = ("key",)
    search_help_text = gettext_lazy("An event's key, or whatever finds the customer")
    fields = ("kind", "customer", "occurred_at", "recorded_at", "channel", "source", "key", "properties")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        return _of_key_or_customer(queryset, "occurred_at", search_term), False


@admin.register(Import)
class ImportAdmin(Kept):
    list_display = ("file_name", "kind", "status", "rows_read", "rows_new", "rows_rejected", "created_at", "started_by")
    list_select_related = ("started_by",)
    list_filter = ("status", "kind")
    ordering = ("-created_at",)
