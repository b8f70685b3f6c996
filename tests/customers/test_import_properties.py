"""Whatever is written, in whatever notation, comes back the same; and what is known already changes nothing."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from django.conf import settings
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from querencia.business.actions import set_business
from querencia.common import money
from querencia.customers.imports import dates, formulas, sorting, values
from querencia.customers.models import Purchase
from tests.customers.files import bring_in, counts, json_lines, packed, parquet, purchases, write

ZONE = ZoneInfo("Europe/Madrid")
LETTERS = "abcxyzABCXYZ0123456789ñÑçãéüÁ-_.@/#"
FEW = hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = hypothesis_settings(max_examples=100, deadline=None)

pytestmark = pytest.mark.django_db


@contextmanager
def fresh() -> Iterator[Path]:
    """A database as it was before, and a folder, for one example."""
    folder = Path(tempfile.mkdtemp(prefix="querencia-example-"))
    try:
        with transaction.atomic():
            set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
            yield folder
            transaction.set_rollback(True)
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(settings.IMPORTS_FOLDER, ignore_errors=True)


keys = st.text(LETTERS, min_size=1, max_size=12).filter(lambda key: values.customer_key(pl.Series([key]))[0] == key)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2025, 12, 30)).map(lambda moment: moment.replace(microsecond=0))
amounts = st.integers(-(10**9), 10**9)
row = st.tuples(keys, moments, amounts)


# -- notations ---------------------------------------------------------------------------------------------------------


def written_amount(minor: int, notation: dict[str, Any]) -> str:
    digits = f"{abs(minor) // 100:,}" if notation["groups"] else str(abs(minor) // 100)
    text = f"{digits}.{abs(minor) % 100:02}"
    if notation["decimal"] == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    # Latin-1 is older than the euro.
    marks = notation["mark"] if notation["encoding"] != "iso-8859-1" else ("", " EUR")
    sign, before, behind = notation["minus"], *marks
    if minor >= 0:
        return f"{before}{text}{behind}"
    return {"-": f"-{before}{text}{behind}", "()": f"({text})", "behind": f"{text}-"}[sign]


def quoted(cell: str, delimiter: str, always: bool) -> str:
    if always or delimiter in cell or '"' in cell or "\n" in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell


notations = st.fixed_dictionaries({
    "delimiter": st.sampled_from([",", ";", "\t", "|"]),
    "decimal": st.sampled_from([".", ","]),
    "groups": st.booleans(),
    "minus": st.sampled_from(["-", "()", "behind"]),
    "mark": st.sampled_from([("", ""), ("", " €"), ("€", ""), ("EUR ", "")]),
    "date": st.sampled_from([
        ("ymd", "%Y-%m-%d %H:%M:%S"), ("ymd", "%Y-%m-%dT%H:%M:%S"), ("ymd", "%Y/%m/%d %H:%M:%S"),
        ("ymd", "%Y%m%d%H%M%S"), ("dmy", "%d/%m/%Y %H:%M:%S"), ("dmy", "%d.%m.%Y %H:%M:%S"),
        ("dmy", "%d-%m-%y %H:%M:%S"),
        ("mdy", "%m/%d/%Y %I:%M:%S %p"), ("mdy", "%m/%d/%Y %H:%M:%S"), ("dmy", "%d de {month} de %Y %H:%M:%S"),
    ]),
    "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "windows-1252", "iso-8859-1"]),
    "end": st.sampled_from(["\n", "\r\n"]),
    "always": st.booleans(),
    "packing": st.sampled_from(["", "", "gzip", "zip"]),
    "order": st.permutations(["cliente", "fecha", "importe"]),
})  # fmt: skip
SPANISH = ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
           "noviembre", "diciembre")  # fmt: skip


def as_text(rows: Sequence[tuple[str, datetime, int]], notation: dict[str, Any]) -> bytes:
    shape = notation["date"][1]
    lines = [notation["order"]]
    for key, moment, minor in rows:
        when = moment.strftime(shape.replace("{month}", SPANISH[moment.month - 1]))
        cells = {"cliente": key, "fecha": when, "importe": written_amount(minor, notation)}
        lines.append([quoted(cells[name], notation["delimiter"], notation["always"]) for name in notation["order"]])
    text = notation["end"].join(notation["delimiter"].join(cells) for cells in lines) + notation["end"]
    return packed(text.encode(notation["encoding"]), notation["packing"])


def expected(rows: Sequence[tuple[str, datetime, int]]) -> list[tuple[str, int, date, int]]:
    return sorted((key, _seconds(moment), moment.date(), minor) for key, moment, minor in rows)


def _seconds(moment: datetime, zone: ZoneInfo = ZONE) -> int:
    """An hour that the clocks skipped is read as the one after it, one that they repeated as the first."""
    here = moment.replace(tzinfo=zone, fold=0)
    exists = here.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment.replace(fold=0)
    return int((here if exists else here + timedelta(hours=1)).timestamp())


def stored() -> list[tuple[str, int, date, int]]:
    found = Purchase.objects.select_related("customer")
    return sorted((p.customer.key, int(p.at.timestamp()), date.fromordinal(719_163 + p.day), p.amount) for p in found)


@pytest.mark.slow
@FEW
@given(rows=st.lists(row, min_size=1, max_size=20), notation=notations)
def test_any_log_in_any_notation_comes_back_the_same(
    rows: list[tuple[str, datetime, int]], notation: dict[str, Any]
) -> None:
    told: dict[str, Any] = {
        "date_order": notation["date"][0],
        "decimal": notation["decimal"],
        "encoding": notation["encoding"],
    }
    with fresh() as folder:
        path = write(folder, "log", as_text(rows, notation))
        mapping = {"customer_key": "cliente", "at": "fecha", "amount": "importe"}
        told |= {"delimiter": notation["delimiter"], "has_header": True}
        done = bring_in(path, kind="purchases", mapping=mapping, file_format=told)
        assert counts(done) == (len(rows), len(rows), 0, 0), (done.reasons, path.read_bytes())
        assert stored() == expected(rows)
        assert counts(bring_in(path, kind="purchases", mapping=done.mapping, file_format=done.file_format)) == (
            len(rows), 0, len(rows), 0,
        )  # fmt: skip


@pytest.mark.slow
@FEW
@given(rows=st.lists(row, min_size=20, max_size=40), notation=notations)
def test_how_a_log_is_written_is_found_out(rows: list[tuple[str, datetime, int]], notation: dict[str, Any]) -> None:
    """Everything but the encoding, which a few letters do not always show, and with one date that has to be so."""
    rows = [*rows, ("x1", datetime(2024, 1, 31, 10, 20, 30), 1234)]
    with fresh() as folder:
        path = write(folder, "log", as_text(rows, notation))
        done = bring_in(path, file_format={"encoding": notation["encoding"]})
        assert counts(done) == (len(rows), len(rows), 0, 0), (done.reasons, done.file_format, path.read_bytes())
        assert stored() == expected(rows)


@pytest.mark.slow
@FEW
@given(rows=st.lists(row, min_size=1, max_size=20))
def test_tables_with_types_are_the_same_log(rows: list[tuple[str, datetime, int]]) -> None:
    header = ("cliente", "fecha", "importe")
    exact = [(key, moment, Decimal(minor).scaleb(-2)) for key, moment, minor in rows]
    floats = [(key, moment, minor / 100) for key, moment, minor in rows]
    with fresh() as folder:
        assert counts(bring_in(write(folder, "a", parquet(header, exact))))[1:] == (len(rows), 0, 0)
        assert stored() == expected(rows)
        for content in (parquet(header, floats), json_lines(header, floats), json_lines(header, exact)):
            assert counts(bring_in(write(folder, "b", content))) == (len(rows), 0, len(rows), 0)
        assert stored() == expected(rows)


# -- facts -------------------------------------------------------------------------------------------------------------

numbered = st.lists(
    st.tuples(st.integers(1, 12), moments, amounts, st.sampled_from(["", "A-1", "B-2"]), st.integers(-5_000, 5_000)),
    min_size=1,
    max_size=30,
)
HEADER = ("order id", "customer id", "date", "amount", "sku", "quantity", "channel")


def lines_of(rows: Sequence[tuple[int, datetime, int, str, int]]) -> list[tuple[Any, ...]]:
    """Lines of orders: those of one order are one customer's."""
    return [
        (f"o{order}", f"c{order % 4}", moment, Decimal(amount).scaleb(-2), sku, Decimal(quantity).scaleb(-3), "web")
        for order, moment, amount, sku, quantity in rows
    ]


