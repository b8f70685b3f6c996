"""For whom a campaign is, as its rule says it, and which share of them is held out to compare with."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from querencia.insight.defection import STATUSES
from querencia.insight.rfm import SEGMENTS

CLASSES = ("A", "B", "C")
KNOWN: Mapping[str, tuple[str, ...]] = {"segments": SEGMENTS, "classes": CLASSES, "stages": STATUSES, "tiers": ()}
PARTS = frozenset({*KNOWN, "list", "grows", "held_out"})
HELD_OUT, HELD_OUT_MAX = 10, 50
WHOLE = 10_000


class BadAudience(ValueError):
    """What is no audience; says why."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Members who are of one of the values of everything that is named; where nothing is, everybody. ``is_listed``: who
    was put on a list by hand, instead. ``grows``: who comes to belong to it later is taken in every night.
    ``held_out``: so many of a hundred get nothing."""

    segments: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    is_listed: bool = False
    grows: bool = False
    held_out: int = HELD_OUT

    @property
    def asks_scores(self) -> bool:
        return bool(self.segments or self.classes or self.stages)

    @property
    def is_everybody(self) -> bool:
        return not (self.asks_scores or self.tiers or self.is_listed)


def read(document: Any) -> Audience:
    """An audience out of its part of a rule. Raises BadAudience."""
    if not isinstance(document, Mapping):
        raise BadAudience('say {"segments": ["at_risk"], "held_out": 10}')
    if unknown := set(document) - PARTS:
        raise BadAudience(f"{sorted(map(str, unknown))[0]} is no part of one; parts are {', '.join(sorted(PARTS))}")
    found: dict[str, Any] = {part: _some_of(document, part) for part in KNOWN}
    flags = {name: document.get(part, False) for name, part in (("is_listed", "list"), ("grows", "grows"))}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise BadAudience("list and grows are true or false")
    if flags["is_listed"] and (flags["grows"] or any(found.values())):
        raise BadAudience("a list stands alone: who is on it is in")
    held_out = document.get("held_out", HELD_OUT)
    if not isinstance(held_out, int) or isinstance(held_out, bool) or not 0 <= held_out <= HELD_OUT_MAX:
        raise BadAudience(f"held_out is a whole number of percent from 0 to {HELD_OUT_MAX}")
    return Audience(**found, **flags, held_out=held_out)


def is_drawn_out(programme_id: int, rule: str, person: int, held_out: int) -> bool:
    """Whether a person (the oldest of their records) is among those held out of a campaign: by lot, the same whenever
    it is asked, and another lot for each campaign."""
    drawn = int.from_bytes(sha256(f"{programme_id}:{rule}:{person}".encode()).digest()[:8], "big")
    return drawn % WHOLE < held_out * WHOLE // 100


def _some_of(given: Mapping[str, Any], part: str) -> tuple[str, ...]:
    value, known = given.get(part, []), KNOWN[part]
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise BadAudience(f"{part} is a list of names")
    if known and (unknown := sorted(set(value) - set(known))):
        raise BadAudience(f"{unknown[0]} is none of the {part}: {', '.join(known)}")
    return tuple(dict.fromkeys(value))
