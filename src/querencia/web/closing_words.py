"""Closed months in words: lines of the bridge, of the journal, and what is not known yet."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from querencia.loyalty import breakage, journal
from querencia.loyalty.closing import LINES, Bridge


def lines() -> dict[str, str]:
    """The lines of the bridge, in order."""
    said = {
        "granted": _("Earned"),
        "redeemed": _("Spent"),
        "expired": _("Lapsed"),
        "clawed_back": _("Taken back"),
        "adjusted": _("Corrected"),
        "transferred": _("Transferred"),
        "restored": _("Given back"),
    }
    return {name: said[name] for name in LINES}


def accounts() -> dict[str, str]:
    """The accounts of the ledger."""
    return {
        "pending": pgettext("account", "Pending"),
        "active": pgettext("account", "Usable"),
        "held": pgettext("account", "Set aside"),
        "deficit": pgettext("account", "Owed by members"),
        "issued": pgettext("account", "Issued"),
        "redeemed": pgettext("account", "Spent"),
        "expired": pgettext("account", "Lapsed"),
        "clawed_back": pgettext("account", "Taken back"),
        "adjusted": pgettext("account", "Corrected"),
        "transferred": pgettext("account", "Transferred"),
        "partner_points": pgettext("account", "Partners"),
    }


def what(name: str) -> str:
    """What a line of the journal is of."""
    said = {
        "earned": _("Points earned with purchases"),
        "given": _("Points given without a purchase"),
        "spent": _("Points spent, and the share of points that lapses"),
        "taken_back": _("Points taken back"),
        "funded": _("Points that a partner pays for"),
        "used": _("Points of a partner that were used or lapsed"),
        "taken": _("Points that a partner took in"),
    }
    return said[name]


def book_accounts() -> dict[str, str]:
    """What the accounts of the journal are for."""
    said = {
        "revenue": _("Revenue"),
        "deferred": _("Contract liability: loyalty points"),
        "expense": _("Loyalty expense"),
        "receivable": _("Receivable from partners"),
        "payable": _("Payable to partners"),
        "funded": _("Points funded by partners"),
    }
    return {name: said[name] for name in journal.ACCOUNTS}


def why_unknown(why: str) -> str:
    """Why nothing is said of the share that lapses."""
    said = {
        "": "",
        "empty": _("No points were granted yet."),
        "never": _("No point has lapsed yet, so nothing tells how many will."),
        "young": _(
            "Too few months of points have run their whole life: it takes %(count)s before one can say how others end."
        )
        % {"count": breakage.COMPLETE_MIN},
        "few": _("Too few members: it takes points of %(count)s, in months whose points have all been used or lapsed.")
        % {"count": breakage.MEMBERS_MIN},
        "open": _(
            "Some points are older than those that have lapsed: they were promised a longer life, and nobody knows yet "
            "how it ends."
        ),
    }
    return said[why]


def steps(line: Bridge) -> list[tuple[str, int]]:
    """The changes of a month that are not nothing, for its picture."""
    return [(label, getattr(line, name)) for name, label in lines().items() if getattr(line, name)]


def refusal(result: str) -> str:
    """Why a month was not closed."""
    said: dict[str, Any] = {
        "not_over": _("The month is not over yet."),
        "too_early": _("A month before it is still open: close that first."),
        "differs": _("The books do not agree, so the month stays open. Run “querencia check”: it says what differs."),
    }
    return str(said[result])
