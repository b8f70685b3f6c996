"""Campaigns: rules that have their days, their budget or their audience, how they stand, and what they used up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from querencia.common.time import local_day
from querencia.loyalty.earning import Audience, Rule
from querencia.loyalty.models import BudgetUse, Programme
from querencia.loyalty.rulebook import Rulebook

PLANNED, RUNNING, ENDED, EXHAUSTED = "planned", "running", "ended", "exhausted"


@dataclass(frozen=True, slots=True)
class Campaign:
    """``state``: planned, running, ended, or exhausted (its budget is used up). ``used`` points of its ``budget``
    (0: it has none, and nothing is counted); ``starts_on`` and ``ends_on``, before which it ends; without an
    ``audience`` it is for everybody. ``counts_from``: since when the first of its versions counts."""

    key: str
    version: int
    title: str
    starts_on: date | None
    ends_on: date | None
    budget: int
    used: int
    state: str
    audience: Audience | None
    counts_from: datetime

    @property
    def share(self) -> float:
        return self.used / self.budget if self.budget else 0.0


def budgets_used(programme: Programme) -> Mapping[str, int]:
    """By rule how many points of its budget are used up."""
    return dict(BudgetUse.objects.filter(programme=programme).values_list("rule", "points"))


def campaigns(programme: Programme, *, at: datetime) -> list[Campaign]:
    """Of the rules with days, a budget or an audience: what runs first, then what is planned, then what is over."""
    used, today, book = budgets_used(programme), local_day(at, programme.time_zone), Rulebook.of(programme)
    in_force = {rule.key for rule in book.in_force(at)}
    newest: dict[str, tuple[Rule, datetime]] = {}
    for version, rule in book.read():
        if version.in_force_from <= at:
            newest[rule.key] = (rule, newest[rule.key][1] if rule.key in newest else version.in_force_from)
    found = []
    for key, (rule, since) in newest.items():
        if rule.budget or rule.starts_on or rule.ends_on or rule.audience:
            state = _state(rule, used.get(key, 0), today) if key in in_force else ENDED
            days = (rule.starts_on, rule.ends_on)
            spent = used.get(key, 0)
            told = Campaign(key, rule.version, rule.title, *days, rule.budget, spent, state, rule.audience, since)
            found.append(told)
    order = (RUNNING, PLANNED, EXHAUSTED, ENDED)
    return sorted(found, key=lambda each: (order.index(each.state), each.starts_on or date.min, each.key))


def campaign(programme: Programme, key: str, *, at: datetime) -> Campaign | None:
    """One of them."""
    return next((each for each in campaigns(programme, at=at) if each.key == key), None)


def _state(rule: Rule, used: int, today: date) -> str:
    if rule.ends_on is not None and rule.ends_on <= today:
        return ENDED
    if rule.budget and used >= rule.budget:
        return EXHAUSTED
    return PLANNED if rule.starts_on is not None and rule.starts_on > today else RUNNING
