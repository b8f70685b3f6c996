"""What bringing a friend is worth, and what speaks against a friend being one: pure rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from querencia.loyalty import expiry

PERIODS = ("month", "quarter", "half", "year", "ever")
NUMBERS = ("advocate_points", "friend_points", "order_min", "return_days", "buy_days")
MOST = 10**12
DAYS_MAX = 3_650
# So many friends of one advocate within a day are looked at by somebody.
BURST = 5
# Who buys so soon after having clicked on a link may have stood at the till already.
AT_ONCE_MINUTES = 15


class BadTerms(ValueError):
    """A document that is no terms."""


@dataclass(frozen=True)
class Terms:
    """Points for both, once the friend's order of ``order_min`` (minor units) at least was not given back within
    ``return_days``. ``buy_days``: within which the friend has to buy; 0: whenever. ``cap``: friends of one advocate
    over which period. ``starts_on`` to ``ends_on`` (exclusive) friends can be claimed."""

    advocate_points: int = 0
    friend_points: int = 0
    order_min: int = 0
    return_days: int = 0
    buy_days: int = 0
    cap: int | None = None
    per: str = "year"
    starts_on: date | None = None
    ends_on: date | None = None

    def are_open(self, day: date) -> bool:
        return (self.starts_on is None or day >= self.starts_on) and (self.ends_on is None or day < self.ends_on)

    def due_at(self, bought_at: datetime, zone: str) -> datetime:
        """When what was bought then can be given back no more."""
        return expiry.expires_at(bought_at, expiry.Policy(self.return_days, "day"), zone=zone) or bought_at

    def bought_by(self, claimed_at: datetime, zone: str) -> datetime | None:
        """Until when the friend has to have bought; None: there is time for ever."""
        return expiry.expires_at(claimed_at, expiry.Policy(self.buy_days, "day"), zone=zone)


def read(document: Mapping[str, Any]) -> Terms:
    """Terms out of their document. Raises BadTerms with what is wrong where."""
    if unknown := set(document) - {*NUMBERS, "cap", "from", "until"}:
        raise BadTerms(f"{sorted(unknown)}: not a part of the terms")
    numbers = {name: _number(name, document.get(name, 0)) for name in NUMBERS}
    if not numbers["advocate_points"] + numbers["friend_points"]:
        raise BadTerms("advocate_points, friend_points: nobody gets anything")
    cap, per = None, "year"
    if limit := document.get("cap"):
        if not isinstance(limit, Mapping) or set(limit) != {"friends", "per"} or limit["per"] not in PERIODS:
            raise BadTerms(f"cap: needs friends, and per, one of {PERIODS}")
        cap, per = _number("cap.friends", limit["friends"]), limit["per"]
        if not cap:
            raise BadTerms("cap.friends: one at least")
    starts, ends = (_day(name, document.get(name)) for name in ("from", "until"))
    if starts and ends and starts >= ends:
        raise BadTerms("until: it ends before it begins")
    return Terms(**numbers, cap=cap, per=per, starts_on=starts, ends_on=ends)


def _number(name: str, value: Any) -> int:
    most = DAYS_MAX if name.endswith("_days") else MOST
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadTerms(f"{name}: a whole number from 0 to {most}")
    return value


def _day(name: str, value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except (TypeError, ValueError):
        raise BadTerms(f"{name}: a day as 2026-12-31") from None


# -- what speaks against it --------------------------------------------------------------------------------------------


def alike(mine: Iterable[tuple[str, str]], theirs: Iterable[tuple[str, str]]) -> list[str]:
    """Which addresses (kind, value) of two people are one, by kind; e-mail also where only dots, or what follows a
    plus, tell them apart."""
    ours = {(kind, _plain(kind, value)) for kind, value in mine}
    both = ours & {(kind, _plain(kind, value)) for kind, value in theirs}
    return sorted({kind for kind, plain in both if plain})


def _plain(kind: str, value: str) -> str:
    if kind == "email":
        name, _at, domain = value.strip().casefold().rpartition("@")
        domain = "gmail.com" if domain == "googlemail.com" else domain
        return f"{name.partition('+')[0].replace('.', '')}@{domain}"
    if kind in ("phone", "whatsapp"):
        # Without what countries put in front of it.
        return "".join(letter for letter in value if letter.isdecimal())[-9:]
    return "".join(letter for letter in value.casefold() if letter.isalnum())
