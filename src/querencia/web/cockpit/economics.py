"""What keeping customers is worth: the manager moves retention, margin, discount and cost, and sees what it brings.

The sums of all purchases are kept by each run; here some thousandths of a second of arithmetic are done on them.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import ceil
from typing import Any

from django import forms
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from querencia.business import queries as business
from querencia.business.models import Business
from querencia.common import money
from querencia.insight import economics, plot
from querencia.insight.economics import Inputs, Kept
from querencia.insight.gates import Gate
from querencia.insight.intervals import wilson
from querencia.measures import queries
from querencia.web.access import Request, needs
from querencia.web.cockpit import parts
from querencia.web.templatetags.house import language, number, percent

# Where the purchases tell no margin: a start to move away from, said to be assumed.
MARGIN_ASSUMED = 30
STEPS = 10
POINTS_SEEN = 10
SHARES = ("points", "margin", "discount")
PAGE = "cockpit/economics.html"


class EconomicsForm(forms.Form):
    """What the manager moves. Shares are per cent, amounts in the currency of the business."""

    points = forms.DecimalField(label=_("Points of retention gained"), min_value=0, max_value=30, initial=5)
    margin = forms.DecimalField(label=_("Margin, per cent of revenue"), min_value=0, max_value=100)
    discount = forms.DecimalField(label=_("Discount, per cent a year"), min_value=0, max_value=50, initial=10)
    cost = forms.DecimalField(
        label=_("Cost of the effort, per customer and year"), min_value=0, max_value=10**9, initial=0
    )
    acquiring = forms.DecimalField(label=_("Cost of winning one new customer"), min_value=0, max_value=10**9, initial=0)
    referral = forms.MultipleChoiceField(
        label=_("Channels of customers sent by others"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, sent: QueryDict, kept: Kept) -> None:
        start = {name: str(field.initial) for name, field in self.base_fields.items() if field.initial is not None}
        self.start = start | {"margin": _margin(kept)}
        data = sent.copy()
        for name, value in self.start.items():
            # What is not sent stays where it begins; what is wrong is said, and reckoned as if not sent.
            data.setdefault(name, value)
        super().__init__(data)
        channels = {name: count for name, count in kept.new_by_channel.items() if name}
        self.fields["referral"].choices = [(name, f"{name} · {number(count)}") for name, count in channels.items()]  # type: ignore[attr-defined]
        for name in SHARES:
            self.fields[name].widget = forms.NumberInput(attrs={"type": "range", "step": "0.5"})
        for name in ("cost", "acquiring"):
            self.fields[name].widget = forms.NumberInput(attrs={"inputmode": "decimal", "step": "any", "min": "0"})
        for name, field in self.fields.items():
            if isinstance(field, forms.DecimalField) and name in SHARES:
                field.widget.attrs |= {"min": str(field.min_value), "max": str(field.max_value)}

    def inputs(self, currency: str) -> Inputs:
        """What was sent, in the units of insight."""
        self.is_valid()
        value = {name: self.cleaned_data.get(name, Decimal(start)) for name, start in self.start.items()}
        shares = {name: float(value[name]) / 100 for name in SHARES}
        cost, acquiring = (money.to_minor(value[name], currency) for name in ("cost", "acquiring"))
        return Inputs(shares["points"], shares["margin"], shares["discount"], cost, acquiring)


@dataclass(frozen=True)
class Answer:
    """Everything the page says for some inputs."""

    found: economics.Scenario | None
    headline: str
    claims: list[economics.Claim]
    gates: list[Gate]
    rows: list[dict[str, Any]]
    renewals: list[dict[str, Any]]
    pictures: dict[str, str]


@require_GET
@needs("see_figures")
def economics_page(request: Request) -> HttpResponse:
    known, finding = business.business(), queries.finding("economics")
    if known is None or finding is None:
        return parts.show(request, PAGE, "answer", {"run": queries.latest_run()})
    kept = Kept.of_json(finding)
    form = EconomicsForm(request.GET, kept)
    inputs = form.inputs(known.currency)
    context = {
        "kept": kept,
        "form": form,
        "inputs": inputs,
        "answer": _answer(kept, inputs, known, form.cleaned_data.get("referral", [])),
        "stands": _stands(inputs),
        "run": queries.latest_done(),
    }
    return parts.show(request, PAGE, "answer", context)


def _answer(kept: Kept, inputs: Inputs, known: Business, referral: list[str]) -> Answer:
    found = economics.scenario(kept, inputs)
    rows = economics.at_points(kept, inputs, _steps(inputs.points))
    drawn = {}
    if found is not None:
        drawn["gain"] = plot.svg(plot.gain(rows, marked=inputs.points, currency=known.currency))
        seen = (tuple(kept.could), tuple(kept.renewed), tuple(economics.rates(kept)))
        drawn["renewals"] = _drawn_renewals(*seen, language())
    return Answer(
        found=found,
        headline=economics.headline(found, currency=known.currency) if found else "",
        claims=economics.claims(kept, inputs, currency=known.currency, referral=referral),
        gates=[gate for gate in economics.check(kept) if not gate.is_open],
        rows=rows,
        renewals=_renewals(kept),
        pictures=drawn,
    )


@lru_cache(maxsize=32)
def _drawn_renewals(could: tuple[int, ...], renewed: tuple[int, ...], rates: tuple[float, ...], code: str) -> str:
    """The same whatever is moved: drawn once in each language (``code``, the one now spoken)."""
    return plot.svg(plot.renewals(could, renewed, rates))


def _steps(points: float) -> list[float]:
    """Points to draw the gain at: ten steps beyond those asked for, and those."""
    last = max(POINTS_SEEN, ceil(points * 100 * 1.4))
    return sorted({points, *(step * last / STEPS / 100 for step in range(STEPS + 1))})


def _renewals(kept: Kept) -> list[dict[str, Any]]:
    return [
        {"number": n, "could": could, "renewed": renewed, "share": renewed / could, "interval": wilson(renewed, could)}
        for n, (could, renewed) in enumerate(zip(kept.could, kept.renewed, strict=True), 1)
        if could
    ]


def _margin(kept: Kept) -> str:
    if kept.margin_share is None:
        return str(MARGIN_ASSUMED)
    return str(min(100.0, max(0.0, round(kept.margin_share * 200) / 2)))


def _stands(inputs: Inputs) -> dict[str, str]:
    """What each slider says of where it stands."""
    points = round(inputs.points * 100, 1)
    return {
        "points": ngettext("%(points)s point", "%(points)s points", 1 if points == 1 else 2)
        % {"points": number(points, 1 if points % 1 else 0)},
        **{name: percent(getattr(inputs, name), 1 if getattr(inputs, name) * 100 % 1 else 0) for name in SHARES[1:]},
    }
