"""Codes: found as somebody typed them, and whether they can be used now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from querencia.customers.queries import persons
from querencia.loyalty import codes
from querencia.loyalty.models import Programme, Redemption, Reward, Voucher, VoucherUse
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries.balances import people_of
from querencia.loyalty.rewards import Terms


@dataclass(frozen=True, slots=True)
class Checked:
    """``why`` it cannot be used now (empty: it can): ``unknown``, ``mistyped``, ``void``, ``lapsed``, ``used``,
    ``not_confirmed`` (its redemption waits to be), ``nothing_off`` (of that order). ``discount``: off that order."""

    why: str
    voucher: Voucher | None = None
    terms: Terms | None = None
    redemption: Redemption | None = None
    discount: int = 0


def by_code(programme: Programme, asked: Iterable[str]) -> dict[str, Voucher]:
    """By normal form those that were issued."""
    rows = Voucher.objects.filter(programme=programme, code__in=set(asked), issued_at__isnull=False)
    return {row.code: row for row in rows.select_related("version", "reward", "member")}


def state_of(voucher: Voucher, *, at: datetime) -> str:
    """``valid``, or why not: ``void``, ``used``, ``lapsed``. Decided here, whether or not anybody came by."""
    if voucher.voided_at is not None:
        return "void"
    if voucher.left == 0 or (voucher.uses_max is not None and voucher.uses >= voucher.uses_max):
        return "used"
    if voucher.expires_at is not None and voucher.expires_at <= at:
        return "lapsed"
    return "valid"


def check(programme: Programme, asked: Iterable[tuple[str, int | None]], *, at: datetime) -> list[Checked]:
    """What each code is worth off an order of so many minor units (None: of none yet), in order."""
    asked = [(codes.normal(code), amount) for code, amount in asked]
    found = by_code(programme, (code for code, _amount in asked))
    rows = Redemption.objects.filter(voucher__in=[each.pk for each in found.values() if each.member_id])
    of = {row.voucher_id: row for row in rows.order_by("pk")}
    return [_checked(code, amount, found.get(code), of, at) for code, amount in asked]


def _checked(
    code: str, amount: int | None, voucher: Voucher | None, of: dict[int | None, Redemption], at: datetime
) -> Checked:
    if voucher is None or voucher.version is None:
        return Checked("mistyped" if codes.is_mistyped(code) else "unknown")
    terms, redemption = catalogue.terms_of(voucher.version), of.get(voucher.pk)
    return judged(voucher, terms, redemption, amount, at=at)


def judged(
    voucher: Voucher, terms: Terms, redemption: Redemption | None, amount: int | None, *, at: datetime
) -> Checked:
    """The same of one that is at hand."""
    state = state_of(voucher, at=at)
    why = "" if state == "valid" else state
    points = redemption.points if redemption else 0
    discount = terms.discount(amount, points) if amount is not None else 0
    if voucher.left is not None:
        discount = min(discount, voucher.left)
    if not why and redemption is not None:
        told = catalogue.state_of(redemption, at=at)
        if told == Redemption.State.WAITING and not terms.is_charged_at_use:
            why = "not_confirmed"
    if not why and amount is not None and terms.is_off_an_order and not discount:
        why = "nothing_off"
    return Checked(why, voucher, terms, redemption, discount)


def of_members(member_ids: Iterable[int], *, limit: int = 100) -> list[Voucher]:
    """Codes of these members' persons, the newest first."""
    everybody = {pk for group in people_of(list(member_ids)).values() for pk in group}
    rows = Voucher.objects.filter(member__in=everybody).select_related("version", "reward")
    return list(rows.order_by("-pk")[:limit])


def uses_of(programme: Programme, orders: Iterable[tuple[str, str]]) -> list[VoucherUse]:
    """What was used for these orders (key and source), in order of use; what was given back among it."""
    wanted = set(orders)
    found: list[VoucherUse] = []
    keys = sorted({key for key, _source in wanted})
    for start in range(0, len(keys), persons.ASKED):
        some = VoucherUse.objects.filter(
            voucher__programme=programme, order_key__in=keys[start : start + persons.ASKED]
        )
        rows = some.select_related("voucher__version", "voucher__reward").order_by("pk")
        found += [row for row in rows if (row.order_key, row.source) in wanted]
    return found


def shared_of(reward: Reward) -> Voucher | None:
    """The code that everybody shares now."""
    mine = Voucher.objects.filter(reward=reward, origin=Voucher.Origin.SHARED, voided_at=None)
    return mine.order_by("-pk").first()


def waiting_codes(reward: Reward) -> int:
    """How many codes that were brought in wait for somebody."""
    return Voucher.objects.filter(reward=reward, issued_at=None, voided_at=None).count()


def members_of_uses(use_ids: Iterable[int]) -> dict[int, int]:
    """By use the member whose code it was; nobody of codes that are shared."""
    mine = VoucherUse.objects.filter(pk__in=list(use_ids), voucher__member__isnull=False)
    return dict(mine.values_list("pk", "voucher__member_id"))
