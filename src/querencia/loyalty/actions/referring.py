"""Bringing friends: what it is worth, the link of a member, and a friend who comes by it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from querencia.business.models import Staff
from querencia.common.time import local_day
from querencia.customers import events, kinds
from querencia.loyalty import referring
from querencia.loyalty.actions.acquaintance import Acquaintance
from querencia.loyalty.actions.results import CREATED, UNCHANGED
from querencia.loyalty.models import Member, Programme, Referral, ReferralCode, ReferralTerms
from querencia.loyalty.queries import referrals as queries

SOURCE = "loyalty"
# Letters and figures that nobody mistakes for another, read out or written by hand.
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
LENGTH = 12
ROWS = 1_000


@dataclass(frozen=True)
class NewClaim:
    """A member says by whose code they came. ``shows_name``: the advocate may read their first name."""

    friend_id: int
    code: str
    via: str
    shows_name: bool = False


@dataclass(frozen=True)
class Claimed:
    """``created``, ``unchanged``, or why not: ``no_terms``: bringing friends is worth nothing now; ``unknown_code``;
    ``no_member``; ``same_person``; ``existing_customer``: bought before; ``other_advocate``; ``brings_friends``:
    brought others before; ``cap``: the advocate has brought as many as count."""

    result: str
    referral_id: int = 0

    @property
    def is_done(self) -> bool:
        return self.result in (CREATED, UNCHANGED)


@transaction.atomic
def publish_referral_terms(
    *, programme: Programme, document: Mapping[str, Any], at: datetime, staff: Staff | None = None
) -> ReferralTerms | None:
    """A new version of what bringing a friend is worth; with an empty document nothing, from now on. Friends who were
    claimed before keep what was promised then. Raises ValidationError."""
    try:
        if document:
            referring.read(document)
    except referring.BadTerms as fault:
        raise ValidationError({"document": str(fault)}) from None
    Programme.objects.select_for_update(no_key=True).get(pk=programme.pk)
    before = ReferralTerms.objects.filter(programme=programme).order_by("-version").first()
    if (before.document if before else {}) == dict(document):
        return before
    return ReferralTerms.objects.create(
        programme=programme,
        version=before.version + 1 if before else 1,
        document=dict(document),
        in_force_from=at,
        published_at=at,
        published_by=staff,
    )


@transaction.atomic
def share(*, members: Sequence[Member], at: datetime) -> dict[int, ReferralCode]:
    """The code of each of these members, drawn where there is none yet; nobody who has left gets one."""
    known = queries.codes(each.pk for each in members)
    new = {each.pk for each in members if each.left_at is None} - known.keys()
    rows = [ReferralCode(member_id=pk, code=draw_code(), made_at=at) for pk in sorted(new)]
    ReferralCode.objects.bulk_create(rows, batch_size=ROWS, ignore_conflicts=True)
    return known | queries.codes(new)


def draw_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def claim(*, programme: Programme, claims: Sequence[NewClaim], at: datetime) -> list[Claimed]:
    """Write down by whom these members were brought; what became of each, in order. What is suspicious is written down,
    too, and waits for somebody to look."""
    with transaction.atomic():
        # One at a time: limits and circles are of many rows.
        Programme.objects.select_for_update(no_key=True).get(pk=programme.pk)
        found = _Claiming(programme, claims, at)
        results = [found.claimed(each) for each in claims]
        tell(kinds.REFERRAL_CLAIMED, found.new, at)
    return results


class _Claiming:
    """Claims, one after another, each knowing of those before it."""

    def __init__(self, programme: Programme, claims: Sequence[NewClaim], at: datetime) -> None:
        self.programme, self.at = programme, at
        self.terms = queries.in_force(programme, at=at)
        rows = ReferralCode.objects.select_related("member").filter(code__in={tidied(each.code) for each in claims})
        self.advocates = {row.code: row.member for row in rows if row.member.programme_id == programme.pk}
        friends = Member.objects.filter(programme=programme, pk__in={each.friend_id for each in claims}, left_at=None)
        self.friends = friends.in_bulk()
        everybody = [*self.advocates.values(), *self.friends.values()]
        self.known = Acquaintance(programme, {each.customer_id for each in everybody})
        self.new: list[Referral] = []

    def claimed(self, asked: NewClaim) -> Claimed:
        advocate, friend = self.advocates.get(tidied(asked.code)), self.friends.get(asked.friend_id)
        if friend is None:
            return Claimed("no_member")
        before = self.known.brought_by[self.known.head(friend)]
        if advocate is not None and before:
            same = self.known.head(before[0].advocate) if before[0].advocate.customer_id in self.known.head_of else 0
            is_same = same == self.known.head(advocate)
            return Claimed(UNCHANGED if is_same else "other_advocate", before[0].pk if is_same else 0)
        if advocate is None or self.known.here(advocate) is None:
            return Claimed("unknown_code")
        day = local_day(self.at, self.programme.time_zone)
        if self.terms is None or not self.terms[1].are_open(day):
            return Claimed("no_terms")
        row = Referral(
            advocate=advocate,
            friend=friend,
            terms=self.terms[0],
            via=asked.via,
            shows_name=asked.shows_name,
            claimed_at=self.at,
        )
        if fault := self.known.fault(row, self.terms[1]):
            return Claimed(fault)
        row.signals = self.known.signals(row)
        row.review = Referral.Review.WAITING if row.signals else Referral.Review.NONE
        row.save(force_insert=True)
        self.known.add(row)
        self.new.append(row)
        return Claimed(CREATED, row.pk)


def tidied(code: str) -> str:
    """A code as somebody typed it."""
    return "".join(letter for letter in code.casefold() if letter.isalnum())


def tell(kind: str, rows: Sequence[Referral], at: datetime) -> None:
    """What became of friends who were brought, on the timeline of whoever brought them."""
    told = [
        events.NewEvent(
            kind,
            f"{kind}:{row.pk}:{row.purchase_id or 0}",
            SOURCE,
            customer_id=row.advocate.customer_id,
            properties={
                "programme": row.advocate.programme_id,
                "referral": row.pk,
                "advocate": row.advocate_id,
                "friend": row.friend_id,
                "advocate_points": row.advocate_points,
                "friend_points": row.friend_points,
                **({"why": row.why} if row.why else {}),
            },
        )
        for row in rows
    ]
    events.record(told, at=at)
