"""Scores in plain sentences, in the words of the shop and the current language (:mod:`querencia.insight.language`).

Days are whole numbers or day numbers, money is minor units, chances are shares of one.
"""

from collections.abc import Mapping
from typing import Any

from querencia.insight.language import gettext as _
from querencia.insight.language import ngettext
from querencia.insight.wording import day, money, number, percent

STAGES = ("new", "active", "late", "left", "returned")


def days(count: float) -> str:
    """``1 day``, ``24 days``.

    >>> days(24), days(1)
    ('24 days', '1 day')
    """
    whole = max(1, round(count))
    return ngettext("%(count)s day", "%(count)s days", whole) % {"count": number(whole)}


def every(count: float) -> str:
    """``every day``, ``every 24 days``.

    >>> every(24), every(1)
    ('every 24 days', 'every day')
    """
    return _("every day") if round(count) <= 1 else _("every %(days)s") % {"days": days(count)}


def _silence(rhythm_days: float, silent_days: float) -> str:
    """Days without coming, told after the rhythm: the unit is said once, where the rhythm has said it."""
    return number(silent_days) if round(rhythm_days) > 1 and round(silent_days) > 1 else days(silent_days)


def rhythm(rhythm_days: float, silent_days: int, *, low: float | None = None, high: float | None = None) -> str:
    """How often they bought, and for how long they have been silent.

    >>> rhythm(24, 100, low=18, high=31)
    'Bought every 24 days (between 18 and 31); has not come for 100.'
    """
    facts = {"rhythm": every(rhythm_days), "silent": days(silent_days)}
    if silent_days < 1:
        return _("Buys %(rhythm)s; bought on the last day.") % facts
    if silent_days <= rhythm_days:
        return _("Buys %(rhythm)s; the last purchase was %(silent)s ago.") % facts
    facts["silent"] = _silence(rhythm_days, silent_days)
    if low is not None and high is not None and round(low) != round(high):
        facts |= {"low": number(max(1, low)), "high": number(max(1, high))}
        return _("Bought %(rhythm)s (between %(low)s and %(high)s); has not come for %(silent)s.") % facts
    return _("Bought %(rhythm)s; has not come for %(silent)s.") % facts


def stage(code: str, *, left_day: Any = None) -> str:
    """What the stage of a customer means; "" for an unknown one.

    >>> stage("late")
    'They are late for their own rhythm, and still in time to stay.'
    """
    if code == "left" and left_day is not None:
        return _("By their own rhythm, they left around %(day)s.") % {"day": day(left_day)}
    return {
        "new": _("They are new: too few purchases yet to know their rhythm."),
        "active": _("They come as usual."),
        "late": _("They are late for their own rhythm, and still in time to stay."),
        "left": _("By their own rhythm, they have left."),
        "returned": _("They had left, and came back."),
    }.get(code, "")


def chance(chance_of_purchase: float, *, horizon_days: int, low: float | None = None, high: float | None = None) -> str:
    """The chance of at least one purchase within the horizon.

    >>> chance(0.312, horizon_days=90, low=0.25, high=0.38)
    'Chance of buying within 90 days: 31% (between 25% and 38%).'
    """
    facts = {"chance": percent(chance_of_purchase), "days": days(horizon_days)}
    if low is None or high is None:
        return _("Chance of buying within %(days)s: %(chance)s.") % facts
    facts |= {"low": percent(low), "high": percent(high)}
    return _("Chance of buying within %(days)s: %(chance)s (between %(low)s and %(high)s).") % facts


def spend(expected: float, *, currency: str, horizon_days: int, low: float | None, high: float | None) -> str:
    """What they are expected to bring within the horizon.

    >>> spend(4_250, currency="EUR", horizon_days=90, low=1_000, high=9_000)
    'Expected within 90 days: €42.50; eight of ten such customers bring €10.00 to €90.00.'
    """
    facts = {"amount": money(expected, currency), "days": days(horizon_days)}
    if low is None or high is None:
        return _("Expected within %(days)s: %(amount)s.") % facts
    facts |= {"low": money(low, currency), "high": money(high, currency)}
    return _("Expected within %(days)s: %(amount)s; eight of ten such customers bring %(low)s to %(high)s.") % facts


