"""Conditions as people choose them, written as CEL and read back. What they do not offer stays as it was written."""

import json
import re
from dataclasses import dataclass, replace

DAYS = range(1, 8)


@dataclass(frozen=True)
class Chosen:
    """``amount_min`` in minor units, ``weekdays`` from Monday (1) to Sunday (7), ``more``: CEL besides."""

    amount_min: int = 0
    weekdays: tuple[int, ...] = ()
    tier: str = ""
    is_birthday: bool = False
    is_birth_month: bool = False
    more: str = ""


def condition(chosen: Chosen) -> str:
    """The choices as one condition, all of which have to hold; empty without any."""
    parts = []
    if chosen.amount_min > 0:
        parts.append(f"amount >= {chosen.amount_min}")
    if chosen.weekdays:
        parts.append(f"weekday in {sorted(chosen.weekdays)}")
    if chosen.tier:
        parts.append(f"tier == {json.dumps(chosen.tier, ensure_ascii=False)}")
    if chosen.is_birthday:
        parts.append("is_birthday")
    if chosen.is_birth_month:
        parts.append("is_birth_month")
    if chosen.more.strip():
        parts.append(f"({chosen.more.strip()})" if parts else chosen.more.strip())
    return " && ".join(parts)


def chosen(written: str) -> Chosen:
    """The choices that a condition stands for. Whatever cannot be told apart for certain is ``more``."""
    left, found = written.strip(), Chosen()
    while left:
        step = _first(left, found)
        if step is None:
            break
        found, left = step
    if left:
        found = replace(found, more=left[1:-1] if found != Chosen() and _is_one(left) else left)
    return found if condition(found) == written.strip() else Chosen(more=written.strip())


def _is_one(written: str) -> bool:
    """Whether one pair of brackets holds all of it."""
    depth, bare = 0, STRINGS.sub("", written)
    for place, letter in enumerate(bare):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place == len(bare) - 1
    return False


STRINGS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
TEXT = r'"(?:[^"\\]|\\.)*"'
SIMPLE = re.compile(
    rf"(?:amount >= (?P<amount>\d+)|weekday in \[(?P<days>[1-7](?:, [1-7])*)\]|tier == (?P<tier>{TEXT})"
    r"|(?P<month>is_birth_month)|(?P<day>is_birthday))(?: && |$)"
)


def _first(written: str, found: Chosen) -> tuple[Chosen, str] | None:
    match = SIMPLE.match(written)
    if match is None:
        return None
    rest = written[match.end() :]
    if match["amount"]:
        return replace(found, amount_min=int(match["amount"])), rest
    if match["days"]:
        return replace(found, weekdays=tuple(map(int, match["days"].split(", ")))), rest
    if match["tier"]:
        return replace(found, tier=str(json.loads(match["tier"]))), rest
    if match["month"]:
        return replace(found, is_birth_month=True), rest
    return replace(found, is_birthday=True), rest
