"""An import that is repeated, overlaps, breaks off or meets another: no row is lost and none is counted twice."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from querencia.business.actions import set_business
from querencia.customers import actions
from querencia.customers.imports import reasons as reasons_of
from querencia.customers.imports import sorting
from querencia.customers.imports.folder import Folder
from querencia.customers.models import Customer, Import, Purchase, PurchaseLine
from querencia.customers.queries import imports as queries
from tests.customers import interrupted
from tests.customers.files import (
    AT,
    bring_in,
    counts,
    people,
    purchases,
    reasons,
    register,
    run,
    table,
    write,
)
from tests.measures import shop

ROOT = Path(__file__).parents[2]
HEADER = ("order id", "customer id", "date", "amount", "sku")
MOMENTS = [
    ("checking", "0.2"),
    pytest.param("sorting", "0", marks=pytest.mark.slow),
    ("sorting", "0.5"),
    pytest.param("writing", "0.1", marks=pytest.mark.slow),
    pytest.param("INSERT INTO customers_purchase ", "1", marks=pytest.mark.slow),
    ("INSERT INTO customers_purchaseline", "2"),
    ('UPDATE "customers_import" SET "rows_new"', "3"),
    ("DROP TABLE", "1"),
]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("business")]


def log(orders: int, *, start: int = 0, amount: int = 0) -> list[tuple[Any, ...]]:
    """Orders of one to three lines, on days and by customers that repeat."""
    first = datetime(2023, 1, 1, 9, tzinfo=UTC)
    return [
        (
            f"o{n:05}",
            f"c{n % 97}",
            (first + timedelta(hours=7 * n)).strftime("%Y-%m-%d %H:%M"),
            f"{amount + n}.10",
            f"s{k}",
        )
        for n in range(start, start + orders)
        for k in range(n % 3 + 1)
    ]


def written(folder: Path, rows: list[tuple[Any, ...]], name: str = "log.csv", header: tuple[str, ...] = HEADER) -> Path:
    return write(folder, name, table(header, rows))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in interrupted.SIZES.items():
        monkeypatch.setattr(sorting, name, size)


# -- again -------------------------------------------------------------------------------------------------------------


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    rows = log(300)
    path = written(tmp_path, rows)
    assert counts(bring_in(path)) == (len(rows), len(rows), 0, 0)
    before, customers = purchases(), people()
    assert counts(bring_in(path)) == (len(rows), 0, len(rows), 0)
    assert (purchases(), people()) == (before, customers)


def test_a_file_that_overlaps_brings_what_is_new(tmp_path: Path) -> None:
    bring_in(written(tmp_path, log(200)))
    later = log(200, start=150)
    known = len(log(50, start=150))
    assert counts(bring_in(written(tmp_path, later, "later.csv"))) == (len(later), len(later) - known, known, 0)
    together = purchases()
    Purchase.objects.all().delete()
    bring_in(written(tmp_path, log(350), "all.csv"))
    assert purchases() == together


def test_facts_that_are_stored_otherwise_stay_and_are_said(tmp_path: Path) -> None:
    header = ("order id", "customer id", "date", "amount")
    rows = [(f"o{n}", f"c{n}", "2024-01-05 10:00", "5.00") for n in range(40)]
    bring_in(written(tmp_path, rows, header=header))
    before = purchases()
    changed = list(rows)
    changed[0] = ("o0", "c0", "2024-01-05 10:00", "6.00")
    changed[1] = ("o1", "c1", "2024-01-06 10:00", "5.00")
    changed[2] = ("o2", "c9", "2024-01-05 10:00", "5.00")
    done = bring_in(written(tmp_path, changed, "changed.csv", header))
    assert counts(done) == (40, 0, 37, 3)
    assert reasons(done) == {"stored_amount": 1, "stored_date": 1, "stored_customer": 1}
    assert purchases() == before
    rejects = queries.rejects_path(done)
    assert rejects is not None
    assert rejects.read_text(encoding="utf-8-sig").splitlines()[1].startswith("2,order id,o0,This purchase is already")


def test_the_same_number_of_another_source_is_another_purchase(tmp_path: Path) -> None:
    path = written(tmp_path, log(20))
    first, second = bring_in(path, source="till"), bring_in(path, source="web")
    assert first.rows_new == second.rows_new == len(log(20))
    assert set(Purchase.objects.values_list("source", flat=True)) == {"till", "web"}
    assert PurchaseLine.objects.count() == 2 * len(log(20))


def test_a_log_read_again_with_more_columns_is_the_same_log(tmp_path: Path) -> None:
    header = ("customer", "date", "total", "shop", "where", "what")
    rows = [(f"c{n % 7}", f"2024-02-{n % 28 + 1:02}", f"{n}.25", "Norte", "web", f"A{n}") for n in range(60)]
    path = written(tmp_path, rows, header=header)
    bring_in(path, mapping={"branch": ""})
    before = purchases()
    done = bring_in(path, mapping={"branch": "shop", "channel": "where", "sku": "what"})
    assert counts(done) == (60, 0, 60, 0)
    assert purchases() == before


def test_a_log_under_other_numbers_is_not_counted_twice_unawares(tmp_path: Path) -> None:
    header = ("customer id", "date", "amount", "ticket")
    rows = [(f"c{n % 7}", f"2024-02-{n % 28 + 1:02} 10:{n:02}", f"{n}.25", f"t{n}") for n in range(50)]
    path = written(tmp_path, rows, header=header)
    bring_in(path, mapping={"key": ""})
    before = purchases()
    stopped = bring_in(path)
    assert stopped.mapping["key"] == "ticket"
    assert stopped.status == Import.Status.STOPPED
    assert queries.problem_of(stopped) == "doubled"
    assert queries.why(stopped).startswith("50 of the first 50 purchases are stored already under other numbers")
    assert purchases() == before
    next_month = [(who, at.replace("-02-", "-03-"), amount, f"u{key}") for who, at, amount, key in rows]
    later = written(tmp_path, next_month, "l.csv", header)
    assert bring_in(later).rows_new == 50
    assert bring_in(path, limit=1.0).rows_new == 50, "if they are purchases of their own"


def test_the_zone_of_the_business_is_no_part_of_a_purchase(tmp_path: Path) -> None:
    rows = [(f"c{n}", f"2024-02-0{n}", "1.00") for n in range(1, 10)]
    path = written(tmp_path, rows, header=("customer id", "date", "amount"))
    set_business(name="La Tienda", currency="EUR", time_zone="America/Bogota")
    bring_in(path)
    set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid")
    again = bring_in(path, limit=1.0)
    assert (again.rows_new, reasons(again)) == (0, {"stored_date": 9})
    assert Purchase.objects.count() == 9


# -- facts of one file -------------------------------------------------------------------------------------------------


def test_refunds_are_rows_of_their_own(tmp_path: Path) -> None:
    header = ("order id", "customer id", "date", "amount", "refund of")
    rows = [(f"o{n}", f"c{n}", "2024-01-05", "5.00", "") for n in range(40)]
    rows += [("r1", "c1", "2024-01-09", "-5.00", "o1"), ("r2", "c2", "2024-01-09", "2.00", "o2")]
    done = bring_in(written(tmp_path, rows, header=header))
    assert counts(done) == (42, 41, 0, 1)
    assert reasons(done) == {"refund_positive": 1, "refund": 1}
    assert Purchase.objects.get(key="r1").refund_of == "o1"
    assert [reasons_of.text(reason) for reason in done.reasons] == [
        "1 row: refund above zero (column amount, first in row 43: “2.00”)",
        "1 row: amount below zero, counted as a refund (column amount, first in row 42: “-5.00”)",
    ]


def test_what_is_no_purchase_is_left_out_with_its_reason(tmp_path: Path) -> None:
    header = ("order id", "customer id", "date", "amount", "currency", "quantity", "cost")
    good = [(f"o{n}", f"c{n}", "2024-01-05", "5.00", "EUR", "1", "2") for n in range(200)]
    bad = {
        "no_customer": ("b1", "anonymous", "2024-01-05", "5.00", "EUR", "", ""),
        "no_date": ("b2", "c", "", "5.00", "EUR", "", ""),
        "bad_date": ("b3", "c", "2024-02-30", "5.00", "EUR", "", ""),
        "date_future": ("b4", "c", "2026-03-05", "5.00", "EUR", "", ""),
        "date_past": ("b5", "c", "1066-10-14", "5.00", "EUR", "", ""),
        "no_amount": ("b6", "c", "2024-01-05", "", "EUR", "", ""),
        "bad_amount": ("b7", "c", "2024-01-05", "five", "EUR", "", ""),
        "other_currency": ("b8", "c", "2024-01-05", "5.00", "usd", "", ""),
        "customer_key_long": ("b9", "c" * 201, "2024-01-05", "5.00", "EUR", "", ""),
        "key_long": ("b" * 201, "c", "2024-01-05", "5.00", "EUR", "", ""),
        "bad_quantity": ("b10", "c", "2024-01-05", "5.00", "EUR", "many", ""),
        "bad_cost": ("b11", "c", "2024-01-05", "5.00", "EUR", "", "cheap"),
    }
    mixed = [("m", "c1", "2024-01-05", "5.00", "EUR", "", ""), ("m", "c2", "2024-01-05", "5.00", "EUR", "", "")]
    done = bring_in(written(tmp_path, [*good, *bad.values(), *mixed], header=header))
    assert reasons(done) == dict.fromkeys(bad, 1) | {"mixed_customers": 2}
    assert counts(done) == (214, 202, 0, 12)
    taken = {"b10", "b11"}
    assert set(Purchase.objects.exclude(key__startswith="o").values_list("key", flat=True)) == taken
    path = queries.rejects_path(done)
    assert path is not None
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "row,column,value,reason,outcome"
    assert len(lines) == 15
    assert sum(line.endswith(",taken without this value") for line in lines) == 2


AWKWARD = (
    "\\.", "\\N", "'", "''", '"', '""', "a,b", "a;b", "%s", "100%", "%%", "\\", "\\'", "{}", "null and void",
    "\u202e", "🛒", "ß", "İ",
    "a\tb", "x\ny", "~", "~20240105000000-", "-1.5", "1e5", "$1", "?", ":a", "; DROP TABLE customers_customer; --",
)  # fmt: skip


def test_texts_of_any_kind_come_back_as_they_were(tmp_path: Path) -> None:
    header = ("order id", "customer id", "date", "amount", "sku", "branch")
    quoted = ['"' + text.replace('"', '""') + '"' for text in AWKWARD]
    rows = [(text, text, "2024-01-05", "5.00", text, text) for text in quoted]
    path = written(tmp_path, rows, header=header)
    done = bring_in(path, source="50% 'off'", file_format={"delimiter": ",", "encoding": "utf-8"})
    assert counts(done) == (len(AWKWARD), len(AWKWARD), 0, 0)
    found = Purchase.objects.select_related("customer").filter(source="50% 'off'")
    assert {p.key for p in found} == set(AWKWARD)
    assert all(p.customer.key == p.branch == p.lines.get().sku == p.key for p in found)
    again = bring_in(path, source="50% 'off'", file_format={"delimiter": ",", "encoding": "utf-8"})
    assert counts(again) == (len(AWKWARD), 0, len(AWKWARD), 0)


def test_rejects_are_safe_to_open_in_a_spreadsheet(tmp_path: Path) -> None:
    rows = [(f"c{n}", "2024-01-05", "5.00") for n in range(40)]
    rows += [("=cmd()", "x", "1"), ("c", "2024-01-05", "@SUM(A1)"), ("c", "2024-01-05", "-5x")]
    done = bring_in(written(tmp_path, rows, header=("customer id", "date", "amount")))
    path = queries.rejects_path(done)
    assert path is not None
    assert [line.split(",")[2] for line in path.read_text(encoding="utf-8-sig").splitlines()[1:]] == [
        "x",
        "'@SUM(A1)",
        "-5x",
    ]


def test_a_file_of_mostly_rejects_stops_before_writing(tmp_path: Path) -> None:
    rows = [(f"c{n}" if n % 5 else "", f"2024-01-{n % 28 + 1:02}", "5.00") for n in range(100)]
    path = written(tmp_path, rows, header=("customer id", "date", "amount"))
    stopped = bring_in(path)
    assert stopped.status == Import.Status.STOPPED
    assert queries.why(stopped).startswith("20 of 100 rows would be rejected (20%; the limit is 10%)")
    assert not Purchase.objects.exists()
    assert not Customer.objects.exists()
    assert queries.rejects_path(stopped) is not None
    stages: set[str] = set()
    again = register(path, limit=0.2)
    assert again.pk == stopped.pk
    done = actions.run_import(again.pk, at=AT, progress=lambda stage, _share: stages.add(stage))
    assert stages == {"writing"}, "what was read already is not read again"
    assert counts(done) == (100, 80, 0, 20)


def test_a_file_without_one_good_row_stops(tmp_path: Path) -> None:
    rows = [("", f"2024-01-{n % 28 + 1:02}", "5.00") for n in range(10)]
    path = written(tmp_path, rows, header=("customer id", "date", "amount"))
    stopped = bring_in(path, limit=1.0, kind="purchases", mapping={"customer_key": "customer id"})
    assert queries.why(stopped) == "Not one of the 10 rows can be used, so nothing was written."


# -- broken off --------------------------------------------------------------------------------------------------------


@contextmanager
def another_process(imported: Import, moment: str, number: str) -> Iterator["subprocess.Popen[str]"]:
    """Carrying out the import, and standing still at a moment of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.customers.interrupted", str(imported.pk), moment, number],
        cwd=ROOT,
        env=shop.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "number"), MOMENTS)
