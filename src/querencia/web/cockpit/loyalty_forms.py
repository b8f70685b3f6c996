"""The forms of the programme. Money is typed in whole units, kept in minor ones."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from querencia.common import money
from querencia.loyalty.earning import plainly
from querencia.loyalty.models import Programme
from querencia.web import points_words
from querencia.web.cockpit import audience_forms
from querencia.web.templatetags.house import weekday_name

TIERS_MAX = 5
POLICY = (
    *("pending_days", "expiry_count", "expiry_unit", "expiry_rounding", "notice_days", "notice_needed"),
    *("deficit", "deficit_max", "adjust_max", "cost_per_thousand"),
)


class MoneyField(forms.DecimalField):
    """An amount in whole units of a currency; `cleaned_data` holds minor units."""

    def __init__(self, *, currency: str, **how: Any) -> None:
        self.currency = currency
        decimals = money.exponent(currency)
        how.setdefault("min_value", 0)
        super().__init__(max_digits=14, decimal_places=decimals, **how)
        self.label = f"{self.label} ({currency})"

    def clean(self, value: Any) -> int | None:
        found = super().clean(value)
        return None if found is None else money.to_minor(found, self.currency)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, int):
            return money.to_decimal(value, self.currency)
        return value


class PolicyForm(forms.Form):
    """What the business promises: when points can be spent, when they lapse, what happens at a refund."""

    name = forms.CharField(label=_("Name of the programme"), max_length=80)
    pending_days = forms.IntegerField(
        label=_("Days until points can be spent"),
        min_value=0,
        max_value=3_650,
        help_text=_("As long as goods may be given back: then nobody spends points of a purchase that is returned."),
    )
    expiry_count = forms.IntegerField(
        label=_("Points expire after"), min_value=0, max_value=3_650, help_text=_("0: they never expire.")
    )
    expiry_unit = forms.ChoiceField(label=_("Days, months or years"), choices=Programme.Unit.choices)
    expiry_rounding = forms.ChoiceField(
        label=_("Rounded up"),
        choices=Programme.Rounding.choices,
        required=False,
        help_text=_("Fewer dates to remember: members lose points on the last day of a month or a year only."),
    )
    notice_days = forms.IntegerField(
        label=_("Tell members so many days before"),
        min_value=0,
        max_value=365,
        required=False,
        help_text=_(
            "By e-mail, if they have one and did not refuse messages of service, and to other systems by webhook. "
            "0: nobody is told."
        ),
    )
    notice_needed = forms.BooleanField(
        label=_("No points expire before their member was told by e-mail"),
        required=False,
        help_text=_("Whoever could not be told keeps them for as many days again, as often as it takes."),
    )
    deficit = forms.ChoiceField(
        label=_("When points to take back are spent already"), choices=Programme.Deficit.choices
    )
    deficit_max = forms.IntegerField(label=_("At most so many points below zero"), min_value=0, max_value=10**12)
    adjust_max = forms.IntegerField(
        label=_("Points that one person may correct alone"),
        min_value=0,
        max_value=10**12,
        help_text=_("Anything above waits until a second person agrees. 0: every correction does."),
    )

    def __init__(self, *given: Any, currency: str, **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["cost_per_thousand"] = MoneyField(
            currency=currency,
            label=gettext("What 1,000 points cost you"),
            help_text=gettext("In goods or discounts. With it you see in money what the programme owes its members."),
        )

    def clean_notice_days(self) -> int:
        return self.cleaned_data["notice_days"] or 0

    def policy(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in POLICY}


class RuleForm(forms.Form):
    """What earns points, in choices; they are shown as CEL too, and what they do not offer can be written in it."""

    title = forms.CharField(label=_("Name of the rule"), max_length=120, help_text=_("Members read it."))
    points = forms.IntegerField(label=_("Points"), min_value=1, max_value=10**9)
    every = forms.ChoiceField(label=_("For"))
    round = forms.ChoiceField(label=_("Fractions of a point"))
    counts = forms.MultipleChoiceField(label=_("Earns, too"), widget=forms.CheckboxSelectMultiple, required=False)
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Only on"), coerce=int, widget=forms.CheckboxSelectMultiple, required=False
    )
    tier = forms.ChoiceField(label=_("Only for members in"), required=False)
    birthday = forms.ChoiceField(label=_("Birthday"), required=False)
    cap_points = forms.IntegerField(label=_("At most so many points"), min_value=1, max_value=10**12, required=False)
    cap_per = forms.ChoiceField(label=_("Over"), required=False)
    budget = forms.IntegerField(
        label=_("Budget: points for all members together"), min_value=1, max_value=10**12, required=False
    )
    starts_on = forms.DateField(
        label=_("From"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), required=False
    )
    ends_on = forms.DateField(
        label=_("Before"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), required=False
    )
    more = forms.CharField(
        label=_("A condition of your own, in CEL"),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        max_length=1_500,
        required=False,
        help_text=_("For example: branch == 'Centro' && hour < 12"),
    )

    def __init__(
        self,
        *given: Any,
        currency: str,
        names: Mapping[str, str],
        partners: Mapping[str, str] | None = None,
        asks_audience: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self.asks_audience = asks_audience
        if asks_audience:
            audience_forms.add_to(self, names)
        self.fields["per"] = MoneyField(currency=currency, label=gettext("For each"), required=False, min_value=0)
        self.fields["amount_min"] = MoneyField(
            currency=currency, label=gettext("Only from a purchase of"), required=False
        )
        self._choose("every", {"money": gettext("each amount of money"), "purchase": gettext("each purchase"),
                               "day": gettext("each day with a purchase")})  # fmt: skip
        self._choose("round", {"down": gettext("are dropped"), "nearest": gettext("are rounded"),
                               "up": gettext("are rounded up")})  # fmt: skip
        self._choose("counts", points_words.counted())
        self._choose("weekdays", {day: weekday_name(day) for day in plainly.DAYS})
        self._choose("tier", {"": gettext("any tier"), **names})
        self._choose("birthday", {"": gettext("any day"), "day": gettext("on the birthday"),
                                  "month": gettext("in the month of the birthday")})  # fmt: skip
        self._choose("cap_per", {"": "", **points_words.periods()})
        if partners:
            self.fields["partner"] = forms.ChoiceField(label=gettext("Paid for by"), required=False)
            self._choose("partner", {"": gettext("the business itself"), **partners})

    def _choose(self, name: str, choices: Mapping[Any, Any]) -> None:
        self.fields[name].choices = list(choices.items())  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("every") == "money" and not found.get("per") and "per" not in self.errors:
            self.add_error("per", gettext("Say for how much money."))
        if bool(found.get("cap_points")) != bool(found.get("cap_per")) and found.get("every") != "day":
            self.add_error("cap_points", gettext("Say how many points, and over which time."))
        if found.get("starts_on") and found.get("ends_on") and found["starts_on"] >= found["ends_on"]:
            self.add_error("ends_on", gettext("It has to begin before it ends."))
        if self.asks_audience and (problem := audience_forms.problem(found)):
            self.add_error("for_list", problem)
        return found

    def document(self, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The rule as it is published. What the form does not show of the version before stays."""
        given = self.cleaned_data
        kept = {name: value for name, value in (before or {}).items() if name in self._kept()}
        kept |= {"priority": before["priority"]} if before and before.get("priority") else {}
        then: dict[str, Any] = {"points": given["points"]}
        if given["every"] == "money":
            then["per"] = given["per"]
        said = {"title": given["title"], "then": then, **kept}
        if given["round"] != "down":
            said["round"] = given["round"]
        if condition := plainly.condition(self.chosen()):
            said["if"] = condition
        if given["counts"]:
            said["counts"] = given["counts"]
        if given["every"] == "day":
            said["cap"] = {"points": given["points"], "per": "day"}
        elif given["cap_points"]:
            said["cap"] = {"points": given["cap_points"], "per": given["cap_per"]}
        if given["budget"]:
            said["budget"] = {"points": given["budget"]}
        if given.get("partner"):
            said["partner"] = given["partner"]
        for name, part in (("starts_on", "from"), ("ends_on", "until")):
            if given[name]:
                said[part] = given[name].isoformat()
        if self.asks_audience and (audience := audience_forms.document(given)):
            said["audience"] = audience
        return said

    def _kept(self) -> tuple[str, ...]:
        return ("lines", "group", "stacking", *([] if self.asks_audience else ["audience"]))

    def chosen(self) -> plainly.Chosen:
        given = self.cleaned_data
        return plainly.Chosen(
            amount_min=given["amount_min"] or 0,
            weekdays=tuple(given["weekdays"]),
            tier=given["tier"],
            is_birthday=given["birthday"] == "day",
            is_birth_month=given["birthday"] == "month",
            more=given["more"],
        )


