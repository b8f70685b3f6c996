"""The simulated shop as files: blocks of customers made side by side, written in order."""

import datetime
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from babel.numbers import list_currencies

from querencia.insight import notebook
from querencia.insight.language import gettext as _
from querencia.insight.simulate import names
from querencia.insight.simulate.blocks import CUSTOMERS, TRUTH, WHEN, Block, Plan
from querencia.insight.simulate.process import DAYS_PER_YEAR, Process, in_range, whole_number
from querencia.insight.simulate.seasons import Seasons
from querencia.insight.wording import day, money, number

CUSTOMERS_MAX = 1_000_000_000
YEARS_MAX = 40
DATES = (datetime.date(1900, 1, 1), datetime.date(2200, 12, 31))


@dataclass(frozen=True)
class Shop:
    """The files of a simulated shop and what they add up to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = shop(folder, ends=datetime.date(2026, 6, 30), customers=100, years=1)
    >>> made.currency, made.ends.isoformat()
    ('EUR', '2026-06-30')
    """

    folder: Path
    customers: Path
    """``key, given_name, family_name, language, country, email, phone, birthday, branch, city, postcode, created``"""
    purchases: Path
    """``key, customer_id, at, amount, cost, currency, channel, branch, category, units, refund_of``"""
    truth: Path
    """``customer_id, first_day, left_day (dates), purchases_per_day, amount_mean (minor units, float)``"""
    customers_csv: Path | None
    purchases_csv: Path | None
    customer_count: int
    purchase_count: int
    refund_count: int
    revenue: int
    """Net of refunds, minor units."""
    currency: str
    starts: datetime.date
    ends: datetime.date
    seed: int

    def _repr_html_(self) -> str:
        counted = {
            _("Customers"): number(self.customer_count),
            _("Purchases"): number(self.purchase_count),
            _("Refunds"): number(self.refund_count),
            _("Revenue"): money(self.revenue, self.currency),
        }
        return notebook.card(_("A simulated shop"), f"{day(self.starts)} – {day(self.ends)}", rows=counted.items())


def shop(
    folder: Path | str,
    *,
    ends: datetime.date,
    customers: int = 20_000,
    years: float = 3,
    seed: int = 1,
    purchases_per_customer: float | None = None,
    currency: str = "EUR",
    languages: Mapping[str, float] | Sequence[str] = names.LANGUAGE_SHARES,
    process: Process | None = None,
    order: Literal["customer", "time"] = "customer",
    csv: bool = False,
) -> Shop:
    """Simulate a shop of three branches, a web shop and a telephone, and write it into ``folder`` as Parquet.

    The log covers ``years`` and ends on the day ``ends``. ``purchases_per_customer`` (refunds not counted) is the
    expected mean within the window and replaces the process' own buying rate. Equal parameters give equal tables on
    every machine. Times are the shop's own clock, without zone; amounts and costs are decimals of the currency; a
    refund is a row of negative amount that names its purchase. ``order`` is that of the purchases: by customer (the
    fastest) or by time, as a till writes them. ``csv`` writes both tables as CSV too. Raises ``ValueError`` for
    parameters out of range.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = shop(folder, ends=datetime.date(2026, 6, 30), customers=100, years=1)
    ...     made.customer_count, made.purchases.name
    (100, 'purchases.parquet')
    """
    process = process or Process()
    _check(customers, years, seed, ends, currency, order)
    days = max(round(years * DAYS_PER_YEAR), 1)
    starts = ends - datetime.timedelta(days=days - 1)
    seasons = Seasons(starts, days, process)
    process, per_customer = _paced(process, seasons, purchases_per_customer)
    plan = Plan(customers, seed, process, seasons, names.Population(languages, starts), currency, per_customer)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    purchases, refunds, revenue = _write(folder, plan)
    if order == "time":
        _sort_by_time(folder / "purchases.parquet")
    written = {name: _write_csv(folder / f"{name}.parquet") if csv else None for name in ("customers", "purchases")}
    return Shop(
        folder=folder,
        customers=folder / "customers.parquet",
        purchases=folder / "purchases.parquet",
        truth=folder / "truth.parquet",
        customers_csv=written["customers"],
        purchases_csv=written["purchases"],
        customer_count=customers,
        purchase_count=purchases,
        refund_count=refunds,
        revenue=revenue,
        currency=currency,
        starts=starts,
        ends=ends,
        seed=seed,
    )


