"""What the owner of an address finds behind the link in a message: what may be sent to them, and where."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from querencia.customers.models import Consent, ContactPoint, PreferenceLink
from querencia.customers.queries import consents, persons

# So is every word of ours: nothing else needs to be looked up.
WORD = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Wish:
    """One purpose of one channel. ``is_agreed``: what was said; ``is_on``: whether something arrives for it now."""

    channel: str
    purpose: str
    is_agreed: bool
    is_on: bool

    @property
    def name(self) -> str:
        return f"{self.channel}:{self.purpose}"

    @property
    def channel_label(self) -> str:
        return str(ContactPoint.Kind(self.channel).label)

    @property
    def purpose_label(self) -> str:
        return str(Consent.Purpose(self.purpose).label)


def point_of(token: str) -> ContactPoint | None:
    """The address that a link belongs to, with its customer."""
    if not WORD.fullmatch(token):
        return None
    found = PreferenceLink.objects.select_related("point__customer").filter(token=token).first()
    return found.point if found else None


def links(point_ids: Iterable[int]) -> dict[int, str]:
    """By contact point the word in its link; those that have none are left out."""
    return dict(PreferenceLink.objects.filter(point__in=list(point_ids)).values_list("point", "token"))


def wishes(point: ContactPoint) -> list[Wish]:
    """Every purpose of every channel that the owner of an address has, as it counts now."""
    nodes = persons.nodes([point.customer_id])[point.customer_id]
    kinds = set(ContactPoint.objects.filter(customer__in=nodes).values_list("kind", flat=True)) | {point.kind}
    said = {(row.channel, row.purpose): row.status for row in consents.counting(nodes)}
    found = []
    for channel in (kind for kind in ContactPoint.Kind.values if kind in kinds):
        for purpose in Consent.Purpose.values:
            unasked = Consent.Status.GRANTED if purpose in consents.UNASKED else ""
            is_agreed = said.get((channel, purpose), unasked) == Consent.Status.GRANTED
            is_out = channel == point.kind and is_opted_out(point, purpose)
            found.append(Wish(channel, purpose, is_agreed, is_agreed and not is_out))
    return found


def same_points(point: ContactPoint) -> QuerySet[ContactPoint]:
    """An address as each of the customers that are one person has it."""
    nodes = persons.nodes([point.customer_id])[point.customer_id]
    return ContactPoint.objects.filter(customer__in=nodes, kind=point.kind, value=point.value)


def is_opted_out(point: ContactPoint, purpose: str) -> bool:
    address = (point.kind, point.value)
    if address in consents.opted_out([address], purpose=purpose):
        return True
    return same_points(point).filter(opted_out_at__isnull=False).exists()


def refused(points: Iterable[ContactPoint]) -> dict[tuple[str, str], list[str]]:
    """By address (kind, value) the purposes that it opted out of, in words."""
    addresses = [(point.kind, point.value) for point in points]
    found: dict[tuple[str, str], list[str]] = {}
    for purpose in Consent.Purpose:
        for address in sorted(consents.opted_out(addresses, purpose=purpose)):
            found.setdefault(address, []).append(str(purpose.label))
    return found


def masked(point: ContactPoint) -> str:
    """An address as its owner knows it again and nobody else learns it."""
    if point.kind == ContactPoint.Kind.EMAIL:
        name, _at, domain = point.value.partition("@")
        return f"{name[:1]}•••@{domain[:1]}•••.{domain.rpartition('.')[2]}"
    if point.kind in (ContactPoint.Kind.PHONE, ContactPoint.Kind.WHATSAPP):
        return f"••• {point.value[-2:]}"
    return "•••"
