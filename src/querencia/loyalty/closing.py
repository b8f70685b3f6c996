"""The months of a programme's books, and what is written down of one when it is closed. Pure.

The document of a closed month holds ``accounts`` (what each held when the month began and when it ended), ``moved``
(by kind of entry what it brought to each account), ``lots`` (by the month in which points were put into lots and by
partner what became of them in this month: ``granted``, ``spent``, ``lapsed``, and the change of what is ``left``),
``own`` (points that no partner pays for, for the journal), ``partners``, ``breakage`` and ``journal``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from querencia.common.time import local_day

type Document = Mapping[str, Any]
OF_MEMBER = ("pending", "active", "held", "deficit")
# Which kind of entry is which line of the bridge; what only moves points between pockets of a member is none.
LINES = {
    "granted": "grant",
    "redeemed": "capture",
    "expired": "expire",
    "clawed_back": "claw_back",
    "adjusted": "adjust",
    "transferred": "transfer",
    "restored": "restore",
}


@dataclass(frozen=True, slots=True)
class Bridge:
    """From what members had when a month began to what they have when it ends: ``opening + granted + redeemed + … =
    closing``, each with its sign."""

    opening: int
    granted: int
    redeemed: int
    expired: int
    clawed_back: int
    adjusted: int
    transferred: int
    restored: int
    closing: int

    @property
    def ties(self) -> bool:
        return self.closing == self.opening + sum(int(getattr(self, name)) for name in LINES)


def bridge(document: Document) -> Bridge:
    accounts, moved = document["accounts"], document["moved"]
    opening, closing = (sum(accounts[name][when] for name in OF_MEMBER) for when in ("opening", "closing"))
    lines = {line: sum(moved.get(kind, {}).get(name, 0) for name in OF_MEMBER) for line, kind in LINES.items()}
    return Bridge(opening=opening, closing=closing, **lines)


def first_day(day: date) -> date:
    return day.replace(day=1)


def following(month: date, count: int = 1) -> date:
    """The month so many later, or below zero earlier, by its first day."""
    years, place = divmod(month.year * 12 + month.month - 1 + count, 12)
    return date(years, place + 1, 1)


def begins(month: date, zone: str) -> datetime:
    """The instant at which a month begins where the business is."""
    return datetime.combine(month, time(), ZoneInfo(zone)).astimezone(UTC)


def month_of(moment: datetime, zone: str) -> date:
    return first_day(local_day(moment, zone))


def read_month(said: str) -> date:
    """``2026-04``. Raises ValueError."""
    return date.fromisoformat(f"{said.strip()}-01")


def said(month: date) -> str:
    return f"{month:%Y-%m}"


def fingerprint(document: Document) -> str:
    """The same for the same document wherever it is kept, and another for any other."""
    written = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()
