"""`querencia members import` as people call it: what it says, how it ends, and never a traceback."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli import serving

CLUB = """
from datetime import UTC, datetime
from querencia.business.actions import set_business
from querencia.business.queries import business
from querencia.loyalty import actions
set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
at = datetime(2026, 1, 1, tzinfo=UTC)
actions.create_programme(business=business(), name="Club", at=at, starts_at=at)
"""
FILE = "cliente;tarjeta;puntos;caduca\nK-1;100-1;120;31/12/2090\nK-2;100-2;diez;\nK-3;100-3;;\n"


@pytest.mark.slow
def test_a_file_is_brought_in_with_what_is_left_out_and_why(tmp_path: Path) -> None:
    home, file, left_out = tmp_path / "home", tmp_path / "club.csv", tmp_path / "left-out.csv"
    file.write_text(FILE)

    def call(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        done = serving.run(home, "members", "import", *map(str, arguments))
        assert "Traceback" not in done.stdout + done.stderr
        return done

    refused = call(file)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "none yet" in refused.stderr
    assert serving.run(home, "manage", "shell", "-v", "0", "-c", CLUB).returncode == 0
    dry = call(file, "--dry-run", "--rejects", left_out)
    assert dry.returncode == 1
    assert "--dry-run" in dry.stdout
    assert left_out.read_text().splitlines()[0] == "row,reason,cliente,tarjeta,puntos,caduca"
    assert left_out.read_text().splitlines()[1].startswith("3,Los puntos no son")
    told = json.loads(call(file, "--json", "--programme", "Club").stdout)
    assert (told["joined"], told["points"], told["rejected"]) == (2, 120, {"bad_points": 1})
    again = json.loads(call(file, "--json").stdout)
    assert (again["joined"], again["known"], again["points"], again["balances_known"]) == (0, 2, 0, 1)
    file.write_text("\n".join(line for line in FILE.splitlines() if "diez" not in line) + "\n")
    assert call(file).returncode == 0
    assert call(tmp_path / "none.csv").returncode == 2
    assert call(file, "--programme", "Other").returncode == 2
    assert call(file, "--map", "saldo=puntos").returncode == 2
    assert serving.run(home, "check").returncode == 0
