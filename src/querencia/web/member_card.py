"""What the card of a member shows: on paper, and as a pass for Apple Wallet."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import segno
import vl_convert
from django.utils.translation import gettext as _

from querencia.business import queries as business
from querencia.common.time import now
from querencia.loyalty import cards, queries
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries import standings
from querencia.web import points_words

PICTURES = {"icon.png": 29, "icon@2x.png": 58, "icon@3x.png": 87, "logo.png": 50, "logo@2x.png": 100}
PAPER, INK, ACCENT = "rgb(251, 249, 245)", "rgb(38, 33, 28)", "rgb(163, 70, 31)"


def qr(member: Member) -> str:
    """The code of a card as a picture that tills read."""
    return picture(cards.code_of(member))


def picture(text: str) -> str:
    """A QR code; dark on light, whatever the page is."""
    made = segno.make(text, error="m", micro=False)
    return str(made.svg_inline(omitsize=True, border=3, dark="#000", light="#fff"))


def shown(programme: Programme, member: Member) -> dict[str, Any]:
    """What is printed on a card."""
    number = member.card_number
    is_long = number.isdigit() and len(number) > 8
    return {
        "programme": programme,
        "member": member,
        "qr": qr(member),
        "number": " ".join(number[n : n + 4] for n in range(0, len(number), 4)) if is_long else number,
        "name": str(member.customer) if member.customer.is_named else "",
    }


def of_phone(programme: Programme, member: Member) -> dict[str, Any]:
    """What ``pass.json`` says: a store card with points and tier as they are now."""
    at = now()
    house = business.business()
    has = queries.balances([member.pk], at=at)[member.pk]
    place = standings.progress([member], at=at).get(member.pk)
    tier = place.scheme.names.get(place.standing.tier, place.standing.tier) if place else ""
    besides = [{"key": "tier", "label": _("Tier"), "value": tier}] if tier else []
    if has.expires_at and has.expiring:
        until = points_words.last_day(has.expires_at, programme.time_zone)
        value = f"{until.isoformat()}T12:00:00Z"
        besides.append(
            {"key": "until", "label": _("First points until"), "value": value, "dateStyle": "PKDateStyleMedium"}
        )
    return {
        "serialNumber": f"{programme.pk}-{member.pk}",
        "organizationName": house.name if house else programme.name,
        "description": _("Card of %(programme)s") % {"programme": programme.name},
        "logoText": programme.name,
        "backgroundColor": PAPER,
        "foregroundColor": INK,
        "labelColor": ACCENT,
        "barcodes": [
            {
                "format": "PKBarcodeFormatQR",
                "message": cards.code_of(member),
                "messageEncoding": "iso-8859-1",
                "altText": member.card_number,
            }
        ],
        "storeCard": {
            "primaryFields": [{"key": "points", "label": _("Points"), "value": has.available}],
            "secondaryFields": besides,
            "backFields": [
                {"key": "number", "label": _("Card"), "value": member.card_number},
                {
                    "key": "fresh",
                    "label": _("Up to date"),
                    "value": _("Points are those of the day on which you added the card. Add it again to see today's."),
                },
            ],
        },
    }


@lru_cache(maxsize=1)
def pictures() -> dict[str, bytes]:
    """The mark of the house in the sizes that Wallet asks for."""
    drawn = files("querencia.web").joinpath("static/web/icon.svg").read_text()
    return {
        name: vl_convert.svg_to_png(drawn.replace("<svg ", f'<svg width="{size}" height="{size}" ', 1), scale=1, ppi=72)
        for name, size in PICTURES.items()
    }