def test_killed_at_any_moment_and_started_again(moment: str, number: str, tmp_path: Path, small_batches: None) -> None:
    rows = log(1_200)
    rejected = [("", "", "2024-01-05 10:00", "1.00", "") for _ in range(7)]
    path = written(tmp_path, [*rows, *rejected])
    imported = register(path)
    with another_process(imported, moment, number):
        pass
    imported.refresh_from_db()
    assert imported.status in queries.AT_WORK
    assert imported in queries.waiting()
    # Whole batches: each purchase that is there has its lines, and the import's row knows how many rows they are.
    lines = PurchaseLine.objects.count()
    assert (imported.rows_new, imported.batches_done > 0) == (lines, lines > 0)
    assert sum(Purchase.objects.values_list("amount", flat=True)) == sum(
        PurchaseLine.objects.values_list("amount", flat=True)
    )
    done = run(register(path))
    assert done.pk == imported.pk
    assert counts(done) == (len(rows) + 7, len(rows), 0, 7)
    assert reasons(done) == {"no_customer": 7}
    found = purchases()
    Purchase.objects.all().delete()
    Customer.objects.all().delete()
    bring_in(written(tmp_path, rows, "whole.csv"))
    assert found == purchases()
    path_of_rejects = queries.rejects_path(done)
    assert path_of_rejects is not None
    assert len(path_of_rejects.read_text().splitlines()) == 8


