"""The measuring of forecasts measures what it says, and its section of the page stays beside the others."""

import dataclasses
import datetime
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import accuracy, telling
from benchmarks.accuracy import REFEREE, Row, Said
from querencia.insight import tables


def test_errors_are_what_they_are_called() -> None:
    actual = np.array([0.0, 0.0, 1.0, 3.0])
    expected, chance = np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.8, 0.9])
    said = Said("somebody", "model", expected, chance, chance, np.zeros(4), np.array([0.0, 1.0, 2.0, 2.0]))
    values = accuracy._measured(said, actual)
    assert values["mae"] == pytest.approx(3 / 4)
    assert values["rmse"] == pytest.approx((5 / 4) ** 0.5)
    assert values["total"] == pytest.approx(3 / 4 - 1)
    assert values["auc"] == 1
    assert values["brier"] == pytest.approx((0.01 + 0.04 + 0.04 + 0.01) / 4)
    assert values["within"] == pytest.approx(3 / 4)
    both = accuracy._measured(Said("two figures", "ours", expected, chance, chance, likely=actual), actual)
    assert (both["mae"], both["mae of the mean"]) == (0, pytest.approx(3 / 4))
    unsure = accuracy._measured(Said("peer", "peer", expected, None, chance), actual)
    assert unsure["brier"] is None
    assert unsure["within"] is None


@pytest.mark.bench
def test_every_log_is_tried_on_days_of_its_past() -> None:
    sold = [(n, day, 100) for n in range(90) for day in range(n % 20, 300, 9 + n % 50)]
    log = pl.DataFrame(sold, schema=["customer_id", "day", "amount"], orient="row")
    rows = list(accuracy._tried("small", tables.purchases(log, unit="minor"), None))
    assert len({(row.known_days, row.ahead_days) for row in rows}) == len(accuracy.CUTS)
    assert len({row.who for row in rows}) == 9
    picks = [row for row in rows if row.who == REFEREE]
    assert len(picks) == len(accuracy.CUTS)
    assert all(np.isfinite([v for v in row.values.values() if v is not None]).all() for row in rows)
    lines = list(accuracy._lines(rows))
    assert all(len(line) == len(accuracy.COLUMNS) for line in lines)


def test_both_commands_write_the_page_without_losing_the_others_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    monkeypatch.setattr(accuracy, "PAGE", page)
    monkeypatch.setattr(accuracy, "ROOT", tmp_path)
    values = dict.fromkeys(accuracy.MEASURES, 0.5)
    rows = [
        Row("small", 10, 5, 3, REFEREE, "ours", values),
        Row("small", 10, 5, 3, "same again", "rule of thumb", values),
    ]
    accuracy._write(rows)
    telling.write(page, [], {}, {"processor": "one"}, datetime.date(2026, 1, 1))
    assert page.read_text().count("## accuracy") == 1
    assert "processor: one" in page.read_text()
    accuracy._write(rows)
    assert page.read_text().count("## accuracy") == 1
    assert "processor: one" in page.read_text()


def test_the_pick_is_held_against_the_best_of_each_day() -> None:
    def row(who: str, kind: str, **values: float) -> Row:
        return Row("small", 10, 5, 3, who, kind, dict.fromkeys(accuracy.MEASURES, 0.5) | values)

    rows = [
        row(REFEREE, "ours", mae=0.6, total=-0.1, auc=0.8),
        row("same again", "rule of thumb", mae=0.5, total=0.05, auc=0.9),
        row("past rate", "rule of thumb", mae=0.8, total=0.3, auc=0.7),
    ]
    rows[0] = dataclasses.replace(rows[0], between={("rules", "mae"): (1.02, 1.3), ("rules", "auc"): (0.9, 1.2)})
    told = {line.split(" | ")[0].strip("| "): line for line in accuracy._summary(rows) if line.startswith("| ")}
    assert told["MAE"].startswith("| MAE | 1 | 1.200 | 1.200 | 1 of 1 | 1 of 1 |")
    assert told["total, in points"].startswith("| total, in points | 1 | +5.0% | +5.0% | 1 of 1 |")
    assert told["AUC, inverse"].startswith("| AUC, inverse | 1 | 1.125 | 1.125 | 1 of 1 | 0 of 1 |")
    assert told["RMSE"].startswith("| RMSE | 1 | 1.000 | 1.000 | 0 of 1 |")
    assert "| small | 10 d | 5 d | MAE | same again | 1.200 | 1.020 to 1.300 |" in list(accuracy._exceptions(rows))


def test_what_is_worse_by_chance_alone_is_told_from_what_is_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "DRAWS", 60)
    random = np.random.default_rng(3)
    actual = random.poisson(1.0, 800).astype(np.float64)
    noise = random.normal(0, 1, (2, 800))
    good, same, bad = (
        Said(who, "rule of thumb", expected, None, expected)
        for who, expected in (("good", 1 + noise[0]), ("same", 1 + noise[1]), ("bad", 1.5 + noise[1]))
    )
    low, high = accuracy._by_chance(bad, good, actual, "mae")
    assert 1.01 < low < high
    low, high = accuracy._by_chance(same, good, actual, "mae")
    assert low < 1 < high
    low, high = accuracy._by_chance(bad, good, actual, "total")
    assert low > 0.3
    ordered = Said("by order", "ours", good.expected, None, good.expected, order=actual)
    assert accuracy._measured(ordered, actual)["top tenth"] > accuracy._measured(good, actual)["top tenth"]  # type: ignore[operator]


def test_an_unknown_log_is_named_with_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.accuracy", "sheep"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no log called 'sheep'" in done.stderr
    assert "CDNOW" in done.stderr
