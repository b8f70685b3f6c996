"""What was given back takes back what it earned: by the rules of its day, down to what the order as it stands would
have earned (see ``loyalty/refunds.py``)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from querencia.common.database import listed, within
from querencia.loyalty import expiry, refunds
from querencia.loyalty.actions.budgets import Budgets
from querencia.loyalty.actions.caps import Caps, capped
from querencia.loyalty.actions.reclaiming import claw_back, lapsed_of
from querencia.loyalty.actions.results import CREATED, UNCHANGED
from querencia.loyalty.actions.vouchers import give_back_uses
from querencia.loyalty.earning import Outcome, Rule, Snapshot, evaluate
from querencia.loyalty.ledger import Book, Given, reading, unfund
from querencia.loyalty.models import Entry, Programme
from querencia.loyalty.purchases import Bought, given_back, load, net, originals
from querencia.loyalty.queries import partners
from querencia.loyalty.rulebook import Rulebook

ASKED = 5_000


@dataclass(frozen=True, slots=True)
class Refunded:
    """``created`` now, ``unchanged`` since it was before, or why nothing: ``no_refund``, ``unknown_order``,
    ``no_grant`` (the order was not judged yet; when it is, this is looked at), ``unknown``. ``points``: taken back,
    of whom."""

    refund_id: int
    result: str
    points: int = 0
    member_id: int = 0


@dataclass(slots=True)
class _Grant:
    """An order that earned: its entry, what was taken back of it so far, and what of it lapsed."""

    entry: Entry
    bought: Bought
    taken: int = 0
    lapsed: int = 0
    rules: dict[str, int] = field(default_factory=dict)  # points by rule, as the last step left them

    @property
    def granted(self) -> int:
        return int(self.entry.pending + self.entry.active)


def refund(*, programme: Programme, refunds: Iterable[int], at: datetime) -> list[Refunded]:
    """Take back what these refunds (purchases by id) leave unearned, and give back what was used for their orders;
    what became of each, in order."""
    asked = list(refunds)
    with transaction.atomic(savepoint=False):
        bought = load(asked)
        back = [each for each in bought.values() if each.is_refund]
        of = originals(back)
        orders = {each.pk: each for each in of.values()}
        give_back_uses(programme, list(orders.values()), at)
        done = _take_back(programme, orders, at)
    found = []
    for pk in asked:
        if pk not in bought or not bought[pk].is_refund:
            found.append(Refunded(pk, "no_refund" if pk in bought else "unknown"))
        else:
            found.append(done.get(pk) or Refunded(pk, "no_grant" if pk in of else "unknown_order"))
    return found


def follow(programme: Programme, bought: Sequence[Bought], *, everybody: Collection[int], at: datetime) -> None:
    """What was given back of these before they earned. Inside the transaction in which they do. ``everybody``: who
    bought, and all who are one person with any of them."""
    early = given_back(bought, everybody)
    if early:
        _take_back(programme, {each.pk: each for each in bought if each.pk in early}, at)


def _take_back(programme: Programme, orders: Mapping[int, Bought], at: datetime) -> dict[int, Refunded]:
    grants = _grants(programme, orders)
    if not grants:
        return {}
    book = Book(programme, at=at).open(member_ids={each.entry.member_id for each in grants.values()})
    back = given_back([each.bought for each in grants.values()], book.head_of)
    known = book.known(f"refund:{each.pk}" for some in back.values() for each in some)
    fresh = {pk for pk, some in back.items() if any(f"refund:{each.pk}" not in known for each in some)}
    _look_up([each for pk, each in grants.items() if pk in fresh])
    anew = [grants[pk] for pk in sorted(fresh)]
    book.bring_up_to_date(
        [each.entry.member_id for each in anew],
        taking=sum(each.granted for each in anew),
        of_entries=[each.entry.pk for each in anew],
    )
    taking = _Taking(book)
    found = {}
    for pk, some in back.items():
        for each in sorted(some, key=lambda refunded: refunded.pk):
            key = f"refund:{each.pk}"
            if before := known.get(key):
                points = sum(entry.clawed_back for entry in before)
                found[each.pk] = Refunded(each.pk, UNCHANGED, points, before[0].member_id)
            else:
                points = taking.step(grants[pk], each, some)
                found[each.pk] = Refunded(each.pk, CREATED, points, grants[pk].entry.member_id)
    taking.caps.keep()
    taking.budgets.keep()
    book.close()
    return found


def _grants(programme: Programme, orders: Mapping[int, Bought]) -> dict[int, _Grant]:
    found = {}
    keys = sorted(f"purchase:{pk}" for pk in orders)
    condition = f"{within('key', 'text')} AND programme_id = %s AND kind = %s"
    for some in batched(keys, ASKED, strict=False):
        for entry in reading.instances(Entry, condition, [listed(some), programme.pk, Entry.Kind.GRANT]):
            if entry.purchase_id:
                found[entry.purchase_id] = _Grant(entry, orders[entry.purchase_id])
    return found


def _look_up(grants: Sequence[_Grant]) -> None:
    """What happened to these grants since. The members' locks are held."""
    by_entry = {each.entry.pk: each for each in grants}
    for each in grants:
        each.rules = {told["rule"]: told["points"] for told in each.entry.detail.get("rules", ())}
    for some in batched(sorted(by_entry), ASKED, strict=False):
        for entry in reading.instances(Entry, f"{within('corrects_id')} ORDER BY id", [listed(some)]):
            grant = by_entry[entry.corrects_id or 0]
            grant.taken += entry.clawed_back
            grant.rules = entry.detail.get("rules", grant.rules)
        for pk, points in lapsed_of(some).items():
            by_entry[pk].lapsed = points


