"""Who was told that points are to lapse, and who is to be mailed."""

from collections.abc import Iterable
from datetime import datetime

from querencia.loyalty.models import ExpiryNotice
from querencia.loyalty.queries.balances import people_of


def to_be_mailed(*, limit: int) -> list[ExpiryNotice]:
    """Those that wait, the oldest first."""
    found = ExpiryNotice.objects.filter(mail=ExpiryNotice.Mail.WAITING).order_by("pk")
    return list(found.select_related("member__programme", "member__customer")[:limit])


def of_members(member_ids: Iterable[int], *, at: datetime) -> list[ExpiryNotice]:
    """What these members' persons were told of points that have not lapsed yet."""
    everybody = {pk for group in people_of(list(member_ids)).values() for pk in group}
    return list(ExpiryNotice.objects.filter(member_id__in=everybody, expires_at__gt=at).order_by("expires_at", "pk"))
