"""The command line in this process, for the many small questions; a process of its own for the few that need one."""

import os
import sys
from pathlib import Path

import pytest

from querencia import cli
from tests.cli.commands import Done, Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    """Run the command line in this process, in a folder of its own: the same door, without the wait."""

    def inside(*arguments: str | Path) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["querencia", *map(str, arguments)])
        # Commands set it for the process they are alone in; it is put back when the test ends.
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", os.environ["DJANGO_SETTINGS_MODULE"])
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        found = capsysbinary.readouterr()
        return Done(int(end.value.code or 0), found.out, found.err.decode())

    return inside