def as_csv(rows: Sequence[Sequence[Any]], header: Sequence[str] = HEADER) -> str:
    return "\n".join(",".join(map(str, cells)) for cells in [header, *rows]) + "\n"


@pytest.mark.slow
@FEW
@given(rows=numbered)
def test_lines_that_share_a_number_are_one_purchase(rows: list[tuple[int, datetime, int, str, int]]) -> None:
    with fresh() as folder:
        done = bring_in(write(folder, "t.csv", as_csv(lines_of(rows))), file_format={"decimal": "."})
        assert counts(done) == (len(rows), len(rows), 0, 0), done.reasons
        orders = defaultdict(list)
        for order, moment, amount, sku, quantity in rows:
            orders[f"o{order}"].append((moment, amount, sku, quantity))
        assert {p.key: p.amount for p in Purchase.objects.all()} == {
            key: sum(amount for _at, amount, _sku, _quantity in lines) for key, lines in orders.items()
        }
        for key, lines in orders.items():
            one = Purchase.objects.get(key=key)
            assert int(one.at.timestamp()) == min(_seconds(moment) for moment, *_rest in lines)
            found = list(one.lines.order_by("number").values_list("number", "sku", "quantity", "amount"))
            assert found == [
                (place, sku, Decimal(quantity).scaleb(-3), amount)
                for place, (_at, amount, sku, quantity) in enumerate(lines, 1)
            ]


