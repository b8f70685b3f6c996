"""Rewards for points, in two steps: points, stock and code are taken together, and then it is done or taken back. What
is asked for is whole or not at all; the members' locks are taken first, then the rewards', in one order everywhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

from django.db import transaction
from django.db.models import F

from querencia.business.models import Staff
from querencia.common.time import local_day
from querencia.customers import kinds
from querencia.loyalty import codes, expiry, rewards
from querencia.loyalty.actions.holding import Capture, NewHold, capture, hold
from querencia.loyalty.actions.results import CREATED, DIFFERS, UNCHANGED
from querencia.loyalty.actions.stock import lapse_due, locked, tell
from querencia.loyalty.ledger import Book
from querencia.loyalty.models import Programme, Redemption, Reward, Voucher
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries.balances import Balance, balances
from querencia.loyalty.queries.rewards import OnShelf, Who
from querencia.loyalty.rewards import Terms

State = Redemption.State
Origin = Voucher.Origin


@dataclass(frozen=True)
class NewRedemption:
    """A member wants a reward. ``key`` names it for good. ``points``: the most they agreed to pay; of what pays with
    points, how many are set aside for it. ``is_handed_over``: a prize that is given at once. ``wait_seconds``: set
    everything aside for so long, until `confirm`; without it, only what is used or handed over later waits."""

    member_id: int
    reward_id: int
    key: str
    points: int | None = None
    is_handed_over: bool = False
    wait_seconds: int | None = None


@dataclass(frozen=True)
class NewVoucher:
    """A reward that costs a member nothing; ``why`` says in a word of ours what for (birthday, referral, …)."""

    member_id: int
    reward_id: int
    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Redeemed:
    """``created``, ``unchanged``, ``differs``, or why nothing was done. ``points``: spent, or set aside."""

    result: str
    redemption_id: int = 0
    points: int = 0

    @property
    def is_done(self) -> bool:
        return self.result in (CREATED, UNCHANGED)


def redeem(
    *, programme: Programme, redemptions: Sequence[NewRedemption], at: datetime, staff: Staff | None = None
) -> list[Redeemed]:
    """Rewards for points; what became of each, in order.

    ``no_member``, ``unknown``: no such reward; ``not_offered`` (now); ``not_for_you``: for other tiers or classes;
    ``limit``: had as often as one may; ``sold_out``; ``in_deficit``; ``insufficient`` points; ``dearer`` than agreed;
    ``bad_points``: too few to be worth anything.
    """
    with transaction.atomic():
        return _Desk(programme, redemptions, at, staff).serve()


def issue(
    *, programme: Programme, vouchers: Sequence[NewVoucher], at: datetime, staff: Staff | None = None
) -> list[Redeemed]:
    """Give rewards to members for no points, whatever their tier and limit; what became of each, in order: as `redeem`.
    ``not_a_gift``: what is paid with points cannot be given."""
    with transaction.atomic():
        return _Desk(programme, vouchers, at, staff).serve()


class _Desk:
    """Some who ask, under the locks of all of them and of what they ask for."""

    def __init__(
        self, programme: Programme, asked: Sequence[NewRedemption | NewVoucher], at: datetime, staff: Staff | None
    ) -> None:
        self.programme, self.asked, self.at, self.staff = programme, asked, at, staff
        self.book = Book(programme, at=at).open(member_ids={each.member_id for each in asked})
        self.known = catalogue.redemptions_by_key(programme, (each.key for each in asked))
        wanted = {each.reward_id for each in asked}
        locked(wanted)
        lapse_due(programme, at=at, reward_ids=wanted)
        self.shelf = catalogue.shelf(programme, at=at, reward_ids=wanted)
        self.who = catalogue.who_are(programme, self.book.purses, at=at)
        self.left = catalogue.left_of(self.shelf.values(), at=at)
        self.has: dict[int, Balance] = balances(self.book.purses, at=at)
        self.spent: dict[int, int] = {}
        self.rows: list[tuple[Redemption, Terms, NewRedemption | NewVoucher]] = []

    def serve(self) -> list[Redeemed]:
        found: list[Redeemed | Redemption] = [self._judged(each) for each in self.asked]
        self._take_stock()
        self._draw_codes()
        Redemption.objects.bulk_create([row for row, _terms, _asked in self.rows])
        self._charge()
        for kind, is_gift in ((kinds.REWARD_REDEEMED, False), (kinds.REWARD_GIVEN, True)):
            tell(kind, [row for row, _terms, _asked in self.rows if bool(row.why) == is_gift], at=self.at)
        return [each if isinstance(each, Redeemed) else Redeemed(CREATED, each.pk, each.points) for each in found]

    # -- judging -------------------------------------------------------------------------------------------------------

    def _judged(self, asked: NewRedemption | NewVoucher) -> Redeemed | Redemption:
        if (before := self.known.get(asked.key)) is not None:
            return self._said_before(before, asked)
        if asked.member_id not in self.book.purses:
            return Redeemed("no_member")
        each = self.shelf.get(asked.reward_id)
        if each is None:
            return Redeemed("unknown")
        who = self.who[asked.member_id]
        if isinstance(asked, NewVoucher):
            why, points = self._of_gift(each, asked), 0
        else:
            why, points = self._of_points(each, who, asked)
        if why:
            return Redeemed(why, 0, points)
        return self._reserved(each, who, asked, points)

    def _said_before(self, before: Redemption, asked: NewRedemption | NewVoucher) -> Redeemed:
        people = self.book.person_of(asked.member_id) if asked.member_id in self.book.purses else []
        same = before.reward_id == asked.reward_id and before.member_id in {purse.pk for purse in people}
        return Redeemed(UNCHANGED if same else DIFFERS, before.pk or 0, before.points)

    def _of_gift(self, each: OnShelf, asked: NewVoucher) -> str:
        if each.terms is None or not each.terms.is_valid(local_day(self.at, self.programme.time_zone)):
            return "not_offered"
        if each.terms.kind in rewards.NO_GIFTS:
            return "not_a_gift"
        return "sold_out" if self.left.get(asked.reward_id) == 0 else ""

    def _of_points(self, each: OnShelf, who: Who, asked: NewRedemption) -> tuple[str, int]:
        """Why not, or for how many points."""
        why = catalogue.refusal(each, who, self.programme, at=self.at)
        if why or each.terms is None:
            return why or "not_offered", 0
        if self.left.get(asked.reward_id) == 0:
            return "sold_out", 0
        if each.terms.kind == rewards.PAY:
            points = asked.points or 0
            if points < 1 or not points * each.terms.amount // each.terms.points:
                return "bad_points", 0
        else:
            points = catalogue.price_of(each, who, at=self.at)
            if asked.points is not None and asked.points < points:
                return "dearer", points
        has, head = self.has[asked.member_id], self.book.purses[asked.member_id].head
        if has.deficit:
            return "in_deficit", 0
        return ("insufficient" if points > has.available - self.spent.get(head, 0) else ""), points

    def _reserved(self, each: OnShelf, who: Who, asked: NewRedemption | NewVoucher, points: int) -> Redemption:
        """What was judged well is counted at once, so that whoever comes next in line finds less."""
        terms, pk = each.latest, each.reward.pk
        head = self.book.purses[asked.member_id].head
        self.spent[head] = self.spent.get(head, 0) + points
        if pk in self.left:
            self.left[pk] -= 1
        if isinstance(asked, NewRedemption):
            for purse in self.book.people[head]:
                self.who[purse.pk].had.setdefault(pk, []).append(self.at)
        ends = self._ends(terms, asked)
        row = Redemption(
            programme=self.programme,
            member_id=asked.member_id,
            reward=each.reward,
            version=each.version,
            key=asked.key,
            points=points,
            why=asked.why if isinstance(asked, NewVoucher) else "",
            state=State.DONE if ends is None else State.WAITING,
            took_stock=each.reward.stock is not None,
            made_at=self.at,
            expires_at=ends,
            closed_at=self.at if ends is None else None,
            made_by=self.staff,
        )
        self.rows.append((row, terms, asked))
        self.known[asked.key] = row
        return row

    def _ends(self, terms: Terms, asked: NewRedemption | NewVoucher) -> datetime | None:
        """Until when it waits; None: it is done at once."""
        if isinstance(asked, NewRedemption) and asked.wait_seconds is not None:
            return self.at + timedelta(seconds=max(1, asked.wait_seconds))
        if isinstance(asked, NewRedemption) and asked.is_handed_over and terms.is_handed_over:
            return None
        return self._lapses(terms) if terms.is_charged_at_use else None

    def _lapses(self, terms: Terms) -> datetime | None:
        if not terms.days:
            return None
        zone = self.programme.time_zone
        return expiry.day_ends(expiry.later(local_day(self.at, zone), terms.days, "day"), zone=zone)

    # -- taking --------------------------------------------------------------------------------------------------------

    def _take_stock(self) -> None:
        taken: dict[int, int] = {}
        for row, _terms, _asked in self.rows:
            if row.took_stock:
                taken[row.reward_id] = taken.get(row.reward_id, 0) + 1
        for pk, number in sorted(taken.items()):
            if not Reward.objects.filter(pk=pk, stock__gte=number).update(stock=F("stock") - number):
                raise RuntimeError("stock went while it was locked")

    def _draw_codes(self) -> None:
        made = []
        for row, terms, _asked in self.rows:
            if terms.kind == rewards.CHARITY:
                continue
            if terms.codes == rewards.OWN:
                code = codes.draw()
                row.voucher = Voucher(
                    programme=self.programme,
                    reward_id=row.reward_id,
                    version_id=row.version_id,
                    member_id=row.member_id,
                    origin=Origin.OWN,
                    code=code,
                    written=codes.written(code),
                    created_at=self.at,
                    issued_at=self.at,
                    expires_at=row.expires_at if terms.is_charged_at_use else self._lapses(terms),
                    uses=1 if row.state == State.DONE and terms.is_handed_over else 0,
                    **_rest(terms),
                )
                made.append(row.voucher)
        Voucher.objects.bulk_create(made)
        for pk in sorted({row.reward_id for row, terms, _asked in self.rows if terms.codes == rewards.IMPORTED}):
            self._take_codes([(row, terms) for row, terms, _asked in self.rows if row.reward_id == pk])
        for pk in {row.reward_id for row, terms, _asked in self.rows if terms.codes == rewards.SHARED}:
            shared = Voucher.objects.filter(reward=pk, origin=Origin.SHARED, voided_at=None).order_by("-pk").first()
            for row, _terms, _asked in self.rows:
                if row.reward_id == pk:
                    row.voucher = shared
        for row, _terms, _asked in self.rows:
            row.voucher_id = row.voucher.pk if row.voucher else None

    def _take_codes(self, some: Sequence[tuple[Redemption, Terms]]) -> None:
        reward = some[0][0].reward_id
        free = Voucher.objects.filter(reward=reward, origin=Origin.IMPORTED, issued_at=None, voided_at=None)
        for (row, terms), voucher in zip(some, list(free.order_by("pk")[: len(some)]), strict=True):
            mine = {"version_id": row.version_id, "member_id": row.member_id, "expires_at": self._lapses(terms)}
            if not free.filter(pk=voucher.pk).update(issued_at=self.at, **mine, **_rest(terms)):
                raise RuntimeError("a code went while it was locked")
            row.voucher = voucher

    def _charge(self) -> None:
        paid = [(row, terms, asked) for row, terms, asked in self.rows if row.points]
        holds = [
            NewHold(row.member_id, row.hold_key, row.points, _seconds(self.at, row.expires_at))
            for row, _terms, _asked in paid
        ]
        if any(done.result != CREATED for done in hold(programme=self.programme, holds=holds, at=self.at)):
            raise RuntimeError("points went while they were locked")
        at_once = [Capture(row.hold_key) for row, _terms, _asked in paid if row.state == State.DONE]
        if any(not done.is_done for done in capture(programme=self.programme, captures=at_once, at=self.at)):
            raise RuntimeError("points went while they were locked")


def _rest(terms: Terms) -> dict[str, int | None]:
    """How often a new code can be used: once, or until its value is."""
    return {"left": terms.amount, "uses_max": None} if terms.keeps_the_rest else {}


def _seconds(at: datetime, ends: datetime | None) -> int | None:
    return ceil((ends - at).total_seconds()) if ends else None


def confirm(
    *, programme: Programme, redemption_ids: Iterable[int], at: datetime, staff: Staff | None = None
) -> list[Redeemed]:
    """What waited was handed over, or is sure now: its points are spent; what became of each, in order.

    ``unknown``; ``cancelled``, ``lapsed``, ``returned``: it is over; ``at_the_till``: using the code does it.
    """
    asked = list(redemption_ids)
    with transaction.atomic():
        rows = under_locks(programme, asked, at=at)
        found, done = {}, []
        for pk, row in rows.items():
            state = catalogue.state_of(row, at=at)
            if state == State.DONE:
                found[pk] = Redeemed(UNCHANGED, pk, row.points)
            elif state != State.WAITING:
                found[pk] = Redeemed(state, pk)
            elif catalogue.terms_of(row.version).kind == rewards.PAY:
                found[pk] = Redeemed("at_the_till", pk)
            elif close(row, State.DONE, at=at, staff=staff):
                found[pk] = Redeemed(CREATED, pk, row.points)
                done.append(row)
            else:
                found[pk] = Redeemed("lapsed", pk)
        spend([(row, None) for row in done], programme, at=at)
        handed = [row.voucher_id for row in done if catalogue.terms_of(row.version).is_handed_over]
        Voucher.objects.filter(pk__in=[pk for pk in handed if pk], uses=0).update(uses=1)
        tell(kinds.REWARD_CONFIRMED, done, at=at)
    return in_order(asked, found)


def in_order(asked: Sequence[int], found: Mapping[int, Redeemed]) -> list[Redeemed]:
    """What became of each; whoever is named twice was done before."""
    seen: set[int] = set()
    results = []
    for pk in asked:
        one = found.get(pk, Redeemed("unknown"))
        results.append(replace(one, result=UNCHANGED) if pk in seen and one.result == CREATED else one)
        seen.add(pk)
    return results


def under_locks(programme: Programme, ids: Sequence[int], *, at: datetime) -> dict[int, Redemption]:
    """Redemptions as they stand once their members are locked."""
    mine = Redemption.objects.filter(programme=programme, pk__in=ids)
    Book(programme, at=at).open(member_ids=list(mine.values_list("member_id", flat=True)))
    return {row.pk: row for row in mine.select_related("version", "voucher", "programme").order_by("pk")}


def close(row: Redemption, state: str, *, at: datetime, staff: Staff | None) -> bool:
    """What waited waits no more; False, if somebody else was faster."""
    mine = Redemption.objects.filter(pk=row.pk, state=State.WAITING)
    if state == State.DONE:
        mine = mine.filter(expires_at__gt=at)
    return bool(mine.update(state=state, closed_at=at, closed_by=staff))


def spend(some: Sequence[tuple[Redemption, int | None]], programme: Programme, *, at: datetime) -> None:
    """The points that are set aside for these, or so many of them."""
    captures = [Capture(row.hold_key, points) for row, points in some if row.points]
    if any(not done.is_done for done in capture(programme=programme, captures=captures, at=at)):
        raise RuntimeError("points went while they were locked")
