"""Conditions in CEL, the Common Expression Language: checked when a rule is published, bounded in what they may cost.

No loop within a loop, no pattern matching, lists of bounded length, expressions of bounded length: the dearest
condition costs microseconds. Answers are kept by the values that were asked about, because most purchases share them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import cel

LENGTH_MAX = 2_000
KEPT_MAX = 50_000
FUNCTIONS = frozenset(
    {
        *("_&&_", "_||_", "!_", "_?_:_", "@in", "@not_strictly_false"),
        *("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"),
        *("_+_", "_-_", "_*_", "_/_", "_%_", "-_", "_[_]"),
        *("size", "contains", "startsWith", "endsWith"),
    }
)
LOOP = re.compile(r"\.(all|exists|exists_one|map|filter)\s*\(")


class BadCondition(ValueError):
    """An expression that is no condition; says why."""


class Condition:
    """``fields``: what it may speak of, each with how to read it and an example of its type. Raises BadCondition."""

    def __init__(self, expression: str, fields: Mapping[str, tuple[Callable[..., Any], Any]]) -> None:
        self.expression = expression
        if len(expression) > LENGTH_MAX:
            raise BadCondition(f"longer than {LENGTH_MAX} characters")
        _without_loops_in_loops(expression)
        try:
            self._program = cel.compile(expression)
        except ValueError as fault:
            raise BadCondition(str(fault).splitlines()[0]) from None
        told = self._program.references()
        if unknown := set(told["functions"]) - FUNCTIONS:
            raise BadCondition(f"{', '.join(sorted(unknown))} may not be used in a condition")
        self._names = tuple(name for name in fields if name in told["variables"])
        self._read = tuple(fields[name][0] for name in self._names)
        self._kept: dict[tuple[Any, ...], bool] = {}
        examples = tuple(fields[name][1] for name in self._names)
        self._asked(examples)

    @property
    def fields(self) -> tuple[str, ...]:
        """What it asks about."""
        return self._names

    def holds(self, *of: Any) -> bool:
        """Whether it does. What cannot be reckoned for some values (a division by nothing) does not hold for them."""
        values = tuple([read(*of) for read in self._read])
        kept = self._kept.get(values)
        if kept is None:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            try:
                kept = self._asked(values)
            except BadCondition:
                kept = False
            self._kept[values] = kept
        return kept

    def _asked(self, values: tuple[Any, ...]) -> bool:
        given = {name: list(v) if isinstance(v, tuple) else v for name, v in zip(self._names, values, strict=True)}
        try:
            answer = self._program.execute(given)
        except Exception as fault:  # the library raises many kinds
            raise BadCondition(str(fault).splitlines()[0] if str(fault) else type(fault).__name__) from None
        if not isinstance(answer, bool):
            raise BadCondition("says neither yes nor no")
        return answer


def _without_loops_in_loops(expression: str) -> None:
    """A loop over a list within another would cost their product."""
    depth, quote = 0, ""
    loops: list[int] = []
    starts = {match.end() - 1 for match in LOOP.finditer(expression)}
    skip = False
    for place, letter in enumerate(expression):
        if skip:
            skip = False
        elif quote:
            skip = letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "(":
            depth += 1
            if place in starts:
                if loops:
                    raise BadCondition("a loop within a loop")
                loops.append(depth)
        elif letter == ")":
            if loops and loops[-1] == depth:
                loops.pop()
            depth -= 1
