"""What the environment says of an installation, and what is refused in words."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from querencia.common import environment

HOME = Path("home")


@pytest.mark.parametrize(("written", "number"), [("", 7), ("  ", 7), ("0", 0), ("12", 12), (" 3 ", 3)])
def test_a_whole_number(monkeypatch: pytest.MonkeyPatch, written: str, number: int) -> None:
    monkeypatch.setenv("QUERENCIA_PROXIES", written)
    assert environment.number("QUERENCIA_PROXIES", 7) == number


@pytest.mark.parametrize("written", ["one", "1.5", "-1", "1e3", "1 2"])
def test_what_is_no_whole_number_is_named(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("QUERENCIA_PROXIES", written)
    with pytest.raises(ImproperlyConfigured, match=f"QUERENCIA_PROXIES is '{written}'; write a whole number"):
        environment.number("QUERENCIA_PROXIES", 7)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("", "http://127.0.0.1:8000"),
        ("https://shop.example.org/", "https://shop.example.org"),
        (" http://10.0.0.5:8000 ", "http://10.0.0.5:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_public_address(monkeypatch: pytest.MonkeyPatch, written: str, address: str) -> None:
    monkeypatch.setenv("QUERENCIA_URL", written)
    assert environment.public_address("http://127.0.0.1:8000").geturl() == address


@pytest.mark.parametrize(
    "written", ["shop.example.org", "ftp://shop.example.org", "https://", "/shop", "localhost:8000"]
)
def test_an_address_without_its_beginning_is_refused(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("QUERENCIA_URL", written)
    with pytest.raises(ImproperlyConfigured, match="write the whole address"):
        environment.public_address("http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("written", "engine", "name"),
    [
        ("", "django.db.backends.sqlite3", str(HOME / "querencia.sqlite3")),
        ("sqlite:////var/lib/shop.sqlite3", "django.db.backends.sqlite3", "/var/lib/shop.sqlite3"),
        ("postgres://ana:llave@db.example.org:5432/shop", "django.db.backends.postgresql", "shop"),
        ("postgresql://db.example.org/shop?sslmode=require", "django.db.backends.postgresql", "shop"),
    ],
)
def test_the_database(monkeypatch: pytest.MonkeyPatch, written: str, engine: str, name: str) -> None:
    monkeypatch.setenv("DATABASE_URL", written)
    found = environment.database(HOME)
    assert (found["ENGINE"], found["NAME"]) == (engine, name)


@pytest.mark.parametrize(
    "written", ["mysql://h/shop", "shop", "postgres://", "postgres://ana:llave@h", "postgres://ana:llave@h:port/shop"]
)
def test_what_names_no_database_is_refused_and_its_password_not_repeated(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", written)
    with pytest.raises(ImproperlyConfigured, match=r"DATABASE_URL .*Write sqlite:") as refused:
        environment.database(HOME)
    assert "llave" not in str(refused.value)


@pytest.mark.parametrize("written", ["duckdb", "polars", " polars ", ""])
def test_an_engine_that_is_always_there_is_taken(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERENCIA_ENGINE", written)
    assert environment.engine() == (written.strip() or "duckdb")


@pytest.mark.parametrize("written", ["Spark!", "spark://", "spark://host", "yarn", "spark://a host:7077"])
def test_an_engine_that_nobody_knows_is_refused(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERENCIA_ENGINE", written)
    with pytest.raises(ImproperlyConfigured, match=r"QUERENCIA_ENGINE is .*; write duckdb, polars, spark, or spark://"):
        environment.engine()


@pytest.mark.parametrize("written", ["spark", "spark://node-1.example.org:7077"])
def test_spark_is_taken_where_it_is_installed(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERENCIA_ENGINE", written)
    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    if find_spec("pyspark"):
        assert environment.engine() == written
        monkeypatch.delenv("JAVA_HOME")
        monkeypatch.setenv("PATH", "")
        wanted = "needs Java 17 or later"
    else:
        wanted = r"Spark is not installed: pip install 'querencia\[spark\]'"
    with pytest.raises(ImproperlyConfigured, match=wanted):
        environment.engine()
