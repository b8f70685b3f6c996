"""Small data to try insight on: what its examples and the gallery in ``docs/insight`` read.

All is real and published, but for :func:`mailing` and :func:`problems`, which are made up and say so.
"""

import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from querencia.insight import tables

# Shipped once, for the demo and for this.
CDNOW = Path(__file__).parent.parent / "flows" / "data" / "cdnow_sample.csv"
CDNOW_END = datetime.date(1998, 6, 30)

# Customers of a thousand still there after each yearly renewal: Fader & Hardie (2007), "How to Project Customer
# Retention", Journal of Interactive Marketing 21(1), table 1, after Berry & Linoff (2004).
SURVIVORS = {
    "high end": (1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394),
    "regular": (1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173),
}
# Chatterjee & Price (1977), Regression Analysis by Example: per cent of favourable answers in thirty departments.
ATTITUDES = {
    "rating": "43 63 71 61 81 43 58 71 72 67 64 67 69 68 77 81 74 65 65 50 50 64 53 40 63 66 78 48 85 82",
    "complaints": "51 64 70 63 78 55 67 75 82 61 53 60 62 83 77 90 85 60 70 58 40 61 66 37 54 77 75 57 85 82",
    "privileges": "30 51 68 45 56 49 42 50 72 45 53 47 57 83 54 50 64 65 46 68 33 52 52 42 42 66 58 44 71 39",
    "learning": "39 54 69 47 66 44 56 55 67 47 58 39 42 45 72 72 69 75 57 54 34 62 50 58 48 63 74 45 71 59",
    "raises": "61 63 76 54 71 54 66 70 71 62 58 59 55 59 79 60 79 55 75 64 43 66 63 50 66 88 80 51 77 64",
    "critical": "92 73 86 84 83 49 68 66 83 80 67 74 63 77 77 54 79 80 85 78 64 80 80 57 75 76 78 83 74 78",
    "advance": "45 47 48 35 47 34 35 41 31 41 34 41 25 35 46 36 63 60 46 52 33 41 37 49 33 72 49 38 55 39",
}


def cdnow() -> pl.DataFrame:
    """Purchases of 2,357 customers of CDNOW, first seen in the first quarter of 1997, until 1998-06-30: canonical, USD.

    Every tenth customer of the cohort that Fader & Hardie made known (2001, Interfaces 31(3)).

    >>> purchases = cdnow()
    >>> len(purchases), purchases["customer_id"].n_unique(), purchases["amount"].sum() / 100
    (6919, 2357, 244091.94)
    """
    table = pl.read_csv(CDNOW, schema_overrides={"id": pl.String})
    made: pl.DataFrame = tables.purchases(
        table, columns={"customer_id": "id", "at": "date", "amount": "amt"}, currency="USD"
    )
    return made


def subscribers() -> pl.DataFrame:
    """Two thousand contracts over twelve yearly renewals, by ``plan``: ``tenure``, ``left``, ``weight``.

    >>> subscribers().filter(pl.col("left") == 0)[["plan", "tenure", "weight"]].rows()
    [('high end', 12, 394), ('regular', 12, 173)]
    """
    rows = []
    for plan, alive in SURVIVORS.items():
        rows += [(plan, n, 1, before - after) for n, (before, after) in enumerate(pairwise(alive), 1)]
        rows.append((plan, len(alive) - 1, 0, alive[-1]))
    return pl.DataFrame(rows, schema=["plan", "tenure", "left", "weight"], orient="row")


def attitudes() -> pl.DataFrame:
    """What thirty departments of a firm answered about their supervisors: ``rating`` and six aspects, in per cent.

    >>> attitudes()["rating"].mean(), attitudes()["complaints"].mean()
    (64.63333333333334, 66.6)
    """
    return pl.DataFrame({name: [int(value) for value in values.split()] for name, values in ATTITUDES.items()})


def mailing(customers: int = 4_000, *, seed: int = 1) -> pl.DataFrame:
    """A made-up experiment: half got an e-mail by lot. It sells to one more in ten of those who bought in the last six
    months, to nobody else; ``recency`` in months, ``history`` in minor units.

    >>> mailing()["arm"].value_counts().sort("arm").rows()
    [('control', 2000), ('e-mail', 2000)]
    """
    random = np.random.default_rng(seed)
    arm = random.permutation(np.arange(customers) % 2)
    recency = random.integers(1, 13, customers)
    chance = 0.05 + 0.01 * (12 - recency) / 11 + np.where((arm == 1) & (recency <= 6), 0.1, 0.0)
    return pl.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(customers)],
            "arm": ["e-mail" if one else "control" for one in arm],
            "outcome": (random.random(customers) < chance).astype(int),
            "recency": recency,
            "history": random.gamma(2.0, 4_000, customers).astype(int),
        }
    )


def problems() -> pl.DataFrame:
    """Made-up answers of a thousand customers: who had a problem, who of them complained, who stayed.

    >>> problems().select(pl.col("had_problem", "complained").sum()).rows()
    [(350, 70)]
    """
    groups = ((0, 0, 1, 605), (0, 0, 0, 45), (1, 0, 1, 190), (1, 0, 0, 90), (1, 1, 1, 50), (1, 1, 0, 20))
    rows = [row[:3] for row in groups for _ in range(row[3])]
    return pl.DataFrame(rows, schema=["had_problem", "complained", "stayed"], orient="row")
