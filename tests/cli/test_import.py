"""`querencia import` as people and programs call it: what it says, how it ends, and never a traceback."""

import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli import serving
from tests.customers.files import table

HEADER = ("order id", "customer id", "date", "amount")
ROWS = [(f"o{n}", f"c{n % 7}", f"2024-03-{n % 28 + 1:02}", f"{n}.50") for n in range(40)]
type Say = "Callable[..., subprocess.CompletedProcess[str]]"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with a database and nothing in it."""
    home = tmp_path_factory.mktemp("prepared") / "home"
    done = serving.run(home, "manage", "migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    return shutil.copytree(prepared, tmp_path / "home")


@pytest.fixture
def bring(home: Path, tmp_path: Path) -> Say:
    """The command on files of the test's folder. Whatever happens, nobody is shown a traceback."""

    def call(*arguments: str, given: bytes | None = None) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "querencia", "import", *arguments],
            env=serving.environment(home),
            cwd=tmp_path,
            input=given or b"",
            capture_output=True,
            timeout=serving.START_SECONDS,
        )
        said = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in said.stdout + said.stderr, said.stderr
        return said

    return call


def stored(home: Path) -> int:
    with sqlite3.connect(home / "querencia.sqlite3") as database:
        return int(database.execute("SELECT count(*) FROM customers_purchase").fetchone()[0])