@pytest.mark.slow
@FEW
@given(rows=numbered, data=st.data())
def test_split_merged_or_shuffled_files_make_one_database(
    rows: list[tuple[int, datetime, int, str, int]], data: st.DataObject
) -> None:
    """Whole purchases in any order, over any number of files, some of them twice."""
    lines = lines_of(rows)
    orders = sorted({line[0] for line in lines})
    with fresh() as folder:
        bring_in(write(folder, "all.csv", as_csv(lines)))
        whole = purchases()
    parts = data.draw(st.lists(st.lists(st.sampled_from(orders), unique=True, min_size=1), max_size=3))
    parts.append(data.draw(st.permutations(orders)))
    with fresh() as folder:
        total = new = unchanged = 0
        for number, part in enumerate(parts):
            mine = [line for order in part for line in lines if line[0] == order]
            read, fresh_rows, same, rejected = counts(bring_in(write(folder, f"{number}.csv", as_csv(mine))))
            assert (read, rejected) == (len(mine), 0)
            total, new, unchanged = total + read, new + fresh_rows, unchanged + same
        assert (new, new + unchanged) == (len(lines), total)
        assert purchases() == whole


@pytest.mark.slow
@FEW
@given(rows=st.lists(row, min_size=1, max_size=25), data=st.data())
def test_a_log_without_numbers_may_be_shuffled_too(rows: list[tuple[str, datetime, int]], data: st.DataObject) -> None:
    """Equal rows are as many purchases as there are rows."""
    rows += data.draw(st.lists(st.sampled_from(rows), max_size=5))
    header = ("cliente", "fecha", "importe")
    shuffled = data.draw(st.permutations(rows))
    text = [as_csv([(k, at, Decimal(a).scaleb(-2)) for k, at, a in each], header) for each in (rows, shuffled)]
    with fresh() as folder:
        assert counts(bring_in(write(folder, "a.csv", text[0]), file_format={"decimal": "."}))[1] == len(rows)
        before = purchases()
        again = bring_in(write(folder, "b.csv", text[1]), file_format={"decimal": "."})
        assert counts(again) == (len(rows), 0, len(rows), 0)
        assert purchases() == before
        assert stored() == expected(rows)


RUBBISH = ("", "0", "null", "-", "x", "2024-02-30", "1.2.3", "12,5,0", "∞", "31/12/2999", "1e99", "99999999999999999")


