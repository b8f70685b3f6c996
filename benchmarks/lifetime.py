"""Fitting the models of buying and leaving, exactly, on histories in days."""

import subprocess
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import data
from benchmarks.registry import Measure, Skipped, benchmark
from querencia.insight.lifetime import (
    BetaGeoModel,
    ModifiedBetaGeoModel,
    ParetoNBDModel,
    RegularTimingModel,
    groups,
)

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".tools" / "peers" / "bin" / "python"
KINDS = {"BG/NBD": BetaGeoModel, "MBG/NBD": ModifiedBetaGeoModel, "Pareto/NBD": ParetoNBDModel}
FITTERS = {"BG/NBD": "BetaGeoFitter", "Pareto/NBD": "ParetoNBDFitter"}
PEER = """
import sys, time, numpy, lifetimes
table = numpy.load(sys.argv[1])
model = getattr(lifetimes, sys.argv[2])()
begin = time.perf_counter()
model.fit(table[:, 0], table[:, 1] / 7, table[:, 2] / 7)
print(time.perf_counter() - begin)
"""


def histories(customers: int) -> Path:
    """Frequency, recency and age of customers of BG/NBD (r .5, alpha 60 days, a .8, b 2.4), in whole days."""

    def make(into: Path) -> None:
        random = np.random.default_rng(1)
        age = random.integers(30, 1_000, customers).astype(np.float64)
        rate, leave = random.gamma(0.5, 1 / 60.0, customers), random.beta(0.8, 2.4, customers)
        x, last, now, alive = np.zeros(customers), np.zeros(customers), np.zeros(customers), np.ones(customers, bool)
        while alive.any():
            now = now + random.exponential(1 / np.maximum(rate, 1e-12))
            alive &= now <= age
            x[alive] += 1
            last[alive] = now[alive]
            alive &= random.random(customers) >= leave
        np.save(into / "histories.npy", np.stack([x, np.where(x > 0, np.ceil(last), 0.0), age], axis=1))

    return data.cached(f"histories-{customers}", make) / "histories.npy"


@benchmark(
    cases=[
        "BG/NBD 1000000",
        "BG/NBD 1000000 by lifetimes",
        "MBG/NBD 1000000",
        "Pareto/NBD 100000",
        "Pareto/NBD 100000 by lifetimes",
        "MBG/CNBD-3 100000",
    ],
    quick=["BG/NBD 20000", "MBG/NBD 20000", "Pareto/NBD 5000", "MBG/CNBD-3 5000"],
)
def lifetime(case: str, measure: Measure) -> None:
    """Fitting each model on so many customers, identical histories counted once.

    Counting is part of the time, and so are the standard errors. Beside ours, the library lifetimes where
    `make accuracy` has installed it aside.
    """
    name, number, *by = case.split(" ", 2)
    path = histories(int(number))
    if by:
        _peer(name, path, measure, rows=int(number))
        return
    table = pl.DataFrame(np.load(path).astype(np.int64), schema=["frequency", "recency", "age"])
    with measure(rows=len(table), unit="customers"):
        grouped = groups(table)
        model = KINDS[name]() if name in KINDS else RegularTimingModel(regularity=int(name[-1]))
        model.fit(grouped)
    measure.note("histories", f"{len(grouped):,}")
    measure.note("log-likelihood", f"{model.log_likelihood_:,.1f}")


def _peer(name: str, path: Path, measure: Measure, *, rows: int) -> None:
    if not PEERS.exists():
        raise Skipped("lifetimes is not installed aside: run `make accuracy` first")
    with measure(rows=rows, unit="customers"):
        done = subprocess.run([PEERS, "-c", PEER, path, FITTERS[name]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped(f"it failed: {done.stderr.strip().splitlines()[-1][:100]}")
    # Without the time it takes to be imported.
    measure.seconds = float(done.stdout.strip().splitlines()[-1])
