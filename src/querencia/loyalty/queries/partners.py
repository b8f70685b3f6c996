"""Partners, what is agreed with them, and their statements."""

from collections.abc import Iterable
from datetime import date

from django.db.models import Q, Sum

from querencia.loyalty.models import Agreement, Close, Entry, Partner, Programme, Statement


def partners(programme: Programme | None = None) -> list[Partner]:
    """By name; of every programme, where none is named."""
    found = Partner.objects.select_related("programme").order_by("name", "pk")
    return list(found if programme is None else found.filter(programme=programme))


def partner_by_id(pk: int) -> Partner | None:
    return Partner.objects.select_related("programme").filter(pk=pk).first()


def by_key(programme: Programme) -> dict[str, int]:
    """The ids of a programme's partners."""
    return dict(Partner.objects.filter(programme=programme).values_list("key", "pk"))


def agreements(partner: Partner) -> list[Agreement]:
    """Every version, the newest first."""
    return list(Agreement.objects.filter(partner=partner).select_related("published_by").order_by("-version"))


def agreed(partner_ids: Iterable[int], month: date) -> dict[int, Agreement]:
    """By partner the agreement that counts in a month; those without one are left out."""
    found = {}
    rows = Agreement.objects.filter(partner__in=list(partner_ids), starts_on__lte=month).order_by("version")
    for each in rows:
        found[each.partner_id] = each
    return {pk: each for pk, each in found.items() if each.ends_on is None or month < each.ends_on}


def statements(*, partner: Partner | None = None, programme: Programme | None = None) -> list[Statement]:
    """The newest first."""
    found = Statement.objects.select_related("partner", "programme", "issued_by").order_by("-month", "-number")
    if partner is not None:
        found = found.filter(partner=partner)
    return list(found if programme is None else found.filter(programme=programme))


def statement_by_id(pk: int) -> Statement | None:
    found = Statement.objects.select_related("partner", "programme", "issued_by", "agreement", "close")
    return found.filter(pk=pk).first()


def account(partner_id: int, close: Close, *, until: bool) -> int:
    """The partner's account in the ledger when a closed month began, or ended."""
    before = close.ends_at if until else close.starts_at
    rows = Entry.objects.filter(partner=partner_id, recorded_at__lt=before)
    return int(rows.aggregate(points=Sum("partner_points", default=0))["points"])


def unsettled(programme: Programme) -> list[Close]:
    """Closed months in which points were moved at a partner's expense, or to one, without a statement; the oldest
    first."""
    done = set(Statement.objects.filter(programme=programme).values_list("month", "partner_id"))
    rows = Close.objects.filter(~Q(document__partners={}), programme=programme).order_by("month")
    return [each for each in rows if any((each.month, int(pk)) not in done for pk in each.document["partners"])]
