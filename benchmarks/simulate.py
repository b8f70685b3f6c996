"""The simulator itself."""

import datetime

from benchmarks.registry import Measure, benchmark
from querencia.insight import simulate

CUSTOMERS = {"1 M purchases": 50_000, "10 M purchases": 500_000, "100 M purchases": 5_000_000}
PURCHASES_PER_CUSTOMER = 20


@benchmark(cases=["10 M purchases", "100 M purchases"], quick=["1 M purchases"])
def run(case: str, measure: Measure) -> None:
    """Simulate a shop and write it as Parquet: customers with names and addresses, purchases, refunds, the truth.

    Three years, twenty purchases per customer. Memory does not grow with size: blocks of about 130,000 purchases are
    made side by side and written in order.
    """
    customers = CUSTOMERS[case]
    with measure(rows=customers * PURCHASES_PER_CUSTOMER, unit="purchases"):
        shop = simulate.shop(
            measure.scratch,
            customers=customers,
            purchases_per_customer=PURCHASES_PER_CUSTOMER,
            ends=datetime.date(2025, 12, 31),
        )
    measure.note("purchases.parquet", f"{shop.purchases.stat().st_size / 1e6:,.0f} MB")
