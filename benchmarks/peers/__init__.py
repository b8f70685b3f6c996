"""Other people's libraries, each in an environment of its own that may be thrown away."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".tools" / "peers"


class Unavailable(Exception):
    """A library that cannot be installed here, and why."""


def python_with(library: str) -> Path:
    """A Python that has the newest release of the library, installed when it is first asked for."""
    place = FOLDER / library
    python = place / "bin" / "python"
    if python.exists():
        return python
    uv = shutil.which("uv") or ROOT / ".tools" / "uv" / "bin" / "uv"
    for command in (
        [uv, "venv", "--quiet", "--python", Path(sys.executable).resolve(), place],
        [uv, "pip", "install", "--quiet", "--python", python, library],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as fault:
            shutil.rmtree(place, ignore_errors=True)
            raise Unavailable(f"{library} cannot be installed here: {fault}") from fault
    return python
