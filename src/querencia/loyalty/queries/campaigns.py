"""Campaigns: rules that have their days or their budget, how they stand, and what they used up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from querencia.common.time import local_day
from querencia.loyalty.earning import Rule
from querencia.loyalty.models import BudgetUse, Programme
from querencia.loyalty.queries import rules

PLANNED, RUNNING, ENDED, EXHAUSTED = "planned", "running", "ended", "exhausted"


@dataclass(frozen=True, slots=True)
class Campaign:
    """``state``: planned, running, ended, or exhausted (its budget is used up). ``used`` points of its ``budget``
    (0: it has none, and nothing is counted); ``starts_on`` and ``ends_on``, before which it ends."""

    key: str
    version: int
    title: str
    starts_on: date | None
    ends_on: date | None
    budget: int
    used: int
    state: str

    @property
    def share(self) -> float:
        return self.used / self.budget if self.budget else 0.0


def budgets_used(programme: Programme) -> Mapping[str, int]:
    """By rule how many points of its budget are used up."""
    return dict(BudgetUse.objects.filter(programme=programme).values_list("rule", "points"))


def campaigns(programme: Programme, *, at: datetime) -> list[Campaign]:
    """Of the rules in force those with days or a budget: what runs first, then what is planned, then what is over."""
    used, today = budgets_used(programme), local_day(at, programme.time_zone)
    found = []
    for row in rules.in_force(programme, at=at):
        rule = rules.rule_of(row.document, key=row.key)
        if rule.budget or rule.starts_on or rule.ends_on:
            state = _state(rule, used.get(row.key, 0), today)
            days = (rule.starts_on, rule.ends_on)
            found.append(Campaign(row.key, row.version, rule.title, *days, rule.budget, used.get(row.key, 0), state))
    order = (RUNNING, PLANNED, EXHAUSTED, ENDED)
    return sorted(found, key=lambda each: (order.index(each.state), each.starts_on or date.min, each.key))


def _state(rule: Rule, used: int, today: date) -> str:
    if rule.ends_on is not None and rule.ends_on <= today:
        return ENDED
    if rule.budget and used >= rule.budget:
        return EXHAUSTED
    return PLANNED if rule.starts_on is not None and rule.starts_on > today else RUNNING
