"""Simulated files of any size, made once and kept under ``QUERENCIA_BENCH_DIR`` (by default ``var/bench``)."""

import dataclasses
import datetime
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from querencia.insight import simulate

ROOT = Path(__file__).parent.parent
ENDS = datetime.date(2025, 12, 31)
PATHS = ("folder", "customers", "purchases", "truth", "customers_csv", "purchases_csv")


def folder() -> Path:
    """Where everything is kept. It may be deleted at any time."""
    path = Path(os.environ.get("QUERENCIA_BENCH_DIR") or ROOT / "var" / "bench")
    path.mkdir(parents=True, exist_ok=True)
    return path


def cached(name: str, make: Callable[[Path], None], *, version: str = "1") -> Path:
    """A folder that ``make`` fills when it is first asked for. A new version replaces the old one."""
    wanted = folder() / f"{name}@{version}"
    if wanted.exists():
        return wanted
    for old in folder().glob(f"{name}@*"):
        shutil.rmtree(old)
    unfinished = folder() / f"{name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    make(unfinished)
    unfinished.rename(wanted)
    return wanted


def shop(
    customers: int,
    *,
    purchases_per_customer: float = 10,
    years: float = 3,
    order: Literal["customer", "time"] = "time",
    csv: bool = False,
) -> "simulate.Shop":
    """A simulated shop whose log ends on 2025-12-31, with its files."""
    from querencia.insight import simulate  # only here: what it needs is not to count as memory of all the others

    def make(into: Path) -> None:
        made = simulate.shop(
            into,
            customers=customers,
            purchases_per_customer=purchases_per_customer,
            years=years,
            ends=ENDS,
            order=order,
            csv=csv,
        )
        facts = {key: value for key, value in dataclasses.asdict(made).items() if key not in PATHS}
        (into / "shop.json").write_text(json.dumps(facts, default=str))

    name = f"shop-{customers}-by-{purchases_per_customer:g}-{years:g}y-{order}{'-csv' if csv else ''}"
    kept = cached(name, make, version=simulator_version())
    facts = json.loads((kept / "shop.json").read_text())
    facts |= {day: datetime.date.fromisoformat(facts[day]) for day in ("starts", "ends")}
    return simulate.Shop(
        folder=kept,
        customers=kept / "customers.parquet",
        purchases=kept / "purchases.parquet",
        truth=kept / "truth.parquet",
        customers_csv=kept / "customers.csv" if csv else None,
        purchases_csv=kept / "purchases.csv" if csv else None,
        **facts,
    )


def simulator_version() -> str:
    """Of the simulator: files that an older one has made are not mistaken for those of this one."""
    from querencia.insight import simulate

    modules = sorted(Path(simulate.__path__[0]).glob("*.py"))
    return hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()[:12]
