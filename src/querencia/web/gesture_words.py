"""Gestures in words: what is given, to whom, on which day."""

from collections.abc import Mapping

from babel.dates import get_month_names
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from querencia.loyalty.gestures import Terms, Yearly
from querencia.web.points_words import listed, points
from querencia.web.templatetags.house import locale, weekday_name


def gives(terms: Terms, gifts: Mapping[str, str]) -> str:
    """50 points, valid for 30 days; or a mug of the house. ``gifts``: names of rewards by key."""
    if terms.reward:
        return gifts.get(terms.reward, terms.reward)
    said = points(terms.points)
    if terms.valid_days:
        valid = ngettext("valid for %(count)s day", "valid for %(count)s days", terms.valid_days)
        return f"{said}, {valid % {'count': terms.valid_days}}"
    return said


def to_whom(terms: Terms, names: Mapping[str, str]) -> list[str]:
    """Under which conditions, one by one. ``names`` of tiers by key."""
    said = []
    if terms.on:
        said.append(day_of(terms.on))
    if terms.tiers:
        said.append(_("for members in %(tier)s") % {"tier": listed([names.get(each, each) for each in terms.tiers])})
    if terms.member_days:
        since = ngettext(
            "for who joined %(count)s day before at least",
            "for who joined %(count)s days before at least",
            terms.member_days,
        )
        said.append(since % {"count": terms.member_days})
    return said


def day_of(on: Yearly) -> str:
    month = months()[on.month]
    if on.day:
        return _("every year on %(month)s %(day)s") % {"day": on.day, "month": month}
    return _("on the %(nth)s %(weekday)s of %(month)s") % {
        "nth": places(on.weekday)[on.nth],
        "weekday": weekday_name(on.weekday),
        "month": month,
    }


def months() -> Mapping[int, str]:
    return dict(get_month_names("wide", locale=locale()))


def places(weekday: int = 7) -> dict[int, str]:
    """Which one of its month; some languages say it otherwise of Saturdays and Sundays."""
    if weekday > 5:
        return {
            1: pgettext("Sunday", "first"),
            2: pgettext("Sunday", "second"),
            3: pgettext("Sunday", "third"),
            4: pgettext("Sunday", "fourth"),
            5: pgettext("Sunday", "last"),
        }
    return {
        1: pgettext("Monday", "first"),
        2: pgettext("Monday", "second"),
        3: pgettext("Monday", "third"),
        4: pgettext("Monday", "fourth"),
        5: pgettext("Monday", "last"),
    }
