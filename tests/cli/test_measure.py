"""`querencia measure`, the real command on a real database."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connection

from querencia.common.time import now
from querencia.customers.models import Score
from querencia.measures import queries
from querencia.measures.models import Measure, Run
from tests.cli import serving
from tests.measures import shop
from tests.measures.test_runs import forbid_writing_scores

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def measure(home: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return serving.run(home, "measure", *options, DATABASE_URL=shop.environment()["DATABASE_URL"])


@pytest.fixture
def trading() -> None:
    shop.open_business()
    shop.sell(shop.trade(60))


def test_it_says_what_it_found_and_a_second_time_replaces_the_day(trading: None, home: Path) -> None:
    done = measure(home)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    found = queries.latest_measure()
    assert found is not None
    said = dict(re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines())
    assert said["As of"] == str(found.day)
    assert said["Customers"] == str(Score.objects.count()) == "60"
    assert said["Active"] == f"{found.active}, of them late {found.late}"
    assert said["Retention"] == f"{found.retention_rate:.1%} over 365 days"
    assert said["Revenue at risk"].startswith("€")
    days = Measure.objects.count()
    again = measure(home, "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert Measure.objects.count() == days
    assert [run.status for run in queries.runs()] == ["done", "done"]


def test_a_day_can_be_named_and_a_wrong_one_is_refused(trading: None, home: Path) -> None:
    assert measure(home, "--as-of", "2025-12-31", "--quiet").returncode == 0
    assert {score.as_of for score in Score.objects.all()} == {date(2025, 12, 31)}
    wrong = measure(home, "--as-of", "31/12/2025")
    assert wrong.returncode == 2
    assert "31/12/2025" in wrong.stderr
    future = (queries.yesterday(now()) + timedelta(days=1)).isoformat()
    early = measure(home, "--as-of", future)
    assert early.returncode == 2
    assert f"{future} is not over yet" in early.stderr
    assert Run.objects.count() == 1
    before = Score.objects.count()
    ancient = measure(home, "--as-of", "1990-01-01")
    assert ancient.returncode == 1
    assert "There is no purchase up to that day. Nothing was changed." in ancient.stderr
    assert Score.objects.count() == before


def test_a_run_that_fails_says_why_and_leaves_the_scores(trading: None, home: Path) -> None:
    assert measure(home, "--quiet", "--as-of", "2026-02-01").returncode == 0
    before = list(Score.objects.order_by("pk").values())
    forbid_writing_scores(True)
    try:
        failed = measure(home)
    finally:
        forbid_writing_scores(False)
    assert failed.returncode == 1
    assert "no room" in failed.stderr
    assert "Nothing was changed." in failed.stderr
    assert "Traceback" not in failed.stderr
    assert list(Score.objects.order_by("pk").values()) == before


@pytest.fixture
def at_work() -> Iterator[None]:
    """Another process in the middle of a run."""
    script = (
        "import time, django; django.setup()\n"
        "from querencia.common.time import now\nfrom querencia.measures import actions\n"
        "def heard(step, share):\n"
        "    if step == 'score':\n"
        "        print('there', flush=True); time.sleep(300)\n"
        "actions.run(at=now(), progress=heard)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=shop.environment()
    )
    assert process.stdout
    assert process.stdout.readline().strip() == "there"
    yield
    process.kill()
    process.communicate()


def test_while_another_is_at_work_it_says_so(trading: None, home: Path, at_work: None) -> None:
    refused = measure(home)
    assert refused.returncode == 1
    assert refused.stderr.strip().endswith("Another run is at work. When it is done, this can be started again.")
    assert Score.objects.count() == 0


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a folder of its own")
def test_in_an_empty_folder_there_is_nothing_to_measure_and_nothing_wrong(home: Path) -> None:
    done = serving.run(home, "measure")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "Customers" in done.stdout