class _Taking:
    """Steps of refunds, one after another, in one book."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.rules = Rulebook.of(book.programme)
        self.partners = partners.by_key(book.programme) if self.rules.has_partners else {}
        self.zone = ZoneInfo(book.programme.time_zone)
        self.caps, self.budgets = Caps(book), Budgets(book)
        self.budgets.load(self.rules.of_a_budget)
        self.caps.load(book.purses, {version.key for version in self.rules.versions if version.document.get("cap")})

    def step(self, grant: _Grant, refunded: Bought, all_of_order: Sequence[Bought]) -> int:
        """Take what is to be taken now; how much that was (below zero: so much came back)."""
        rules = self.rules.in_force(grant.bought.at, mark=grant.entry.detail["mark"])
        outcome = self._target(grant, all_of_order, rules)
        due = refunds.to_take(granted=grant.granted, taken=grant.taken, target=outcome.points)
        # What lapsed of this very grant is gone already.
        lapsed = grant.lapsed + self.book.lapsed.get(grant.entry.pk, 0)
        points = due.points if due.points <= 0 else max(0, due.points - lapsed)
        by_rule = {effect.rule.key: effect.points for effect in outcome.effects}
        detail = {"target": due.target, "asked": points, "rules": by_rule}
        key = f"refund:{refunded.pk}"
        told: dict[str, Any] = {"purchase_id": refunded.pk, "corrects_id": grant.entry.pk}
        if points >= 0:
            entry = grant.entry
            moved = claw_back(
                self.book, member_id=entry.member_id, entry_id=entry.pk, key=key, points=points, detail=detail, **told
            )
        else:
            moved = -self._return(grant, key, -points, detail, told)
        if self.partners:
            less = self._less(grant, rules, by_rule)
            unfund(self.book, key, moved, less, member_id=grant.entry.member_id, purchase_id=refunded.pk)
        self._count(grant, rules, by_rule)
        grant.taken += moved
        grant.rules = by_rule
        return moved

    def _target(self, grant: _Grant, all_of_order: Sequence[Bought], rules: Sequence[Rule]) -> Outcome:
        """What the order as it stands would have earned on its day, with what limits left it then."""
        detail = grant.entry.detail
        rooms = {told["rule"]: told["room"] for told in detail["rules"] if "room" in told}
        rooms |= {key: 0 for key, why in detail.get("passed_over", {}).items() if why == "cap"}
        facts = net(grant.bought, all_of_order, self.zone)
        return evaluate(
            facts,
            Snapshot(**detail["member"]),
            rules,
            room=lambda rule: rooms.get(rule.key),
            budget=lambda rule: rooms.get(rule.key),
        )

    def _return(self, grant: _Grant, key: str, points: int, detail: dict[str, Any], told: Mapping[str, Any]) -> int:
        """An earlier step took more than is due now: it comes back as points of the grant's own terms, after what is
        owed."""
        programme, member_id = self.book.programme, grant.entry.member_id
        points = min(points, max(0, grant.taken))
        posting = self.book.post(
            "restore", member_id, key, {"active": points, "clawed_back": -points}, detail=detail, **told
        )
        if points:
            lapses = expiry.expires_at(grant.bought.at, programme.expiry_policy, zone=programme.time_zone)
            self.book.grant(posting, Given(points, self.book.at, lapses, cost_per_thousand=programme.cost_per_thousand))
            self.book.repay(self.book.person_of(member_id))
        return points

    def _less(self, grant: _Grant, rules: Iterable[Rule], by_rule: Mapping[str, int]) -> dict[int | None, int]:
        """How much less each partner pays for than the step before left, and the business itself (None)."""
        found: dict[int | None, int] = {}
        for rule in rules:
            payer = self.partners.get(rule.partner)
            found[payer] = found.get(payer, 0) + grant.rules.get(rule.key, 0) - by_rule.get(rule.key, 0)
        return found

    def _count(self, grant: _Grant, rules: Iterable[Rule], by_rule: Mapping[str, int]) -> None:
        """What a limited rule takes back, it may give again."""
        for key, per in capped(rules).items():
            less = grant.rules.get(key, 0) - by_rule.get(key, 0)
            if less:
                self.caps.add(grant.entry.member_id, key, per, grant.bought.at, -less)
        for rule in rules:
            self.budgets.add(rule.key, by_rule.get(rule.key, 0) - grant.rules.get(rule.key, 0))
