"""A house that is really served, and the libraries of others as their newest releases are."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.serving import Served, run, served

NODE = Path(__file__).parents[2] / ".tools" / "node"
SET_UP = "from querencia.business.actions import set_business; set_business(name='La Tienda', currency='EUR')"
LIBRARIES = ("@segment/analytics-node", "@segment/analytics-next")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where the libraries for Node and for browsers lie; fetched once, into a folder that git does not see."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("There is no node or no npm here: the libraries for Node and browsers cannot be tried.")
    NODE.mkdir(parents=True, exist_ok=True)
    modules = NODE / "node_modules"
    with (NODE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((modules / name).is_dir() for name in LIBRARIES):
            wanted = [f"{name}@latest" for name in LIBRARIES]
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(NODE), *wanted]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if done.returncode:
                pytest.skip(f"npm could not fetch {' and '.join(LIBRARIES)}: {done.stderr[-300:]}")
    return modules


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contracts")


@pytest.fixture(scope="session")
def key(home: Path) -> str:
    made = run(home, "keys", "create", "--kind", "write", "--name", "contracts")
    assert made.returncode == 0, made.stderr
    done = run(home, "manage", "shell", "-v", "0", "-c", SET_UP)
    assert done.returncode == 0, done.stderr
    return made.stdout.splitlines()[-1]


@pytest.fixture(scope="session")
def house(home: Path, key: str) -> Iterator[Served]:
    with served(home, "up", "--workers", "1") as process:
        yield process.until_healthy()