def rule_initial(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the form of a rule shows of its document."""
    then, cap = document["then"], document.get("cap") or {}
    picked = plainly.chosen(str(document.get("if", "")))
    is_of_day = not then.get("per") and cap == {"points": then["points"], "per": "day"}
    return {
        "title": document.get("title", ""),
        "points": then["points"],
        "every": "money" if then.get("per") else "day" if is_of_day else "purchase",
        "per": then.get("per") or None,
        "round": document.get("round", "down"),
        "counts": document.get("counts", []),
        "amount_min": picked.amount_min or None,
        "weekdays": list(picked.weekdays),
        "tier": picked.tier,
        "birthday": "day" if picked.is_birthday else "month" if picked.is_birth_month else "",
        "more": picked.more,
        "cap_points": None if is_of_day else cap.get("points"),
        "cap_per": "" if is_of_day else cap.get("per", ""),
        "partner": document.get("partner", ""),
        "budget": (document.get("budget") or {}).get("points"),
        "starts_on": document.get("from", ""),
        "ends_on": document.get("until", ""),
        **audience_forms.initial(document.get("audience")),
    }


class TiersForm(forms.Form):
    """Tiers from the lowest to the highest. A row without a name is none."""

    metric = forms.ChoiceField(label=_("What leads to a tier"))
    months = forms.IntegerField(
        label=_("Months for which a tier holds, and over which it is counted"), min_value=1, max_value=120
    )
    grace_days = forms.IntegerField(label=_("Days of grace after that"), min_value=0, max_value=3_650)
    down = forms.ChoiceField(label=_("Who did not keep it"))

    def __init__(self, *given: Any, currency: str, **more: Any) -> None:
        super().__init__(*given, **more)
        self.currency = currency
        self.fields["metric"].choices = [  # type: ignore[attr-defined]
            ("spend", gettext("what they spent")),
            ("visits", gettext("days on which they bought")),
            ("points", gettext("points they earned")),
            ("tenure", gettext("days since they joined")),
        ]
        self.fields["down"].choices = [  # type: ignore[attr-defined]
            ("one_step", gettext("goes down one tier")),
            ("to_earned", gettext("goes down to what was reached")),
        ]
        self.numbers = range(1, TIERS_MAX + 1)
        for n in self.numbers:
            self.fields[f"name_{n}"] = forms.CharField(label=gettext("Name"), max_length=40, required=False)
            for part, label in (("reach", gettext("Needs")), ("keep", gettext("Keeping it needs"))):
                self.fields[f"{part}_{n}"] = forms.DecimalField(
                    label=label, min_value=0, max_digits=14, decimal_places=money.exponent(currency), required=False
                )
            self.fields[f"key_{n}"] = forms.CharField(widget=forms.HiddenInput, max_length=40, required=False)

    def rows(self) -> Iterable[Mapping[str, Any]]:
        for n in self.numbers:
            yield {part: self[f"{part}_{n}"] for part in ("name", "reach", "keep", "key")} | {"number": n}

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not any(found.get(f"name_{n}") for n in self.numbers):
            self.add_error("name_1", gettext("Name one tier at least."))
        for n in self.numbers:
            if found.get(f"name_{n}") and found.get(f"reach_{n}") is None and f"reach_{n}" not in self.errors:
                self.add_error(f"reach_{n}", gettext("Say what it needs; 0 is everybody."))
        return found

    def document(self) -> dict[str, Any]:
        given = self.cleaned_data
        taken: set[str] = set()
        rows = []
        for n in self.numbers:
            if not given[f"name_{n}"]:
                continue
            key = given[f"key_{n}"] or free_key(given[f"name_{n}"], taken)
            taken.add(key)
            row: dict[str, Any] = {"key": key, "name": given[f"name_{n}"], "reach": self._whole(given[f"reach_{n}"])}
            if given[f"keep_{n}"] is not None:
                row["keep"] = self._whole(given[f"keep_{n}"])
            rows.append(row)
        rows.sort(key=lambda row: row["reach"])
        return {name: given[name] for name in ("metric", "months", "grace_days", "down")} | {"tiers": rows}

    def _whole(self, value: Decimal) -> int:
        if self.cleaned_data["metric"] == "spend":
            return money.to_minor(value, self.currency)
        return int(value)


def tiers_initial(document: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """What the form of the tiers shows of their document."""
    found = {name: document.get(name, default) for name, default in TIERS_DEFAULTS.items()}
    is_money = found["metric"] == "spend"
    for n, tier in enumerate(document.get("tiers", [])[:TIERS_MAX], 1):
        found |= {f"name_{n}": tier.get("name", tier["key"]), f"key_{n}": tier["key"]}
        for part in ("reach", "keep"):
            value = tier.get(part)
            found[f"{part}_{n}"] = money.to_decimal(value, currency) if is_money and value is not None else value
    return found


TIERS_DEFAULTS: Mapping[str, Any] = {"metric": "spend", "months": 12, "grace_days": 30, "down": "one_step"}


def free_key(name: str, taken: Iterable[str]) -> str:
    """A name for machines that nobody has yet."""
    known, base = set(taken), slugify(name)[:50] or "rule"
    return next(key for n in range(1, 10**6) if (key := base if n == 1 else f"{base}-{n}") not in known)


class PointsForm(forms.Form):
    """A correction by hand, once, however often the button is pressed."""

    points = forms.IntegerField(label=_("Points more; fewer with a minus"), min_value=-(10**12), max_value=10**12)
    reason = forms.CharField(label=_("Why"), max_length=400, help_text=_("The member reads it."))
    key = forms.RegexField(r"^[\w-]{16,64}$", widget=forms.HiddenInput)

    def clean_points(self) -> int:
        found = int(self.cleaned_data["points"])
        if found == 0:
            raise forms.ValidationError(gettext("Say how many."))
        return found


def templates(currency: str) -> Sequence[dict[str, Any]]:
    """Programmes to begin from: what each is, and what its forms are filled in with."""
    unit = 10 ** money.exponent(currency)
    policy = {
        "name": gettext("Club"),
        "pending_days": 14,
        "notice_days": 30,
        "expiry_count": 12,
        "expiry_unit": "month",
        "expiry_rounding": "month",
        "deficit": "stop",
        "deficit_max": 0,
        "adjust_max": 200,
        "cost_per_thousand": 10 * unit,
    }
    base = {"title": gettext("Every purchase"), "then": {"points": 1, "per": unit}}
    visits = {"title": gettext("Every visit"), "then": {"points": 10}, "cap": {"points": 10, "per": "day"}}
    abc = {
        **TIERS_DEFAULTS,
        "tiers": [
            {"key": "c", "name": "C", "reach": 0},
            {"key": "b", "name": "B", "reach": 300 * unit},
            {"key": "a", "name": "A", "reach": 1_000 * unit},
        ],
    }
    double = {"title": gettext("Double for A"), "then": {"points": 1, "per": unit}, "if": 'tier == "a"'}
    return [
        {
            "key": "money",
            "title": gettext("Points for money"),
            "say": gettext("Each purchase earns by what it costs. Simple, fair, and understood by everybody."),
            "policy": policy,
            "rules": {"every-purchase": base},
        },
        {
            "key": "visits",
            "title": gettext("Points for visits"),
            "say": gettext("Each day with a purchase earns the same. For a café, a hairdresser, a small shop."),
            "policy": {**policy, "pending_days": 0},
            "rules": {"every-visit": visits},
        },
        {
            "key": "tiers",
            "title": gettext("Points and tiers A, B, C"),
            "say": gettext("Points for money, and the best customers stand in a tier that gives them double."),
            "policy": policy,
            "rules": {"every-purchase": base, "double-for-a": double},
            "tiers": abc,
        },
        _miles(policy, unit),
    ]


def _miles(policy: Mapping[str, Any], unit: int) -> dict[str, Any]:
    every = {"title": gettext("Every trip"), "then": {"points": 5, "per": unit}}
    business = {"title": gettext("Business class"), "then": {"points": 5, "per": unit}, "if": "channel == 'business'"}
    reach = {"silver": 25_000, "gold": 50_000, "platinum": 100_000}
    names = {"silver": gettext("Silver"), "gold": gettext("Gold"), "platinum": gettext("Platinum")}
    tiers = [{"key": key, "name": names[key], "reach": miles} for key, miles in reach.items()]
    return {
        "key": "miles",
        "title": gettext("Miles"),
        "say": gettext(
            "Many miles for each trip, long to keep; what was earned in a year leads to Silver, Gold, Platinum."
        ),
        "policy": {**policy, "name": gettext("Miles"), "pending_days": 3, "expiry_count": 36, "adjust_max": 2_000,
                   "cost_per_thousand": 5 * unit},
        "rules": {"every-trip": every, "business-class": business},
        "tiers": {**TIERS_DEFAULTS, "metric": "points", "tiers": tiers},
    }  # fmt: skip
