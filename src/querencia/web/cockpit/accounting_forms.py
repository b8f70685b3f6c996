"""How points are put into the books of the business, as a form."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from querencia.loyalty import journal
from querencia.loyalty.models import Programme
from querencia.web import closing_words
from querencia.web.cockpit.loyalty_forms import MoneyField


class AccountingForm(forms.Form):
    """What points are worth to members, the share that lapses, the tax within prices, and the accounts' names."""

    tax = forms.DecimalField(
        label=_("Tax that prices hold, in percent"), min_value=0, max_value=100, max_digits=5, decimal_places=2,
        help_text=_("It is taken out of sales before revenue is deferred. 0: prices are without tax."),
    )  # fmt: skip
    breakage = forms.DecimalField(
        label=_("Share of points that lapses, in percent"), min_value=0, max_value=100, max_digits=5, decimal_places=2,
        required=False, help_text=_("Empty: as estimated from closed months, and nothing while that cannot be told."),
    )  # fmt: skip

    def __init__(self, *given: Any, currency: str, **more: Any) -> None:
        super().__init__(*given, **more)
        value = MoneyField(
            currency=currency,
            label=gettext("What 1,000 points are worth to members"),
            help_text=gettext(
                "The discount or the price of the goods that they get for them. 0: no journal is written."
            ),
        )
        self.fields = {"value_per_thousand": value, **self.fields}
        for name, label in closing_words.book_accounts().items():
            self.fields[f"account_{name}"] = forms.CharField(label=label, max_length=120, required=False)

    @property
    def accounts(self) -> list[forms.BoundField]:
        return [self[f"account_{name}"] for name in journal.ACCOUNTS]

    def terms(self) -> dict[str, Any]:
        given = self.cleaned_data
        share = given["breakage"]
        return {
            "value_per_thousand": given["value_per_thousand"],
            "tax": int(given["tax"] * 100),
            "breakage": None if share is None else int(share * 100),
            "accounts": {name: given[f"account_{name}"] for name in journal.ACCOUNTS if given[f"account_{name}"]},
        }


def accounting_initial(programme: Programme) -> dict[str, Any]:
    """What the programme says now; names that nobody gave are those of the form's own language."""
    terms = journal.read(programme.accounting, value_per_thousand=programme.cost_per_thousand)
    names = closing_words.book_accounts() | dict(terms.accounts)
    return {
        "value_per_thousand": terms.value_per_thousand,
        "tax": Decimal(terms.tax) / 100,
        "breakage": None if terms.breakage is None else Decimal(terms.breakage) / 100,
        **{f"account_{name}": said for name, said in names.items()},
    }
