"""The harness of the benchmarks: it measures what it says, and small runs work."""

import datetime
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import data, machine, measuring, registry, telling

ROOT = Path(__file__).parent.parent
TRIAL = '''
import subprocess, sys, time
from benchmarks.registry import Skipped, benchmark

HOLD = "held = bytearray(200_000_000); import time; time.sleep(0.3)"

@benchmark(cases=["sleep", "child", "skip", "nothing"])
def run(case, measure):
    """Trial.

    In two paragraphs.
    """
    if case == "skip":
        raise Skipped("there is no sea: move to the coast")
    if case == "nothing":
        return
    with measure(rows=1_000, unit="sheep"):
        if case == "child":
            subprocess.run([sys.executable, "-c", HOLD], check=True)
        else:
            time.sleep(0.1)
    measure.note("dreams", "2")
'''


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> registry.Benchmark:
    monkeypatch.setenv("QUERENCIA_BENCH_DIR", str(tmp_path / "bench"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "trial.py").write_text(TRIAL)
    monkeypatch.setattr(registry, "BENCHMARKS", {})
    sys.modules.pop("trial", None)
    importlib.invalidate_caches()
    importlib.import_module("trial")
    return registry.BENCHMARKS["trial"]


def test_a_case_is_timed_in_processes_of_its_own(trial: registry.Benchmark) -> None:
    result = measuring.measure(trial, "sleep")
    assert (result.rows, result.unit, result.notes, result.runs) == (1_000, "sheep", {"dreams": "2"}, 3)
    assert 0.1 <= result.seconds < 1
    assert 5e6 < result.peak_bytes < 150e6
    assert list(data.folder().iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_children_counts(trial: registry.Benchmark) -> None:
    assert measuring.measure(trial, "child").peak_bytes > 200e6


def test_what_cannot_run_is_skipped_with_its_reason(trial: registry.Benchmark) -> None:
    result = measuring.measure(trial, "skip")
    assert result.skipped == "there is no sea: move to the coast"


def test_a_benchmark_that_measures_nothing_fails(trial: registry.Benchmark) -> None:
    with pytest.raises(measuring.Failed, match="put what is to be timed under"):
        measuring.measure(trial, "nothing")


def test_the_page_joins_what_was_measured_before(trial: registry.Benchmark, tmp_path: Path) -> None:
    telling.remember([measuring.Result("trial", "sleep", 2.0, 1_000, "sheep", 50_000_000, 3, {"dreams": "2"})])
    results = telling.remember([measuring.Result("trial", "skip", skipped="no sea")])
    page = tmp_path / "benchmarks.md"
    telling.write(page, results, {"trial": trial}, machine.facts(), datetime.date(2026, 1, 2))
    text = page.read_text()
    assert "Measured on 2026-01-02" in text
    assert "## trial\n\nTrial.\n\nIn two paragraphs.\n" in text
    assert "| sleep | 1,000 sheep | 2.00 s | 500 | 50 MB | dreams 2 |" in text
    assert "| skip |  |  |  |  | skipped: no sea |" in text
    assert str(ROOT) not in text


def test_a_simulated_shop_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERENCIA_BENCH_DIR", str(tmp_path))
    (tmp_path / "shop-50-by-3-3y-time-csv@older").mkdir()
    first = data.shop(50, purchases_per_customer=3, csv=True)
    made = first.purchases.stat().st_mtime_ns
    again = data.shop(50, purchases_per_customer=3, csv=True)
    assert again == first
    assert again.purchases.stat().st_mtime_ns == made
    assert again.purchases_csv is not None
    assert again.purchases_csv.exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unknown_benchmark_is_named_with_those_there_are() -> None:
    command = [sys.executable, "-m", "benchmarks", "sheep"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no benchmark called sheep" in " ".join(done.stderr.split())
    assert "simulate" in done.stderr


@pytest.mark.bench
@pytest.mark.parametrize("name", registry.load())
def test_every_benchmark_runs_on_small_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERENCIA_BENCH_DIR", str(tmp_path))
    command = [sys.executable, "-m", "benchmarks", name, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