@pytest.mark.slow
@FEW
@given(
    rows=st.lists(
        st.tuples(
            st.one_of(keys, st.sampled_from(RUBBISH)),
            st.one_of(moments.map(str), st.sampled_from(RUBBISH)),
            st.one_of(amounts.map(lambda a: str(Decimal(a).scaleb(-2))), st.sampled_from(RUBBISH)),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_every_row_is_new_unchanged_or_rejected(rows: list[tuple[str, str, str]]) -> None:
    good = [("Ana", f"2024-01-{day:02}", "1.50") for day in range(1, 29)]
    text = as_csv(
        [[quoted(cell, ",", always=False) for cell in cells] for cells in [*good, *rows]], ("id", "date", "total")
    )
    told = {"decimal": ".", "date_order": "ymd", "encoding": "utf-8", "delimiter": ","}
    with fresh() as folder:
        path = write(folder, "t.csv", text)
        mapping = {"customer_key": "id", "at": "date", "amount": "total"}
        how: dict[str, Any] = {"kind": "purchases", "mapping": mapping, "file_format": told, "limit": 1.0}
        first = bring_in(path, **how)
        read, new, unchanged, rejected = counts(first)
        # A row of blanks alone is none.
        assert read == 28 + sum(any(cell.strip() for cell in cells) for cells in rows)
        assert read == new + rejected
        assert unchanged == 0
        assert Purchase.objects.count() == new
        assert counts(bring_in(path, **how)) == (read, 0, new, rejected)
        assert sum(r["count"] for r in first.reasons if not r["is_warning"]) == rejected


# -- money, dates, order -----------------------------------------------------------------------------------------------

scraps = st.text("0123456789.,-+() €$'RUSD\u00a0−", max_size=12)


@MANY
@given(text=st.one_of(scraps, amounts.map(lambda a: f"{a / 100:,.2f}"), amounts.map(str)), comma=st.booleans())
def test_a_column_of_amounts_is_read_as_one_amount_is(text: str, comma: bool) -> None:
    try:
        alone: int | None = money.to_minor(money.parse(text, decimal_comma=comma), "EUR")
    except ValueError:
        alone = None
    column = values.fits(values.scaled(pl.Series([text, "1"]), decimal="," if comma else ".", scale=2))
    assert column[0] == alone


prices = st.decimals(-(10**6), 10**6, places=4, allow_nan=False)
quantities = st.decimals(-(10**4), 10**4, places=3, allow_nan=False)


@MANY
@given(pairs=st.lists(st.tuples(quantities, prices), min_size=1, max_size=8))
def test_formulas_are_exact_and_half_a_cent_goes_to_the_even_neighbour(pairs: list[tuple[Decimal, Decimal]]) -> None:
    texts = {"q": [str(q) for q, _p in pairs], "p": [str(p) for _q, p in pairs]}
    for text, reckon in FORMULAS.items():
        formula = formulas.parse(text, ["q", "p"])
        numbers = {
            name: values.scaled(pl.Series(texts[name]), decimal=".", scale=formulas.COLUMN_SCALE)
            for name in formula.columns
        }
        found = formula.reckon(numbers, 2).to_list()
        assert found == [_cents(reckon(q, p)) for q, p in pairs]


FORMULAS = {
    "q*p": lambda q, p: q * p,
    "q * p - p": lambda q, p: q * p - p,
    "-(q + 2.5) * p": lambda q, p: -(q + Decimal("2.5")) * p,
    "q*p*1.21": lambda q, p: q * p * Decimal("1.21"),
}


def _cents(amount: Decimal) -> int | None:
    exact = int(amount.scaleb(2, money.EXACT).to_integral_value(ROUND_HALF_EVEN, money.EXACT))
    return exact if abs(exact) <= money.MINOR_MAX else None


@MANY
@given(moment=moments, zone=st.sampled_from(["Europe/Madrid", "America/Sao_Paulo", "America/New_York", "UTC"]),
       shape=st.sampled_from([("%Y-%m-%d %H:%M:%S", ""), ("%d/%m/%Y %H:%M", ""), ("%Y-%m-%d", ""), ("%d-%m-%Y", ""),
                              ("%Y-%m-%dT%H:%M:%S", "Z"), ("%Y-%m-%d %H:%M:%S", "+02:00")]))  # fmt: skip
def test_moments_are_those_of_the_calendar(moment: datetime, zone: str, shape: tuple[str, str]) -> None:
    plain, behind = shape
    text = moment.strftime(plain)
    local = datetime.strptime(text, plain)
    found = dates.read(pl.Series([text + behind, None, "no date"]), order="dmy", zone=zone)
    if behind:
        aware = local.replace(tzinfo=UTC) - timedelta(hours=0 if behind == "Z" else 2)
        day, seconds = aware.astimezone(ZoneInfo(zone)).date(), int(aware.timestamp())
    else:
        day, seconds = local.date(), _seconds(local, ZoneInfo(zone))
    assert found["at"].to_list() == [seconds, None, None]
    assert found["day"].to_list() == [(day - date(1970, 1, 1)).days, None, None]


@FEW
@given(data=st.data())
def test_rows_come_back_by_key_with_no_key_torn_apart(data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.text("abc~", min_size=1, max_size=3), min_size=1, max_size=200))
    frame = pl.DataFrame({"key": rows, "row": range(len(rows))}, schema={"key": pl.String, "row": pl.Int64})
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "RUN_ROWS", data.draw(st.integers(1, 60)))
        patch.setattr(sorting, "PIECE_ROWS", data.draw(st.integers(1, 10)))
        patch.setattr(sorting, "BATCH_ROWS", data.draw(st.integers(1, 50)))
        with sorting.ByKey(Path(folder) / "runs") as sort:
            for part in frame.iter_slices(data.draw(st.integers(1, 40))):
                sort.add(part)
            batches = list(sort.batches())
        assert not (Path(folder) / "runs").exists()
    assert pl.concat(batches).rows() == sorted(frame.rows())
    seen = [set(batch["key"]) for batch in batches]
    assert sum(map(len, seen)) == len(set(rows))


def test_too_many_rows_of_one_key_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, size in (("RUN_ROWS", 100), ("PIECE_ROWS", 10), ("BATCH_ROWS", 20), ("SAME_KEY_MAX", 50)):
        monkeypatch.setattr(sorting, name, size)
    with sorting.ByKey(tmp_path) as sort:
        for start in range(0, 1000, 50):
            rows = range(start, start + 50)
            sort.add(pl.DataFrame({"key": ["shop 1"] * 50, "row": rows}, schema={"key": pl.String, "row": pl.Int64}))
        with pytest.raises(sorting.TooManyAlike) as fault:
            list(sort.batches())
    assert fault.value.row["key"] == "shop 1"
