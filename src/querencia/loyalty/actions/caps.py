# ruff: noqa: S608  (the statement is put together from names of our own)
"""How much of its limit a rule has used up for a member: counted in the transaction of the grant."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from itertools import batched

from django.db import connection

from querencia.customers.queries import persons
from querencia.loyalty.earning import Outcome, Rule
from querencia.loyalty.expiry import period_starts
from querencia.loyalty.ledger import Book, Purse
from querencia.loyalty.models import CapUse

# member, rule, period, its first day
type Place = tuple[int, str, str, date]


class Caps:
    """The counters of a book's members; a person's limit is one, whichever of their members earns."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.zone = book.programme.time_zone
        self.used: dict[Place, int] = {}
        self._changed: set[Place] = set()

    def load(self, member_ids: Iterable[int], rules: Iterable[str]) -> None:
        wanted = set(rules)
        if not wanted:
            return
        everybody = {purse.pk for pk in member_ids for purse in self.book.person_of(pk)}
        for some in persons.asked(everybody):
            rows = CapUse.objects.filter(member_id__in=some, rule__in=wanted)
            for member, rule, per, day, points in rows.values_list("member_id", "rule", "per", "starts_on", "points"):
                self.used[member, rule, per, day] = points

    def room(self, purse: Purse, moment: datetime) -> Callable[[Rule], int | None]:
        """How many points a rule may still give this person in the period of a moment."""
        person = self.book.people[purse.head]

        def left(rule: Rule) -> int | None:
            if rule.cap is None:
                return None
            day = period_starts(moment, rule.cap.per, zone=self.zone)
            used = sum(self.used.get((each.pk, rule.key, rule.cap.per, day), 0) for each in person)
            return rule.cap.points - used

        return left

    def use(self, purse: Purse, moment: datetime, outcome: Outcome) -> None:
        for effect in outcome.effects:
            if effect.rule.cap is not None and effect.rule.cap.per != "purchase":
                self.add(purse.pk, effect.rule.key, effect.rule.cap.per, moment, effect.points)

    def add(self, member_id: int, rule: str, per: str, moment: datetime, points: int) -> None:
        place = (member_id, rule, per, period_starts(moment, per, zone=self.zone))
        self.used[place] = max(0, self.used.get(place, 0) + points)
        self._changed.add(place)

    def keep(self) -> None:
        """Write them; the members' locks are held, so that what was read is what is there."""
        table = CapUse._meta.db_table
        for some in batched(sorted(self._changed), 1_000, strict=False):
            places = ", ".join(["(%s, %s, %s, %s, %s)"] * len(some))
            given = [value for place in some for value in (*place, self.used[place])]
            with connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO {table} (member_id, rule, per, starts_on, points) VALUES {places} "
                    "ON CONFLICT (member_id, rule, per, starts_on) DO UPDATE SET points = excluded.points",
                    given,
                )


def capped(rules: Iterable[Rule]) -> Mapping[str, str]:
    """Rules with a limit over time, and over which."""
    return {rule.key: rule.cap.per for rule in rules if rule.cap is not None and rule.cap.per != "purchase"}
