"""The real command, run as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Connecting anywhere ends the process at once, whatever catches exceptions.
GUARD = """
import os, sys
def _guard(event, arguments):
    if event == "socket.getaddrinfo" or (event == "socket.connect" and not isinstance(arguments[1], str)):
        os.write(2, b"reached for the network")
        os._exit(99)
sys.addaudithook(_guard)
"""


@dataclass(frozen=True)
class Done:
    """What a command left behind: its exit code and what it said."""

    code: int
    out: bytes
    err: str

    @property
    def said(self) -> str:
        """What stands on standard error, on one line."""
        return " ".join(self.err.split())

    @property
    def refused(self) -> str:
        """The sentence of a refusal: exit code 2, nothing on standard output, no traceback."""
        assert self.code == 2, self.err
        assert self.out == b""
        assert "Traceback" not in self.err
        return self.said


type Run = Callable[..., Done]


def apart(*arguments: str | Path, folder: Path, given: bytes = b"") -> Done:
    """Run the command in a process of its own, without a network, without a database, and with no home as yet."""
    guard = folder / "guard"
    guard.mkdir(exist_ok=True)
    (guard / "sitecustomize.py").write_text(GUARD)
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment = {
        **kept,
        "QUERENCIA_HOME": str(folder / "home"),
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
        "PYTHONPATH": str(guard),
    }
    done = subprocess.run(
        [sys.executable, "-m", "querencia", *map(str, arguments)],
        input=given,
        capture_output=True,
        cwd=folder,
        env=environment,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr.decode())
