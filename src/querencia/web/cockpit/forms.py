"""The forms of the cockpit. They read; actions decide."""

from collections.abc import Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.numbers import get_currency_name
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from querencia.business import keys
from querencia.business.models import ApiKey, Role
from querencia.common import money
from querencia.common.time import known_time_zones
from querencia.customers.kinds import KINDS
from querencia.customers.models import Consent, ContactPoint, Erasure
from querencia.flows.retention import Kept
from querencia.web.templatetags.house import language

REGIONS = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def currencies() -> list[tuple[str, str]]:
    names = {code: get_currency_name(code, locale=language()) for code in sorted(money.known_currencies())}
    # Blank first: a currency is chosen, never taken by accident.
    return [("", ""), *((code, f"{code} · {name}") for code, name in names.items() if name != code)]


def time_zones() -> list[tuple[str, str]]:
    zones = sorted(zone for zone in known_time_zones() if zone.split("/")[0] in REGIONS)
    return [("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in zones)]


def countries() -> list[tuple[str, str]]:
    names = {c: n for c, n in Locale.parse(language()).territories.items() if len(c) == 2 and c.isalpha() and c != "ZZ"}
    return [("", ""), *sorted(names.items(), key=lambda entry: entry[1])]


class BusinessForm(forms.Form):
    name = forms.CharField(label=_("Name of the business"), max_length=120)
    currency = forms.ChoiceField(label=_("Currency"), choices=currencies)
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=time_zones, help_text=_("Says on which day a purchase was made.")
    )
    country = forms.ChoiceField(
        label=_("Country"),
        choices=countries,
        required=False,
        help_text=_("Phone numbers without a country code are read as of this country."),
    )
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)


class OwnerForm(forms.Form):
    owner_name = forms.CharField(label=_("Your name"), max_length=120)
    email = forms.EmailField(label=_("Your e-mail"))
    password = forms.CharField(
        label=_("A password"), widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = " ".join(password_validators_help_texts())

    def clean(self) -> dict[str, str]:
        cleaned = super().clean() or {}
        # Two forms on one page: their fields must not share a name.
        return {"name": cleaned.get("owner_name", ""), "email": cleaned.get("email", ""), **_only(cleaned, "password")}


def _only(cleaned: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: cleaned[name]} if name in cleaned else {}


class StaffForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=120)
    email = forms.EmailField(label=_("E-mail"))
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)
    password = forms.CharField(
        label=_("First password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
        help_text=_("Hand it over in person; they can change it after logging in."),
    )


class StaffChangeForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)
    is_active = forms.BooleanField(label=_("May log in"), required=False)


class KeyForm(forms.Form):
    name = forms.CharField(label=_("What the key is for"), max_length=80, help_text=_("For example: the web shop."))
    kind = forms.ChoiceField(label=_("Kind"), choices=ApiKey.Kind.choices)
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=list(keys.SCOPES_TOLD.items()),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("For secret keys: tick as little as will do. A write key only sends events."),
    )
    expires_on = forms.DateField(
        label=_("Opens nothing from this day on"),
        widget=forms.DateInput(attrs={"type": "date"}),
        required=False,
        help_text=_("Empty: it never expires."),
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("kind") == ApiKey.Kind.API and not found.get("scopes") and "scopes" not in self.errors:
            self.add_error("scopes", gettext("Say what the key may do."))
        return found

    def wanted(self, zone: str) -> dict[str, Any]:
        """What `create_key` is to be told; ``zone`` says when a day begins."""
        given = self.cleaned_data
        day = given["expires_on"]
        return {
            "name": given["name"],
            "kind": given["kind"],
            "scopes": given["scopes"] if given["kind"] == ApiKey.Kind.API else None,
            "expires_at": datetime.combine(day, time(), ZoneInfo(zone)) if day else None,
        }


class ConsentForm(forms.Form):
    channel = forms.ChoiceField(label=_("Channel"), choices=ContactPoint.Kind.choices)
    purpose = forms.ChoiceField(label=_("What for"), choices=Consent.Purpose.choices, initial="marketing")
    status = forms.ChoiceField(label=_("Answer"), choices=Consent.Status.choices)
    evidence = forms.CharField(
        label=_("How you know"), max_length=500, help_text=_("For example: said so on the phone on Tuesday.")
    )


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,.xls,.ods,.parquet,.jsonl,.gz,.zip"}),
    )
    kind = forms.ChoiceField(label=_("What it holds"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            ("", gettext("Find out by yourself")),
            ("purchases", gettext("Purchases")),
            ("customers", gettext("Customers")),
        ]


class EndpointForm(forms.Form):
    url = forms.CharField(label=_("Address"), max_length=500, widget=forms.URLInput)
    kinds = forms.MultipleChoiceField(
        label=_("What it is told of"), widget=forms.CheckboxSelectMultiple, required=False
    )
    others = forms.CharField(
        label=_("Other kinds"),
        required=False,
        max_length=500,
        help_text=_("As other systems send them, with commas between; * is everything"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kinds"].choices = [  # type: ignore[attr-defined]
            (kind.name, kind.meaning) for kind in KINDS.values()
        ]

    @property
    def wanted(self) -> list[str]:
        return [*self.cleaned_data["kinds"], *self.cleaned_data["others"].split(",")]


class ErasureForm(forms.Form):
    """Typed, so that nobody is erased by a slip of the hand."""

    reason = forms.ChoiceField(
        label=_("Why"),
        choices=[(each.value, each.label) for each in Erasure.Reason if each != Erasure.Reason.RETENTION],
    )
    typed = forms.CharField(label=_("Type the customer key to confirm"), max_length=200)

    def __init__(self, *given: Any, key: str, **more: Any) -> None:
        super().__init__(*given, **more)
        self.key = key
        self.fields["typed"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"])
        if typed != self.key.strip():
            raise forms.ValidationError(gettext("This is not the key. Nobody was erased."))
        return typed


class RetentionForm(forms.Form):
    """A number of days for each of what is kept for a time only."""

    def __init__(self, *given: Any, periods: Sequence[Kept], **more: Any) -> None:
        super().__init__(*given, **more)
        for kept in periods:
            self.fields[kept.period.name] = forms.IntegerField(
                label=str(kept.period.title),
                help_text=str(kept.period.meaning),
                required=False,
                min_value=kept.period.least,
                max_value=36_500,
                initial=kept.days,
            )
