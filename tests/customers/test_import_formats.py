"""What a file is, however it is written, and a sentence for what cannot be read."""

import gzip
import os
import stat
from datetime import date, datetime, time
from pathlib import Path

import pytest

from querencia.common.time import day_of
from querencia.customers.models import Purchase
from tests.customers.files import (
    bring_in,
    counts,
    json_lines,
    look,
    packed,
    parquet,
    reasons,
    table,
    workbook,
    write,
    zipped,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("business")]

HEADER = ("cliente", "fecha", "importe")
ROWS = [(f"Nuñez {n % 13}", f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}", f"{n}.{n % 100:02}") for n in range(1, 60)]
PLAIN = table(HEADER, ROWS)
EXPECTED = sorted((row[0], row[1], round(float(row[2]) * 100)) for row in ROWS)


def bought() -> list[tuple[str, str, int]]:
    rows = Purchase.objects.select_related("customer").order_by("pk")
    return sorted((p.customer.key, day_of(p.day).isoformat(), p.amount) for p in rows)


COMMAS = table(HEADER, [(a, b, c.replace(".", ",")) for a, b, c in ROWS], delimiter=";")
SPANISH = table(
    HEADER, [(a, "/".join(reversed(b.split("-"))), f"{c.replace('.', ',')} €") for a, b, c in ROWS], delimiter=";"
)
TITLED = "Informe de ventas\n\nTienda;Madrid\n\n" + COMMAS
WRITTEN = {
    "plain": PLAIN.encode(),
    "with a mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "windows": PLAIN.encode("windows-1252"),
    "old dos": PLAIN.encode("cp850"),
    "utf-16": PLAIN.encode("utf-16"),
    "utf-16 that does not say so": PLAIN.encode("utf-16-le"),
    "utf-16 with tabs": PLAIN.replace(",", "\t").encode("utf-16"),
    "semicolons and commas": COMMAS.encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "spanish": SPANISH.encode("windows-1252"),
    "all quoted": table(
        [f'"{c}"' for c in HEADER], [[f'"{c}"' for c in row] for row in ROWS], delimiter=";", end="\r\n"
    ).encode(),
    "carriage returns": PLAIN.replace("\n", "\r").encode(),
    "a title above": TITLED.encode("windows-1252"),
    "a title above, carriage returns": TITLED.replace("\n", "\r").encode(),
    "blank lines first": b"\n\n" + PLAIN.encode(),
    "blank rows between": PLAIN.replace("\n", "\n\n").encode() + b",,\n",
    "rows end with a separator": PLAIN.replace("\n", ",\n").encode(),
    "rows end with a separator, the header does not": (
        PLAIN.partition("\n")[0] + "\n" + PLAIN.partition("\n")[2].replace("\n", ",\n")
    ).encode(),
    "no end of line": PLAIN.rstrip("\n").encode(),
    "the end that old systems write": PLAIN.encode() + b"\x1a",
    "zero bytes": PLAIN.replace("Nuñez 7,", "Nuñez 7\x00,").encode(),
    "gzip": gzip.compress(PLAIN.encode()),
    "zip": zipped({"ventas/enero.csv": PLAIN, "__MACOSX/._enero.csv": "x"}),
    "json lines": json_lines(HEADER, ROWS),
    "json lines in gzip": gzip.compress(json_lines(HEADER, [(a, b, float(c)) for a, b, c in ROWS])),
    "parquet": parquet(HEADER, ROWS),
    "parquet with types": parquet(HEADER, [(a, date.fromisoformat(b), float(c)) for a, b, c in ROWS]),
    "workbook": workbook([HEADER, *[(a, date.fromisoformat(b), float(c)) for a, b, c in ROWS]]),
    "workbook of text": workbook([HEADER, *ROWS]),
    "workbook with a title and other sheets": workbook(
        [("Ventas",), (), (None, *HEADER), *[(None, a, datetime.fromisoformat(b), float(c)) for a, b, c in ROWS]],
        more={"Notas": [("nada",)]},
    ),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_the_same_purchases_however_they_are_written(way: str, tmp_path: Path) -> None:
    done = bring_in(write(tmp_path, "ventas", WRITTEN[way]))
    assert counts(done) == (len(ROWS), len(ROWS), 0, 0), done.reasons
    assert bought() == EXPECTED


def test_one_file_in_two_notations_is_one_log(tmp_path: Path) -> None:
    bring_in(write(tmp_path, "a.csv", WRITTEN["plain"]))
    for way in ("spanish", "workbook", "parquet with types", "json lines", "utf-16"):
        assert counts(bring_in(write(tmp_path, "b", WRITTEN[way]))) == (len(ROWS), 0, len(ROWS), 0)
    assert bought() == EXPECTED


@pytest.mark.slow
def test_a_letter_that_is_no_utf8_is_found_wherever_it_stands(tmp_path: Path) -> None:
    many = table(HEADER, [(n % 977, "2024-05-13", n) for n in range(60_000)])
    done = bring_in(write(tmp_path, "grande.csv", f"{many}Ibáñez,2024-05-13,1\n".encode("windows-1252")))
    assert done.file_format["encoding"] == "windows-1252"
    assert Purchase.objects.get(customer__key="Ibáñez").amount == 100


def test_no_header_no_names(tmp_path: Path) -> None:
    rows = [(f"c{n % 9}", f"{n % 28 + 1:02}/05/2024", f"{n},50") for n in range(40)]
    done = bring_in(write(tmp_path, "sin.csv", table((), rows, delimiter=";")))
    assert done.mapping == {"customer_key": "column 1", "at": "column 2", "amount": "column 3"}
    assert counts(done) == (40, 40, 0, 0)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "The file is empty."),
        ("blank.csv", b"\n\n  \n", "The file is empty."),
        ("header.csv", b"cliente,fecha,importe\n", "a header (cliente, fecha, importe) and not one row"),
        ("one.csv", b"a\n1\n2\n", "do not fall into columns"),
        ("noise.bin", bytes(range(256)) * 20, "binary data"),
        ("page.xls", b"<html><table><tr><td>1</td></tr></table></html>", "a web page or XML"),
        ("list.json", b'[{"a": 1}]', "one object a line"),
        ("broken.jsonl", b"{nope\n", "Row 1 is not a JSON object"),
        ("cut.csv.gz", gzip.compress(PLAIN.encode())[:-9], "damaged and cannot be unpacked"),
        ("cut.zip", zipped({"a.csv": PLAIN})[:-30], "damaged and cannot be unpacked"),
        ("two.zip", zipped({"a.csv": PLAIN, "b.csv": PLAIN}), "holds 2 files (a.csv, b.csv)"),
        ("none.zip", zipped({}), "holds no file"),
        ("x.xz", b"\xfd7zXZ\x00rest", "packed with xz"),
        ("x.parquet", b"PAR1" + b"x" * 50, "The Parquet file cannot be read"),
        ("x.xlsx", workbook([]), "The file is empty."),
        ("h.xlsx", workbook([HEADER]), "not one row below it"),
        ("twice.csv", b"id,date,total,total\n1,2024-01-01,1,2\n", "Two columns are named total (columns 3 and 4)"),
        ("summary.csv", b"ID,frequency,recency,T\n1,2,30.4,38.8\n", "no log of purchases but a summary"),
        ("visits.csv", b"cust,date\n1,2006-01-01\n", "not for how much"),
        ("stock.csv", b"sku,stock\nA,4\n", "it lacks the customer, the date, and the amount"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    seen = look(write(tmp_path, name, content))
    assert not seen.is_ready
    assert said in seen.problem
    assert "\n" not in seen.problem
    assert seen.code


def test_a_missing_file_a_folder_and_one_that_may_not_be_read(tmp_path: Path) -> None:
    assert look(tmp_path / "none.csv").problem == "There is no file none.csv."
    assert "is a folder" in look(tmp_path).problem
    secret = write(tmp_path, "secret.csv", PLAIN)
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        pytest.skip("this user may read everything")
    assert "may not be read" in look(secret).problem
    secret.chmod(stat.S_IRUSR)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_quotation_mark_that_never_closes_is_found_out(place: str, tmp_path: Path) -> None:
    torn = {"first": '"x,2024-01-01,3', "middle": 'x,"2024-01-01,3', "last": 'x,2024-01-01,"3'}[place]
    rows = PLAIN.partition("\n")[2]
    done = bring_in(write(tmp_path, "torn.csv", f"{PLAIN}{torn}\n{rows}"))
    assert done.status == "failed"
    assert '"row": 61' in done.error
    assert not Purchase.objects.exists()


def test_inches_are_no_quotation_marks(tmp_path: Path) -> None:
    rows = [(*row, 'tubo 5" x') for row in ROWS]
    assert counts(bring_in(write(tmp_path, "t.csv", table((*HEADER, "artículo"), rows)))) == (59, 59, 0, 0)


def test_rows_of_another_width_are_left_out_with_their_number(tmp_path: Path) -> None:
    text = PLAIN + "short,2024-01-01\n" + "long,2024-01-01,3,4,5\n" + "Ana,2024-01-01,3\n"
    done = bring_in(write(tmp_path, "t.csv", text))
    assert counts(done) == (62, 60, 0, 2)
    assert reasons(done) == {"broken_row": 2}
    assert done.reasons[0]["row"] == 61


def test_a_field_of_any_length_is_no_trouble(tmp_path: Path) -> None:
    text = PLAIN + "x" * 300_000 + ",2024-01-01,3\n" + "Ana,2024-01-01,3\n"
    done = bring_in(write(tmp_path, "t.csv", text))
    assert counts(done) == (61, 60, 0, 1)
    assert reasons(done) == {"customer_key_long": 1}


def test_the_decimal_comma_is_seen_and_can_be_told(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "id;date;total\na;2024-01-31;1.234\nb;2024-01-31;2.345\n")
    assert look(path).file_format["decimal"] == "."
    done = bring_in(path, file_format={"decimal": ","})
    assert sorted(Purchase.objects.values_list("amount", flat=True)) == [123_400, 234_500]
    assert done.file_format["decimal"] == ","


def test_the_order_of_dates_is_seen_said_and_can_be_told(tmp_path: Path) -> None:
    american = write(tmp_path, "us.csv", "id,date,total\na,2/13/2024,1\nb,3/4/2024,1\n")
    assert look(american).file_format["date_order"] == "mdy"
    assert look(american).notes == []
    either = write(tmp_path, "either.csv", "id,date,total\na,2/3/2024,1\nb,3/4/2024,1\n")
    assert look(either).file_format["date_order"] == "dmy"
    assert "2/3/2024 could be read in two ways" in look(either).notes[0]
    bring_in(either, file_format={"date_order": "mdy"})
    assert [day_of(p.day) for p in Purchase.objects.order_by("at")] == [date(2024, 2, 3), date(2024, 3, 4)]


def test_the_thirteenth_far_below_decides(tmp_path: Path) -> None:
    rows = [(n, f"{n % 12 + 1}/{n % 12 + 1}/2024", n) for n in range(40_000)]
    rows[30_000:] = [(n, f"{n % 12 + 1}/{n % 15 + 13}/2024", n) for n in range(10_000)]
    seen = look(write(tmp_path, "t.csv", table(("id", "date", "total"), rows)))
    assert (seen.file_format["date_order"], seen.notes) == ("mdy", [])


def test_a_date_in_several_columns(tmp_path: Path) -> None:
    clock = table(
        ("Cliente", "Fecha", "Hora", "Importe"), [("a", "13/01/2024", "10:30", 1), ("b", "2/1/2024", "9:05", 2)]
    )
    done = bring_in(write(tmp_path, "t.csv", clock))
    assert done.mapping["at"] == "Fecha+Hora"
    assert [p.at.strftime("%d %H:%M") for p in Purchase.objects.order_by("amount")] == ["13 09:30", "02 08:05"]
    book = workbook([("Cliente", "Fecha", "Hora", "Importe"), ("a", date(2024, 1, 13), time(10, 30), 1)])
    assert counts(bring_in(write(tmp_path, "t.xlsx", book))) == (1, 0, 1, 0)
    months = write(tmp_path, "m.csv", "member id,year,month,total\na,2017,1,5\na,2017,12,6\n")
    seen = look(months)
    assert seen.mapping["at"] == "year+month"
    assert seen.notes == ["The dates name no day: each counts as the first of its month."]
    bring_in(months, source="months")
    assert {day_of(p.day) for p in Purchase.objects.filter(source="months")} == {date(2017, 1, 1), date(2017, 12, 1)}
    refused = look(months, mapping={**seen.mapping, "at": "year-month"}, kind="purchases")
    assert "Date takes a column, or several joined by +" in refused.problem


def test_preview_shows_rows_as_they_are_understood(tmp_path: Path) -> None:
    rows = "c1;13/01/2024;1.234,50\n;14/01/2024;2\nc3;31/02/2024;3\n"
    seen = look(write(tmp_path, "t.csv", f"cliente;fecha;importe\n{rows}"), preview_rows=5)
    assert [(row.row, row.is_rejected) for row in seen.preview] == [(2, False), (3, True), (4, True)]
    assert seen.preview[0].values == {"customer_key": "c1", "at": "2024-01-13", "amount": "1234.50"}
    assert seen.preview[1].reason == "The row names no customer."
    assert seen.preview[2].values["at"] == "31/02/2024"


@pytest.mark.parametrize("packing", ["gzip", "zip"])
def test_what_is_packed_already_is_not_unpacked_twice(packing: str, tmp_path: Path) -> None:
    seen = look(write(tmp_path, "t", packed(workbook([HEADER, *ROWS]), packing)))
    assert seen.problem.startswith(f"The {packing} file holds a workbook or a Parquet file")