@pytest.mark.slow
def test_a_file_that_was_read_is_needed_no_more_and_one_that_was_not_must_be_the_same(
    tmp_path: Path, small_batches: None
) -> None:
    path = written(tmp_path, log(1_200))
    imported = register(path)
    with another_process(imported, "writing", "0.1"):
        path.unlink()
    assert counts(run(imported))[1] == len(log(1_200))
    other = written(tmp_path, log(1_200, start=5_000), "other.csv")
    second = register(other)
    with another_process(second, "checking", "0.1"):
        other.write_text(other.read_text().replace("s1", "s9"))
    failed = actions.run_import(second.pk, at=AT)
    assert failed.status == Import.Status.FAILED
    assert queries.why(failed) == "The file has changed since it was handed over. Hand it over again."
    other.unlink()
    assert (
        queries.why(actions.run_import(second.pk, at=AT)) == "The file is no longer where it was. Hand it over again."
    )
    assert Purchase.objects.count() == 1_200


@pytest.mark.slow
def test_nobody_works_on_an_import_that_another_process_works_on(tmp_path: Path, small_batches: None) -> None:
    path = written(tmp_path, log(1_200))
    imported = register(path)
    with another_process(imported, "sorting", "0.5"):
        assert queries.waiting() == []
        assert 0 < queries.progress_of(queries.imports()[0]) < 1
        with pytest.raises(actions.AlreadyRunning):
            actions.run_import(imported.pk, at=AT)
        with pytest.raises(actions.AlreadyRunning):
            run(register(path))
    assert counts(run(imported))[1] == len(log(1_200))


