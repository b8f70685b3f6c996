"""Rewards in words: what one gives, who can have it, what is missing. The same words for staff and for members."""

from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from querencia.common import money
from querencia.loyalty import rewards
from querencia.loyalty.models import Redemption, Voucher
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries import vouchers as looked
from querencia.loyalty.queries.rewards import Figures, Offer
from querencia.loyalty.rewards import Terms
from querencia.web.points_words import last_day, listed, periods, points
from querencia.web.templatetags.house import day, language, locale, number, percent


def kinds() -> dict[str, str]:
    return {
        rewards.AMOUNT: _("Money off an order"),
        rewards.PERCENT: _("A percentage off an order"),
        rewards.VOUCHER: _("A voucher of a value"),
        rewards.PAY: _("Points pay a part of an order"),
        rewards.PRIZE: _("Goods, handed over"),
        rewards.EXPERIENCE: _("An experience"),
        rewards.CHARITY: _("A gift to charity"),
    }


def name(terms: Terms) -> str:
    return terms.named(language())


def description(terms: Terms) -> str:
    return terms.described(language())


def gives(terms: Terms, currency: str) -> str:
    """What it is worth: €5 off, 10 % off."""
    amount = money.show(terms.amount, currency, locale().language)
    match terms.kind:
        case rewards.AMOUNT:
            return _("%(amount)s off") % {"amount": amount}
        case rewards.PERCENT if terms.amount:
            off = percent(terms.percent / 100)
            return _("%(percent)s off, at most %(amount)s") % {"percent": off, "amount": amount}
        case rewards.PERCENT:
            return _("%(percent)s off") % {"percent": percent(terms.percent / 100)}
        case rewards.VOUCHER:
            return _("a voucher of %(amount)s") % {"amount": amount}
        case rewards.PAY:
            return _("%(points)s pay %(amount)s") % {"points": points(terms.points), "amount": amount}
        case rewards.CHARITY:
            return _("a gift to charity")
        case _:
            return ""


def costs(terms: Terms, names: Mapping[str, str]) -> str:
    """400 points (A: 350)."""
    if terms.kind == rewards.PAY:
        return ""
    cheaper = [f"{names.get(tier, tier)}: {number(price)}" for tier, price in terms.tier_points.items()]
    return points(terms.points) + (f" ({', '.join(cheaper)})" if cheaper else "")


def limits(terms: Terms, names: Mapping[str, str], *, to_member: bool = False) -> list[str]:
    """Who can have it, when, and how often; members are not told how prices would change."""
    said = []
    if terms.tiers:
        said.append(_("for members in %(tier)s") % {"tier": listed([names.get(key, key) for key in terms.tiers])})
    if terms.classes:
        said.append(_("for customers of class %(classes)s") % {"classes": listed(list(terms.classes))})
    if terms.limit:
        how = {"count": number(terms.limit), "period": periods()[terms.per]}
        said.append(pgettext("reward", "%(count)s for each member %(period)s") % how)
    if terms.starts_on:
        said.append(_("from %(day)s on") % {"day": day(terms.starts_on)})
    if terms.ends_on:
        said.append(_("until %(day)s") % {"day": day(terms.ends_on)})
    if terms.valid_days:
        lasts = ngettext("valid for %(count)s day", "valid for %(count)s days", terms.valid_days)
        said.append(lasts % {"count": number(terms.valid_days)})
    if terms.protect_days and not to_member:
        guarded = ngettext(
            "a higher price waits %(count)s day for those who are members",
            "a higher price waits %(count)s days for those who are members",
            terms.protect_days,
        )
        said.append(guarded % {"count": number(terms.protect_days)})
    return said


def taken(figures: Figures) -> str:
    """172, for 7,350 points, 3 wait."""
    said = [number(figures.redeemed)]
    if figures.points:
        said.append(_("for %(points)s") % {"points": points(figures.points)})
    if figures.waiting:
        waits = ngettext("%(count)s waits", "%(count)s wait", figures.waiting)
        said.append(waits % {"count": number(figures.waiting)})
    if figures.given:
        given = ngettext("%(count)s was a gift", "%(count)s were gifts", figures.given)
        said.append(given % {"count": number(figures.given)})
    return ", ".join(said)


def missing(offer: Offer) -> str:
    """Why it cannot be had now: 80 points to go."""
    if offer.why == "insufficient":
        return ngettext("%(count)s point to go", "%(count)s points to go", offer.missing) % {
            "count": number(offer.missing)
        }
    return refused(offer.why)


def refused(why: str) -> str:
    """Why nothing was done."""
    said = {
        "not_offered": _("It is not offered any more."),
        "unknown": _("It is not offered any more."),
        "not_for_you": _("It is for members of other tiers."),
        "limit": _("Had as often as one may for now."),
        "sold_out": _("None is left at present."),
        "in_deficit": _("Points are owed: new ones fill that up first."),
        "insufficient": _("There are not enough points for it."),
        "dearer": _("It costs more by now. Look at it again."),
        "bad_points": _("Say how many points: they have to be worth something."),
        "differs": _("Something else was asked before. Load the page again."),
        "lapsed": _("It waited for too long: points and stock are back."),
        "cancelled": _("It was cancelled before."),
        "returned": _("It was given back before."),
        "used": _("It was used or handed over: it cannot be taken back here."),
        "given_out": _("The member knows its code already: it cannot be taken back."),
        "at_the_till": _("The till takes its code in: nothing has to be confirmed."),
    }
    return said.get(why, _("Nothing was changed."))


def code(voucher: Voucher, *, at: datetime, zone: str) -> str:
    """Until when a code can be used, or that it was."""
    match looked.state_of(voucher, at=at):
        case "used":
            return pgettext("code", "used")
        case "lapsed":
            return pgettext("code", "expired")
        case _ if voucher.expires_at:
            until = day(last_day(voucher.expires_at, zone), "long")
            return _("can be used until %(day)s") % {"day": until}
        case _:
            return _("can be used whenever you like")


def left(voucher: Voucher, terms: Terms, currency: str) -> str:
    """What an order has left of its value."""
    if voucher.left is None or voucher.left == terms.amount:
        return ""
    return _("%(amount)s left") % {"amount": money.show(voucher.left, currency, locale().language)}


def state(row: Redemption, *, at: datetime, zone: str) -> str:
    """What became of a redemption, or until when it waits."""
    found = catalogue.state_of(row, at=at)
    if found == Redemption.State.WAITING and row.expires_at:
        until = day(last_day(row.expires_at, zone), "long")
        if catalogue.terms_of(row.version).kind == rewards.PAY:
            return _("ready for the till, until %(day)s") % {"day": until}
        return _("waits to be handed over, until %(day)s") % {"day": until}
    return str(Redemption.State(found).label)
