# ruff: noqa: S608  (the statements are put together from names of our own)
"""Members as tills and programs name them: by id, by card, by their customer, by a hold of their points."""

from collections.abc import Iterable, Sequence

from django.db.models import Q

from querencia.common.database import listed, select, within
from querencia.loyalty import cards
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import Hold, Member, Programme
from querencia.loyalty.queries.programmes import members_of

HOLD = Hold._meta.db_table


def by_id(member_ids: Iterable[int]) -> dict[int, Member]:
    """Members of any programme."""
    wanted = set(member_ids)
    return {row.pk: row for row in reading.instances(Member, within("id"), [listed(wanted)])} if wanted else {}


def by_card(programme: Programme, given: Iterable[str]) -> dict[str, Member]:
    """By the number of a card, or by its code as a scanner types it."""
    wanted = set(given)
    condition = f"{within('card_number', 'text')} AND programme_id = %s"
    rows = reading.instances(Member, condition, [listed(wanted), programme.pk]) if wanted else ()
    found = {row.card_number: row for row in rows}
    codes = {each: pk for each in wanted - found.keys() if (pk := cards.member_id(each))}
    members = by_id(codes.values())
    mine = {each: members[pk] for each, pk in codes.items() if pk in members and cards.is_of(each, members[pk])}
    return found | {each: row for each, row in mine.items() if row.programme_id == programme.pk}


def customers_by_card(text: str) -> list[int]:
    """Of any programme: whose card has this number or this code."""
    written = "".join(text.split())
    rows = Member.objects.filter(Q(card_number=written) | Q(pk=cards.member_id(written))).order_by("pk")
    return [row.customer_id for row in rows if row.card_number == written or cards.is_of(written, row)]


def by_customer(programme: Programme, customer_ids: Iterable[int]) -> dict[int, Member]:
    """The first member of the person that each customer is, of those who are still there, if any is."""
    found = members_of(programme, customer_ids)
    return {pk: min(mine, key=lambda each: (each.left_at is not None, each.pk)) for pk, mine in found.items() if mine}


def holders(programme: Programme, keys: Sequence[str]) -> dict[str, int]:
    """By the key of a hold the member whose points it holds; of a person's several, the first."""
    asked = f"SELECT key, member_id FROM {HOLD} WHERE {within('key', 'text')} AND programme_id = %s ORDER BY id DESC"
    return dict(select(asked, [listed(set(keys)), programme.pk]))
