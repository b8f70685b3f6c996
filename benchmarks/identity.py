"""How many duplicates are found, and how many of those proposed are none: ``python -m benchmarks.identity``.

On files of people in which who is one person is known (``people/`` in ``QUERENCIA_SHARED_DATA``): the three FEBRL sets
(invented Australians, Christen 2008) and Splink's ``fake_1000``. The truth is for measuring alone; no fit sees it.
"""

import os
import sys
import time
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from querencia.insight import duplicates

THRESHOLDS = (0.01, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
FEBRL = """
SELECT row_number() OVER (ORDER BY rec_id) AS id, regexp_extract(rec_id, 'rec-(\\d+)-', 1) AS truth, given_name,
  surname AS family_name, date_of_birth AS birthday, suburb AS city, postcode,
  concat_ws(' ', trim(street_number), trim(address_1)) AS address
FROM read_csv($path, normalize_names = true, all_varchar = true)
"""
FAKE = """
SELECT CAST(unique_id AS BIGINT) AS id, cluster AS truth, first_name AS given_name, surname AS family_name,
  dob AS birthday, city, email
FROM read_csv($path, all_varchar = true)
"""
SETS = {"febrl1": FEBRL, "febrl2": FEBRL, "febrl3": FEBRL, "fake_1000": FAKE}

type Row = tuple[float, int, float, float]


def measured(path: Path, query: str) -> tuple[int, int, float, list[Row]]:
    """Records, pairs that are one person, seconds; and by threshold how many pairs, precision and recall."""
    desk = duckdb.connect()
    desk.execute(f"CREATE TABLE known AS {query}", {"path": str(path)})
    begin = time.perf_counter()
    proposed = duplicates.propose(desk.table("known").to_arrow_table().drop(["truth"]), probability_min=THRESHOLDS[0])
    desk.register("proposed", proposed.to_arrow_table())
    seconds = time.perf_counter() - begin
    records, pairs = desk.execute(
        "SELECT sum(n), sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM known GROUP BY truth)"
    ).fetchall()[0]
    rows = []
    for threshold in THRESHOLDS:
        found, right = desk.execute(
            "SELECT count(*), count(*) FILTER (a.truth = b.truth) FROM proposed JOIN known a ON a.id = first_id "
            "JOIN known b ON b.id = second_id WHERE probability >= ?",
            [threshold],
        ).fetchall()[0]
        rows.append((threshold, found, right / found if found else 1.0, right / pairs))
    return int(records), int(pairs), seconds, rows


def main() -> None:
    screen = Console()
    folder = Path(os.environ.get("QUERENCIA_SHARED_DATA", "")) / "people"
    if not folder.is_dir():
        sys.exit("QUERENCIA_SHARED_DATA names no folder with people/ in it: there is nothing to measure on.")
    for name, query in SETS.items():
        records, pairs, seconds, rows = measured(folder / f"{name}.csv", query)
        table = Table(
            "from", "pairs", "precision", "recall", "F1", title=f"{name}: {records:,} records, {pairs:,} pairs"
        )
        for threshold, found, precision, recall in rows:
            both = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
            table.add_row(f"{threshold:g}", f"{found:,}", f"{precision:.4f}", f"{recall:.4f}", f"{both:.4f}")
        screen.print(table)
        screen.print(f"{seconds:.1f} s\n")


if __name__ == "__main__":
    main()
