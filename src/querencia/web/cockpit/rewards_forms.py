"""The form of a reward. Money is typed in whole units, kept in minor ones."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from querencia.loyalty import rewards
from querencia.loyalty.rewards import Terms
from querencia.web import points_words, rewards_words
from querencia.web.cockpit.loyalty_forms import MoneyField

WHOLE = ("points", "percent", "protect_days", "valid_days")
MONEY = ("amount", "cost")


def _day(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), required=False
    )


class RewardForm(forms.Form):
    """What a reward is, what it costs and who can have it."""

    kind = forms.ChoiceField(label=_("What it is"))
    points = forms.IntegerField(label=_("Points"), min_value=1, max_value=rewards.POINTS_MAX)
    percent = forms.IntegerField(
        label=_("Percent off"), min_value=1, max_value=100, required=False, help_text=_("Of a percentage only.")
    )
    codes = forms.ChoiceField(label=_("Codes"), help_text=_("Yours are brought in, or shared, on the next page."))
    valid_days = forms.IntegerField(
        label=_("Days for which it can be used or picked up"),
        min_value=0,
        max_value=rewards.DAYS_MAX,
        help_text=_("0: without end; what is handed over waits 30 days then."),
    )
    protect_days = forms.IntegerField(
        label=_("Days for which a higher price spares those who are members"),
        min_value=0,
        max_value=rewards.DAYS_MAX,
        help_text=_("Nobody who saves for it is surprised: they still pay the price of before."),
    )
    limit = forms.IntegerField(
        label=_("At most so many for each member"), min_value=1, max_value=rewards.POINTS_MAX, required=False
    )
    per = forms.ChoiceField(label=_("Over"))
    starts_on, ends_on = _day(_("From")), _day(_("Until, that day included"))
    tiers = forms.MultipleChoiceField(label=_("Only for tiers"), widget=forms.CheckboxSelectMultiple, required=False)
    classes = forms.MultipleChoiceField(
        label=_("Only for customers of class"),
        widget=forms.CheckboxSelectMultiple,
        choices=[(each, each) for each in rewards.CLASSES],
        required=False,
    )

    def __init__(self, *given: Any, currency: str, names: Mapping[str, str], **more: Any) -> None:
        super().__init__(*given, **more)
        self.names, self.codes_of = names, [code for code, _name in settings.LANGUAGES]
        for code, spoken in settings.LANGUAGES:
            said = {"language": gettext(spoken)}
            self.fields[f"name_{code}"] = forms.CharField(
                label=gettext("Name (%(language)s)") % said, max_length=rewards.NAME_MAX, required=False
            )
            self.fields[f"description_{code}"] = forms.CharField(
                label=gettext("Description (%(language)s)") % said,
                max_length=rewards.DESCRIPTION_MAX,
                required=False,
                widget=forms.Textarea(attrs={"rows": 2}),
            )
        self.fields["amount"] = MoneyField(
            currency=currency,
            label=gettext("Worth"),
            required=False,
            help_text=gettext("What it takes off; of a percentage the most; of points that pay, what they are worth."),
        )
        self.fields["cost"] = MoneyField(
            currency=currency,
            label=gettext("What one costs you"),
            required=False,
            help_text=gettext("Nobody else sees it."),
        )
        for key, tier in names.items():
            label = gettext("Points for members in %(tier)s") % {"tier": tier}
            self.fields[f"tier_{key}"] = forms.IntegerField(label=label, min_value=1, required=False)
        self._choose("kind", rewards_words.kinds())
        self._choose("codes", {rewards.OWN: gettext("made here, one for each"),
                               rewards.IMPORTED: gettext("brought in by a file, one for each"),
                               rewards.SHARED: gettext("one for everybody")})  # fmt: skip
        self._choose("per", {key: text for key, text in points_words.periods().items() if key != "purchase"})
        self._choose("tiers", names)

    def _choose(self, name: str, choices: Mapping[str, Any]) -> None:
        self.fields[name].choices = list(choices.items())  # type: ignore[attr-defined]

    def named(self) -> list[forms.BoundField]:
        return [self[f"name_{code}"] for code in self.codes_of]

    def described(self) -> list[forms.BoundField]:
        return [self[f"description_{code}"] for code in self.codes_of]

    def tier_prices(self) -> list[forms.BoundField]:
        return [self[f"tier_{key}"] for key in self.names]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not any(found.get(f"name_{code}") for code in self.codes_of):
            self.add_error(f"name_{self.codes_of[0]}", gettext("Name it in one language at least."))
        kind = found.get("kind")
        if kind in (rewards.AMOUNT, rewards.VOUCHER, rewards.PAY) and not found.get("amount"):
            self.add_error("amount", gettext("Say what it is worth."))
        if kind == rewards.PERCENT and not found.get("percent"):
            self.add_error("percent", gettext("Say how many percent."))
        if found.get("codes") != rewards.OWN and kind not in (rewards.AMOUNT, rewards.PERCENT, rewards.VOUCHER):
            self.add_error("codes", gettext("Only discounts and vouchers have codes of yours."))
        if found.get("starts_on") and found.get("ends_on") and found["ends_on"] < found["starts_on"]:
            self.add_error("ends_on", gettext("It has to begin before it ends."))
        for key in self.names:
            if (found.get(f"tier_{key}") or 0) > (found.get("points") or 0):
                self.add_error(f"tier_{key}", gettext("A tier pays no more than everybody."))
        return found

    def document(self) -> dict[str, Any]:
        """The terms as they are published."""
        given = self.cleaned_data
        said: dict[str, Any] = {"kind": given["kind"], "codes": given["codes"]}
        said |= {name: given[name] or 0 for name in (*WHOLE, *MONEY)}
        for part in ("name", "description"):
            said[part] = {code: text for code in self.codes_of if (text := given[f"{part}_{code}"])}
        said |= {name: given[name] for name in ("tiers", "classes") if given[name]}
        if given["limit"]:
            said["limit"] = {"number": given["limit"], "per": given["per"]}
        for name, part in (("starts_on", "from"), ("ends_on", "until")):
            if given[name]:
                said[part] = given[name].isoformat()
        prices = {key: price for key in self.names if (price := given[f"tier_{key}"])}
        return said | ({"tier_points": prices} if prices else {})


NEW: Mapping[str, Any] = {
    "kind": rewards.AMOUNT,
    "valid_days": 90,
    "protect_days": 30,
    "codes": rewards.OWN,
    "per": "ever",
}


def initial(terms: Terms) -> dict[str, Any]:
    """What the form shows of a reward's terms."""
    names = ("kind", "codes", "per", "starts_on", "ends_on", *WHOLE, *MONEY)
    found: dict[str, Any] = {name: getattr(terms, name) for name in names}
    found |= {f"name_{code}": text for code, text in terms.name.items()}
    found |= {f"description_{code}": text for code, text in terms.description.items()}
    found |= {f"tier_{tier}": price for tier, price in terms.tier_points.items()}
    empty = {name: None for name in ("percent", *MONEY) if not found[name]}
    return found | empty | {"limit": terms.limit or None, "tiers": list(terms.tiers), "classes": list(terms.classes)}


class StockForm(forms.Form):
    """How many are left, and how many there were when the page was read."""

    left = forms.IntegerField(label=_("How many are left"), min_value=0, max_value=rewards.POINTS_MAX, required=False,
                              help_text=_("Empty: as many as are wanted."))  # fmt: skip
    was = forms.IntegerField(widget=forms.HiddenInput, required=False)


class SharedForm(forms.Form):
    code = forms.CharField(label=_("The code for everybody"), max_length=80)
    uses_max = forms.IntegerField(label=_("Can be used so many times"), min_value=1, max_value=rewards.POINTS_MAX,
                                  required=False, help_text=_("Empty: as often as is wanted."))  # fmt: skip


class CodesForm(forms.Form):
    file = forms.FileField(
        label=_("A CSV file with a code on each line"),
        help_text=_("The first column is read; a heading “code” is left out."),
    )
