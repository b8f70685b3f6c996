"""The forms of partners. Months are typed as months, prices in whole units."""

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from querencia.loyalty import closing
from querencia.web.cockpit.loyalty_forms import MoneyField


class MonthField(forms.CharField):
    """``2026-04``; `cleaned_data` holds its first day, or None."""

    widget = forms.TextInput(attrs={"type": "month", "placeholder": "2026-04"})

    def clean(self, value: Any) -> date | None:
        found = super().clean(value)
        if not found:
            return None
        try:
            return closing.read_month(found)
        except ValueError:
            raise forms.ValidationError(gettext("Write a month as 2026-04.")) from None


class AgreementForm(forms.Form):
    """What points cost each side, and from which month on."""

    starts_on = MonthField(label=_("From the month"), max_length=7)
    ends_on = MonthField(label=_("Before the month"), max_length=7, required=False)

    def __init__(self, *given: Any, currency: str, **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["funds_per_thousand"] = MoneyField(
            currency=currency, label=gettext("The partner pays for 1,000 points that it gives")
        )
        self.fields["takes_per_thousand"] = MoneyField(
            currency=currency, label=gettext("The partner gets for 1,000 points that it takes in")
        )

    def terms(self) -> dict[str, Any]:
        names = ("starts_on", "ends_on", "funds_per_thousand", "takes_per_thousand")
        return {name: self.cleaned_data[name] for name in names}


class PartnerForm(AgreementForm):
    """A new partner with its first agreement."""

    name = forms.CharField(label=_("Name of the partner"), max_length=60)

    field_order = ("name",)
