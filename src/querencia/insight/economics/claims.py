"""What is said of retention everywhere, beside what this firm's own purchases say; and why a figure is missing."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from querencia.insight import notebook
from querencia.insight.economics.kept import Kept
from querencia.insight.economics.scenario import Inputs, Scenario, scenario
from querencia.insight.economics.shares import referred
from querencia.insight.estimate import Estimate
from querencia.insight.explain import days
from querencia.insight.gates import CUSTOMERS_MIN, Gate, Gates
from querencia.insight.intervals import CONFIDENCE
from querencia.insight.language import gettext as _
from querencia.insight.uplift.arms import z_of
from querencia.insight.wording import money, number, percent

FIVE_POINTS = 0.05


@dataclass(frozen=True)
class Claim:
    """A well-known claim with its source, and the firm's own figure in a sentence, or why there is none.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> economics.claims(kept, economics.Inputs(), currency="USD")[4].own
    'The best fifth of your customers brings 67% (between 65% and 70%).'
    """

    name: str
    claim: str
    own: str
    figure: Estimate | None

    def _repr_html_(self) -> str:
        return notebook.card("", self.claim, self.own)


def check(kept: Kept) -> Gates:
    """The gates ``customers``, ``renewals`` and ``money`` of the economics of a firm.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> [(gate.name, gate.is_open) for gate in economics.check(kept)]
    [('customers', True), ('renewals', True), ('money', True)]
    """
    could = kept.could[0] if kept.could else 0
    facts = {"count": kept.customers, "least": CUSTOMERS_MIN}
    if kept.customers >= CUSTOMERS_MIN:
        reason = _("Customers who have bought: %(count)s, enough to speak of shares (at least %(least)s).")
    else:
        reason = _(
            "Customers who have bought so far: %(count)s. Below %(least)s, chance moves every share by more than "
            "17 points."
        )
    found = Gates([Gate("customers", kept.customers >= CUSTOMERS_MIN, reason % facts, facts)])
    facts = {"count": could, "least": CUSTOMERS_MIN}
    if could >= CUSTOMERS_MIN:
        reason = _("Customers who could show whether they stay: %(count)s, enough (at least %(least)s).")
    elif kept.window_days is None:
        reason = _("The purchases do not reach back far enough to see who stays and who leaves.")
    else:
        reason = _(
            "Customers who could show whether they stay: %(count)s. Who stays, only customers of some time can tell: "
            "at least %(least)s of them."
        )
    found.append(Gate("renewals", could >= CUSTOMERS_MIN, reason % facts, facts))
    spends = kept.spend > 0
    if spends:
        reason = _("Customers have brought money in, so that their worth can be told.")
    else:
        reason = _("No customer has brought money in: the purchases have no amounts, or everything was given back.")
    return Gates([*found, Gate("money", spends, reason)])


def claims(kept: Kept, inputs: Inputs, *, currency: str, referral: Collection[str] = ()) -> list[Claim]:
    """The well-known claims beside the firm's own figures. ``referral``: channels of customers sent by others.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> [claim.name for claim in economics.claims(kept, economics.Inputs(), currency="USD")][:3]
    ['five_points', 'acquiring', 'long_standing']
    """
    found = scenario(kept, inputs)
    five = scenario(kept, replace(inputs, points=FIVE_POINTS))
    return [
        _five_points(five),
        _acquiring(found, currency),
        _long_standing(kept),
        _referral(kept, referral),
        _top(kept),
        _grows(kept),
        _elasticity(five),
    ]


def second_window(kept: Kept) -> Estimate | None:
    """What customers who renewed spent in their second window, as a multiple of their first: a ratio of paired sums.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> round(economics.second_window(kept).value, 2)
    0.75
    """
    sums = kept.second
    if not sums or sums["customers"] < CUSTOMERS_MIN or sums["x"] <= 0:
        return None
    ratio = sums["y"] / sums["x"]
    squares = max(0.0, sums["yy"] - 2 * ratio * sums["xy"] + ratio**2 * sums["xx"])
    reach = z_of(CONFIDENCE) * squares**0.5 / sums["x"]
    return Estimate(ratio, ratio - reach, ratio + reach)


def _range(figure: Estimate, digits: int = 0) -> dict[str, str]:
    return {name: percent(getattr(figure, name), digits) for name in ("value", "low", "high")}


def _too_short() -> str:
    return _("The purchases do not say yet.")


def _five_points(found: Scenario | None) -> Claim:
    said = _(
        "“Five points more retention raise profit by 25 to 85 per cent.” Reichheld & Sasser 1990, a thought experiment "
        "about nine trades, without the cost of it."
    )
    if found is None:
        return Claim("five_points", said, _too_short(), None)
    own = _(
        "Here they raise what a new customer is worth by %(value)s (between %(low)s and %(high)s), before their cost."
    )
    return Claim("five_points", said, own % _range(found.change, 1), found.change)


def _acquiring(found: Scenario | None, currency: str) -> Claim:
    said = _(
        "“Winning a customer costs five times as much as keeping one.” A rule of thumb of the 1980s, without data."
    )
    if found is None or found.keeping is None or found.acquiring_times is None:
        own = _(
            "Give what winning a customer costs, and what the effort to keep them costs, and this says how it is here."
        )
        return Claim("acquiring", said, own, None)
    facts = {
        "keeping": money(found.keeping, currency),
        "acquiring": money(found.inputs.acquiring, currency),
        "times": number(found.acquiring_times, 1),
    }
    own = _(
        "With your costs, keeping one customer more costs %(keeping)s and winning one %(acquiring)s: %(times)s times "
        "as much."
    )
    times = found.acquiring_times
    return Claim("acquiring", said, own % facts, Estimate(times, times, times))


def _long_standing(kept: Kept) -> Claim:
    said = _("“Most of the profit comes from customers of many years.” Reichheld 1996, The Loyalty Effect.")
    if kept.long_standing is None:
        return Claim("long_standing", said, _("For that, purchases must reach back more than two years."), None)
    if kept.long_standing_of == "revenue":
        own = _("Customers of more than two years bring %(value)s of a year's revenue (between %(low)s and %(high)s).")
    else:
        own = _("Customers of more than two years bring %(value)s of a year's profit (between %(low)s and %(high)s).")
    return Claim("long_standing", said, own % _range(kept.long_standing), kept.long_standing)


def _referral(kept: Kept, referral: Collection[str]) -> Claim:
    said = _("“The best new customers are sent by customers.” Reichheld 1996, The Loyalty Effect.")
    known = {channel for channel in kept.new_by_channel if channel}
    if not known:
        own = _(
            "The purchases do not say how customers came: hand in a channel with each, and this counts who was sent."
        )
        return Claim("referral", said, own, None)
    chosen = known & set(referral)
    figure = referred(kept.new_by_channel, values=chosen) if chosen else None
    if figure is None:
        return Claim("referral", said, _("Say which channels mean that a customer was sent by another."), None)
    own = _("Of the customers new in the last year %(value)s were sent by others (between %(low)s and %(high)s).")
    return Claim("referral", said, own % _range(figure), figure)


def _top(kept: Kept) -> Claim:
    said = _("“A fifth of the customers brings four fifths of the revenue.” Juran 1951, after Pareto.")
    if kept.top_20 is None:
        return Claim("top_20", said, _too_short(), None)
    own = _("The best fifth of your customers brings %(value)s (between %(low)s and %(high)s).")
    return Claim("top_20", said, own % _range(kept.top_20), kept.top_20)


def _grows(kept: Kept) -> Claim:
    said = _("“The longer customers stay, the more they bring each year.” Reichheld & Sasser 1990.")
    figure = second_window(kept)
    if figure is None or kept.window_days is None:
        return Claim("grows", said, _too_short(), None)
    facts = {"days": days(kept.window_days), **_range(figure)}
    own = _(
        "Those who stayed spent in their second %(days)s %(value)s of what they had spent in their first (between "
        "%(low)s and %(high)s)."
    )
    return Claim("grows", said, own % facts, figure)


def _elasticity(found: Scenario | None) -> Claim:
    said = _(
        "“One per cent better retention raises the worth of customers by five per cent.” Gupta, Lehmann & Stuart 2004, "
        "from five firms (2.5 to 6.8)."
    )
    if found is None:
        return Claim("elasticity", said, _too_short(), None)
    facts = {name: number(getattr(found.elasticity, name), 2) for name in ("value", "low", "high")}
    own = _("Here one per cent of retention raises it by %(value)s per cent (between %(low)s and %(high)s).")
    return Claim("elasticity", said, own % facts, found.elasticity)


def headline(found: Scenario, *, currency: str) -> str:
    """What the points bring, in one sentence in the current language.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> economics.headline(economics.scenario(kept), currency="USD")
    "5 points more retention would bring $1,105 with today's 582 customers (between $1,004 and $1,208)."
    """
    facts = {
        "points": number(found.points * 100, 1 if round(found.points * 100, 1) % 1 else 0),
        "customers": number(found.customers),
        **{name: money(getattr(found.gain, name), currency) for name in ("value", "low", "high")},
    }
    if found.points <= 0:
        return _("Retention as it is: move the points to see what more of it would bring.")
    if found.gain.low > 0:
        return (
            _(
                "%(points)s points more retention would bring %(value)s with today's %(customers)s customers (between "
                "%(low)s and %(high)s)."
            )
            % facts
        )
    if found.gain.high < 0:
        facts |= {"value": money(-found.gain.value, currency)}
        facts |= {"low": money(-found.gain.high, currency), "high": money(-found.gain.low, currency)}
        return (
            _(
                "At this cost, %(points)s points more retention would lose %(value)s with today's %(customers)s "
                "customers (between %(low)s and %(high)s)."
            )
            % facts
        )
    return (
        _(
            "Whether %(points)s points more retention pay at this cost, the purchases do not tell: with today's "
            "%(customers)s customers, between %(low)s and %(high)s."
        )
        % facts
    )
