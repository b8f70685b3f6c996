"""`querencia report` as people run it: files in, a page and figures out."""

import datetime
import gzip
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.cli.commands import Done, Run, apart
from tests.insight.logs import CDNOW, cdnow

COLUMNS = "customer_id=id,at=date,amount=amt"


def strict(text: bytes) -> dict[str, Any]:
    """JSON as the standard has it: one document, no NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    made: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return made


def figures(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    return strict(done.out)


def visits(path: Path, *rows: str, head: str = "id,date,amount") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def facts(room: Path) -> dict[str, Any]:
    """The report of the whole sample, with its page in Spanish beside the figures."""
    page = room / "informe.html"
    arguments = [CDNOW, "--columns", COLUMNS, "--currency", "USD", "--language", "es", "--out", page, "--json", "-"]
    done = apart("report", *arguments, folder=room)
    assert "Filas leídas: 6" in done.said
    return figures(done)


def test_the_known_facts_of_the_sample(facts: dict[str, Any]) -> None:
    known = {
        "rows": 6_919,
        "rows_rejected": 0,
        "customers": 2_357,
        "purchases": 6_696,
        "revenue": "244091.94",
        "currency": "USD",
        "first": "1997-01-01",
        "last": "1998-06-30",
        "as_of": "1998-06-30",
        "repeat_rate": 0.4832,
        "top_20_percent_share": 0.6746,
    }
    assert {name: facts[name] for name in known} == known
    classes = facts["classes"]
    assert sum(one["customers"] for one in classes.values()) == 2_357
    assert sum(one["share"] for one in classes.values()) == pytest.approx(1, abs=2e-4)
    assert classes["A"]["share"] >= 0.8 > classes["B"]["share"]


def test_every_section_is_there(facts: dict[str, Any]) -> None:
    assert set(facts["model"]["parameters"]) >= {"r", "alpha"}
    assert facts["model"]["log_likelihood"] < 0
    assert [gate["is_open"] for gate in facts["gates"]] == [True] * 5
    assert facts["cohorts"]["rows"][0] == facts["cohorts"]["rows"][0] | {
        "cohort": "1997-01-01",
        "period": 0,
        "share": 1,
    }
    assert sum(facts["stages"].values()) == 2_357
    months = facts["defections"]["rows"]
    assert (months[0]["period"], months[-1]["period"]) == ("1997-01-01", "1998-06-01")
    assert all(row["low"] <= row["defections"] <= row["high"] for row in months)
    assert facts["retention"]["low"] < facts["retention"]["rate"] < facts["retention"]["high"]
    ahead = facts["forecast"]
    assert ahead["expected_purchases_low"] < ahead["expected_purchases"] < ahead["expected_purchases_high"]


def test_the_customers_to_call_are_named_as_the_file_names_them(facts: dict[str, Any]) -> None:
    stakes = [float(call["at_stake"]) for call in facts["calls"]]
    assert stakes == sorted(stakes, reverse=True)
    assert {call["customer_id"] for call in facts["calls"]} <= set(cdnow()["id"])
    assert sum(stakes) < float(facts["at_stake"]["amount"])


def test_the_page_stands_alone_and_speaks_spanish(facts: dict[str, Any], room: Path) -> None:
    page = (room / "informe.html").read_text()
    addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(script|link|img|iframe)|\b(src|href)=|@import|url\((?!#)", page)
    assert '<html lang="es">' in page
    assert "A quién llamar primero" in page
    assert facts["calls"][0]["customer_id"] in page
    assert "244.092" in page
    assert page.count("<svg") >= 2
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL).lower().split()


def test_nothing_is_kept_and_nothing_is_made(facts: dict[str, Any], room: Path) -> None:
    assert not (room / "home").exists()
    assert sorted(path.name for path in room.iterdir()) == ["guard", "informe.html"]


def test_what_is_guessed_is_said(run: Run, tmp_path: Path) -> None:
    log = visits(tmp_path / "ventas.csv", "a;1/2/2026;1.234,56", "b;13/2/2026;7,00", head="Cliente;Fecha;Importe")
    done = run("report", log, "--json", "-")
    found = figures(done)
    assert (found["revenue"], found["first"], found["last"]) == ("1241.56", "2026-02-01", "2026-02-13")
    assert found["sources"][0]["guessed"] == ["customer_id", "at", "amount"]
    assert "customer_id ← Cliente, at ← Fecha, amount ← Importe" in done.said
    assert "Guessed: customer_id, at, amount" in done.said
    assert found["currency"] is None
    assert "--currency" in done.said


def test_a_dubious_order_of_dates_is_said_and_can_be_told(run: Run, tmp_path: Path) -> None:
    log = visits(tmp_path / "log.csv", "a,3/4/2026,5", "b,5/4/2026,5")
    done = run("report", log, "--json", "-")
    assert "could be read in two ways" in done.said
    assert figures(done)["last"] == "2026-04-05"
    assert figures(run("report", log, "--date-order", "mdy", "--json", "-"))["last"] == "2026-05-04"


def test_the_language_changes_words_not_figures(run: Run, tmp_path: Path) -> None:
    log = visits(tmp_path / "log.csv", "a;3/4/2026;1.234", "b;5/4/2026;5", head="id;date;amount")
    found = [figures(run("report", log, "--language", language, "--json", "-")) for language in ("en", "es", "pt")]
    assert len({one["revenue"] for one in found}) == len({one["last"] for one in found}) == 1
    assert len({one["gates"][0]["reason"] for one in found}) == 3


@pytest.mark.parametrize("packing", ["gz", "zip", "tsv", "parquet", "xlsx", "jsonl", "utf-16"])
def test_every_kind_of_file_gives_the_same_figures(run: Run, packing: str, tmp_path: Path) -> None:
    table = cdnow().filter(pl.col("id").cast(pl.Int64) % 60 == 0).select("id", "date", "amt")
    text, path = table.write_csv(), tmp_path / f"log.{packing}"
    match packing:
        case "gz":
            path.write_bytes(gzip.compress(text.encode()))
        case "zip":
            with zipfile.ZipFile(path, "w") as packed:
                packed.writestr("log.csv", text)
        case "tsv":
            path.write_text(text.replace(",", "\t"))
        case "parquet":
            table.write_parquet(path)
        case "xlsx":
            _workbook(table, path)
        case "jsonl":
            table.write_ndjson(path)
        case "utf-16":
            path.write_bytes(text.encode("utf-16"))
    found = figures(run("report", path, "--columns", COLUMNS, "--json", "-"))
    assert found["rows"] == len(table)
    assert found["customers"] == table["id"].n_unique()
    assert found["purchases"] == table.select("id", "date").n_unique()
    assert found["revenue"] == f"{table['amt'].sum():.2f}"


def _workbook(table: pl.DataFrame, path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(table.columns)
    for own, day, amount in table.iter_rows():
        sheet.append([own, datetime.datetime.strptime(str(day), "%Y%m%d"), amount])
    book.save(path)


def test_several_files_are_one_log_and_each_row_counts(run: Run, tmp_path: Path) -> None:
    first = visits(tmp_path / "january.csv", "a,2026-01-05,5", "a,2026-01-05,5", "b,2026-01-06,7")
    second = visits(tmp_path / "february.csv", "2026-02-01;a;1,50", head="fecha;cliente;importe")
    found = figures(run("report", first, second, "--json", "-"))
    assert (found["rows"], found["customers"], found["purchases"], found["revenue"]) == (4, 2, 3, "18.50")
    assert [source["rows"] for source in found["sources"]] == [3, 1]


@pytest.mark.slow
def test_standard_input_is_read(tmp_path: Path) -> None:
    done = apart("report", "-", "--json", "-", folder=tmp_path, given=b"id,date,amount\na,2026-01-05,5\n")
    assert figures(done)["revenue"] == "5.00"


def test_rows_left_out_are_named_with_reason_number_and_example(run: Run, tmp_path: Path) -> None:
    rows = ["a,2026-01-05,5", ",2026-01-06,6", ",2026-01-07,7", "b,someday,8", "c,2026-01-09,much", "d,2026-01-09,9"]
    log, page = visits(tmp_path / "log.csv", *rows), tmp_path / "page.html"
    done = run("report", log, "--json", "-", "--out", page)
    found = figures(done)
    assert (found["rows"], found["rows_rejected"], found["customers"]) == (6, 4, 2)
    told = {one["code"]: one for one in found["rejected"]}
    assert (told["no_customer"]["count"], told["no_customer"]["row"]) == (2, 3)
    assert told["no_customer"]["example"] == {"id": "", "date": "2026-01-06", "amount": "6"}
    assert told["bad_date"]["example"]["date"] == "someday"
    assert "2 rows: no customer" in done.said
    assert "2 rows: no customer" in page.read_text()
    assert "someday" in page.read_text()


@pytest.mark.slow
def test_invoice_lines_become_money(run: Run, shared_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    log = shared_data / "purchases" / "uci_online_retail.parquet"
    columns = "customer_id=CustomerID,at=InvoiceDate,amount=Quantity*UnitPrice"
    found = figures(run("report", log, "--columns", columns, "--currency", "GBP", "--out", page, "--json", "-"))
    assert (found["rows"], found["rows_rejected"], found["revenue"]) == (541_909, 135_080, "8300065.81")
    assert [(one["code"], one["count"]) for one in found["rejected"]] == [("no_customer", 135_080)]
    assert found["refunds"]["rows"] == 8_905
    assert found["customers"] == 4_335
    assert "135,080 rows: no customer" in page.read_text()
    assert "8,905 rows are below zero and count as refunds" in page.read_text()


def test_refunds_come_off_the_purchase_that_they_name(run: Run, tmp_path: Path) -> None:
    rows = ["1,a,2026-01-05,50,", "2,b,2026-01-05,30,", "3,a,2026-02-01,-50,1"]
    log = visits(tmp_path / "log.csv", *rows, head="order_id,customer,date,amount,refund_of")
    found = figures(run("report", log, "--json", "-"))
    assert (found["customers"], found["purchases"], found["revenue"]) == (1, 1, "30.00")
    assert found["refunds"] == {"rows": 1, "amount": "-50.00", "rows_of_nothing": 0}


def test_nothing_after_the_day_is_looked_at(run: Run, tmp_path: Path) -> None:
    early = ["a,2026-01-05,5", "b,2026-02-06,6"]
    log = visits(tmp_path / "log.csv", *early, "c,2026-03-01,7", ",2026-03-02,8")
    found = figures(run("report", log, "--as-of", "2026-02-28", "--json", "-"))
    assert (found["customers"], found["last"], found["as_of"]) == (2, "2026-02-06", "2026-02-28")
    assert (found["rows"], found["rows_later"], found["rows_rejected"]) == (4, 2, 0)


def test_a_log_without_money_counts_visits(run: Run, tmp_path: Path) -> None:
    log = visits(tmp_path / "log.csv", "a,2026-01-05", "b,2026-02-06", head="cust,date")
    assert "0 counts visits alone" in run("report", log, "--json", "-").refused
    found = figures(run("report", log, "--columns", "amount=0", "--json", "-"))
    assert (found["customers"], found["revenue"], found["top_20_percent_share"]) == (2, "0.00", None)


THIN = {
    "one customer": ["a,2026-01-05,5"],
    "everybody once": [f"c{n},2026-01-{n % 28 + 1:02d},5" for n in range(200)],
    "all on one day": [f"c{n},2026-01-05,5" for n in range(200)],
    "all given back": ["a,2026-01-05,5", "a,2026-01-05,-5"],
    "refunds alone": ["a,2026-01-05,-5"],
    "free of charge": [f"c{n % 40},2026-{n % 9 + 1:02d}-05,0" for n in range(400)],
    "long ago": ["a,1900-01-01,5", "a,1900-03-01,5"],
}


@pytest.mark.parametrize("thin", THIN)
def test_what_the_data_are_too_thin_for_is_left_unsaid_with_the_reason(run: Run, thin: str, tmp_path: Path) -> None:
    log, page = visits(tmp_path / "log.csv", *THIN[thin]), tmp_path / "page.html"
    found = figures(run("report", log, "--out", page, "--language", "pt", "--json", "-"))
    assert found["rows"] == len(THIN[thin])
    assert found["model"] is None
    assert found["forecast"] is None
    assert found["withheld"]["forecast"]
    closed = [gate["reason"] for gate in found["gates"] if not gate["is_open"]]
    assert set(found["withheld"]["forecast"]) <= set(closed)
    if found["customers"]:
        assert all(reason in page.read_text() for reason in found["withheld"]["forecast"])


def test_dates_to_come_are_left_out_unless_a_day_is_named(run: Run, tmp_path: Path) -> None:
    log = visits(tmp_path / "log.csv", "a,2026-01-05,5", "b,2999-01-01,6")
    found = figures(run("report", log, "--json", "-"))
    assert (found["rows_rejected"], found["as_of"]) == (1, "2026-01-05")
    later = figures(run("report", log, "--as-of", "2999-06-01", "--json", "-"))
    assert (later["rows_rejected"], later["customers"]) == (0, 2)


REFUSALS: dict[str, tuple[list[str], str]] = {
    "no such file": (["nowhere.csv"], "There is no file nowhere.csv"),
    "a folder": (["."], "is a folder"),
    "an empty file": (["empty.csv"], "empty.csv: The file is empty"),
    "a header alone": (["header.csv"], "not one row below it"),
    "no such column": (["log.csv", "--columns", "amount=total"], "There is no column total. The file has: id, date"),
    "no such column in a formula": (["log.csv", "--columns", "amount=quantity*price"], "no column quantity"),
    "no such name": (["log.csv", "--columns", "client=id"], "There is no field client. Known are: customer_id, at"),
    "no pair": (["log.csv", "--columns", "id"], "'id' is no pair"),
    "the same name twice": (["log.csv", "--columns", "at=date,at=date"], "names at twice"),
    "amounts that are words": (["log.csv", "--columns", "amount=note"], "Not one of the 2 rows can be used"),
    "amounts that are dates": (["log.csv", "--columns", "amount=date"], "that column holds dates"),
    "dates that are amounts": (["log.csv", "--columns", "at=amount"], "that column holds no dates"),
    "no such currency": (["log.csv", "--currency", "ABC"], "ABC is not an ISO 4217 currency"),
    "no such language": (["log.csv", "--language", "fr"], "--language is one of en, es, pt"),
    "no such day": (["log.csv", "--as-of", "2026-02-30"], "--as-of"),
    "the end of the calendar": (["log.csv", "--as-of", "9999-12-31"], "name an earlier day"),
    "before the first purchase": (["log.csv", "--as-of", "1990-01-01"], "There is no purchase on or before 1990-01-01"),
    "the same file twice": (["log.csv", "./log.csv"], "is named twice"),
    "a page over its source": (["log.csv", "--out", "log.csv"], "would be lost"),
    "a page in no folder": (["log.csv", "--out", "nowhere/page.html"], "there is no folder nowhere"),
    "a page that is a folder": (["log.csv", "--out", "."], "is a folder"),
    "a summary": (["summary.csv"], "no log of purchases but a summary"),
    "no text at all": (["binary.csv"], "binary.csv: "),
    "an unknown encoding": (["log.csv", "--encoding", "klingon"], "no encoding named klingon"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_bad_input_is_refused_in_a_sentence(run: Run, refusal: str, tmp_path: Path) -> None:
    visits(tmp_path / "log.csv", "a,2026-01-05,5.5,gift", "b,2026-01-06,6.5,none", head="id,date,amount,note")
    visits(tmp_path / "header.csv")
    visits(tmp_path / "summary.csv", "1,2,30.43,38.86", head="ID,frequency,recency,T")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 20)
    arguments, sentence = REFUSALS[refusal]
    done = run("report", *arguments, "--json", "-")
    assert sentence in done.refused
    assert not (tmp_path / "page.html").exists()


def test_where_the_report_goes_has_to_be_said(run: Run, tmp_path: Path) -> None:
    log = visits(tmp_path / "log.csv", "a,2026-01-05,5")
    assert "--out report.html" in run("report", log).refused


def test_a_refused_report_leaves_the_last_one_as_it_is(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("yesterday's")
    assert run("report", "nowhere.csv", "--out", page).refused
    assert page.read_text() == "yesterday's"


def test_ids_are_text_on_the_page_whatever_they_hold(run: Run, tmp_path: Path) -> None:
    ids = [f"<script>alert({n})</script>&amp;" for n in range(60)]
    rows = [f"{ids[n % 60]},2025-{n % 12 + 1:02d}-{n % 28 + 1:02d},{10 + n % 7}" for n in range(900)]
    log, page = visits(tmp_path / "log.csv", *rows), tmp_path / "page.html"
    found = figures(run("report", log, "--out", page, "--as-of", "2026-01-20", "--json", "-"))
    assert found["calls"]
    assert found["calls"][0]["customer_id"] in ids
    assert "<script" not in page.read_text()
    assert "&lt;script&gt;" in page.read_text()


def test_help_says_what_it_does_and_how(run: Run, tmp_path: Path) -> None:
    done = run("report", "--help")
    text = " ".join(done.out.decode().split())
    assert done.code == 0
    for part in ("from a purchase log", "--columns", "--as-of", "--json", "querencia report sales.csv"):
        assert part in text
