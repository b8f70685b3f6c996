"""What the programme owes its members: a sum over the ledger, nothing else."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from querencia.loyalty.models import Entry, Programme
from querencia.loyalty.models.ledger import ACCOUNTS, OF_MEMBER


@dataclass(frozen=True, slots=True)
class Liability:
    """Points by account as booked up to a moment; ``points`` are those that members have or owe, ``cost`` what they
    cost by the programme's reckoning, in minor units."""

    accounts: dict[str, int]
    points: int
    cost: int


def liability(programme: Programme, *, before: datetime | None = None) -> Liability:
    """What is owed, as it was booked before a moment (or is now)."""
    found = Entry.objects.filter(programme=programme)
    if before is not None:
        found = found.filter(recorded_at__lt=before)
    sums = found.aggregate(**{f"sum_{name}": Sum(name) for name in ACCOUNTS})
    accounts = {name: sums[f"sum_{name}"] or 0 for name in ACCOUNTS}
    points = sum(accounts[name] for name in OF_MEMBER)
    return Liability(accounts, points, points * programme.cost_per_thousand // 1_000)
