"""From facts and rules to points, with the reasons."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from querencia.loyalty.allocation import spread
from querencia.loyalty.earning.facts import DISCOUNT, GOODS, Facts, Line, Snapshot
from querencia.loyalty.earning.rules import POINTS, Rule

# How many points a rule may still give this member in its period; None: without limit.
type Room = Callable[[Rule], int | None]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one rule gives. ``uncapped`` is what it would have without its cap, ``room`` what the cap left (None: no
    cap), ``base`` the minor units that counted, ``lines`` the points by line; they add up to ``points``."""

    rule: Rule
    points: int
    uncapped: int
    room: int | None
    base: int
    lines: dict[int, int]

    def told(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "rule": self.rule.key,
            "version": self.rule.version,
            "points": self.points,
            "base": self.base,
        }
        if self.room is not None:
            said |= {"uncapped": self.uncapped, "room": self.room}
        return said


@dataclass(slots=True)
class Outcome:
    """``passed_over``: which rules gave nothing, and why (validity, audience, held_out, condition,
    nothing, beaten, cap)."""

    effects: list[Effect] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)

    @property
    def points(self) -> int:
        return sum(effect.points for effect in self.effects)

    @property
    def by_partner(self) -> dict[str, int]:
        """How many of the points which partner pays for, by their keys."""
        found: dict[str, int] = {}
        for effect in self.effects:
            if effect.rule.partner:
                found[effect.rule.partner] = found.get(effect.rule.partner, 0) + effect.points
        return found

    def told(self) -> dict[str, Any]:
        said: dict[str, Any] = {"rules": [effect.told() for effect in self.effects]}
        if self.passed_over:
            said["passed_over"] = self.passed_over
        return said


def without_limit(rule: Rule) -> None:
    return None


def evaluate(
    facts: Facts,
    member: Snapshot,
    rules: Iterable[Rule],
    *,
    room: Room = without_limit,
    budget: Room = without_limit,
) -> Outcome:
    """What a purchase earns. Each rule rounds once, and spreads its points over the lines by largest remainder.
    ``room``: what its limit leaves this member, ``budget``: what its budget leaves all of them."""
    outcome = Outcome()
    groups: dict[str, list[Effect]] = {}
    day = facts.day
    for rule in rules:
        if not rule.is_valid(day):
            outcome.passed_over[rule.key] = "validity"
        elif rule.audience is not None and rule.key not in member.campaigns:
            outcome.passed_over[rule.key] = "held_out" if rule.key in member.held_out else "audience"
        elif rule.condition is not None and not rule.condition.holds(facts, member):
            outcome.passed_over[rule.key] = "condition"
        else:
            effect = _effect(facts, rule, _left(rule, room, budget))
            if effect.uncapped == 0:
                outcome.passed_over[rule.key] = "nothing"
            else:
                groups.setdefault(rule.group, []).append(effect)
    outcome.effects = _settled(groups, outcome.passed_over)
    return outcome


def _left(rule: Rule, room: Room, budget: Room) -> int | None:
    """How many points a rule may give here; None: without limit."""
    limits = []
    if rule.cap is not None:
        left = rule.cap.points if rule.cap.per == "purchase" else room(rule)
        limits.append(rule.cap.points if left is None else left)
    if rule.budget:
        left = budget(rule)
        limits.append(rule.budget if left is None else left)
    return max(0, min(limits)) if limits else None


def _effect(facts: Facts, rule: Rule, left: int | None) -> Effect:
    counted = _counted(facts, rule)
    base = max(0, sum(amount for _line, amount in counted))
    once = rule.points if base > 0 else 0
    uncapped = rounded(base * rule.points, rule.per, rule.rounds) if rule.per else once
    points = uncapped if left is None else min(uncapped, left)
    parts = spread(points, [max(0, amount) for _line, amount in counted])
    lines = {line.number: part for (line, _amount), part in zip(counted, parts, strict=True) if part}
    return Effect(rule, points, uncapped, left, base, lines)


def rounded(numerator: int, denominator: int, how: str) -> int:
    """The quotient of two whole numbers, not below zero: rounded down, up, or to the nearest (a half goes up)."""
    if how == "up":
        return -(-numerator // denominator)
    if how == "nearest":
        return (2 * numerator + denominator) // (2 * denominator)
    return numerator // denominator


def _counted(facts: Facts, rule: Rule) -> list[tuple[Line, int]]:
    """The lines that count for a rule, each with how much of it does. A discount lowers the goods it was given on, and
    so does what was paid with points, unless the rule lets them earn."""
    goods = [line for line in facts.lines if line.kind == GOODS]
    off = 0
    if DISCOUNT not in rule.counts:
        off -= sum(line.amount for line in facts.lines if line.kind == DISCOUNT)
    if POINTS not in rule.counts:
        off += facts.paid_with_points
    if off > 0:
        whole = sum(line.amount for line in goods if line.amount > 0)
        lowered = spread(min(off, whole), [max(0, line.amount) for line in goods])
        counted = [(line, line.amount - less) for line, less in zip(goods, lowered, strict=True)]
    else:
        counted = [(line, line.amount) for line in goods]
    if rule.lines is not None:
        counted = [(line, amount) for line, amount in counted if rule.lines.holds(line)]
    if rule.counts and len(goods) < len(facts.lines):
        others = [line for line in facts.lines if line.kind not in (GOODS, DISCOUNT)]
        counted += [(line, line.amount) for line in others if line.kind in rule.counts]
    return counted


def _settled(groups: dict[str, list[Effect]], passed_over: dict[str, str]) -> list[Effect]:
    """Which effects of each group count, and whether a group that stands alone beats all others."""
    kept: dict[str, list[Effect]] = {}
    for name, effects in groups.items():
        kept[name] = _of_group(effects)
    alone = [effects[0] for effects in kept.values() if effects[0].rule.stacking == "exclusive"]
    if alone:
        first = min(alone, key=_by_priority)
        kept = {first.rule.group: [first]}
    chosen = {id(effect) for effects in kept.values() for effect in effects}
    found = []
    for effects in groups.values():
        for effect in effects:
            if id(effect) not in chosen:
                passed_over[effect.rule.key] = "beaten"
            elif effect.points == 0:
                passed_over[effect.rule.key] = "cap"
            else:
                found.append(effect)
    return found


def _of_group(effects: Sequence[Effect]) -> list[Effect]:
    match effects[0].rule.stacking:
        case "best":
            return [min(effects, key=lambda effect: (-effect.points, *_by_priority(effect)))]
        case "priority" | "exclusive":
            return [min(effects, key=_by_priority)]
        case _:
            return list(effects)


def _by_priority(effect: Effect) -> tuple[int, str]:
    return (-effect.rule.priority, effect.rule.key)
