"""`querencia demo` from an empty folder to a page in a browser, cut off on the way, and on the days after."""

import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from querencia import __version__
from tests.cli import serving
from tests.cli.serving import Served, Visitor

pytestmark = pytest.mark.slow

LOGIN = re.compile(r"^login: (\S+@\S+) / (\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def demo(home: Path) -> Iterator[Served]:
    """Started, killed while it was building, and started again."""
    first = Served(home, "demo")
    first.until_said("Importing their purchases")
    first.process.kill()
    first.process.wait()
    assert not LOGIN.search(first.said())
    real = home / "real.sqlite3"
    real.touch()
    # Whatever database this machine works with, and at whatever address: not the demo's.
    again = Served(home, "demo", DATABASE_URL=f"sqlite:///{real}", QUERENCIA_URL="https://crm.example.com")
    again.until_healthy()
    yield again
    again.end()


def database(home: Path) -> Path:
    (found,) = home.glob(f"demo/*-{__version__}/querencia.sqlite3")
    return found


def count(home: Path, table: str) -> int:
    with sqlite3.connect(database(home)) as opened:
        return int(opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_the_login_that_it_prints_opens_a_cockpit_with_ten_to_call(demo: Served) -> None:
    email, password = demo.until_said(LOGIN.pattern.strip("^$")).groups()
    page = Visitor(demo.url).log_in(email, password).get("/overview/")
    assert "Sample data." in page
    assert page.count("/customers/", page.index('id="calls"'), page.index('id="cohorts"')) >= 10
    assert "/customers/" in page


def test_what_was_cut_off_is_built_whole_and_nobody_elses_database_is_touched(demo: Served, home: Path) -> None:
    assert count(home, "customers_customer") == 2_357
    assert count(home, "customers_purchase") == 6_919
    assert count(home, "measures_run") == 1
    assert (home / "real.sqlite3").stat().st_size == 0
    assert not (home / "demo" / "unfinished").exists()
    assert not (home / "querencia.sqlite3").exists()


def test_a_second_one_beside_it_serves_the_same_shop_at_once(demo: Served, home: Path) -> None:
    built = database(home).stat().st_ino
    begun = time.monotonic()
    with serving.served(home, "demo") as second:
        second.until_healthy()
        assert time.monotonic() - begun < 30
        assert LOGIN.findall(second.said()) == LOGIN.findall(demo.said())
        assert "Building" not in second.said()
    assert database(home).stat().st_ino == built
    assert count(home, "measures_run") == 1


def test_on_the_next_day_it_is_built_anew_with_the_same_login(demo: Served, home: Path) -> None:
    login = LOGIN.findall(demo.said())
    assert demo.stop(signal.SIGINT) == 0
    today = database(home).parent
    built = database(home).stat().st_ino
    today.rename(today.with_name(f"2026-01-01-{__version__}"))
    with serving.served(home, "demo") as next_day:
        next_day.until_healthy()
        assert "Building" in next_day.said()
        assert LOGIN.findall(next_day.said()) == login
    assert database(home).parent.name != f"2026-01-01-{__version__}"
    assert database(home).stat().st_ino != built


def test_a_port_that_is_taken_is_said_before_anything_is_built(tmp_path: Path) -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = serving.run(tmp_path, "demo", "--port", str(port))
    assert done.returncode == 2
    assert f"Port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert f"querencia demo --port {port + 1}" in done.stderr
    assert not list(tmp_path.iterdir())
