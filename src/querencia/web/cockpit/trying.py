"""Before rules or tiers count they are tried on what was really bought; what was tried is what is published."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from querencia.common.time import local_day, now
from querencia.insight import plot
from querencia.insight.estimate import Estimate
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import rules
from querencia.loyalty.queries.trial import Trial, trial
from querencia.loyalty.replay import Promise
from querencia.measures import queries as measured
from querencia.web import points_words
from querencia.web.access import Request
from querencia.web.templatetags.house import day, money, number

MONTHS = (12, 24)
SALT = "querencia.trial"


def seal(programme: Programme, name: str, document: Mapping[str, Any]) -> str:
    """What only a page that tried this very document can hold, and only as long as nothing else was published."""
    tried = json.dumps([programme.pk, rules.mark(programme), name, document], sort_keys=True)
    return salted_hmac(SALT, tried, algorithm="sha256").hexdigest()


def is_tried(request: Request, programme: Programme, name: str, document: Mapping[str, Any]) -> bool:
    """Whether somebody saw what it would do, and wants it now."""
    given = request.POST.get("sure", "")
    return constant_time_compare(given, seal(programme, name, document)) if given else False


def tried(request: Request, programme: Programme, before: Promise, after: Promise) -> dict[str, Any]:
    """What a page says of a trial over as many months as it asks for, up to the latest purchase that is known of."""
    asked = request.POST.get("months") or request.GET.get("months") or ""
    months = int(asked) if asked in map(str, MONTHS) else MONTHS[0]
    today = local_day(now(), programme.time_zone)
    run = measured.latest_done()
    # A log that was handed over some weeks ago says nothing of the weeks since.
    found = trial(programme, before, after, months=months, end=min(today, run.as_of) if run else today)
    is_new = not before.rules and not before.scheme
    return {
        "trial": found,
        "months": months,
        "others": [each for each in MONTHS if each != months],
        "is_new": is_new,
        "headline": _headline(found, programme, months, is_new=is_new),
        "whom": _whom(found),
        "tiles": _tiles(found, programme, is_new=is_new),
        "tables": _tables(found, before, after),
        "pictures": _pictures(found, before, after) if found.purchases else {},
    }


# -- in words ----------------------------------------------------------------------------------------------------------


def _headline(found: Trial, programme: Programme, months: int, *, is_new: bool) -> str:
    if not found.purchases:
        return _("In the last %(months)s months nothing was bought: there is nothing to try it on.") % {
            "months": months
        }
    facts = {
        "points": points_words.points(round(found.after.points.value)),
        "months": months,
        "more": points_words.points(abs(round(found.more.value))),
        "cost": money(round(found.after.cost.value), programme.currency),
        "difference": money(abs(found.after.cost.value - found.before.cost.value), programme.currency),
    }
    if is_new:
        return _("In the last %(months)s months it would have given %(points)s, at a cost of %(cost)s.") % facts
    if round(found.more.value) > 0:
        said = _(
            "In the last %(months)s months it would have given %(more)s more, %(points)s in all: %(difference)s more."
        )
    elif round(found.more.value) < 0:
        said = _(
            "In the last %(months)s months it would have given %(more)s fewer, %(points)s in all: %(difference)s less."
        )
    else:
        said = _("In the last %(months)s months it would have given as many points as the rules in force: %(points)s.")
    return said % facts


def _whom(found: Trial) -> list[str]:
    facts = {
        "purchases": number(found.purchases),
        "count": number(found.tried),
        "all": number(found.everybody),
        "start": day(found.start),
        "end": day(found.end),
    }
    said = [_("Tried on %(purchases)s purchases from %(start)s to %(end)s.") % facts]
    if found.are_members:
        members = ngettext(
            "They are those of %(count)s member, as if they had been one all that time.",
            "They are those of %(count)s members, as if they had been members all that time.",
            found.tried,
        )
        said.append(members % facts)
    else:
        customers = ngettext(
            "There are no members yet: they are those of %(count)s customer, as if a member.",
            "There are no members yet: they are those of %(count)s customers, as if all were members.",
            found.tried,
        )
        said.append(customers % facts)
    if found.is_drawn:
        said.append(
            _("They were drawn by lot from all %(all)s, and the figures lie where they say with 95%% confidence.")
            % facts
        )
    return said


def _tiles(found: Trial, programme: Programme, *, is_new: bool) -> list[dict[str, Any]]:
    def tile(title: str, before: Estimate, after: Estimate, say: Any) -> dict[str, Any]:
        small = [] if is_new else [_("until now %(figure)s") % {"figure": say(before.value)}]
        if found.is_drawn:
            small.append(_("between %(low)s and %(high)s") % {"low": say(after.low), "high": say(after.high)})
        return {"title": title, "figure": say(after.value), "small": small}

    def amount(minor: float) -> str:
        return money(round(minor), programme.currency)

    before, after = found.before, found.after
    tiles = [
        tile(_("Points"), before.points, after.points, number),
        tile(_("What they cost"), before.cost, after.cost, amount),
        tile(_("Still owed at the end"), before.owed, after.owed, number),
    ]
    tiles[2]["small"].append(_("if nobody had spent any; the rest expired"))
    if not is_new:
        tiles.append(
            {
                "title": _("Who gets more, who less"),
                "figure": f"{number(found.winners)} / {number(found.losers)}",
                "small": [
                    _("%(points)s more on average, %(fewer)s fewer")
                    % {"points": number(found.gain), "fewer": number(found.loss)}
                ],
            }
        )
    return tiles


def _by_rule(found: Trial, before: Promise, after: Promise) -> list[dict[str, Any]]:
    titles = {rule.key: rule.title for promise in (before, after) for rule in promise.rules}
    return [
        {"name": title, "before": found.before.by_rule.get(key, 0), "after": found.after.by_rule.get(key, 0)}
        for key, title in sorted(titles.items())
    ]


def _by_tier(found: Trial, before: Promise, after: Promise) -> list[dict[str, Any]]:
    names: dict[str, str] = {}
    for promise in (after, before):
        if promise.scheme:
            names |= {tier.key: promise.scheme.names.get(tier.key, tier.key) for tier in promise.scheme.tiers}
    rows = [
        {"name": name, "before": found.before.by_tier.get(key, 0), "after": found.after.by_tier.get(key, 0)}
        for key, name in names.items()
    ]
    return [row for row in rows if row["before"] or row["after"]]


def _tables(found: Trial, before: Promise, after: Promise) -> list[dict[str, Any]]:
    told = [
        {"title": _("Points by month"), "of": _("Month"), "rows": months(found)},
        {"title": _("Points by rule"), "of": _("Rule"), "rows": _by_rule(found, before, after)},
        {"title": _("Points a year of each, by what they spend"), "of": _("Fifth"), "rows": fifths(found)},
        {"title": _("Where they would stand"), "of": _("Tier"), "rows": _by_tier(found, before, after)},
    ]
    return [each for each in told if each["rows"]]


# -- in pictures -------------------------------------------------------------------------------------------------------


def _pictures(found: Trial, before: Promise, after: Promise) -> dict[str, str]:
    drawn = {
        "months": plot.compared(months(found), title=_("points")),
        "fifths": plot.compared(fifths(found), title=_("points a year")),
    }
    tiers = _by_tier(found, before, after)
    if any(row["before"] != row["after"] for row in tiers):
        title = _("members") if found.are_members else _("customers")
        drawn["tiers"] = plot.compared(tiers, title=title)
    return {name: plot.svg(chart) for name, chart in drawn.items()}


def months(found: Trial) -> list[dict[str, Any]]:
    """Every month of the trial, those without a point included."""
    one, other = found.before.by_month, found.after.by_month
    rows, month = [], found.start.replace(day=1)
    while month <= found.end:
        rows.append({"name": day(month, "month"), "before": one.get(month, 0), "after": other.get(month, 0)})
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return rows


def fifths(found: Trial) -> list[dict[str, Any]]:
    """From those who spend least to those who spend most, points of each a year."""
    names = [_("spend least"), "2", "3", "4", _("spend most")]
    return [
        {"name": name, "before": each.before, "after": each.after, "spent": each.spent}
        for name, each in zip(names, found.fifths, strict=False)
    ]