@pytest.mark.slow
def test_two_logs_that_overlap_at_once(tmp_path: Path) -> None:
    """Two real processes, each with half of what the other has."""
    paths = [written(tmp_path, log(900), "a.csv"), written(tmp_path, log(900, start=450), "b.csv")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.customers.interrupted", str(register(path).pk), "checking", "2"],
            cwd=ROOT,
            env=shop.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for path in paths
    ]
    for process in processes:
        out, fault = process.communicate(timeout=100)
        assert (out, process.returncode) == ("done\n", 0), fault
    done = list(Import.objects.all())
    assert [one.status for one in done] == ["done", "done"]
    assert sum(one.rows_new for one in done) == len(log(1_350)) == PurchaseLine.objects.count()
    found = purchases()
    Purchase.objects.all().delete()
    bring_in(written(tmp_path, log(1_350), "all.csv"))
    assert purchases() == found


# -- faults ------------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_said_and_does_no_harm(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    rows = [*log(100), *[("", "", "2024-01-05", "1", "") for _ in range(3)]]
    imported = register(written(tmp_path, rows))
    folder = Folder.of(imported.pk)
    folder.rejects.symlink_to("/dev/full")
    failed = actions.run_import(imported.pk, at=AT)
    assert failed.status == Import.Status.FAILED
    assert queries.why(failed).startswith("There is no room left on the disk.")
    assert not Purchase.objects.exists()
    folder.rejects.unlink()
    assert counts(run(imported))[3] == 3


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    imported = register(written(tmp_path, log(10)))
    folder = Folder.of(imported.pk)
    (folder.path / "checked.new").mkdir()
    failed = actions.run_import(imported.pk, at=AT)
    assert failed.status == Import.Status.FAILED
    assert queries.problem_of(failed) == "disk"
    (folder.path / "checked.new").rmdir()
    assert counts(run(imported))[1] == len(log(10))


