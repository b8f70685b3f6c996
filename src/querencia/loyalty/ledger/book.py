# ruff: noqa: S608  (the statements are put together from names of our own)
"""The book of some members: opened under their locks, moved in memory, written when it is closed.

Whoever moves points opens a book, calls what it needs, and closes it, inside one transaction. A person's members (those
whose customers are joined by merges) are in it together: they spend from one purse, each from its own lots.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from querencia.common.database import is_postgresql, listed, within
from querencia.common.time import local_day
from querencia.customers.queries import persons
from querencia.loyalty import allocation, expiry, models
from querencia.loyalty.ledger import dating, reading, rows
from querencia.loyalty.ledger.rows import Ids, Lot, Posting, Taking
from querencia.loyalty.ledger.telling import tell_of, told_before
from querencia.loyalty.models import Allocation, Entry, Hold, Member, Programme
from querencia.loyalty.models.ledger import OF_MEMBER

ASKED = 5_000
# Points of one lot that an entry takes or gives.
type Taken = tuple[Lot, int]
SPENDABLE = ("active", "pending")


@dataclass(slots=True)
class Purse:
    """A member under lock. ``lots`` holds what is open, once it was asked for."""

    pk: int
    customer_id: int
    joined_at: datetime
    left_at: datetime | None
    pending: int
    active: int
    held: int
    deficit: int
    head: int = 0
    is_changed: bool = False
    lots: list[Lot] | None = None

    def move(self, accounts: Mapping[str, int]) -> None:
        for name in OF_MEMBER:
            if change := accounts.get(name, 0):
                setattr(self, name, getattr(self, name) + change)
                self.is_changed = True


@dataclass(frozen=True, slots=True)
class Given:
    """How a new lot is: from when to when, by what rule, at whose cost."""

    amount: int
    available_at: datetime
    expires_at: datetime | None
    rule_id: int | None = None
    origin_id: int | None = None
    partner_id: int | None = None
    cost_per_thousand: int = 0
    lines: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, lot: Lot, amount: int, available_at: datetime, expires_at: datetime | None) -> "Given":
        """For points that were in a lot before, by the same rule and at the same cost."""
        return cls(
            amount,
            available_at,
            expires_at,
            rule_id=lot.rule_id,
            origin_id=lot.pk,
            partner_id=lot.partner_id,
            cost_per_thousand=lot.cost_per_thousand,
        )


class Book:
    """``purses`` by member, ``people``: by the customer who stands for a person, their members, the oldest first."""

    def __init__(self, programme: Programme, *, at: datetime) -> None:
        self.programme, self.at = programme, at
        self.purses: dict[int, Purse] = {}
        self.people: dict[int, list[Purse]] = {}
        self.head_of: dict[int, int] = {}
        self.lapsed: dict[int, int] = {}  # by entry that granted them, the points that were booked as lapsed here
        self.entry_ids, self.lot_ids = Ids(Entry), Ids(models.Lot)
        self.entries: list[Posting] = []
        self._lots: dict[int, Lot] = {}
        self._new_lots: list[Lot] = []
        self._takings: dict[tuple[int, int], Taking] = {}
        self._changed: dict[int, Lot] = {}
        self._closed: list[int] = []

    # -- opening -------------------------------------------------------------------------------------------------------

    def open(self, *, member_ids: Iterable[int] = (), customer_ids: Iterable[int] = ()) -> "Book":
        """Lock these members and all that are one person with any of them, in one order everywhere."""
        wanted = set(customer_ids)
        members = reading.table(Member)
        if ids := list(member_ids):
            asked = f"SELECT customer_id FROM {members} WHERE {within('id')}"
            wanted |= {row[0] for row in reading.select(asked, [listed(ids)])}
        self.head_of = persons.together(wanted)
        lock = " FOR NO KEY UPDATE" if is_postgresql() else ""
        held = (
            f"SELECT id, customer_id, joined_at, left_at, {', '.join(OF_MEMBER)} FROM {members} "
            f"WHERE programme_id = %s AND {within('customer_id')} ORDER BY id{lock}"
        )
        for pk, customer, joined, left, *sums in reading.select(held, [self.programme.pk, listed(self.head_of)]):
            purse = Purse(pk, customer, reading.moment(joined), reading.moment(left), *sums)
            purse.head = self.head_of[customer]
            self.purses[pk] = purse
        for purse in sorted(self.purses.values(), key=lambda purse: purse.pk):
            self.people.setdefault(purse.head, []).append(purse)
        return self

    def reserve(self, *, entries: int, lots: int) -> None:
        """About so many will be written: have their ids fetched at once."""
        rows.reserve({self.entry_ids: entries, self.lot_ids: lots})

    def person_of(self, member_id: int) -> list[Purse]:
        return self.people[self.purses[member_id].head]

    def known(self, keys: Iterable[str]) -> dict[str, list[Entry]]:
        """Entries under these keys, of whichever member."""
        wanted = sorted(set(keys))
        condition = f"{within('key', 'text')} AND programme_id = %s"
        known = reading.instances(Entry, condition, [listed(wanted), self.programme.pk]) if wanted else []
        found: dict[str, list[Entry]] = {}
        for entry in sorted(known, key=lambda entry: entry.pk):
            found.setdefault(entry.key, []).append(entry)
        return found

    def bring_up_to_date(
        self, member_ids: Iterable[int], *, taking: int | None = None, of_entries: Collection[int] = ()
    ) -> None:
        """Book what time has done by now: points that can be spent, holds that lapsed, points that lapsed; and repay
        what a person owes from what they have.

        ``taking``: no more than that is taken from any person afterwards, beside what these entries gave: of those who
        have hundreds of lots, only the first are looked at."""
        heads = dict.fromkeys(self.purses[pk].head for pk in member_ids)
        purses = [purse for head in heads for purse in self.people[head] if purse.lots is None]
        if not purses:
            return
        if taking is not None:
            taking -= min(sum(purse.deficit for purse in self.people[head]) for head in heads)
        self._load(purses, taking, of_entries)
        for purse in purses:
            for lot in purse.lots or ():
                if not lot.is_active and lot.available_at <= self.at:
                    self.activate(lot)
        self._release_lapsed(purses)
        for lot in self.put_off(purses, by=self.at):
            self.lapsed[lot.entry_id] = self.lapsed.get(lot.entry_id, 0) + lot.remaining
            self.debit("expire", f"expire:{lot.pk}:{lot.turns}", [(lot, lot.remaining)], to="expired")
        for head in heads:
            self.repay(self.people[head])

    def _load(self, purses: Sequence[Purse], taking: int | None, of_entries: Collection[int]) -> None:
        # What is in no lot, in none is looked for.
        if full := [purse.pk for purse in purses if purse.pending or purse.active]:
            self._seen(
                _lots("member_id", full, "AND remaining > 0")
                if taking is None
                else _first_lots(full, taking, of_entries, self.at)
            )
        for purse in purses:
            purse.lots = []
        fresh = {purse.pk: purse for purse in purses}
        for lot in self._lots.values():
            if lot.member_id in fresh:
                fresh[lot.member_id].lots.append(lot)  # type: ignore[union-attr]

    def _seen(self, lots: Iterable[Lot]) -> None:
        for lot in lots:
            if lot.pk not in self._lots:
                self._see(lot)

    def _see(self, lot: Lot) -> None:
        self._lots[lot.pk] = lot
        purse = self.purses.get(lot.member_id)
        if purse is not None and purse.lots is not None:
            purse.lots.append(lot)

    def lots_by_id(self, ids: Iterable[int]) -> dict[int, Lot]:
        """These lots, open or not: the same objects that the purses hold."""
        wanted = set(ids)
        if missing := wanted - self._lots.keys():
            self._seen(_lots("id", missing))
        return {pk: self._lots[pk] for pk in wanted}

    def _release_lapsed(self, purses: Sequence[Purse]) -> None:
        owed = [purse.pk for purse in purses if purse.held]
        if not owed:
            return
        mine = Hold.objects.filter(member_id__in=owed, closed_at=None, expires_at__lte=self.at)
        for hold in mine.exclude(pk__in=self._closed).order_by("pk"):
            self.release(hold, self.held_of([hold.pk])[hold.pk], {"why": "lapsed"})

    def held_of(self, hold_ids: Sequence[int], column: str = "held") -> dict[int, list[Taken]]:
        """By hold, the points of which lots it holds now (or ``redeemed``: has spent), in the order of taking."""
        sums: dict[int, dict[int, int]] = {pk: {} for pk in hold_ids}
        table = reading.table(Allocation)
        asked = f"SELECT hold_id, lot_id, {column} FROM {table} WHERE {within('hold_id')} ORDER BY entry_id, id"
        for hold_id, lot_id, change in reading.select(asked, [listed(hold_ids)]):
            sums[hold_id][lot_id] = sums[hold_id].get(lot_id, 0) + change
        lots = self.lots_by_id({lot for each in sums.values() for lot in each})
        return {
            hold: sorted(
                ((lots[pk], points) for pk, points in each.items() if points), key=lambda t: allocation.order(t[0])
            )
            for hold, each in sums.items()
        }

    # -- moving --------------------------------------------------------------------------------------------------------

    def post(
        self,
        kind: str,
        member_id: int,
        key: str,
        accounts: Mapping[str, int],
        *,
        at: datetime | None = None,
        **more: Any,
    ) -> Posting:
        """Write an entry down. ``accounts`` add up to nothing; the database refuses others."""
        moved = {name: change for name, change in accounts.items() if change}
        posting = Posting(self.entry_ids.next(), member_id, kind, key, at or self.at, moved, **more)
        self.entries.append(posting)
        self.purses[member_id].move(moved)
        return posting

    def grant(self, posting: Posting, given: Given) -> Lot:
        """Open a lot for an entry that posted its points. What is not usable yet is in the pending account."""
        lot = Lot(
            pk=self.lot_ids.next(),
            member_id=posting.member_id,
            entry_id=posting.pk,
            amount=given.amount,
            available_at=given.available_at,
            expires_at=given.expires_at,
            remaining=given.amount,
            is_active=given.available_at <= self.at,
            rule_id=given.rule_id,
            origin_id=given.origin_id,
            partner_id=given.partner_id,
            cost_per_thousand=given.cost_per_thousand,
            lines=given.lines,
        )
        self._new_lots.append(lot)
        self._see(lot)
        return lot

    def activate(self, lot: Lot) -> None:
        """Points come out of the pending account."""
        self.post("activate", lot.member_id, f"activate:{lot.pk}", {"pending": -lot.remaining, "active": lot.remaining})
        lot.is_active = True
        self._changed[lot.pk] = lot

    def put_off(self, purses: Iterable[Purse], *, by: datetime) -> list[Lot]:
        """The open lots that lapse by then. Where the programme demands that members are told before, those of whom
        nobody was are given more time instead, and the rest is answered."""
        due = [lot for purse in purses for lot in purse.lots or () if lot.remaining and allocation.has_lapsed(lot, by)]
        if not due or not self.programme.notice_needed:
            return due
        zone, told = self.programme.time_zone, told_before([lot.pk for lot in due])
        last = local_day(self.at, zone) + timedelta(days=self.programme.notice_days)
        lapses = expiry.day_ends(last, zone=zone)
        for lot in due:
            if lot.pk not in told:
                key, points = f"put_off:{lot.pk}:{lot.turns}", lot.remaining
                posting = self.post("transfer", lot.member_id, key, {}, detail={"why": "put_off"})
                self.allocate(posting, lot, amount=-points)
                self.grant(posting, Given.of(lot, points, lot.available_at, lapses))
        return [lot for lot in due if lot.pk in told]

    def debit(
        self,
        kind: str,
        key: str,
        parts: Sequence[Taken],
        *,
        to: str,
        also: Mapping[int, int] | None = None,
        **more: Any,
    ) -> dict[int, Posting]:
        """Take points out of lots into an account; one entry for each member whose lots they are, all under one key.
        ``also``: by member, so many more that are owed. The entries, by member."""
        by_member: dict[int, list[Taken]] = {member: [] for member in also or {}}
        for lot, points in parts:
            by_member.setdefault(lot.member_id, []).append((lot, points))
        made = {}
        for member_id, some in by_member.items():
            accounts = dict.fromkeys(SPENDABLE, 0)
            for lot, points in some:
                accounts["active" if lot.is_active else "pending"] -= points
            accounts["deficit"] = -(also or {}).get(member_id, 0)
            accounts[to] = -sum(accounts.values())
            made[member_id] = posting = self.post(kind, member_id, key, accounts, **more)
            for lot, points in some:
                self.allocate(posting, lot, amount=-points, **{to: points} if to == "held" else {})
        return made

    def credit(self, kind: str, key: str, parts: Sequence[Taken], *, out_of: str, **more: Any) -> dict[int, Posting]:
        """Give points back to the lots they came from, out of an account."""
        by_member: dict[int, list[Taken]] = {}
        for lot, points in parts:
            by_member.setdefault(lot.member_id, []).append((lot, points))
        made = {}
        for member_id, some in by_member.items():
            accounts = dict.fromkeys(SPENDABLE, 0)
            for lot, points in some:
                accounts["active" if lot.is_active else "pending"] += points
            accounts[out_of] = -sum(accounts.values())
            made[member_id] = posting = self.post(kind, member_id, key, accounts, **more)
            for lot, points in some:
                lot.turns += 1
                taken = {out_of: -points} if out_of in ("held", "redeemed") else {}
                self.allocate(posting, lot, amount=points, **taken)
        return made

    def release(self, hold: Hold, parts: Sequence[Taken], detail: Mapping[str, Any]) -> None:
        """What a hold still holds is free again, and the hold is closed."""
        if parts:
            self.credit("release", f"release:{hold.key}", parts, out_of="held", hold_id=hold.pk, detail=dict(detail))
        self.close_hold(hold.pk)

    def close_hold(self, pk: int) -> None:
        self._closed.append(pk)

    def allocate(self, posting: Posting, lot: Lot, *, amount: int = 0, held: int = 0, redeemed: int = 0) -> None:
        taking = self._takings.setdefault((posting.pk, lot.pk), Taking(posting.pk, lot, hold_id=posting.hold_id))
        taking.amount += amount
        taking.held += held
        taking.redeemed += redeemed
        lot.remaining += amount
        self._changed[lot.pk] = lot

    def repay(self, person: Sequence[Purse]) -> None:
        """What a person owes is repaid from what they have, before anything is spent."""
        for debtor in person:
            while debtor.deficit < 0:
                lots = [lot for purse in person for lot in purse.lots or () if lot.remaining > 0]
                mine = [lot for lot in lots if lot.member_id == debtor.pk] or lots
                taken = allocation.allocate(mine, -debtor.deficit)
                if not taken:
                    return
                for lot, points in taken:
                    self._repay(debtor, lot, points)

    def _repay(self, debtor: Purse, lot: Lot, points: int) -> None:
        key = f"repay:{lot.pk}:{lot.turns}:{lot.remaining}"
        account = "active" if lot.is_active else "pending"
        told = {"why": "deficit"}
        if lot.member_id == debtor.pk:
            posting = self.post("transfer", debtor.pk, key, {account: -points, "deficit": points}, detail=told)
        else:
            posting = self.post("transfer", lot.member_id, key, {account: -points, "transferred": points}, detail=told)
            self.post("transfer", debtor.pk, key, {"deficit": points, "transferred": -points}, detail=told)
        self.allocate(posting, lot, amount=-points)

    # -- looking -------------------------------------------------------------------------------------------------------

    def usable(self, person: Sequence[Purse]) -> list[Lot]:
        """What can be spent now, in no order."""
        return [lot for purse in person for lot in purse.lots or () if allocation.is_usable(lot, self.at)]

    def waiting(self, person: Sequence[Purse]) -> list[Lot]:
        """What cannot be spent yet."""
        return [lot for purse in person for lot in purse.lots or () if allocation.is_pending(lot, self.at)]

    # -- closing -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write all of it: a few statements, however much it is."""
        pk = self.programme.pk
        if self.entries:
            when = dating.recorded_at(pk, self.at)
            rows.insert(Entry, rows.ENTRY, (rows.entry_of(pk, when, each) for each in self.entries))
        if self._new_lots:
            rows.insert(models.Lot, rows.LOT, map(rows.lot_of, self._new_lots))
        takings = [t for t in self._takings.values() if t.amount or t.held or t.redeemed]
        if takings:
            rows.insert(Allocation, rows.ALLOCATION, map(rows.allocation_of, takings))
        new = {lot.pk for lot in self._new_lots}
        left = [
            (lot.pk, lot.remaining, lot.is_active, lot.turns) for lot in self._changed.values() if lot.pk not in new
        ]
        rows.update(models.Lot, ("remaining", "is_active", "turns"), left)
        moved = [(p.pk, p.pending, p.active, p.held, p.deficit) for p in self.purses.values() if p.is_changed]
        rows.update(Member, OF_MEMBER, moved)
        if self._closed:
            rows.close_holds(self._closed, self.at)
        tell_of(self.programme, self.entries, at=self.at)


