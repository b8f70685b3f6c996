"""The sufficient statistics of very many purchases in Parquet, beside the engine's own bare grouping."""

from pathlib import Path

from benchmarks import data
from benchmarks.registry import Measure, benchmark

PURCHASES = {"100 M purchases": 100_000_000, "10 M purchases": 10_000_000, "1 M purchases": 1_000_000}
PER_CUSTOMER = 10
FIRST_DAY, DAYS = 19_358, 1_096  # the three years up to 2025-12-31
AS_OF = FIRST_DAY + DAYS - 1
CASES = [f"{size}: {how}" for size in ("100 M purchases", "10 M purchases") for how in ("insight", "bare GROUP BY")]


def purchases(rows: int) -> Path:
    """Parquet of ``customer_id, day, amount, channel``: customers buy at rates that differ a hundredfold."""

    def make(into: Path) -> None:
        import duckdb

        customers = rows // PER_CUSTOMER
        with duckdb.connect(config={"temp_directory": str(into / "spill"), "memory_limit": "3GB"}) as engine:
            engine.execute("SELECT setseed(0.5)")
            engine.execute(
                f"COPY (SELECT CAST(floor(pow(random(), 1.5) * {customers}) AS BIGINT) AS customer_id, "
                f"CAST({FIRST_DAY} + floor(random() * {DAYS}) AS BIGINT) AS day, "
                "CAST(100 + floor(pow(random(), 3) * 20000) AS BIGINT) AS amount, "
                "CASE WHEN random() < 0.3 THEN 'web' ELSE 'shop' END AS channel "
                f"FROM range({rows})) TO '{into / 'purchases.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
            )

    return data.cached(f"scale-{rows}", make) / "purchases.parquet"


@benchmark(cases=CASES, quick=["1 M purchases: insight", "1 M purchases: bare GROUP BY"])
def scale(case: str, measure: Measure) -> None:
    """`insight.rfm.summary` of purchases in Parquet (four columns, ten purchases a customer), into Parquet.

    *Bare GROUP BY*: the same by hand in DuckDB: one grouping by customer and day, one by customer, no netting of
    refunds, no money of repeat purchases. Both within 5.5 GB, spilling to disk beyond it.
    """
    import duckdb

    size, how = case.split(": ")
    path, into = purchases(PURCHASES[size]), measure.scratch / "summary.parquet"
    limits = {"memory_limit": "5.5GB", "temp_directory": str(measure.scratch), "preserve_insertion_order": "false"}
    with duckdb.connect(config=limits) as engine:
        bought = engine.read_parquet(str(path))
        with measure(rows=PURCHASES[size], unit="purchases"):
            if how == "insight":
                from querencia.insight import rfm

                rfm.summary(bought, as_of=AS_OF).write_parquet(str(into))
            else:
                bought.query("bought", BARE).write_parquet(str(into))
        measure.note("customers", f"{engine.read_parquet(str(into)).shape[0]:,}")


BARE = """
SELECT customer_id, min(day) AS first_day, max(day) AS last_day, count(*) AS purchases, sum(amount) AS amount
FROM (SELECT customer_id, day, sum(amount) AS amount FROM bought GROUP BY customer_id, day) GROUP BY customer_id
"""