def test_a_file_is_described_imported_and_summed_up(home: Path, bring: Say, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(table(HEADER, ROWS))
    refused = bring("log.csv", "--yes")
    assert refused.returncode == 2
    assert refused.stderr.strip().endswith("On the command line: --currency EUR")
    first = bring("log.csv", "--yes", "--currency", "eur")
    assert first.returncode == 0, first.stderr
    assert "Customer ← customer id; Date ← date; Amount ← amount; Purchase number ← order id" in first.stderr
    assert first.stdout.split() == ["log.csv", "read", "new", "unchanged", "rejected", "40", "40", "0", "0"]
    again = bring("log.csv", "log.csv")
    assert again.stdout.split() == ["log.csv", "read", "new", "unchanged", "rejected", "40", "0", "40", "0"] * 2
    assert stored(home) == 40


@pytest.mark.slow
def test_standard_input_packed_or_empty(home: Path, bring: Say) -> None:
    text = table(HEADER, ROWS).encode()
    piped = bring("-", "--currency", "EUR", given=gzip.compress(text))
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout.startswith("standard input")
    assert bring("-").stderr.strip() == "standard input: The file is empty."
    assert list((home / "imports").glob("incoming-*")) == []


@pytest.mark.slow
def test_rejects_are_written_where_they_are_wanted(home: Path, bring: Say, tmp_path: Path) -> None:
    rows = [*ROWS, ("o98", "", "2024-03-01", "1.00"), ("o99", "c1", "2024-03-01", "one")]
    (tmp_path / "log.csv").write_text(table(HEADER, rows))
    done = bring("log.csv", "--currency", "EUR", "--rejects", "left-out.csv")
    assert done.returncode == 0
    assert "1 row: no customer (column customer id, first in row 42)" in done.stdout
    assert (tmp_path / "left-out.csv").read_text(encoding="utf-8-sig").splitlines() == [
        "row,column,value,reason,outcome",
        "42,customer id,,The row names no customer.,rejected",
        "43,amount,one,This is not an amount in the notation of the file.,rejected",
    ]
    nowhere = bring("log.csv", "--rejects", "no/such/folder.csv")
    assert (nowhere.returncode, stored(home)) == (2, 40)
    assert nowhere.stderr.strip() == "There is no file no/such/folder.csv."


@pytest.mark.slow
def test_too_many_rejects_stop_before_writing(home: Path, bring: Say, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(table(HEADER, [*ROWS, *[("", "", "2024-03-01", "1")] * 10]))
    stopped = bring("log.csv", "--currency", "EUR")
    assert (stopped.returncode, stored(home)) == (2, 0)
    assert "10 of 50 rows would be rejected (20%; the limit is 10%), so nothing was written." in stopped.stderr
    assert stopped.stderr.strip().endswith("On the command line: --max-rejected 0.3")
    assert bring("log.csv", "--max-rejected", "0.3", "--currency", "EUR").returncode == 0
    assert stored(home) == 40


WRONG = [
    ("log.csv --map amount", "--map takes field=column pairs, for example --map amount=Total; 'amount' is none."),
    (
        "log.csv --map amount=Total",
        "log.csv: There is no column Total. The file has: order id, customer id, date,",
    ),
    ("log.csv --max-rejected 2", "should be less than or equal to 1"),
]
RARELY = [
    ("log.csv --map amount=a,amount=b", "--map names amount twice."),
    (
        "log.csv --map colour=amount",
        "log.csv: There is no field colour. Known are: customer_key, at, amount, key,",
    ),
    ("log.csv --map amount=amount*", "log.csv: The formula amount* cannot be understood: it ends too early."),
    ("log.csv --date-order ydm", "--date-order is one of dmy, mdy, ymd, not 'ydm'."),
    ("log.csv --kind cases", "--kind is one of purchases, customers, not 'cases'."),
    ("log.csv --encoding klingon", "log.csv: There is no encoding named klingon."),
    ("log.csv --currency EURO", "log.csv: EURO is not an ISO 4217 currency; write three letters, such as EUR."),
    (f"log.csv --source {'x' * 41}", "--source is a word of at most 40 letters."),
    ("none.csv", "none.csv: There is no file none.csv."),
    (".", "is a folder; name a file in it."),
    ("- -", "Standard input (-) can be read once."),
]


@pytest.mark.parametrize(
    ("arguments", "sentence"), [*WRONG, *(pytest.param(*each, marks=pytest.mark.slow) for each in RARELY)]
)
def test_what_was_told_wrongly_is_said(arguments: str, sentence: str, home: Path, bring: Say, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(table(HEADER, ROWS))
    done = bring(*arguments.split(), "--yes")
    assert (done.returncode, done.stdout, stored(home)) == (2, "", 0)
    assert sentence in " ".join(done.stderr.replace("│", " ").split())


def test_columns_with_commas_and_blanks(home: Path, bring: Say, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text('id,date,"Units, sold",Price\na,2024-01-31,2,1.50\n')
    done = bring("log.csv", "--columns=customer_id=id,amount=`Units, sold`*Price,at=date", "--currency", "EUR")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(home / "querencia.sqlite3") as database:
        assert database.execute("SELECT amount FROM customers_purchase").fetchall() == [(300,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "words"),
    [("es", ("leídas", "nuevas")), ("pt", ("lidas", "novas"))],
)
def test_it_speaks_the_language_of_its_reader(
    language: str, words: tuple[str, str], bring: Say, tmp_path: Path
) -> None:
    (tmp_path / "log.csv").write_text(table(HEADER, [*ROWS, ("o", "", "2024-03-01", "1")]))
    (tmp_path / "visits.csv").write_text("cust,date\n1,2024-01-01\n")
    refused = bring("visits.csv", "--language", language)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "not for how much" not in refused.stderr
    done = bring("log.csv", "--language", language, "--currency", "EUR", "--rejects", "left.csv")
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in words)
    assert "The row names no customer" not in (tmp_path / "left.csv").read_text()


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on_where_it_stopped(home: Path, bring: Say, tmp_path: Path) -> None:
    """Whatever it is doing a second or two after it began."""
    rows = [(f"o{n}", f"c{n % 997}", f"2024-03-{n % 28 + 1:02}", f"{n}.50") for n in range(250_000)]
    (tmp_path / "log.csv").write_text(table(HEADER, rows))
    command = [sys.executable, "-m", "querencia", "import", "log.csv", "--currency", "EUR"]
    process = subprocess.Popen(command, env=serving.environment(home), cwd=tmp_path, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    for _ in _until(lambda: (home / "imports").exists() and any((home / "imports").iterdir())):
        pass
    time.sleep(1.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = bring("log.csv", "--currency", "EUR")
    assert done.returncode == 0, done.stderr
    assert " ".join(done.stdout.split()) == "log.csv read new unchanged rejected 250,000 250,000 0 0"
    assert stored(home) == 250_000


def _until(is_so: Callable[[], bool], seconds: float = 60) -> Iterator[None]:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)
        yield


def test_a_home_that_cannot_be_written_is_said(bring: Say, home: Path, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(table(HEADER, ROWS))
    (home / "imports").write_text("in the way")
    done = bring("log.csv", "--currency", "EUR")
    assert done.returncode in (1, 2)
    assert len(done.stderr.strip().splitlines()) <= 4
    assert json.dumps(done.stdout) == '""'
    assert os.path.isfile(home / "imports")
