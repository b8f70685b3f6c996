# ruff: noqa: S608  (the statement is put together from names of our own)
"""How much of its limit a rule has used up for a member: counted in the transaction of the grant."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from django.db import connection

from querencia.common.database import array, execute, is_postgresql, listed, select, within
from querencia.loyalty.earning import Outcome, Rule
from querencia.loyalty.expiry import period_starts
from querencia.loyalty.ledger import Book, Purse
from querencia.loyalty.models import CapUse

CAP_USE = CapUse._meta.db_table
# member, rule, period, its first day
type Place = tuple[int, str, str, date]


class Caps:
    """The counters of a book's members; a person's limit is one, whichever of their members earns."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.zone = book.programme.time_zone
        self.used: dict[Place, int] = {}
        self._changed: set[Place] = set()
        self._periods: dict[tuple[datetime, str], date] = {}

    def load(self, member_ids: Iterable[int], rules: Iterable[str]) -> None:
        wanted = set(rules)
        if not wanted:
            return
        everybody = {purse.pk for pk in member_ids for purse in self.book.person_of(pk)}
        asked = (
            f"SELECT member_id, rule, per, starts_on, points FROM {CAP_USE} "
            f"WHERE {within('member_id')} AND {within('rule', 'text')}"
        )
        for member, rule, per, day, points in select(asked, [listed(everybody), listed(wanted)]):
            self.used[member, rule, per, date.fromisoformat(day) if isinstance(day, str) else day] = points

    def room(self, purse: Purse, moment: datetime) -> Callable[[Rule], int | None]:
        """How many points a rule may still give this person in the period of a moment."""
        person = self.book.people[purse.head]

        def left(rule: Rule) -> int | None:
            if rule.cap is None:
                return None
            day = self._starts(moment, rule.cap.per)
            used = sum(self.used.get((each.pk, rule.key, rule.cap.per, day), 0) for each in person)
            return rule.cap.points - used

        return left

    def _starts(self, moment: datetime, per: str) -> date:
        """The first day of a period; what a local day is, is reckoned once for each moment."""
        found = self._periods.get((moment, per))
        if found is None:
            found = self._periods[moment, per] = period_starts(moment, per, zone=self.zone)
        return found

    def use(self, purse: Purse, moment: datetime, outcome: Outcome) -> None:
        for effect in outcome.effects:
            if effect.rule.cap is not None and effect.rule.cap.per != "purchase":
                self.add(purse.pk, effect.rule.key, effect.rule.cap.per, moment, effect.points)

    def add(self, member_id: int, rule: str, per: str, moment: datetime, points: int) -> None:
        place = (member_id, rule, per, self._starts(moment, per))
        self.used[place] = max(0, self.used.get(place, 0) + points)
        self._changed.add(place)

    def keep(self) -> None:
        """Write them; the members' locks are held, so that what was read is what is there."""
        rows = [(*place, self.used[place]) for place in sorted(self._changed)]
        insert = f"INSERT INTO {CAP_USE} (member_id, rule, per, starts_on, points)"
        known = "ON CONFLICT (member_id, rule, per, starts_on) DO UPDATE SET points = excluded.points"
        if not rows:
            return
        if is_postgresql():
            lists = "%s::bigint[], %s::text[], %s::text[], %s::date[], %s::bigint[]"
            given = [array(column) for column in zip(*rows, strict=True)]
            execute(f"{insert} SELECT * FROM unnest({lists}) {known}", given)
            return
        with connection.cursor() as cursor:
            cursor.executemany(f"{insert} VALUES (%s, %s, %s, %s, %s) {known}", rows)


def capped(rules: Iterable[Rule]) -> Mapping[str, str]:
    """Rules with a limit over time, and over which."""
    return {rule.key: rule.cap.per for rule in rules if rule.cap is not None and rule.cap.per != "purchase"}