def _check(customers: int, years: float, seed: int, ends: datetime.date, currency: str, order: str) -> None:
    whole_number("customers", customers, 1, CUSTOMERS_MAX)
    whole_number("seed", seed, 0, names.SEED_MAX)
    in_range("years", years, 1 / 365, YEARS_MAX)
    if not isinstance(ends, datetime.date) or isinstance(ends, datetime.datetime) or not DATES[0] <= ends <= DATES[1]:
        raise ValueError(f"ends is {ends!r}: give the last day of the log as a date from {DATES[0]} to {DATES[1]}.")
    if currency not in list_currencies():
        raise ValueError(f"currency is {currency!r}: give an ISO 4217 code such as EUR, USD or BRL.")
    if order not in ("customer", "time"):
        raise ValueError(f"order is {order!r}: choose 'customer' or 'time'.")


def _paced(process: Process, seasons: Seasons, wanted: float | None) -> tuple[Process, float]:
    """The process that gives the wanted purchases per customer, and how many those are."""
    days = seasons.days_of_custom()
    if wanted is None:
        return process, 1 + process.purchases_per_year / DAYS_PER_YEAR * days
    in_range("purchases_per_customer", wanted, 1, 10_000, " (the first purchase included)")
    if days == 0 and wanted > 1:
        raise ValueError(f"purchases_per_customer is {wanted}, but one day leaves no time to come back: raise years.")
    pace = (wanted - 1) / days * DAYS_PER_YEAR if wanted > 1 else 0.0
    try:
        return replace(process, purchases_per_year=pace), wanted
    except ValueError as error:
        raise ValueError(
            f"purchases_per_customer is {wanted}, which needs {pace:,.2f} purchases a year from customers who stay: "
            "choose another number, more years, or a process whose customers stay longer."
        ) from error


def _write(folder: Path, plan: Plan) -> tuple[int, int, int]:
    """Write the three files; purchases, refunds and net revenue."""
    schema = plan.purchases_schema()
    rows = refunds = revenue = 0
    with ExitStack() as stack:
        labels = ["currency", "channel", "branch", "category", "units"]
        to_purchases = _writer(stack, folder / "purchases.parquet", schema, labels, plan.seed)
        known = ["language", "country", "branch"]
        to_customers = _writer(stack, folder / "customers.parquet", CUSTOMERS, known, plan.seed)
        to_truth = _writer(stack, folder / "truth.parquet", TRUTH, [], plan.seed)
        for block in _in_order(plan.make, plan.blocks):
            table = block.purchases(schema, rows)
            to_purchases.write_table(table, row_group_size=max(table.num_rows, 1))
            to_customers.write_table(block.people)
            to_truth.write_table(block.truth)
            rows += table.num_rows
            refunds += len(block.refund_of)
            revenue += block.revenue
    return rows - refunds, refunds, revenue


def _writer(stack: ExitStack, path: Path, schema: Any, labels: list[str], seed: int) -> Any:
    whole = [f.name for f in schema if f.name not in labels and (pa.types.is_integer(f.type) or f.type == WHEN)]
    writer = pq.ParquetWriter(
        path,
        schema,
        compression="snappy",  # the fastest to write that every reader knows
        use_dictionary=labels,
        column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
        write_statistics=[name for name in schema.names if name not in labels],
        store_decimal_as_integer=True,
        store_schema=False,  # labels are text to every reader, not dictionaries to one
    )
    writer.add_key_value_metadata({"querencia": f"Simulated. Nobody in it exists. Seed {seed}."})
    return stack.enter_context(writer)


def _in_order(make: Callable[[int], Block], count: int) -> Iterator[Block]:
    """Blocks made by all processors, handed over in order, never more waiting than there are processors."""
    workers = min(os.process_cpu_count() or 1, count)
    waiting: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for block in range(count):
            waiting.append(pool.submit(make, block))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _database(folder: Path) -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(folder),
        "memory_limit": "1GB",
        "autoinstall_known_extensions": "false",
    }
    return duckdb.connect(config=settings)


def _sort_by_time(purchases: Path) -> None:
    unsorted = purchases.with_suffix(".unsorted")
    purchases.rename(unsorted)
    with _database(purchases.parent) as database:
        database.execute(
            'COPY (SELECT * FROM read_parquet($from) ORDER BY "at", key) TO $to (FORMAT parquet, COMPRESSION zstd)',
            {"from": str(unsorted), "to": str(purchases)},
        )
    unsorted.unlink()


def _write_csv(table: Path) -> Path:
    path = table.with_suffix(".csv")
    with _database(table.parent) as database:
        database.execute(
            "COPY (SELECT * FROM read_parquet($from)) TO $to (FORMAT csv, HEADER)",
            {"from": str(table), "to": str(path)},
        )
    return path
