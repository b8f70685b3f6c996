"""Cards that were lost get another number: the old one, and the code on it, open nothing any more."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from querencia.customers import kinds
from querencia.loyalty.actions.members import draw_card, tell
from querencia.loyalty.models import Member


@transaction.atomic
def replace_cards(*, lost: Mapping[int, str], at: datetime) -> list[Member]:
    """By member the number that was lost; those who got another. Who has another card by now keeps it."""
    rows = list(Member.objects.select_for_update().filter(pk__in=list(lost), left_at=None).order_by("pk"))
    found = [member for member in rows if member.card_number == lost[member.pk]]
    for member in found:
        member.card_number = draw_card()
    Member.objects.bulk_update(found, ["card_number"])
    tell(kinds.CARD_REPLACED, found, at)
    return found
