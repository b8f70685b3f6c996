"""Rules of earning: what a document may say, and what it means. Documents are versioned and never changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from querencia.loyalty.earning import audience
from querencia.loyalty.earning.audience import Audience, BadAudience
from querencia.loyalty.earning.conditions import BadCondition, Condition
from querencia.loyalty.earning.facts import DISCOUNT, OF_LINE, OF_PURCHASE, SHIPPING, TAX

POINTS = "points"
ROUNDS = ("down", "nearest", "up")
PERIODS = ("purchase", "day", "month", "quarter", "half", "year", "ever")
STACKINGS = ("sum", "best", "priority", "exclusive")
MAY_COUNT = (TAX, SHIPPING, DISCOUNT, POINTS)
PARTS = frozenset(
    {"title", "when", "if", "lines", "then", "round", "counts", "cap", "group", "stacking", "priority", "from", "until"}
    | {"partner", "budget", "audience"}
)
WHOLE_MAX = 10**12


class BadRule(ValueError):
    """A document that is no rule: ``part`` of it, and what is wrong."""

    def __init__(self, part: str, said: str) -> None:
        super().__init__(f"{part}: {said}" if part else said)
        self.part = part


@dataclass(frozen=True)
class Cap:
    """So many points at most of one rule to one member in a period."""

    points: int
    per: str


@dataclass(frozen=True, eq=False)
class Rule:
    """``points`` for each ``per`` minor units; without ``per`` so many once. ``counts``: which of tax, shipping,
    discount and points (what was paid with them) earn, too. Of rules in one group ``stacking`` says which count.
    ``partner``: by its key, who pays for the points; empty: the business itself. ``budget``: so many points at most to
    all members together; 0: without limit. ``audience``: for whom it is; None: for everybody."""

    key: str
    version: int
    pk: int
    title: str
    points: int
    per: int
    rounds: str
    condition: Condition | None
    lines: Condition | None
    counts: frozenset[str]
    cap: Cap | None
    group: str
    stacking: str
    priority: int
    starts_on: date | None
    ends_on: date | None
    partner: str = ""
    budget: int = 0
    audience: Audience | None = None

    def is_valid(self, day: date) -> bool:
        """From the first day on, and no more on the last."""
        return (self.starts_on is None or self.starts_on <= day) and (self.ends_on is None or day < self.ends_on)


def read(document: Mapping[str, Any], *, key: str, version: int = 1, pk: int = 0) -> Rule:
    """A rule out of its document. Raises BadRule with what is wrong where."""
    if not isinstance(document, Mapping):
        raise BadRule("", "a rule is an object")
    if unknown := set(document) - PARTS:
        raise BadRule(sorted(map(str, unknown))[0], f"not a part of a rule; parts are {', '.join(sorted(PARTS))}")
    if document.get("when", "purchase") != "purchase":
        raise BadRule("when", "only purchase")
    then = document.get("then")
    if not isinstance(then, Mapping) or set(then) - {"points", "per"}:
        raise BadRule("then", 'say {"points": 1, "per": 100}, or {"points": 50}')
    return Rule(
        key=key,
        version=version,
        pk=pk,
        title=_text(document, "title", key),
        points=_whole(then, "then.points", least=1),
        per=_whole(then, "then.per", default=0),
        rounds=_one_of(document, "round", ROUNDS),
        condition=_condition(document, "if", OF_PURCHASE),
        lines=_condition(document, "lines", OF_LINE),
        counts=_counts(document),
        cap=_cap(document),
        group=_text(document, "group", key),
        stacking=_one_of(document, "stacking", STACKINGS),
        priority=_whole(document, "priority", default=0),
        starts_on=_day(document, "from"),
        ends_on=_day(document, "until"),
        partner=_text(document, "partner", "") if document.get("partner") else "",
        budget=_budget(document),
        audience=_audience(document),
    )


def agree(rules: Iterable[Rule]) -> None:
    """Raises BadRule when rules of one group say different things of how they stack."""
    said: dict[str, Rule] = {}
    for rule in rules:
        first = said.setdefault(rule.group, rule)
        if first.stacking != rule.stacking:
            raise BadRule(
                "stacking",
                f"{rule.key} says {rule.stacking} and {first.key} says {first.stacking}, in one group {rule.group}",
            )


def _text(given: Mapping[str, Any], part: str, default: str) -> str:
    value = given.get(part, default)
    if not isinstance(value, str) or not 1 <= len(value) <= 120:
        raise BadRule(part, "a text of 1 to 120 characters")
    return value


def _whole(given: Mapping[str, Any], part: str, *, least: int = 0, default: int | None = None) -> int:
    value = given.get(part.rpartition(".")[2], default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= WHOLE_MAX:
        raise BadRule(part, f"a whole number from {least} to {WHOLE_MAX}")
    return value


def _one_of(given: Mapping[str, Any], part: str, known: tuple[str, ...]) -> str:
    value = given.get(part, known[0])
    if value not in known:
        raise BadRule(part, f"one of {', '.join(known)}")
    return str(value)


def _condition(given: Mapping[str, Any], part: str, fields: Mapping[str, Any]) -> Condition | None:
    value = given.get(part)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BadRule(part, "a condition is a text")
    try:
        return Condition(value, fields)
    except BadCondition as fault:
        raise BadRule(part, str(fault)) from None


def _counts(given: Mapping[str, Any]) -> frozenset[str]:
    value = given.get("counts", [])
    if not isinstance(value, list) or not set(map(str, value)) <= set(MAY_COUNT):
        raise BadRule("counts", f"a list of some of {', '.join(MAY_COUNT)}")
    return frozenset(value)


def _cap(given: Mapping[str, Any]) -> Cap | None:
    value = given.get("cap")
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"points", "per"} or value["per"] not in PERIODS:
        raise BadRule("cap", f'say {{"points": 500, "per": one of {", ".join(PERIODS)}}}')
    return Cap(_whole(value, "cap.points", least=1), value["per"])


def _budget(given: Mapping[str, Any]) -> int:
    value = given.get("budget")
    if value is None:
        return 0
    if not isinstance(value, Mapping) or set(value) != {"points"}:
        raise BadRule("budget", 'say {"points": 50000}')
    return _whole(value, "budget.points", least=1)


def _audience(given: Mapping[str, Any]) -> Audience | None:
    value = given.get("audience")
    if value is None:
        return None
    try:
        found = audience.read(value)
    except BadAudience as fault:
        raise BadRule("audience", str(fault)) from None
    return found if found.held_out or not found.is_everybody else None


def _day(given: Mapping[str, Any], part: str) -> date | None:
    value = given.get(part)
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadRule(part, "a day such as 2027-01-31") from None