LOT = reading.table(models.Lot)
NAMES = ", ".join(name for name in rows.LOT if name != "lines")


def _lots(column: str, values: Collection[int], more: str = "") -> Iterable[Lot]:
    return _read(f"SELECT {NAMES} FROM {LOT} WHERE {within(column)} {more} ORDER BY id", [listed(values)])


def _first_lots(member_ids: Sequence[int], points: int, entry_ids: Collection[int], at: datetime) -> Iterable[Lot]:
    """Open lots of these members: those with which something has to be done by now, those of these entries, and of the
    others, in the order in which they are taken from, as many as make up so many points that can be spent, and so many
    that cannot yet."""
    asked = f"""
        SELECT {NAMES} FROM (
            SELECT {NAMES}, sum(CASE WHEN expires_at <= %s THEN 0 ELSE remaining END) OVER (
                PARTITION BY member_id, available_at > %s ORDER BY expires_at NULLS LAST, id
            ) AS up_to FROM {LOT} WHERE {within("member_id")} AND remaining > 0
        ) l WHERE up_to - remaining < %s OR expires_at <= %s OR (NOT is_active AND available_at <= %s)
            OR {within("entry_id")} ORDER BY id"""
    moment = connection.ops.adapt_datetimefield_value(at)
    return _read(asked, [moment, moment, listed(member_ids), points, moment, moment, listed(entry_ids)])


def _read(asked: str, given: Sequence[Any]) -> Iterable[Lot]:
    for pk, member, entry, amount, available, expires, remaining, is_active, *rest in reading.select(asked, given):
        when = (reading.moment(available), reading.moment(expires))
        yield Lot(pk, member, entry, amount, *when, remaining, bool(is_active), *rest)
