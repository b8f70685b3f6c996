"""What a member can have for their points and what they had: for their page in the cockpit and for their own."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from querencia.loyalty import rewards
from querencia.loyalty.models import Member, Programme, Redemption
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries import vouchers as looked
from querencia.loyalty.queries.rewards import Offer
from querencia.web import points_words
from querencia.web import rewards_words as words

SHOWN = 12
# Whoever is not meant is not told of it.
TOLD = ("insufficient", "limit", "sold_out", "in_deficit")


def of_member(programme: Programme, member: Member, *, at: datetime) -> dict[str, Any]:
    """``now``: what they can have; ``next``: what is missing to what else; ``had``: what they took, the newest
    first."""
    offers = catalogue.offers(programme, member.pk, at=at)
    had = catalogue.redemptions([member.pk], limit=SHOWN)
    return {
        "now": [offer(each, programme) for each in offers if not each.why],
        "next": [offer(each, programme) for each in offers if each.why in TOLD],
        "had": [redemption(row, programme, at=at) for row in had],
    }


def offer(each: Offer, programme: Programme) -> dict[str, Any]:
    is_pay = each.terms.kind == rewards.PAY
    gives, costs = words.gives(each.terms, programme.currency), "" if is_pay else points_words.points(each.price)
    return {
        "id": each.on_shelf.reward.pk,
        "name": words.name(each.terms),
        "description": words.description(each.terms),
        "gives": gives,
        "costs": costs,
        "about": _joined(gives, costs),
        "price": each.price,
        "is_pay": is_pay,
        "is_handed_over": each.terms.is_handed_over,
        "missing": words.missing(each),
    }


def redemption(row: Redemption, programme: Programme, *, at: datetime) -> dict[str, Any]:
    """``voucher``: its code, as long as it may be shown; ``is_good``: whether it can be used now."""
    terms, voucher = catalogue.terms_of(row.version), catalogue.shown_code(row, at=at)
    is_good = voucher is not None and looked.state_of(voucher, at=at) == "valid"
    is_waiting = catalogue.state_of(row, at=at) == Redemption.State.WAITING
    said = words.state(row, at=at, zone=programme.time_zone)
    if not is_waiting and voucher and looked.state_of(voucher, at=at) != "void":
        rest = words.left(voucher, terms, programme.currency) if is_good else ""
        said = _joined(rest, words.code(voucher, at=at, zone=programme.time_zone))
    points = points_words.points(row.points) if row.points else _("a gift")
    return {
        "row": row,
        "name": words.name(terms),
        "about": _joined(words.gives(terms, programme.currency), points),
        "points": points,
        "state": said,
        "voucher": voucher,
        "is_good": is_good,
        "is_handed_over": terms.is_handed_over,
        "is_waiting": is_waiting,
        "is_to_confirm": terms.kind != rewards.PAY,
        "can_be_cancelled": catalogue.state_of(row, at=at) in ("waiting", "done")
        and (row.voucher is None or (is_good and not row.voucher.uses)),
    }


def _joined(*said: str) -> str:
    return " · ".join(each for each in said if each)
