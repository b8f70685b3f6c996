"""A forecast explained: who was tried, how each did, and that no figure is better than it was."""

import datetime
import json
import re
from typing import Any

import polars as pl
import pytest

from querencia.insight import forecast, gates, language, samples, tables
from querencia.insight.forecast import explained, explained_page
from tests.insight.logs import log

DAY = datetime.date(1998, 3, 31)
HORIZON = 91
LANGUAGES = ("en", "es", "pt")


def sample() -> pl.DataFrame:
    return samples.cdnow().filter(pl.col("customer_id").cast(pl.Int64) % 5 == 0)


@pytest.fixture(scope="module")
def chosen() -> forecast.Forecast:
    made: forecast.Forecast = forecast.prepare(sample(), as_of=DAY, horizon_days=HORIZON)
    return made


@pytest.fixture(scope="module")
def facts(chosen: forecast.Forecast) -> dict[str, Any]:
    checked = gates.check(sample(), as_of=DAY, horizon_days=HORIZON)
    return explained.explain(chosen, currency="usd", gates=checked)


def test_facts_are_plain_and_name_every_candidate_that_stood(facts: dict[str, Any], chosen: forecast.Forecast) -> None:
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert chosen.backtest is not None
    stood = {trial.name for trial in chosen.backtest.trials}
    for question in facts["questions"][:2]:
        assert {row["name"] for row in question["rows"]} == stood
    away = {name for one in facts["absent"] for name in one["names"]}
    assert stood | away == {kind.name for kind in forecast.CANDIDATES}
    assert (
        facts["rounds"][0]["customers"]
        == sample().filter(pl.col("day") <= tables.day_number(DAY) - HORIZON)["customer_id"].n_unique()
    )


def test_what_the_rounds_say_happened_did_happen(facts: dict[str, Any]) -> None:
    bought = tables.days(sample(), as_of=DAY).filter(pl.col("is_purchase"))
    assert len(facts["rounds"]) == 2
    for one in facts["rounds"]:
        origin = tables.day_number(datetime.date.fromisoformat(one["origin"]))
        known = bought.filter(pl.col("day") <= origin)["customer_id"].unique()
        after = bought.filter(pl.col("day").is_between(origin + 1, origin + one["days"]))
        after = after.filter(pl.col("customer_id").is_in(known.implode()))
        assert origin + one["days"] <= tables.day_number(DAY)
        assert (one["purchases_seen"], one["buyers_seen"]) == (len(after), after["customer_id"].n_unique())


def test_the_winner_is_set_against_the_best_rule(facts: dict[str, Any], chosen: forecast.Forecast) -> None:
    count = next(question for question in facts["questions"] if question["name"] == "count")
    assert chosen.backtest is not None
    assert (count["winner"], count["rule"]) == (chosen.model, chosen.backtest.simple)
    by_name = {row["name"]: row for row in count["rows"]}
    assert by_name[count["rule"]]["against_rule"] == 0
    expected = 1 - by_name[count["winner"]]["loss"] / by_name[count["rule"]]["loss"]
    assert count["beats_rule_by"] == pytest.approx(expected)
    assert all(row["against_rule"] >= 0 for row in count["rows"] if row["kind"] == "rule")


def test_nothing_after_the_day_changes_anything(facts: dict[str, Any]) -> None:
    cut = sample().filter(pl.col("day") <= tables.day_number(DAY))
    checked = gates.check(cut, as_of=DAY, horizon_days=HORIZON)
    assert (
        explained.explain(forecast.prepare(cut, as_of=DAY, horizon_days=HORIZON), currency="USD", gates=checked)
        == facts
    )


def test_a_winner_that_beat_no_rule_is_said_not_to(facts: dict[str, Any]) -> None:
    def page(beats: float | None, *, winner: str = "Pareto/NBD") -> str:
        question = {**facts["questions"][1], "winner": winner, "rule": "hiatus rule", "beats_rule_by": beats}
        return explained_page.html({**facts, "questions": [question]})

    assert "did not beat the best rule of thumb (hiatus rule): its error was 1.2% above" in page(-0.012)
    assert "its error was 4.0% below" in page(0.04)
    assert "No candidate clearly beat" in page(0.0, winner="hiatus rule")
    assert "that did not err" in page(None)


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_holds_everything_in_one_file(facts: dict[str, Any], code: str) -> None:
    page = explained_page.html(facts, language=code, title="<b>log</b>.csv")
    assert f'<html lang="{code}">' in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="', page)
    assert "&lt;b&gt;log&lt;/b&gt;.csv" in page
    assert page.count("<svg") == 2
    assert page.count("<details>") == 2
    assert "None" not in page


def test_nothing_on_the_page_is_english_only(facts: dict[str, Any]) -> None:
    withheld = {"forecast": ["-"], "value": ["-"]}
    told = {
        **facts,
        "withheld": withheld,
        "absent": [{"reason": r, "names": ["BG/NBD"]} for r in ("lessons", "histories")],
    }
    pages = {code: texts(explained_page.html(told, language=code)) for code in LANGUAGES}
    shared = re.compile(r"Querencia|NBD|Gamma-Gamma|^No$|^[\d\W]+$")
    assert len(pages["en"]) > 60
    for code in ("es", "pt"):
        assert {text for text in pages["en"] & pages[code] if not shared.search(text)} == set()


def texts(page: str) -> set[str]:
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return {text for piece in re.split(r"<[^>]+>", body) if re.search(r"[a-z]{3}", text := " ".join(piece.split()))}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_thin_log_claims_nothing_and_says_why(code: str) -> None:
    few = log(("a", 20_000, 500), ("a", 20_010, 500), ("b", 20_005, 900))
    with language.spoken(code):
        checked = gates.check(few, as_of=20_030, horizon_days=90)
        chosen = forecast.prepare(few, as_of=20_030, horizon_days=90)
        page = explained_page.html(explained.explain(chosen, gates=checked), language=code)
        assert all(gate.reason in page for gate in gates.closed(checked, "forecast"))
    assert {"en": "nothing is claimed", "es": "no se promete nada", "pt": "nada se promete"}[code] in page
    assert "<svg" not in page
    assert "None" not in page


def test_a_log_without_customers_has_a_page(facts: dict[str, Any]) -> None:
    empty = explained.explain(forecast.prepare(log(), as_of=20_000, horizon_days=30))
    assert (empty["customers"], empty["questions"]) == (0, [])
    assert "0 customers" in explained_page.html(empty)
