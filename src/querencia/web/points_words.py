"""Points in words: what somebody has, why it came, what a rule gives. The same words for staff and for members."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel.lists import format_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from querencia.common import money
from querencia.customers.models.scores import Segment, Stage
from querencia.loyalty.earning import Audience, plainly, read_audience
from querencia.loyalty.models import ExpiryNotice
from querencia.loyalty.queries import Balance
from querencia.loyalty.queries.standings import Place
from querencia.loyalty.queries.telling import Told
from querencia.loyalty.rewards import said_in
from querencia.web.templatetags.house import day, exact, language, locale, number, percent, weekday_name


def points(count: int) -> str:
    """120 → 120 points."""
    return ngettext("%(count)s point", "%(count)s points", count) % {"count": number(count)}


def last_day(moment: datetime, zone: str) -> date:
    """The last day on which something that ends at a moment can still be used."""
    return (moment - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()


def balance(has: Balance, zone: str) -> str:
    """120 points, 40 expire on 31 March."""
    if has.deficit:
        return _("%(points)s below zero") % {"points": points(has.deficit)}
    said = points(has.available)
    if has.expires_at and has.expiring:
        on = day(last_day(has.expires_at, zone), "long")
        if has.expiring == has.available:
            return _("%(points)s, until %(day)s") % {"points": said, "day": on}
        expire = ngettext("%(count)s expires after %(day)s", "%(count)s expire after %(day)s", has.expiring)
        return f"{said}, {expire % {'count': number(has.expiring), 'day': on}}"
    return said


def besides(has: Balance) -> list[str]:
    """What else there is: points that wait, and points set aside."""
    said = []
    if has.pending:
        waits = ngettext("%(count)s more can be spent later", "%(count)s more can be spent later", has.pending)
        said.append(waits % {"count": number(has.pending)})
    if has.held:
        held = ngettext("%(count)s is set aside", "%(count)s are set aside", has.held)
        said.append(held % {"count": number(has.held)})
    if has.deficit:
        said.append(_("New points fill this up first."))
    return said


def notice(row: ExpiryNotice, zone: str) -> str:
    """What a member was told of points that lapse, and whether by mail."""
    said = {
        "day": day(row.told_at.astimezone(ZoneInfo(zone)).date()),
        "points": points(row.points),
        "last": day(last_day(row.expires_at, zone), "long"),
        "mail": str(row.get_mail_display()),
    }
    return _("%(points)s expire after %(last)s; notice of %(day)s by e-mail: %(mail)s") % said


# -- why ---------------------------------------------------------------------------------------------------------------


def why(told: Told) -> str:
    """In one line why points came or went."""
    kind, came = told.moved.kind, told.moved.points > 0
    amount = exact(abs(told.amount), told.currency) if told.amount is not None else ""
    if kind == "grant":
        return _("Purchase of %(amount)s") % {"amount": amount} if amount else _gift(told.reason)
    if kind == "claw_back" and told.reason == "referral_reversed":
        return _("Taken back: what the friend bought was given back")
    if kind == "claw_back" and amount:
        return _("Taken back after a refund of %(amount)s") % {"amount": amount}
    if kind == "transfer" and told.reason == "put_off":
        return _("Kept for longer, since you could not be told that they expire")
    if kind == "adjust" and told.reason:
        return told.reason
    said = {
        "claw_back": _("Taken back"),
        "capture": _("Spent"),
        "expire": _("Expired"),
        "restore": _("Given back, as the order they paid for was"),
        "transfer": _("From another member") if came else _("Given to another member"),
        "adjust": _("Corrected"),
        "hold": _("Spent") if told.is_spent else _("Set aside for an order"),
        "release": _("No longer set aside"),
    }
    if told.reward and kind in ("hold", "release"):
        name = said_in(told.reward, language())
        return name if kind == "hold" else _("Back: %(reward)s") % {"reward": name}
    return said.get(kind, _("Can be spent now"))


def _gift(reason: str) -> str:
    said = {
        "birthday": _("For the birthday"),
        "referral": _("For bringing a friend"),
        "referred": _("For coming by a friend"),
        "welcome": _("Welcome"),
        "anniversary": _("For the anniversary"),
        "appreciation": _("With thanks"),
    }
    return said.get(reason, _("A gift"))


def reasons(told: Told) -> list[str]:
    """Which rules gave how much, and where a limit cut it."""
    said = []
    for rule in told.rules:
        line = f"{rule.title}: {points(rule.points)}"
        if rule.uncapped is not None:
            line += " " + _("(%(count)s without the limit)") % {"count": number(rule.uncapped)}
        said.append(line)
    return said


# -- rules -------------------------------------------------------------------------------------------------------------


def gives(document: Mapping[str, Any], currency: str) -> str:
    """What a rule gives: 1 point for each €1."""
    then = document["then"]
    said = points(then["points"])
    if then.get("per"):
        return _("%(points)s for each %(amount)s") % {
            "points": said,
            "amount": money.show(then["per"], currency, _language()),
        }
    if document.get("cap") == {"points": then["points"], "per": "day"}:
        return _("%(points)s for each day with a purchase") % {"points": said}
    return _("%(points)s for each purchase") % {"points": said}


def terms(document: Mapping[str, Any], currency: str, names: Mapping[str, str]) -> list[str]:
    """Under which conditions, one by one. ``names`` of tiers by key."""
    picked = plainly.chosen(str(document.get("if", "")))
    said = []
    if picked.amount_min:
        said.append(_("from %(amount)s on") % {"amount": money.show(picked.amount_min, currency, _language())})
    if picked.weekdays:
        said.append(pgettext("weekdays", "on %(days)s") % {"days": listed([weekday_name(n) for n in picked.weekdays])})
    if picked.tier:
        said.append(_("for members in %(tier)s") % {"tier": names.get(picked.tier, picked.tier)})
    if picked.is_birthday:
        said.append(_("on the member's birthday"))
    if picked.is_birth_month:
        said.append(_("in the month of the member's birthday"))
    if picked.more:
        said.append(_("if %(condition)s") % {"condition": picked.more})
    if document.get("audience"):
        said += audience(document["audience"], names)
    if document.get("lines"):
        said.append(_("for articles with %(condition)s") % {"condition": document["lines"]})
    said += _limits(document)
    return said


def audience(document: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """For whom a campaign is, and how many are held out."""
    return audience_of(read_audience(document), names)


def audience_of(known: Audience, names: Mapping[str, str]) -> list[str]:
    """The same of one that was read."""
    of = {
        _("of class %(which)s"): [str(name) for name in known.classes],
        _("who are: %(which)s"): [str(Stage(name).label) for name in known.stages],
        _("in the segment: %(which)s"): [str(Segment(name).label) for name in known.segments],
        _("in the tier %(which)s"): [names.get(key, key) for key in known.tiers],
    }
    said = [words % {"which": listed(which, "or")} for words, which in of.items() if which]
    if known.is_listed:
        said.append(_("on its list"))
    parts = [_("for members %(which)s") % {"which": ", ".join(said)}] if said else []
    if known.held_out:
        parts.append(_("%(share)s are held out by lot") % {"share": percent(known.held_out / 100)})
    return parts


def _limits(document: Mapping[str, Any]) -> list[str]:
    said = []
    cap, then = document.get("cap"), document["then"]
    if cap and cap != {"points": then["points"], "per": "day"}:
        said.append(
            _("at most %(points)s %(period)s") % {"points": points(cap["points"]), "period": periods()[cap["per"]]}
        )
    if document.get("budget"):
        said.append(_("%(points)s for all members together") % {"points": points(document["budget"]["points"])})
    if document.get("from"):
        said.append(_("from %(day)s on") % {"day": day(date.fromisoformat(document["from"]))})
    if document.get("until"):
        said.append(_("before %(day)s") % {"day": day(date.fromisoformat(document["until"]))})
    if document.get("counts"):
        said.append(_("counting %(what)s, too") % {"what": listed([counted()[name] for name in document["counts"]])})
    return said


def periods() -> dict[str, str]:
    return {
        "purchase": _("a purchase"),
        "day": _("a day"),
        "month": _("a month"),
        "quarter": _("a quarter"),
        "half": _("a half-year"),
        "year": _("a year"),
        "ever": _("in all"),
    }


def counted() -> dict[str, str]:
    return {
        "tax": _("tax"),
        "shipping": _("shipping"),
        "discount": _("the part that was discounted"),
        "points": _("what was paid with points"),
    }


# -- tiers -------------------------------------------------------------------------------------------------------------


def metric(name: str, count: int, currency: str) -> str:
    """So much of what leads to a tier: €300, 12 visits, 500 points, 90 days."""
    match name:
        case "spend":
            return money.show(count, currency, _language())
        case "visits":
            return ngettext("%(count)s visit", "%(count)s visits", count) % {"count": number(count)}
        case "tenure":
            return ngettext("%(count)s day", "%(count)s days", count) % {"count": number(count)}
        case _:
            return points(count)


def standing(place: Place, currency: str) -> list[str]:
    """Where somebody stands, until when, what keeps it, and what is missing to the next."""
    scheme, where, ahead = place.scheme, place.standing, place.ahead
    name = scheme.names.get(where.tier, where.tier)
    said = []
    if name and where.until:
        until = day(where.until - timedelta(days=1), "long")
        said.append(_("%(tier)s, at least until %(day)s.") % {"tier": name, "day": until})
    elif name:
        said.append(f"{name}.")
    if name and ahead.to_keep:
        left = metric(scheme.metric, ahead.to_keep, currency)
        said.append(_("%(much)s more keeps it.") % {"much": left})
    if ahead.next_tier:
        left = metric(scheme.metric, ahead.missing, currency)
        next_name = scheme.names.get(ahead.next_tier, ahead.next_tier)
        said.append(_("%(much)s more leads to %(tier)s.") % {"much": left, "tier": next_name})
    return said


def listed(words: Sequence[str], style: Literal["standard", "or"] = "standard") -> str:
    """a, b and c; with the style ``or``: a, b or c."""
    return str(format_list(list(words), style=style, locale=locale()))


def _language() -> str:
    return locale().language
