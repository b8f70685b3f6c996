"""Help that is a pleasure, and faults that are sentences."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import CommandError
from django.db import IntegrityError, OperationalError
from typer.testing import CliRunner

from querencia import cli
from querencia.cli import COMMANDS, faults
from querencia.insight.errors import InputError

WIDTH = 80


def said(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, list(arguments), prog_name="querencia", env={"COLUMNS": str(WIDTH)})
    return done.exit_code, done.output


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name != "QUERENCIA_DEBUG"}
    command = [sys.executable, "-m", "querencia", *arguments]
    return subprocess.run(command, env=known | environment, capture_output=True, text=True)


def test_help_lists_every_command_under_its_heading() -> None:
    code, text = said("--help")
    assert code == 0
    for name, entry in COMMANDS.items():
        assert re.search(rf"│ {name} +{re.escape(entry.help[:20])}", text), name
        assert f" {entry.heading} " in text
    assert all(len(line) <= WIDTH for line in text.splitlines())


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "manage"])
def test_each_command_explains_itself(name: str) -> None:
    code, text = said(name, "--help")
    assert code == 0
    assert f"Usage: querencia {name}" in text
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert not re.search(r"<(bool|str|int|path|list|dir|file)", text), "Name what to write: give the option a metavar"
    told = [line for line in text.splitlines() if re.match(r"│ [* ]*--?\w", line)]
    assert told
    for line in told:
        assert re.search(r"  +[A-Z(]\S*( \S+)+", line), f"{line} says nothing of itself: give it a help"
    assert re.search(r"^ [A-Z][^.:]+[.:]", text.split("Usage:")[1], re.MULTILINE), "Give the function a docstring"


def test_help_of_djangos_commands_is_djangos() -> None:
    done = run("manage", "--help")
    assert done.returncode == 0
    assert "migrate" in done.stdout
    assert run("manage", "nothing-like-it").returncode == 2


def test_without_a_command_the_help_is_shown() -> None:
    code, text = said()
    assert code == 2
    assert "Usage: querencia" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["docto"], "Did you mean 'doctor'?"),
        (["fly"], "No such command 'fly'"),
        (["--fly"], "No such option: --fly"),
        (["up", "--fly"], "No such option: --fly"),
        (["doctor", "more"], "unexpected extra argument"),
        (["up", "--port", "http"], "--port"),
        (["up", "--port", "70000"], "--port"),
        (["import"], "Missing argument"),
        (["--home"], "requires an argument"),
    ],
)
def test_what_is_not_understood_is_named_with_exit_code_2(arguments: list[str], words: str) -> None:
    code, text = said(*arguments)
    assert code == 2
    assert words in " ".join(text.split())
    assert "Traceback" not in text


def test_version() -> None:
    assert re.fullmatch(r"querencia \d+\.\d+\.\d+\n", said("--version")[1])


def test_help_comes_without_waiting_for_django() -> None:
    code = (
        "import sys; from querencia.cli import app; import typer\n"
        "try: typer.main.get_command(app).main(['--help'])\n"
        "finally: print([name for name in ('django', 'polars', 'duckdb', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("fault", "words", "code"),
    [
        (InputError("The file has no column for the date."), "no column for the date", 2),
        (faults.Refused("Choose another port."), "Choose another port.", 2),
        (faults.Failed("Stopped."), "Stopped.", 1),
        (ValidationError({"currency": ["XYZ is no currency."]}), "XYZ is no currency.", 2),
        (ImproperlyConfigured("DATABASE_URL names no database."), "DATABASE_URL names no database.", 2),
        (CommandError("No such migration."), "No such migration.", 1),
        (FileNotFoundError(errno.ENOENT, "No such file", "log.csv"), "There is no file log.csv.", 2),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "logs"), "logs is a folder", 2),
        (PermissionError(errno.EACCES, "Permission denied", "log.csv"), "log.csv may not be read", 2),
        (OSError(errno.ENOSPC, "No space left on device"), "no room left on the disk", 1),
        (OSError(errno.EIO, "Input/output error", "log.csv"), "log.csv: Input/output error.", 1),
        (MemoryError(), "QUERENCIA_MEMORY", 1),
        (OperationalError("no such table: customers_customer"), "querencia manage migrate", 1),
        (OperationalError('relation "customers_customer" does not exist'), "querencia manage migrate", 1),
        (OperationalError("database is locked"), "Another process is writing", 1),
        (OperationalError("connection refused"), "does not answer: connection refused", 1),
        (psycopg.OperationalError("connection failed\nIs it running?"), "does not answer: connection failed", 1),
        (IntegrityError("CHECK constraint failed: purchase_currency_iso"), "The database refused it", 1),
        (OperationalError("database disk image is malformed"), "Put a backup in its place", 1),
        (ZeroDivisionError("division by zero\nand more"), "ZeroDivisionError: division by zero\nQUERENCIA_DEBUG=1", 1),
    ],
)
def test_whatever_goes_wrong_is_a_sentence(fault: Exception, words: str, code: int) -> None:
    answer, given = faults.explain(fault)
    assert words in answer
    assert given == code
    assert "Traceback" not in answer


def test_a_traceback_is_shown_to_who_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    asked = {"QUERENCIA_HOME": str(tmp_path / "file" / "home"), "DATABASE_URL": ""}
    short, long = run("measure", **asked), run("measure", QUERENCIA_DEBUG="1", **asked)
    assert short.returncode == 2
    assert "Traceback" not in short.stderr
    assert "cannot be made" in short.stderr
    assert "Traceback" in long.stderr
