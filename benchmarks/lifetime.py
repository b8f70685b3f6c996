"""Fitting the models of buying and leaving, exactly, on histories in days."""

import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks import data, peers
from benchmarks.registry import Measure, Skipped, benchmark
from querencia.insight.lifetime import (
    BetaGeoModel,
    GammaGammaModel,
    ModifiedBetaGeoModel,
    ParetoNBDModel,
    RegularTimingModel,
    customer_value,
    groups,
)

KINDS = {"BG/NBD": BetaGeoModel, "MBG/NBD": ModifiedBetaGeoModel, "Pareto/NBD": ParetoNBDModel}
FITTING = Path(peers.__file__).parent / "fitting.py"


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
        columns = [x, np.where(x > 0, np.ceil(last), 0.0), age]
        np.save(into / "histories.npy", np.stack(columns, axis=1))
        np.save(into / "columns.npy", np.stack(columns).astype(np.int64))

    return data.cached(f"histories-and-columns-{customers}", make) / "histories.npy"


@benchmark(
    cases=[
        "BG/NBD 1000000",
        "BG/NBD 1000000 by lifetimes",
        "BG/NBD 1000000 by pymc-marketing",
        "MBG/NBD 1000000",
        "Pareto/NBD 100000",
        "Pareto/NBD 100000 by lifetimes",
        "MBG/CNBD-3 100000",
    ],
    quick=["BG/NBD 20000", "MBG/NBD 20000", "Pareto/NBD 5000", "MBG/CNBD-3 5000"],
)
def lifetime(case: str, measure: Measure) -> None:
    """Fitting each model on so many customers, identical histories counted once.

    Counting is part of the time, and so are the standard errors. Beside ours the newest lifetimes, and PyMC-Marketing
    by MAP with its compiling left out; neither gives standard errors so.
    """
    name, number, *by = case.split(" ", 2)
    path = histories(int(number))
    if by:
        _peer(by[0].removeprefix("by "), name, path, measure, rows=int(number))
        return
    columns = np.load(path.with_name("columns.npy"), mmap_mode="r")
    # From their bytes: an array made of NumPy's loads pandas, whose memory would be counted as the fit's.
    arrays = [pa.Array.from_buffers(pa.int64(), len(each), [None, pa.py_buffer(each)]) for each in columns]
    table = pa.table(arrays, names=["frequency", "recency", "age"])
    with measure(rows=len(table), unit="customers"):
        grouped = groups(table)
        model = KINDS[name]() if name in KINDS else RegularTimingModel(regularity=int(name[-1]))
        model.fit(grouped)
    measure.note("histories", f"{len(grouped):,}")
    measure.note("log-likelihood", f"{model.log_likelihood_:,.1f}")


def _peer(library: str, name: str, path: Path, measure: Measure, *, rows: int) -> None:
    try:
        python = peers.python_with(library)
    except peers.Unavailable as reason:
        raise Skipped(str(reason)) from reason
    command = [python, FITTING, library, name, path]
    with measure(rows=rows, unit="customers"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped(f"it failed: {done.stderr.strip().splitlines()[-1][:100]}")
    # Without the time it takes to be imported.
    measure.seconds = float(done.stdout.strip().splitlines()[-1])


def spent(customers: int) -> Path:
    """The same histories as a table of customers with the mean of their repeat purchases, minor units."""

    def make(into: Path) -> None:
        table = np.load(histories(customers)).astype(np.int64)
        import polars as pl

        random = np.random.default_rng(2)
        shape = np.maximum(6 * table[:, 0], 1)
        mean = random.gamma(shape, 1 / random.gamma(4.0, 1 / 1_500.0, customers)) / np.maximum(table[:, 0], 1)
        columns = {"customer_id": np.arange(customers), "frequency": table[:, 0], "recency": table[:, 1]}
        columns |= {"age": table[:, 2], "repeat_amount_mean": np.where(table[:, 0] > 0, mean * 1e6, np.nan)}
        pl.DataFrame(columns).with_columns(pl.col("repeat_amount_mean").fill_nan(None)).write_parquet(
            into / "summary.parquet"
        )

    return data.cached(f"summary-{customers}", make) / "summary.parquet"


@benchmark(cases=["10000000"], quick=["20000"], name="customer-value")
def value(case: str, measure: Measure) -> None:
    """From a table of histories in Parquet to one with the value of each customer: BG/NBD and Gamma-Gamma fitted, then
    purchases, chance of buying, chance of being alive and value of the next twelve months for everyone, in Parquet.
    """
    import duckdb

    path = spent(int(case))
    with measure(rows=int(case), unit="customers"), duckdb.connect() as engine:
        summary = engine.read_parquet(str(path))
        grouped = groups(summary)
        buying, spending = BetaGeoModel().fit(grouped), GammaGammaModel(amount_unit=100).fit(summary)
        valued = customer_value(summary, buying=buying, spending=spending, days=365)
        valued.write_parquet(str(measure.scratch / "value.parquet"))
    measure.note("histories", f"{len(grouped):,}")