def classed(abc: str) -> str:
    """What the class of a customer means; "" for an unknown one.

    >>> classed("B")
    'Class B: one of those who bring the next 15 % of revenue.'
    """
    return {
        "A": _("Class A: one of those who bring the first 80 % of revenue."),
        "B": _("Class B: one of those who bring the next 15 % of revenue."),
        "C": _("Class C: one of the many who bring the last 5 % of revenue."),
    }.get(abc, "")


def customer(score: Mapping[str, Any], *, currency: str) -> list[str]:
    """Everything the score of one customer says, the most telling first. Null facts are passed over.

    >>> customer({"purchases": 9, "rhythm_days": 24, "silent_days": 100, "stage": "left"}, currency="EUR")
    ['Bought every 24 days; has not come for 100.', 'By their own rhythm, they have left.']
    """
    said = []
    if score.get("rhythm_days") is not None and score.get("purchases", 0) > 1:
        low, high = score.get("rhythm_low"), score.get("rhythm_high")
        said.append(rhythm(score["rhythm_days"], score["silent_days"], low=low, high=high))
    elif score.get("silent_days") is not None:
        said.append(_("Bought once, %(silent)s ago.") % {"silent": days(score["silent_days"])})
    if score.get("stage"):
        said.append(stage(score["stage"], left_day=score.get("left_on")))
    horizon = score.get("horizon_days") or 0
    if score.get("chance_of_purchase") is not None:
        low, high = score.get("chance_low"), score.get("chance_high")
        said.append(chance(score["chance_of_purchase"], horizon_days=horizon, low=low, high=high))
    if score.get("expected_spend") is not None:
        low, high = score.get("expected_spend_low"), score.get("expected_spend_high")
        said.append(spend(score["expected_spend"], currency=currency, horizon_days=horizon, low=low, high=high))
    if score.get("abc"):
        said.append(classed(score["abc"]))
    return [sentence for sentence in said if sentence]


def call_reason(code: str, facts: Mapping[str, Any]) -> str:
    """Why to call somebody now. Raises KeyError for a reason that is not known.

    >>> call_reason("slower_than_rhythm", {"rhythm_days": 24, "silent_days": 40})
    'Bought every 24 days; has not come for 40.'
    """
    silent = days(facts["silent_days"])
    if code == "one_purchase_then_silence":
        if facts.get("limit_days") is None:
            return silence(facts)
        told = {"silent": silent, "limit": days(facts["limit_days"])}
        return _("Bought once, %(silent)s ago; who comes back does so within %(limit)s.") % told
    if code == "dropped_frequency":
        told = {"often": number(facts["purchases_per_month"]), "silent": silent}
        return _("From %(often)s purchases a month to none in %(silent)s.") % told
    told = {"rhythm": every(facts["rhythm_days"]), "silent": _silence(facts["rhythm_days"], facts["silent_days"])}
    if code == "slower_than_rhythm":
        return _("Bought %(rhythm)s; has not come for %(silent)s.") % told
    if code == "big_customer_left_recently":
        return _("One of the best: bought %(rhythm)s; silent for %(silent)s, longer than that rhythm explains.") % told
    if code == "left_recently":
        return _("Bought %(rhythm)s; silent for %(silent)s, which by that rhythm is leaving.") % told
    raise KeyError(code)


def silence(facts: Mapping[str, Any]) -> str:
    """Why a silent customer is worth a call: by their rhythm where it is known.

    >>> silence({"silent_days": 40})
    'Bought once, 40 days ago.'
    """
    if facts.get("rhythm_days") is None:
        return _("Bought once, %(silent)s ago.") % {"silent": days(facts["silent_days"])}
    return rhythm(facts["rhythm_days"], facts["silent_days"])


def model_name(name: str) -> str:
    """The name of a model or of a simple rule, as readers know it.

    >>> model_name("hiatus rule")
    'hiatus rule'
    """
    return _(name)


def model(name: str, *, beats_simple_by: float | None, simple: str | None) -> str:
    """The small print: which model speaks, and by how much it beat the simple rules.

    >>> model("Pareto/NBD", beats_simple_by=0.031, simple="hiatus rule")
    "Pareto/NBD; in the back-test its error was 3.1% below the best simple rule's (hiatus rule)."
    """
    if not beats_simple_by or not simple:
        return _("%(model)s; no other did better in the back-test.") % {"model": model_name(name)}
    facts = {"model": model_name(name), "share": percent(beats_simple_by, 1), "rule": model_name(simple)}
    return _("%(model)s; in the back-test its error was %(share)s below the best simple rule's (%(rule)s).") % facts
