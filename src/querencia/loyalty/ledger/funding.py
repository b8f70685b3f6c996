"""Points of a purchase that partners pay for. The entry of the purchase is all of its points; beside it stands one for
each partner, in which no member's account changes: what was issued becomes the partner's, or what was taken back."""

from collections.abc import Mapping
from typing import Any

from querencia.loyalty import allocation
from querencia.loyalty.ledger.book import Book


def fund(book: Book, beside: str, by_partner: Mapping[int, int], **told: Any) -> None:
    """These points of the grant under that key are at the expense of partners (by id)."""
    for partner, points in by_partner.items():
        _post(book, "grant", beside, partner, {"issued": points, "partner_points": -points}, told)


def unfund(book: Book, beside: str, moved: int, less: Mapping[int | None, int], **told: Any) -> None:
    """So many points were taken back under that key (below zero: given back after all), and partners pay for theirs no
    longer. ``less``: how much less each pays for by the rules (None: the business); where not all of it could be taken,
    each bears its share."""
    payers = [payer for payer, points in less.items() if points * moved > 0]
    parts = allocation.spread(abs(moved), [abs(less[payer]) for payer in payers])
    for payer, part in zip(payers, parts, strict=True):
        points = part if moved > 0 else -part
        if payer is not None and points:
            _post(book, "claw_back", beside, payer, {"partner_points": points, "clawed_back": -points}, told)


def _post(
    book: Book, kind: str, beside: str, partner: int, accounts: Mapping[str, int], told: Mapping[str, Any]
) -> None:
    book.post(kind, key=f"{beside}:partner:{partner}", accounts=accounts, partner_id=partner, **told)
