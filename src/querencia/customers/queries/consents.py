"""What people allowed: the one place that says whether somebody may be reached, and if not, why not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import batched

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from querencia.customers.models import Consent, ContactPoint, OptOut
from querencia.customers.queries import persons, tombstones

# So many ids a question: SQLite takes no list of any length.
ASKED = 5_000
# No address begins so.
MARKED = "#"
# Of two rows of one moment the stricter counts.
STRICTNESS = {Consent.Status.GRANTED: 0, Consent.Status.DENIED: 1, Consent.Status.WITHDRAWN: 2}
# What a business may say without having asked, as long as nobody refused it.
UNASKED = (Consent.Purpose.SERVICE,)


class Why(StrEnum):
    """Why somebody may not be reached."""

    NEVER_ASKED = "never_asked"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    NO_ADDRESS = "no_address"
    OPTED_OUT = "opted_out"
    BOUNCED = "bounced"


REASONS: dict[str, str | Promise] = {
    Why.NEVER_ASKED: _("was never asked"),
    Why.DENIED: _("said no"),
    Why.WITHDRAWN: _("took the consent back"),
    Why.NO_ADDRESS: _("has no address there"),
    Why.OPTED_OUT: _("opted this address out"),
    Why.BOUNCED: _("nothing arrives at this address"),
}


@dataclass(frozen=True)
class Permission:
    """Whether one customer may be reached by one channel for one purpose. ``why`` is empty when they may; ``basis`` is
    the legal basis on which they may, "" where nobody has to ask; ``address`` is where."""

    is_allowed: bool
    why: str = ""
    basis: str = ""
    address: str = ""

    @property
    def reason(self) -> str:
        """Why not, in the active language."""
        return str(REASONS[self.why]) if self.why else ""


def allowed(customer_ids: Iterable[int], *, channel: str, purpose: str) -> dict[int, Permission]:
    """For each customer whether a channel may reach them for a purpose, and why not.

    The latest consent counts, of two at one moment the stricter. Service is allowed unless it was refused, all else
    only where it was granted. Then there has to be an address that neither opted out nor bounced. Of customers that
    are one person the strictest counts, until the person says otherwise after the merge, and all their addresses.
    """
    found: dict[int, Permission] = {}
    for ids in batched(dict.fromkeys(customer_ids), ASKED, strict=False):
        together = persons.nodes(ids)
        everybody = sorted({node for nodes in together.values() for node in nodes})
        said = {one.customer_id: one for one in latest(everybody, channel=channel, purpose=purpose)}
        merged = persons.merged_at([node for nodes in together.values() if len(nodes) > 1 for node in nodes])
        where = _addresses(everybody, channel, purpose)
        for pk, nodes in together.items():
            rows = [said[node] for node in nodes if node in said]
            since = max((merged[node] for node in nodes if node in merged), default=None)
            found[pk] = _permission(of_person(rows, since), _together(nodes, where), purpose)
    return found


def everything(ids: Sequence[int]) -> dict[tuple[str, str], Permission]:
    """For each channel and purpose whether the person that these customers are may be reached, as `allowed` says."""
    said = {(row.channel, row.purpose): row for row in counting(ids)}
    points = list(ContactPoint.objects.filter(customer__in=ids).order_by("pk"))
    found = {}
    for purpose in Consent.Purpose.values:
        where = _faults(points, purpose)
        for channel in ContactPoint.Kind.values:
            addresses = _together(ids, {node: where.get((node, channel), []) for node in ids})
            found[channel, purpose] = _permission(said.get((channel, purpose)), addresses, purpose)
    return dict(sorted(found.items()))


def of_person(rows: Sequence[Consent], merged_at: datetime | None) -> Consent | None:
    """Of what counts of each customer (for one channel and purpose), what counts of the person that they are: the last
    word after the merge, else the strictest before it."""
    later = [row for row in rows if merged_at is None or row.at > merged_at]
    if later:
        return max(later, key=lambda row: place(row.at, row.status))
    return max(rows, key=lambda row: (STRICTNESS[Consent.Status(row.status)], row.at), default=None)


def counting(ids: Sequence[int]) -> list[Consent]:
    """What counts of the person that these customers are, for each channel and purpose, in that order."""
    rows: dict[tuple[str, str], list[Consent]] = {}
    for row in latest(ids):
        rows.setdefault((row.channel, row.purpose), []).append(row)
    merged = persons.merged_at(ids) if len(ids) > 1 else {}
    since = max(merged.values(), default=None)
    return [found for _, some in sorted(rows.items()) if (found := of_person(some, since))]


def _permission(said: Consent | None, addresses: Sequence[tuple[str, str]], purpose: str) -> Permission:
    if said is None and purpose not in UNASKED:
        return Permission(is_allowed=False, why=Why.NEVER_ASKED)
    if said is not None and said.status != Consent.Status.GRANTED:
        return Permission(is_allowed=False, why=Why(said.status))
    usable = next((value for value, fault in addresses if not fault), "")
    basis = said.basis if said else ""
    if usable:
        return Permission(is_allowed=True, basis=basis, address=usable)
    faults = [fault for _value, fault in addresses]
    # An opt-out is somebody's word, a bounce is an accident: the word is what to tell.
    why = Why.OPTED_OUT if Why.OPTED_OUT in faults else Why.BOUNCED if faults else Why.NO_ADDRESS
    return Permission(is_allowed=False, why=why, basis=basis)


def _addresses(ids: Sequence[int], channel: str, purpose: str) -> dict[int, list[tuple[str, str]]]:
    """By customer the addresses of a channel, each with what speaks against it."""
    points = list(ContactPoint.objects.filter(customer__in=ids, kind=channel).order_by("pk"))
    return {customer: addresses for (customer, _kind), addresses in _faults(points, purpose).items()}


def _faults(points: Sequence[ContactPoint], purpose: str) -> dict[tuple[int, str], list[tuple[str, str]]]:
    refused = opted_out([(point.kind, point.value) for point in points], purpose=purpose)
    found: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for point in points:
        out = point.opted_out_at or (point.kind, point.value) in refused
        fault = Why.OPTED_OUT if out else Why.BOUNCED if point.bounced_at else ""
        found.setdefault((point.customer_id, point.kind), []).append((point.value, fault))
    return found


def _together(nodes: Sequence[int], where: Mapping[int, Sequence[tuple[str, str]]]) -> list[tuple[str, str]]:
    """The addresses of a person, each once: what speaks against it as one customer's does so as the other's."""
    found: dict[str, str] = {}
    for value, fault in (each for node in nodes for each in where.get(node, [])):
        known = found.get(value, "")
        found[value] = fault if fault == Why.OPTED_OUT or not known else known
    return list(found.items())


def opted_out(addresses: Sequence[tuple[str, str]], *, purpose: str) -> set[tuple[str, str]]:
    """Which of these addresses (kind, value) want no more of a purpose."""
    found: set[tuple[str, str]] = set()
    kept = {(kind, written): (kind, value) for kind, value in addresses for written in written_as(kind, value)}
    for some in batched({written for _kind, written in kept}, ASKED, strict=False):
        rows = OptOut.objects.filter(value__in=some, purpose=purpose, lifted_at=None)
        found |= {kept[pair] for pair in rows.values_list("kind", "value") if pair in kept}
    return found


def written_as(kind: str, value: str) -> tuple[str, str]:
    """How an opt-out names an address: as it is, and by its mark once somebody who had it was erased."""
    return value, marked(kind, value)


def marked(kind: str, value: str) -> str:
    """What an opt-out keeps of an address whose owner was erased."""
    return MARKED + tombstones.mark(kind, value)


def latest(customer_ids: Sequence[int], *, channel: str = "", purpose: str = "") -> list[Consent]:
    """What counts of each customer, channel and purpose (or of those named), in that order."""
    rows = Consent.objects.filter(customer__in=customer_ids)
    if channel:
        rows = rows.filter(channel=channel)
    if purpose:
        rows = rows.filter(purpose=purpose)
    counts: dict[tuple[int, str, str], Consent] = {}
    for row in rows:
        key = (row.customer_id, row.channel, row.purpose)
        if key not in counts or place(row.at, row.status) >= place(counts[key].at, counts[key].status):
            counts[key] = row
    return [counts[key] for key in sorted(counts)]


def place(at: datetime, status: str) -> tuple[datetime, int]:
    """The order of consents: the last one counts."""
    return (at, STRICTNESS[Consent.Status(status)])


def history(customer_ids: Sequence[int]) -> list[Consent]:
    """Everything these customers ever allowed and forbade, the latest first."""
    rows = Consent.objects.filter(customer__in=customer_ids)
    return sorted(rows, key=lambda row: place(row.at, row.status), reverse=True)
