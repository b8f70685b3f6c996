"""Purchases earn points: once each, by the rules of their day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from querencia.loyalty import expiry
from querencia.loyalty.actions import refunding
from querencia.loyalty.actions.budgets import Budgets
from querencia.loyalty.actions.caps import Caps
from querencia.loyalty.actions.results import CREATED, UNCHANGED
from querencia.loyalty.earning import NOWHERE, Outcome, Snapshot, evaluate
from querencia.loyalty.ledger import Book, Given, Purse, fund
from querencia.loyalty.models import Programme
from querencia.loyalty.purchases import Bought, load
from querencia.loyalty.queries import partners
from querencia.loyalty.queries.audiences import Audiences
from querencia.loyalty.queries.standings import tiers_of
from querencia.loyalty.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Earned:
    """``created`` now, ``unchanged`` since it was before, or why nothing: ``no_member``, ``not_running``, ``refund``,
    ``other_currency``, ``unknown``. ``points`` may be 0: it was judged, and earned nothing."""

    purchase_id: int
    result: str
    points: int = 0
    member_id: int = 0


def earn(*, programme: Programme, purchases: Iterable[int], at: datetime) -> list[Earned]:
    """Grant what these purchases (by id) earn; what became of each, in order. Judged once, a purchase is never judged
    anew. What was given back already is taken back at once."""
    asked = list(purchases)
    with transaction.atomic(savepoint=False):
        bought = load(asked)
        why = {pk: _unfit(programme, each) for pk, each in bought.items()}
        fit = [bought[pk] for pk in bought if not why[pk]]
        book = Book(programme, at=at).open(customer_ids={each.customer_id for each in fit})
        earning = _Earning(book, fit)
        earned = earning.all()
        earning.caps.keep()
        earning.budgets.keep()
        book.close()
        if any(each.result == CREATED for each in earned.values()):
            fresh = [bought[pk] for pk, each in earned.items() if each.result == CREATED]
            refunding.follow(programme, fresh, everybody=book.head_of, at=at)
    return [earned.get(pk) or Earned(pk, why.get(pk) or "unknown") for pk in asked]


def _unfit(programme: Programme, bought: Bought) -> str:
    if bought.is_refund:
        return "refund"
    if bought.currency != programme.currency:
        return "other_currency"
    starts, ends = programme.starts_at, programme.ends_at
    if starts is None or bought.at < starts or (ends is not None and bought.at >= ends):
        return "not_running"
    return ""


class _Earning:
    """A batch of purchases on their way into the book, in the order in which they were made."""

    def __init__(self, book: Book, fit: Sequence[Bought]) -> None:
        self.book, self.fit = book, sorted(fit, key=lambda each: (each.at, each.pk))
        self.zone = ZoneInfo(book.programme.time_zone)
        self.rules = Rulebook.of(book.programme)
        self.partners = partners.by_key(book.programme) if self.rules.has_partners else {}
        self.by_customer = {purse.customer_id: purse for purse in book.purses.values()}
        self.caps, self.budgets = Caps(book), Budgets(book)
        self.tiers: dict[int, str] = {}
        self.ends: dict[date, datetime | None] = {}
        self.joined: dict[int, date] = {}
        # Where rules are for some members only: who is in which audience, and all records of each person.
        is_for_some = self.rules.has_audiences and any(
            rule.audience for each in self.fit for rule in self.rules.in_force(each.at)
        )
        self.audiences = Audiences.of(book.programme, book.head_of) if is_for_some else None
        self.nodes: dict[int, list[int]] = {}
        for customer, head in book.head_of.items() if self.audiences else ():
            self.nodes.setdefault(head, []).append(customer)

    def all(self) -> dict[int, Earned]:
        known = self.book.known(f"purchase:{each.pk}" for each in self.fit)
        members = {each.pk: self._member(each) for each in self.fit}
        wanted = {purse.pk for purse in members.values() if purse}
        self.tiers = tiers_of(self.book.programme, self.book.people.values(), rules=self.rules)
        self.caps.load(wanted, {rule.key for each in self.fit for rule in self.rules.in_force(each.at) if rule.cap})
        if self.rules.of_a_budget:
            self.budgets.load({rule for each in self.fit for rule in self.rules.in_force(each.at)})
        self.book.reserve(entries=len(self.fit), lots=2 * len(self.fit))
        found = {}
        for each in self.fit:
            purse = members[each.pk]
            if before := known.get(f"purchase:{each.pk}"):
                points = sum(entry.pending + entry.active for entry in before)
                found[each.pk] = Earned(each.pk, UNCHANGED, points, before[0].member_id)
            elif purse is None:
                found[each.pk] = Earned(each.pk, "no_member")
            else:
                found[each.pk] = Earned(each.pk, CREATED, self._grant(each, purse), purse.pk)
        owing = [purse.pk for purse in self.book.purses.values() if purse.deficit < 0]
        self.book.bring_up_to_date(owing)
        return found

    def _member(self, bought: Bought) -> Purse | None:
        """Whose points they are: of the customer who bought, or of another who is the same person."""
        own = self.by_customer.get(bought.customer_id)
        if own is None:
            head = self.book.head_of.get(bought.customer_id, bought.customer_id)
            own = next(iter(self.book.people.get(head, ())), None)
        if own is None or own.left_at is not None or bought.at < own.joined_at:
            return None
        return own

    def _grant(self, bought: Bought, purse: Purse) -> int:
        programme = self.book.programme
        facts = bought.facts(self.zone)
        joined_on = self.joined.get(purse.pk)
        if joined_on is None:
            joined_on = self.joined[purse.pk] = purse.joined_at.astimezone(self.zone).date()
        tier = self.tiers.get(purse.pk, "")
        rules = self.rules.in_force(bought.at)
        places = self.audiences.places(self.nodes[purse.head], rules, bought.at) if self.audiences else NOWHERE
        member = Snapshot.of(facts.day, joined_on=joined_on, birthday=bought.birthday, tier=tier, places=places)
        outcome = evaluate(
            facts,
            member,
            rules,
            room=self.caps.room(purse, bought.at),
            budget=self.budgets.room,
        )
        opens = expiry.available_at(bought.at, programme.pending_days)
        account = "active" if opens <= self.book.at else "pending"
        detail: dict[str, Any] = {**outcome.told(), "mark": self.rules.mark, "member": member.told()}
        posting = self.book.post(
            "grant",
            purse.pk,
            f"purchase:{bought.pk}",
            {account: outcome.points, "issued": -outcome.points},
            at=bought.at,
            purchase_id=bought.pk,
            detail=detail,
        )
        funded = {self.partners[key]: points for key, points in outcome.by_partner.items()}
        fund(self.book, posting.key, funded, member_id=purse.pk, at=bought.at, purchase_id=bought.pk)
        self._open_lots(outcome, posting, opens, self._lapses(facts.day, bought.at))
        self.caps.use(purse, bought.at, outcome)
        self.budgets.use(outcome)
        return outcome.points

    def _lapses(self, day: date, moment: datetime) -> datetime | None:
        """When points of that moment lapse: the same for a whole local day."""
        if day not in self.ends:
            programme = self.book.programme
            self.ends[day] = expiry.expires_at(moment, programme.expiry_policy, zone=programme.time_zone)
        return self.ends[day]

    def _open_lots(self, outcome: Outcome, posting: Any, opens: datetime, lapses: datetime | None) -> None:
        programme = self.book.programme
        for effect in outcome.effects:
            given = Given(
                amount=effect.points,
                available_at=opens,
                expires_at=lapses,
                rule_id=effect.rule.pk,
                partner_id=self.partners.get(effect.rule.partner),
                cost_per_thousand=programme.cost_per_thousand,
                lines={str(number): points for number, points in effect.lines.items()},
            )
            self.book.grant(posting, given)
