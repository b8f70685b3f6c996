"""How much of its budget a rule has used up for all members together: counted in the transaction of the grant."""

from collections.abc import Iterable

from django.db.models import F

from querencia.loyalty.earning import Outcome, Rule
from querencia.loyalty.ledger import Book
from querencia.loyalty.models import BudgetUse


class Budgets:
    """The counters of a programme's rules. Taken under lock, after those of members and in one order, so that what is
    left is left for whoever asks; whoever else grants by such a rule waits until this is written."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.used: dict[str, int] = {}
        self._changes: dict[str, int] = {}

    def load(self, rules: Iterable[Rule]) -> None:
        keys = sorted({rule.key for rule in rules if rule.budget})
        if not keys:
            return
        programme = self.book.programme
        rows = BudgetUse.objects.select_for_update().filter(programme=programme, rule__in=keys).order_by("rule")
        self.used = {row.rule: row.points for row in rows}
        if missing := [key for key in keys if key not in self.used]:
            new = [BudgetUse(programme=programme, rule=key) for key in missing]
            BudgetUse.objects.bulk_create(new, ignore_conflicts=True)
            self.used = {row.rule: row.points for row in rows.all()}

    def room(self, rule: Rule) -> int | None:
        """How many points a rule may still give, to whomever."""
        return rule.budget - self.used.get(rule.key, 0) if rule.budget else None

    def use(self, outcome: Outcome) -> None:
        for effect in outcome.effects:
            self.add(effect.rule.key, effect.points)

    def add(self, rule: str, points: int) -> None:
        """So many more are used, or below zero fewer; of a rule without a budget nothing is counted."""
        if points and rule in self.used:
            self.used[rule] += points
            self._changes[rule] = self._changes.get(rule, 0) + points

    def keep(self) -> None:
        for rule, points in sorted(self._changes.items()):
            mine = BudgetUse.objects.filter(programme=self.book.programme, rule=rule)
            # What was read is what is there, or else nothing is granted.
            if points and not mine.filter(points=self.used[rule] - points).update(points=F("points") + points):
                raise RuntimeError(f"the budget of {rule} was changed without its lock")
