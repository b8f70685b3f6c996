"""The columnar copy is what the database holds, whatever happened in between."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querencia.customers.models import Purchase
from querencia.measures import columns
from tests.measures import shop

pytestmark = pytest.mark.django_db(transaction=True)

DAY = date(2025, 5, 5)


def held(copy: columns.Copy) -> list[tuple[object, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables([columns.SCHEMA.empty_table(), *[pq.read_table(file) for file in copy.files]])
    return [tuple(row.values()) for row in table.to_pylist()]


def in_database() -> list[tuple[object, ...]]:
    return list(Purchase.objects.order_by("id").values_list(*columns.SCHEMA.names))


@pytest.fixture
def refreshed(tmp_path: Path) -> Callable[..., columns.Refreshed]:
    """Refresh the copy and see that it is what the database holds."""

    def refresh(**how: bool) -> columns.Refreshed:
        copy, report = columns.refresh(tmp_path, **how)
        assert held(copy) == in_database()
        assert held(columns.Copy.open(tmp_path)) == in_database()
        assert {path.name for path in tmp_path.glob("*.parquet*")} == {Path(file).name for file in copy.files}
        return report

    return refresh


def test_an_empty_database_gives_an_empty_copy(refreshed: Callable[..., columns.Refreshed]) -> None:
    assert refreshed() == columns.Refreshed(rows=0, added=0, reread=0, was_rebuilt=False)


def test_a_refresh_reads_only_what_is_new(refreshed: Callable[..., columns.Refreshed]) -> None:
    shop.sell(shop.every(7, key="ana", start=DAY, times=5))
    assert refreshed().added == 5
    shop.sell(shop.every(7, key="bruno", start=DAY, times=3), cost=900, branch="Sur", channel="web")
    assert refreshed() == columns.Refreshed(rows=8, added=3, reread=0, was_rebuilt=False)
    assert refreshed().added == 0


def test_the_types_do_not_depend_on_the_first_rows(refreshed: Callable[..., columns.Refreshed]) -> None:
    shop.sell([("ana", DAY, 100)], cost=None)
    shop.sell([("ana", DAY, 100)], cost=2**40, key="007", branch="12")
    refreshed()


@pytest.mark.slow
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=st.lists(st.integers(0, 9), max_size=8), size=st.integers(1, 12), parts=st.integers(1, 4))
def test_step_by_step_gives_what_one_reading_gives(
    batches: list[int], size: int, parts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, rows, most = tmp_path_factory.mktemp("columns"), columns.PART_ROWS, columns.PARTS_MAX
    columns.PART_ROWS, columns.PARTS_MAX = size, parts
    try:
        for batch in batches:
            shop.sell([("ana", DAY + timedelta(days=number), 100 + number) for number in range(batch)])
            copy, _ = columns.refresh(folder)
            assert held(copy) == in_database()
        whole, _ = columns.refresh(tmp_path_factory.mktemp("whole"))
        assert held(columns.refresh(folder)[0]) == held(whole)
        assert columns.differences(copy if batches else whole) == []
    finally:
        columns.PART_ROWS, columns.PARTS_MAX = rows, most
        with transaction.atomic():
            Purchase.objects.all().delete()


def test_many_small_parts_become_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "PARTS_MAX", 4)
    for number in range(9):
        shop.sell([("ana", DAY + timedelta(days=number), 100)])
        copy, _ = columns.refresh(tmp_path)
        assert len(copy.parts) <= 5
        assert held(copy) == in_database()


def test_an_emptied_and_refilled_database_is_noticed(refreshed: Callable[..., columns.Refreshed]) -> None:
    shop.sell(shop.every(7, key="ana", start=DAY, times=5))
    refreshed()
    rows = list(Purchase.objects.order_by("id"))
    Purchase.objects.all().delete()
    for row in rows:
        row.amount += 1
    Purchase.objects.bulk_create(rows)  # same ids, other purchases: a backup of another day
    assert refreshed().was_rebuilt
    Purchase.objects.all().delete()
    assert refreshed() == columns.Refreshed(rows=0, added=0, reread=0, was_rebuilt=True)


def test_a_restored_backup_that_grew_another_way_is_noticed(
    refreshed: Callable[..., columns.Refreshed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "PART_ROWS", 3)
    rows = shop.sell(shop.every(7, key="ana", start=DAY, times=3))
    refreshed()
    lost = shop.sell(shop.every(7, key="bruno", start=DAY, times=2))
    refreshed()
    Purchase.objects.filter(pk__in=[row.pk for row in lost]).delete()
    shop.sell([("carla", DAY, 5), ("carla", DAY, 6)], pk=None)
    first = rows[-1].pk + 1
    for number, row in enumerate(Purchase.objects.filter(customer__key="carla").order_by("id")):
        Purchase.objects.filter(pk=row.pk).delete()
        row.pk = first + number
        row.save(force_insert=True)
    report = refreshed()
    assert report.was_rebuilt
    assert report.added == 2  # the part that still agrees was kept


def test_a_vanished_row_in_the_middle_is_noticed(refreshed: Callable[..., columns.Refreshed]) -> None:
    rows = shop.sell(shop.every(7, key="ana", start=DAY, times=5))
    refreshed()
    Purchase.objects.filter(pk=rows[2].pk).delete()
    assert refreshed().reread == 4


@pytest.mark.parametrize("harm", ["manifest", "part", "other format"])
def test_a_damaged_copy_is_made_anew(harm: str, refreshed: Callable[..., columns.Refreshed], tmp_path: Path) -> None:
    shop.sell(shop.every(7, key="ana", start=DAY, times=5))
    refreshed()
    manifest = tmp_path / "manifest.json"
    if harm == "manifest":
        manifest.write_text('{"format": 1, "parts": [{"aft')
    elif harm == "part":
        next(tmp_path.glob("*.parquet")).unlink()
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 0}))
    assert refreshed().added == 5


def test_a_deep_look_finds_what_a_quick_one_cannot(tmp_path: Path) -> None:
    rows = shop.sell(shop.every(7, key="ana", start=DAY, times=5))
    copy, _ = columns.refresh(tmp_path)
    assert columns.differences(copy) == []
    Purchase.objects.filter(pk=rows[2].pk).delete()
    rows[2].amount = 1
    rows[2].save(force_insert=True)  # the same place, another amount: only a database that was tampered with says so
    assert columns.differences(copy) == [f"0-{rows[-1].pk}"]
    copy, _ = columns.refresh(tmp_path, rebuild=True)
    assert columns.differences(copy) == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer: ids become visible in order")
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_late_is_picked_up(
    refreshed: Callable[..., columns.Refreshed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "PART_ROWS", 4)
    shop.sell(shop.every(7, key="ana", start=DAY, times=6))
    names = [field.column for field in Purchase._meta.concrete_fields if field.column not in ("id", "key")]
    with psycopg.connect(shop.environment()["DATABASE_URL"]) as slow:
        slow.execute(
            f"INSERT INTO customers_purchase (key, {', '.join(names)}) "
            f"SELECT 'late-' || id, {', '.join(names)} FROM customers_purchase ORDER BY id LIMIT 3"
        )
        shop.sell(shop.every(7, key="bruno", start=DAY, times=6))
        assert refreshed().rows == 12
        slow.commit()
    assert refreshed().reread >= 3
    assert refreshed() == columns.Refreshed(rows=15, added=0, reread=0, was_rebuilt=False)


@pytest.mark.slow
def test_a_copy_killed_at_any_moment_can_be_read_and_goes_on(tmp_path: Path) -> None:
    shop.sell([(f"c{n % 50}", DAY + timedelta(days=n % 300), 100 + n) for n in range(1_500)])
    script = (
        "import django; django.setup()\n"
        "from pathlib import Path\nfrom querencia.measures import columns\n"
        "columns.PART_ROWS, columns.source.BATCH_ROWS = 20, 20\n"
        f"print('go', flush=True)\ncolumns.refresh(Path({str(tmp_path)!r}))\n"
    )
    for wait in (0.0, 0.05, 0.2):
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=shop.environment()
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        rows = held(columns.Copy.open(tmp_path))
        assert rows == in_database()[: len(rows)]
    copy, _ = columns.refresh(tmp_path)
    assert held(copy) == in_database()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's locks belong to processes")
def test_reading_columns_takes_no_lock_away_from_what_is_written_beside_it(
    refreshed: Callable[..., columns.Refreshed],
) -> None:
    """Two copies of SQLite in one process let go of each other's locks: the next process to close the database would
    take itself for the last one, and throw away the log that this one goes on writing to."""
    shop.sell(shop.every(7, key="ana", start=DAY, times=5))
    refreshed()
    script = (
        "import sqlite3, sys\n"
        "opened = sqlite3.connect(sys.argv[1])\n"
        "print(opened.execute('SELECT count(*) FROM customers_purchase').fetchone()[0])\n"
    )
    elsewhere = [sys.executable, "-c", script, str(connection.settings_dict["NAME"])]
    assert subprocess.check_output(elsewhere, text=True).strip() == "5"
    shop.sell(shop.every(7, key="bruno", start=DAY, times=3))
    assert subprocess.check_output(elsewhere, text=True).strip() == "8"


def test_what_the_database_refuses_is_said(tmp_path: Path) -> None:
    with columns.source.connect() as rows:
        with pytest.raises(Exception, match="no_such_table"):
            rows.count("SELECT count(*) FROM no_such_table")
        assert rows.count("SELECT count(*) FROM customers_purchase") == 0
    with columns.source.connect() as rows:
        shop.sell(shop.every(7, key="ana", start=DAY, times=5))
        batches = rows.batches(f"{columns.SELECT} FROM {columns.TABLE}", columns.SCHEMA)
        assert next(batches).num_rows == 5
        batches.close()
