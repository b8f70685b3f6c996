"""`querencia doctor` in processes of its own, on installations that are well, absent, broken or half-way."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

pytestmark = pytest.mark.slow

LOG = "client,date,total\n" + "".join(
    f"c{customer},2026-0{month}-1{customer},{10 + month}.50\n" for customer in range(1, 6) for month in range(1, 7)
)
COMMAND = [sys.executable, "-m", "querencia"]
NOTHING = {"customers": None, "purchases": None, "events": None}


class House:
    """A home folder and a database of its own, and the command line at work in them: in English, without colours."""

    def __init__(self, folder: Path, address: str) -> None:
        self.home, self.address = folder / "home", address
        ours = ("QUERENCIA_HOME", "QUERENCIA_URL", "DJANGO_SETTINGS_MODULE")
        known = {name: value for name, value in os.environ.items() if name not in ours}
        self.environment = known | {"QUERENCIA_HOME": str(self.home), "DATABASE_URL": address, "NO_COLOR": "1"}

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = self.environment | environment
        return subprocess.run([*COMMAND, *arguments], env=known, capture_output=True, text=True)


@contextmanager
def database(template: str = "template1") -> Iterator[str]:
    """The address of a database of its own, a copy of another one; "" stands for SQLite in the home folder."""
    address = os.environ.get("DATABASE_URL", "")
    if not address.startswith("postgres"):
        yield ""
        return
    name = f"doctor_{os.getpid()}_{time.time_ns()}"
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[House]:
    """A house where nothing is yet."""
    with database() as address:
        yield House(tmp_path, address)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house that has imported and measured, made once: tests take copies of it."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "log.csv").write_text(LOG)
    with database() as address:
        run = House(folder, address)
        for command in (
            ["manage", "migrate", "--verbosity", "0"],
            ["import", str(folder / "log.csv"), "--currency", "EUR", "--yes"],
            ["measure", "--quiet"],
        ):
            done = run(*command)
            assert done.returncode == 0, done.stderr
        yield run


@pytest.fixture
def shop(made: House, tmp_path: Path) -> Iterator[House]:
    """A house in order."""
    shutil.copytree(made.home, tmp_path / "home")
    with database(urlsplit(made.address).path[1:] or "template1") as address:
        yield House(tmp_path, address)


def asked(run: House, **environment: str) -> tuple[int, dict[str, Any]]:
    done = run("doctor", "--json", **environment)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def level(said: dict[str, Any], name: str) -> str:
    return str(next(look["level"] for look in said["looks"] if look["name"] == name))


def everything_in(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def tables(address: str) -> set[str]:
    with psycopg.connect(address) as server:
        return {row[0] for row in server.execute("SELECT relname FROM pg_class WHERE relkind IN ('r', 'i')")}


def test_where_nothing_is_yet_it_says_how_to_begin_and_makes_nothing(run: House) -> None:
    before = tables(run.address) if run.address else set()
    code, said = asked(run)
    assert (code, said["is_well"], said["counts"]) == (1, False, NOTHING)
    assert "Begin with: querencia up" in said["looks"][0]["said"]
    assert not run.home.exists()
    if run.address:
        assert tables(run.address) == before


def test_an_empty_home_is_left_empty(run: House) -> None:
    run.home.mkdir()
    assert run("doctor").returncode == 1
    assert not list(run.home.iterdir())


def test_an_installation_in_order_is_said_to_be_and_counted(shop: House) -> None:
    code, said = asked(shop)
    assert (code, said["is_well"]) == (0, True)
    assert said["counts"] == {"customers": 5, "purchases": 30, "events": 0}
    names = ["database", "migrations", "disk", "address", "queue", "runs", "imports", "amounts", "scores", "copy"]
    assert [look["name"] for look in said["looks"]] == [*names, "erasures"]
    done = shop("doctor")
    assert done.returncode == 0
    assert "5 customers, 30 purchases, 0 events." in done.stdout
    assert "The columnar copy of 30 purchases agrees with the database." in done.stdout


def test_looking_changes_nothing(shop: House) -> None:
    before = everything_in(shop.home)
    shop("doctor")
    assert everything_in(shop.home) == before


def test_tables_that_lag_behind_are_named_with_the_remedy(shop: House) -> None:
    assert shop("manage", "migrate", "customers", "0004", "--verbosity", "0").returncode == 0
    done = shop("doctor")
    assert done.returncode == 1
    assert "Run: querencia manage migrate" in done.stdout


@pytest.mark.parametrize("harm", ["truncated", "gone", "no manifest", "nonsense"])
def test_a_broken_columnar_copy_is_a_sentence(shop: House, harm: str) -> None:
    part = next((shop.home / "columns").glob("*.parquet"))
    if harm == "truncated":
        part.write_bytes(part.read_bytes()[:100])
    elif harm == "gone":
        part.unlink()
    else:
        manifest = next((shop.home / "columns").glob("*.json"))
        manifest.write_text("{nonsense") if harm == "nonsense" else manifest.unlink()
    code, said = asked(shop)
    expected = (1, "problem") if harm == "truncated" else (0, "warning")
    assert (code, level(said, "copy")) == expected
    if harm == "truncated":
        assert shop("measure", "--anew", "--quiet").returncode == 0
        code, said = asked(shop)
        assert (code, level(said, "copy")) == (0, "well")


def test_lines_that_do_not_add_up_are_counted(shop: House) -> None:
    line = (
        "from querencia.customers.models import Purchase, PurchaseLine; "
        "PurchaseLine.objects.create(purchase=Purchase.objects.first(), number=1, amount=1)"
    )
    assert shop("manage", "shell", "-v", "0", "-c", line).returncode == 0
    code, said = asked(shop)
    assert (code, level(said, "amounts")) == (1, "problem")


def test_a_run_whose_process_died_is_noticed(shop: House) -> None:
    died = (
        "from querencia.measures.models import Run; from django.utils import timezone; "
        "Run.objects.create(status='running', trigger='command', as_of='2026-06-30', created_at=timezone.now())"
    )
    assert shop("manage", "shell", "-v", "0", "-c", died).returncode == 0
    code, said = asked(shop)
    assert (code, level(said, "runs")) == (1, "problem")


def test_a_database_that_does_not_answer_is_a_sentence(run: House) -> None:
    begun = time.monotonic()
    code, said = asked(run, DATABASE_URL="postgres://nobody:secret@127.0.0.1:9/nothing")
    assert (code, said["counts"], level(said, "database")) == (1, NOTHING, "problem")
    assert "does not answer" in said["looks"][0]["said"]
    assert "secret" not in json.dumps(said)
    assert time.monotonic() - begun < 60


def test_a_file_that_is_no_database_is_a_sentence(run: House) -> None:
    run.home.mkdir()
    (run.home / "querencia.sqlite3").write_bytes(b"not a database, a letter" * 100)
    code, said = asked(run, DATABASE_URL="")
    assert (code, level(said, "database")) == (1, "problem")
    assert "cannot be read as a database" in said["looks"][0]["said"]


def test_a_database_of_something_else_is_no_installation(run: House, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    with sqlite3.connect(other) as made:
        made.execute("CREATE TABLE recipes (name text)")
    done = run("doctor", DATABASE_URL=f"sqlite:///{other}")
    assert done.returncode == 1
    assert "There is no installation in" in done.stdout


@pytest.mark.parametrize("address", ["mysql://h/x", "postgres://h:abc/x", "hello", "postgres://"])
def test_an_address_that_is_none_is_refused_without_repeating_it(run: House, address: str) -> None:
    done = run("doctor", DATABASE_URL=address)
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr
    assert "h:abc" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_public_address_without_https_and_without_mail_is_minded(shop: House) -> None:
    code, said = asked(shop, QUERENCIA_URL="http://shop.example.org")
    assert (code, level(said, "address"), level(said, "mail")) == (0, "warning", "warning")
    safe = {"QUERENCIA_URL": "https://shop.example.org", "EMAIL_HOST": "mail.example.org"}
    _code, said = asked(shop, **safe)
    assert (level(said, "address"), level(said, "mail")) == ("well", "well")
