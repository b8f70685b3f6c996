"""What this room knows of a person, and how it forgets them (see ``customers/privacy.py``)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import Any, Never

from django.db import transaction
from django.db.models import CharField, F, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext_lazy as _

from querencia.customers.privacy import Section, words_of
from querencia.loyalty.actions.releasing import cancel
from querencia.loyalty.ledger import Book
from querencia.loyalty.models import (
    Adjustment,
    AudienceMember,
    Entry,
    Gesture,
    GestureKind,
    Hold,
    Member,
    Programme,
    Redemption,
    Referral,
    ReferralCode,
    Standing,
    Voucher,
    VoucherUse,
)

ROWS = 2_000
ASKED = 1_000
ERASED = "erased:"
# Keys that we made of numbers of our own; all others were given to us, and may name an order or a person.
OURS = (
    *(
        "purchase:",
        "refund:",
        "expire:",
        "activate:",
        "repay:",
        "put_off:",
        "give:referral:",
        "take_back:referral:",
        ERASED,
    ),
    *(f"give:{kind}:" for kind in GestureKind.values),
)

PERIODS: Sequence[Never] = ()
HOLDS: Mapping[str, tuple[str, ...]] = {
    "Member": ("card_number",),
    "Entry": ("key",),
    "Hold": ("key",),
    "Adjustment": ("key", "reason"),
    "ReferralCode": ("code",),
    "Referral": ("remark",),
    "Redemption": ("key",),
    "Voucher": ("code", "written"),
    "VoucherUse": ("order_key",),
    "Gesture": ("on",),
}
FREE: Mapping[str, str] = {
    "Programme": "what the business promises everybody",
    "RuleVersion": "rules for everybody",
    "TierScheme": "tiers for everybody",
    "Partner": "other businesses",
    "BudgetUse": "figures",
    "Audience": "names of campaigns",
    "AudienceMember": "that somebody was in an audience, and the lot",
    "Close": "sums over all members",
    "Agreement": "prices agreed with other businesses",
    "Statement": "sums over all members",
    "MonthSum": "sums over all members",
    "Entry.detail": "rules, figures, and whether a day was somebody's birthday",
    "Lot": "figures by line",
    "Allocation": "figures",
    "CapUse": "figures",
    "Standing": "words of the programme",
    "ReferralTerms": "terms for everybody",
    "GestureTerms": "terms for everybody",
    "GestureDay": "figures",
    "ExpiryNotice": "figures, and whether it was mailed",
    "Referral.why": "words of ours",
    "Referral.signals": "words of ours: which kinds of addresses agree, no address",
    "Reward": "what everybody can have",
    "RewardVersion": "what everybody can have",
    "Redemption.why": "a word of ours",
    "VoucherUse.source": "a name of a program",
}


def facts_of(customer_ids: Sequence[int]) -> Iterator[Section]:
    """Their memberships with what they have, each movement of points, each tier, each correction by hand."""
    members = Member.objects.filter(customer__in=customer_ids).order_by("pk")
    columns = {
        "of": _("programme"),
        "card_number": _("card number"),
        "joined_at": _("joined"),
        "left_at": _("until"),
        "pending": _("pending"),
        "active": _("active"),
        "held": _("set aside"),
        "deficit": _("deficit"),
    }
    names = [name for name in columns if name != "of"]
    told = members.values(*names, of=F("programme__name"))
    yield Section("memberships", _("Loyalty programme"), columns, told.iterator(ROWS))
    entries = Entry.objects.filter(member__customer__in=customer_ids).order_by("-pk")
    columns = {
        "kind": _("what"),
        "at": _("when"),
        "pending": _("pending"),
        "active": _("active"),
        "held": _("set aside"),
        "deficit": _("deficit"),
        "key": _("key"),
        "detail": _("explanation"),
    }
    yield Section("points", _("Points"), columns, entries.values(*columns).iterator(ROWS), words_of(Entry, ("kind",)))
    standings = Standing.objects.filter(member__customer__in=customer_ids).order_by("-pk")
    columns = {"tier": _("tier"), "since": _("since"), "until": _("until"), "reason": _("reason")}
    words = words_of(Standing, ("reason",))
    yield Section("tiers", _("Tiers"), columns, standings.values(*columns).iterator(ROWS), words)
    by_hand = Adjustment.objects.filter(member__customer__in=customer_ids).order_by("-pk")
    columns = {"points": _("points"), "reason": _("reason"), "state": _("state"), "asked_at": _("asked")}
    words = words_of(Adjustment, ("state",))
    yield Section("corrections", _("Corrections by hand"), columns, by_hand.values(*columns).iterator(ROWS), words)
    made = Gesture.objects.filter(member__customer__in=customer_ids).order_by("pk")
    columns = {"kind": _("what"), "on": _("day"), "points": _("points")}
    yield Section("gestures", _("Gifts"), columns, made.values(*columns).iterator(ROWS), words_of(Gesture, ("kind",)))
    inside = AudienceMember.objects.filter(customer__in=customer_ids).order_by("pk")
    columns = {"of": _("campaign"), "since": _("since"), "is_held_out": _("left out by lot")}
    told = inside.values("since", "is_held_out", of=F("audience__rule"))
    yield Section("campaigns", _("Campaigns"), columns, told.iterator(ROWS))
    yield from _friends(customer_ids)
    yield from _rewards_of(customer_ids)


def _friends(customer_ids: Sequence[int]) -> Iterator[Section]:
    codes = ReferralCode.objects.filter(member__customer__in=customer_ids).order_by("pk")
    columns = {"code": _("code"), "made_at": _("made")}
    yield Section("referral_codes", _("Codes to bring friends with"), columns, codes.values(*columns).iterator(ROWS))
    words = words_of(Referral, ("state", "via"))
    # Of either what is theirs: nothing that names the other.
    for name, title, of in (
        ("friends", _("Friends they brought"), "advocate"),
        ("brought_by", _("How a friend brought them"), "friend"),
    ):
        rows = Referral.objects.filter(**{f"{of}__customer__in": customer_ids}).order_by("pk")
        columns = {"state": _("what became of it"), "via": _("how"), "claimed_at": _("when"), "remark": _("remark")}
        columns[f"{of}_points"] = _("points")
        yield Section(name, title, columns, rows.values(*columns).iterator(ROWS), words)


def _rewards_of(customer_ids: Sequence[int]) -> Iterator[Section]:
    had = Redemption.objects.filter(member__customer__in=customer_ids).order_by("-pk")
    columns = {
        "of": _("reward"),
        "points": _("points"),
        "state": _("state"),
        "made_at": _("when"),
        "code": _("code"),
        "why": _("why"),
        "key": _("key"),
    }
    names = [name for name in columns if name not in ("of", "code")]
    told = had.values(*names, of=F("reward__key"), code=F("voucher__written"))
    words = words_of(Redemption, ("state",))
    yield Section("rewards", _("Rewards"), columns, told.iterator(ROWS), words)
    used = VoucherUse.objects.filter(voucher__member__customer__in=customer_ids).order_by("-pk")
    columns = {"code": _("code"), "order_key": _("order"), "discount": _("discount"), "at": _("when")}
    told = used.values(*[name for name in columns if name != "code"], code=F("voucher__written"))
    yield Section("codes", _("Codes used"), columns, told.iterator(ROWS))


def erase(customer_ids: Sequence[int], *, at: datetime) -> None:
    """These customers are members no more: what they have lapses, and nothing that was given to us names them."""
    for some in batched(customer_ids, ASKED, strict=False):
        _forget_friends(some, at)
        _forget_rewards(some, at)
        # Its day tells a birthday.
        Gesture.objects.filter(member__customer__in=some).delete()
        for programme in Programme.objects.filter(members__customer__in=some).distinct().order_by("pk"):
            _let_lapse(programme, some, at)
        members = Member.objects.filter(customer__in=some)
        members.filter(left_at=None).update(left_at=at)
        _emptied(members.exclude(card_number__startswith=ERASED), "card_number")
        _emptied(Adjustment.objects.filter(member__customer__in=some).exclude(key__startswith=ERASED), "key", reason="")
        _emptied(Hold.objects.filter(member__customer__in=some).exclude(key__startswith=ERASED), "key")
        given = Entry.objects.filter(member__customer__in=some)
        for known in OURS:
            given = given.exclude(key__startswith=known)
        _emptied(given, "key")


def _forget_friends(customer_ids: Sequence[int], at: datetime) -> None:
    """Nobody comes by their code any more, and nobody is rewarded for bringing them."""
    codes = ReferralCode.objects.filter(member__customer__in=customer_ids)
    _emptied(codes.exclude(code__startswith=ERASED), "code")
    theirs = Referral.objects.filter(Q(advocate__customer__in=customer_ids) | Q(friend__customer__in=customer_ids))
    theirs.exclude(remark="").update(remark="")
    friends = Referral.objects.filter(friend__customer__in=customer_ids, state__in=["claimed", "qualified"])
    friends.update(state=Referral.State.REJECTED, why="erased", settled_at=at)


def _forget_rewards(customer_ids: Sequence[int], at: datetime) -> None:
    """What waited is off, and its stock is back; codes are worth nothing any more."""
    mine = Redemption.objects.filter(member__customer__in=customer_ids)
    for programme in Programme.objects.filter(redemptions__in=mine, redemptions__state="waiting").distinct():
        waiting = mine.filter(programme=programme, state=Redemption.State.WAITING)
        cancel(programme=programme, redemption_ids=list(waiting.values_list("pk", flat=True)), at=at)
    codes = Voucher.objects.filter(member__customer__in=customer_ids)
    _emptied(VoucherUse.objects.filter(voucher__in=codes).exclude(order_key__startswith=ERASED), "order_key")
    codes.filter(voided_at=None).update(voided_at=at)
    gone = Concat(Value(ERASED), Cast("pk", CharField()))
    codes.exclude(code__startswith=ERASED).update(code=gone, written=gone)
    _emptied(mine.exclude(key__startswith=ERASED), "key")


@transaction.atomic
def _let_lapse(programme: Programme, customer_ids: Sequence[int], at: datetime) -> None:
    book = Book(programme, at=at).open(customer_ids=customer_ids)
    mine = [purse for purse in book.purses.values() if purse.customer_id in set(customer_ids)]
    open_holds = Hold.objects.filter(member__in=[purse.pk for purse in mine], closed_at=None).order_by("pk")
    for hold in open_holds:
        book.release(hold, book.held_of([hold.pk])[hold.pk], {"why": "erased"})
    book.bring_up_to_date([purse.pk for purse in mine])
    for purse in mine:
        for lot in list(purse.lots or ()):
            if lot.remaining:
                key = f"expire:{lot.pk}:{lot.turns}:erased"
                book.debit("expire", key, [(lot, lot.remaining)], to="expired", detail={"why": "erased"})
        if purse.deficit:
            accounts = {"deficit": -purse.deficit, "adjusted": purse.deficit}
            book.post("adjust", purse.pk, f"expire:{purse.pk}:deficit", accounts, detail={"why": "erased"})
    book.close()


def _emptied(rows: QuerySet[Any], name: str, **more: Any) -> None:
    """What names somebody becomes what says nothing and is still unique."""
    rows.update(**{name: Concat(Value(ERASED), Cast("pk", CharField()))}, **more)
