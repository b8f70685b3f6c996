"""Whatever engine reckons, a run says the same of every customer and of every day."""

import math
from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import settings

from querencia.customers.models import Score
from querencia.measures import actions, backfill, engine
from querencia.measures.models import Finding, Measure, Run
from tests.measures import shop

pytestmark = pytest.mark.django_db(transaction=True)
OF_THE_RUN = ("run_id", "updated_at", "id", "cell_id")


def young_trade() -> list[shop.Bought]:
    """Some months of a shop: few month ends to reckon, enough for every figure."""
    opened = date(2025, 9, 1)
    rows: list[shop.Bought] = []
    for number in range(90):
        rhythm, start = 4 + number % 13, opened + timedelta(days=number % 40)
        until = shop.NOW.date() - timedelta(days=1 if number % 4 else 30 + number)
        times = max(2, (until - start).days // rhythm)
        rows += shop.every(rhythm, key=f"c{number}", start=start, times=times, amount=1_000 + 350 * (number % 20))
    return rows


def said(monkeypatch: pytest.MonkeyPatch, wanted: str) -> dict[str, list[dict[str, Any]]]:
    """What a run with an engine leaves, without what says which run it was."""
    monkeypatch.setitem(settings.ANALYTICS, "engine", wanted)
    run = actions.run(at=shop.NOW)
    assert run.status == Run.Status.DONE, run.error
    scores = Score.objects.select_related("cell").order_by("pk")
    cells = ("abc", "segment", "stage", "risk", "branch", "channel")
    found = [dict(vars(score)) | {name: getattr(score.cell, name) for name in cells} for score in scores]
    tables = {
        "scores": found,
        "measures": list(Measure.objects.order_by("day").values()),
        "findings": list(Finding.objects.order_by("name").values()),
    }
    Measure.objects.all().delete()
    return {
        name: [{key: value for key, value in row.items() if key not in OF_THE_RUN and key != "_state"} for row in rows]
        for name, rows in tables.items()
    }


def differing(ours: Any, theirs: Any, at: str = "") -> list[str]:
    """Where two results differ: the last digits of floats apart, and a cent where money was rounded."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and set(ours) == set(theirs):
        return [told for name in ours for told in differing(ours[name], theirs[name], f"{at}.{name}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [
            told for n, pair in enumerate(zip(ours, theirs, strict=True)) for told in differing(*pair, f"{at}[{n}]")
        ]
    if isinstance(ours, float) and isinstance(theirs, float) and math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-9):
        return []
    return [] if ours == theirs else [f"{at}: {ours!r} is not {theirs!r}"]


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["polars", pytest.param("spark", marks=pytest.mark.engines)])
def test_every_engine_scores_and_measures_alike(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if wanted == "spark":
        from tests.insight.logs import spark

        spark()  # its session serves here too
    # However slow the engine, as many month ends.
    monkeypatch.setattr(backfill, "SECONDS_MAX", 3_600.0)
    shop.open_business()
    bought = shop.sell(young_trade(), branch="Centro", channel="shop", cost=600)
    shop.sell([("c1", date(2026, 2, 20), -1_350)], refund_of=bought[30].key)
    expected = said(monkeypatch, "duckdb")
    assert len(expected["scores"]) == 90
    assert len(expected["measures"]) >= 5
    assert any(score["chance_of_purchase"] for score in expected["scores"])
    assert differing(said(monkeypatch, wanted), expected)[:5] == []
    # Nothing is left of what the engines handed each other.
    assert not list(settings.COLUMNS_FOLDER.glob("desk-*"))


@pytest.mark.parametrize(
    ("size", "mebibytes"), [("1GB", 953), ("1.5 GiB", 1536), ("800MB", 762), ("2tib", 2_097_152), ("80%", 1024)]
)
def test_memory_is_told_to_spark_in_its_own_words(size: str, mebibytes: int) -> None:
    assert engine.mebibytes(size) == mebibytes