def test_a_database_that_breaks_off_keeps_whole_batches(tmp_path: Path, small_batches: None) -> None:
    imported = register(written(tmp_path, log(1_200)))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER no_room BEFORE INSERT ON customers_purchaseline "
                "WHEN (SELECT count(*) FROM customers_purchaseline) > 900 "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        else:
            cursor.execute(
                "CREATE FUNCTION no_room() RETURNS trigger AS $$ BEGIN "
                "IF (SELECT count(*) FROM customers_purchaseline) > 900 THEN RAISE EXCEPTION 'disk is full'; END IF; "
                "RETURN NEW; END $$ LANGUAGE plpgsql"
            )
            cursor.execute(
                "CREATE TRIGGER no_room BEFORE INSERT ON customers_purchaseline FOR EACH ROW EXECUTE FUNCTION no_room()"
            )
    try:
        failed = actions.run_import(imported.pk, at=AT)
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("DROP TRIGGER no_room")
            else:
                cursor.execute("DROP FUNCTION no_room CASCADE")
    assert failed.status == Import.Status.FAILED
    assert queries.why(failed).startswith("There is no room left on the disk.")
    assert failed.batches_done > 0
    assert failed.rows_new == PurchaseLine.objects.count() > 0
    assert counts(run(imported)) == (len(log(1_200)), len(log(1_200)), 0, 0)


def test_a_reason_of_another_version_is_shown_as_it_stands() -> None:
    assert queries.why(Import(error="boom")) == "boom"
    assert queries.why(Import(error=json.dumps({"code": "of tomorrow", "facts": {}}))) == "of tomorrow"
    assert queries.why(Import()) == ""


def peak_bytes(path: Path, lines: range) -> int:
    """Of a process that imports so many lines, by its own account: what the system says may be its parent's."""
    with path.open("w") as file:
        file.write(",".join(HEADER) + "\n")
        for n in lines:
            when = f"2023-0{n % 9 + 1}-1{n % 9} 10:{n % 60:02}"
            file.write(f"o{n * 7919 % 2_000_003},c{n % 300_007},{when},{n % 977}.50,s{n % 99}\n")
    imported = register(path)
    watched = (
        "import sys, benchmarks.child as b, tests.customers.interrupted as i; i.SIZES.clear(); i.main(*sys.argv[1:]); "
        "print(b.peak_bytes())"
    )
    out = subprocess.run(
        [sys.executable, "-c", watched, str(imported.pk), "checking", "2"],
        cwd=ROOT, env=shop.environment(), capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert out[0] == "done"
    assert counts(Import.objects.get(pk=imported.pk))[1] == len(lines)
    return int(out[1])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Of what is less than 500 MB the libraries are half; `make bench` tries it on ten million lines."""
    some, many = (
        peak_bytes(tmp_path / f"{len(lines)}.csv", lines) for lines in (range(150_000), range(150_000, 750_000))
    )
    assert many < 500e6
    assert many < some + 100e6
