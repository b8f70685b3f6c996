"""A report as plain facts, and as one page in three languages."""

import datetime
import json
import re
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from querencia.insight import language, report, tables
from tests.insight.logs import CDNOW_COLUMNS, ENGINES, cdnow, log

LANGUAGES = ("en", "es", "pt")


def sample(engine: str = "polars") -> Any:
    table = cdnow().filter(pl.col("id").cast(pl.Int64) % 6 == 0)
    return tables.purchases(ENGINES[engine](table), columns=CDNOW_COLUMNS, currency="USD")


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    return report.build(sample(), currency="USD")


def spoken(code: str, purchases: Any, **given: Any) -> str:
    with language.spoken(code):
        return report.html(report.build(purchases, **given), language=code)


def texts(page: str) -> set[str]:
    """What a reader reads, piece by piece: no marks, no style, nothing that is all figures."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return {text for piece in re.split(r"<[^>]+>", body) if re.search(r"[a-z]{3}", text := " ".join(piece.split()))}


@pytest.mark.parametrize("engine", ["duckdb", "pandas", "pyarrow", "polars lazy"])
def test_every_engine_gives_the_same_facts(engine: str, facts: dict[str, Any]) -> None:
    found = report.build(sample(engine), currency="USD")
    exact = {name for name in facts if name not in ("model", "forecast", "at_stake", "calls", "curve")}
    assert {name: found[name] for name in exact} == {name: facts[name] for name in exact}
    assert found["forecast"]["model"] == facts["forecast"]["model"]
    assert [call["customer_id"] for call in found["calls"]] == [call["customer_id"] for call in facts["calls"]]
    assert float(found["at_stake"]["amount"]) == pytest.approx(float(facts["at_stake"]["amount"]), rel=1e-4)


def test_duckdb_is_left_as_it_was_found() -> None:
    import duckdb

    desk = duckdb.connect()
    made = desk.from_arrow(sample().to_arrow())
    made.create("purchases")
    report.build(desk.table("purchases"), currency="USD")
    assert desk.sql("SELECT table_name FROM duckdb_tables()").fetchall() == [("purchases",)]


def test_facts_are_strict_json_and_add_up(facts: dict[str, Any]) -> None:
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["rows"], facts["as_of"]) == (len(sample()), "1998-06-28")
    assert sum(facts["stages"].values()) == facts["customers"]
    assert sum(one["customers"] for one in facts["classes"].values()) == facts["customers"]
    assert sum(one["customers"] for one in facts["segments"]) == facts["customers"]
    cells = {(cell["cohort"], cell["period"]): cell for cell in facts["cohorts"]["rows"]}
    assert sum(cell["customers"] for (_start, period), cell in cells.items() if period == 0) == facts["customers"]
    assert facts["curve"][-1] == {"customer_share": 1.0, "value_share": 1.0}
    months = facts["defections"]["rows"]
    for before, after in pairwise(months):
        assert after["active"] == before["active"] + after["new"] + after["returned"] - after["defections"]


def test_a_day_to_look_from_hides_what_came_later() -> None:
    day = datetime.date(1997, 12, 31)
    purchases = sample()
    early = purchases.filter(pl.col("day") <= tables.day_number(day))
    late, cut = (report.build(each, currency="USD", as_of=day, rows_read=1) for each in (purchases, early))
    assert late == cut
    assert late["as_of"] == "1997-12-31"


def test_the_interval_of_the_total_holds_the_error_of_the_trial(facts: dict[str, Any]) -> None:
    ahead = facts["forecast"]
    half = (ahead["expected_purchases_high"] - ahead["expected_purchases_low"]) / 2
    assert half >= 1.9 * abs(ahead["total_error"]) * ahead["expected_purchases"]
    assert half > 1.9 * ahead["expected_purchases"] ** 0.5 * 0.8
    assert float(ahead["expected_spend_low"]) < float(ahead["expected_spend"]) < float(ahead["expected_spend_high"])


@pytest.mark.parametrize("currency", ["JPY", "KWD", "EUR", ""])
def test_money_is_written_with_the_decimals_of_its_currency(currency: str) -> None:
    found = report.build(log(("a", 20_000, 1_234_567), ("b", 20_001, -5)), currency=currency)
    assert found["revenue"] == {"JPY": "1234562", "KWD": "1234.562", "EUR": "12345.62", "": "12345.62"}[currency]
    assert found["currency"] == (currency or None)
    assert "12" in report.html(found)


@pytest.mark.parametrize("code", LANGUAGES)
def test_an_empty_log_gives_a_page_that_says_so(code: str) -> None:
    found = report.build(log(), currency="EUR")
    assert (found["customers"], found["revenue"], found["as_of"], found["model"]) == (0, "0.00", None, None)
    assert set(found["withheld"]) >= {"retention", "forecast", "pareto"}
    said = {"en": "There is no purchase to speak of.", "es": "No hay ninguna compra", "pt": "Não há nenhuma compra"}
    assert said[code] in report.html(found, language=code)


@pytest.mark.slow
def test_nothing_on_the_page_is_english_only() -> None:
    given = {
        "currency": "USD",
        "rows_later": 3,
        "sources": [{"file": "log.csv", "rows": 9, "columns": {"at": "D"}, "guessed": ["at"], "notes": []}],
    }
    refunded = pl.concat([sample(), log(("0006", 10_300, -500))], how="vertical_relaxed")
    found = report.build(refunded, **given)
    pages = {code: texts(report.html(found, language=code)) for code in LANGUAGES}
    # What is the same everywhere: names of models and of what the file holds, and a few words that are both.
    shared = re.compile(r"log\.csv|at ← D|Querencia|^\d\d\d\d|NBD|blend|Class|^A$|^B$|^C$|^[\d\W]+$")
    assert len(pages["en"]) > 40
    for code in ("es", "pt"):
        assert {text for text in pages["en"] & pages[code] if not shared.search(text)} == set()


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_withheld_is_explained_where_it_would_stand(code: str) -> None:
    page = spoken(code, log(*((f"c{n}", 20_000 + n % 9, 500) for n in range(40))), currency="EUR")
    withheld = {"en": "Therefore not shown:", "es": "Por eso no se muestra", "pt": "Por isso não se mostra"}
    assert withheld[code] in page
    assert "None" not in page


def test_the_headline_speaks_of_a_month_that_is_over() -> None:
    day = datetime.date(1998, 6, 12)
    page = spoken("en", sample(), currency="USD", as_of=day)
    heading = " ".join(re.sub(r"<[^>]+>", "", page.partition("<h1>")[2].partition("</h1>")[0]).split())
    assert heading.startswith("In May 1998")
    assert "June 1998 is not over yet." in page


def test_the_pictures_of_a_page_do_not_share_their_parts(facts: dict[str, Any]) -> None:
    page = report.html(facts)
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(names)
    assert "prefers-color-scheme" in page or "light-dark(" in page
    assert "June 28, 1998" in page
