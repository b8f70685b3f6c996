"""How long customers stay, in one sentence."""

from collections.abc import Mapping
from typing import Any, Literal

from querencia.insight.errors import InputError
from querencia.insight.language import gettext as _
from querencia.insight.language import ngettext
from querencia.insight.wording import number

Unit = Literal["day", "week", "month", "quarter", "year"]


def lasting(count: float, unit: Unit) -> str:
    """``1 month``, ``12 months``; fractions with one decimal.

    >>> lasting(12, "month"), lasting(1, "year"), lasting(2.5, "year")
    ('12 months', '1 year', '2.5 years')
    """
    digits = _digits(count)
    # A fraction is a plural in all our languages.
    whole = round(count) if digits == 0 else 2
    forms = {
        "day": lambda: ngettext("%(count)s day", "%(count)s days", whole),
        "week": lambda: ngettext("%(count)s week", "%(count)s weeks", whole),
        "month": lambda: ngettext("%(count)s month", "%(count)s months", whole),
        "quarter": lambda: ngettext("%(count)s quarter", "%(count)s quarters", whole),
        "year": lambda: ngettext("%(count)s year", "%(count)s years", whole),
    }
    if unit not in forms:
        raise InputError(f"{unit!r} is no unit of tenure: say {', '.join(forms)}.", example=unit)
    return forms[unit]() % {"count": number(count, digits)}


def _digits(count: float) -> int:
    return 0 if round(count, 1) == round(count) else 1


def _short(count: float) -> str:
    return number(count, _digits(count))


def said(row: Mapping[str, Any], *, unit: Unit) -> str:
    """A row of :func:`typical` in one sentence, in the current language.

    >>> from querencia.insight import samples, survival
    >>> survival.said(survival.typical(samples.subscribers(), by="plan").row(0, named=True), unit="year")
    'Half of the customers stay longer than 7 years (between 6 and 8).'
    """
    facts = {
        "horizon": lasting(row["horizon"], unit),
        "mean": lasting(round(row["mean"], 1), unit),
        "low": _short(row["mean_low"]),
        "high": _short(row["mean_high"]),
    }
    if row["median"] is None or row["median"] != row["median"]:
        return (
            _(
                "More than half of the customers outlast all that has been observed; of the first %(horizon)s a "
                "customer stays %(mean)s on average (between %(low)s and %(high)s)."
            )
            % facts
        )
    facts |= {"median": lasting(row["median"], unit)}
    ends = [row["median_low"], row["median_high"]]
    if all(end is not None and end == end for end in ends):
        facts |= {"from": _short(ends[0]), "to": _short(ends[1])}
        return _("Half of the customers stay longer than %(median)s (between %(from)s and %(to)s).") % facts
    facts |= {"from": lasting(ends[0], unit) if ends[0] is not None and ends[0] == ends[0] else lasting(0, unit)}
    return (
        _(
            "Half of the customers stay longer than %(median)s (at least %(from)s; how much longer at most, the "
            "data do not say yet)."
        )
        % facts
    )
