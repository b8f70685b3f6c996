"""Customers with scores, without a run: for tests of lists, which only read them."""

from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Max, Min, Sum

from querencia.customers import people
from querencia.customers.models import Customer, Score, ScoreCell
from querencia.customers.models.scores import BOUNDED, Risk, Segment

AT = datetime(2026, 5, 1, 10, tzinfo=UTC)
AS_OF = date(2026, 4, 30)
# What names of people may hold, and what has tripped lists before.
NAMES = (
    ("Ana", "López"),
    ("Ana", "Lo~pez"),
    ("", ""),
    ("", "Ñandú"),
    ("Ána", "lopez"),
    ("José", 'O"Neill; DROP'),
    ("张", "伟"),
    ("Zoë", "a%_b"),
    ("Ana", "López"),
    ("😀", "=1+1"),
)
BRANCHES = ("Centro", "Ensanche & Río", "")


def scored(number: int = 130) -> list[Score]:
    """So many customers; many share names, days and amounts, as in life. Cells count them, and know their bounds."""
    made = [_score(n) for n in range(number)]
    ends = {f"{name}_min": Min(name) for name in BOUNDED} | {f"{name}_max": Max(name) for name in BOUNDED}
    sums = Score.objects.values("cell").annotate(
        customers=Count("pk"), year=Sum("amount_year"), stake=Sum("at_stake"), **ends
    )
    for row in sums:
        ScoreCell.objects.filter(pk=row["cell"]).update(
            customers=row["customers"],
            amount_year=row["year"],
            at_stake=row["stake"],
            **{name: row[name] for name in ends},
        )
    return made


def _score(n: int) -> Score:
    given, family = NAMES[n % len(NAMES)]
    who = Customer(key=f"k{n:03}", given_name=given, family_name=family, city="Pamplona")
    people.keep(customer=who, at=AT)
    has_left = n % 5 == 0
    cell, _ = ScoreCell.objects.get_or_create(
        abc="ABC"[n % 3],
        segment=list(Segment)[n % 4],
        stage="left" if has_left else ("active", "late", "new")[n % 3],
        risk=list(Risk)[n % 4],
        branch=BRANCHES[n % 3 if n % 2 else 0],
        channel="web" if n % 4 else "shop",
        defaults={"customers": 0, "amount_year": 0, "at_stake": 0},
    )
    last = AS_OF - timedelta(days=(n * 7) % 60)
    return Score.objects.create(
        customer=who,
        cell=cell,
        as_of=AS_OF,
        first_on=last - timedelta(days=n % 30 * 11),
        last_on=last,
        left_on=last + timedelta(days=20) if has_left else None,
        purchases=1 + n % 9,
        amount=1_000 * (n % 13),
        amount_year=500 * (n % 11),
        value_year=500 * (n % 11),
        silent_days=(AS_OF - last).days,
        horizon_days=90,
        at_stake=700 * (n % 6),
        at_stake_low=600 * (n % 6),
        at_stake_high=900 * (n % 6),
        chance_of_purchase=0.25,
        chance_low=0.1,
        chance_high=0.4,
    )
