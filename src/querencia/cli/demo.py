"""`querencia demo`: a shop to look at, in a folder and a database of its own."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Annotated

import typer

from querencia import __version__
from querencia.cli import house, up
from querencia.cli.faults import Failed

HOST = "127.0.0.1"
SAID = {
    "making": "Inventing people …",
    "people": "Importing them …",
    "purchases": "Importing their purchases …",
    "programme": "A loyalty programme, and a year of it …",
    "measuring": "Scoring every customer …",
}


def command(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to serve on.")] = 8000,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="A larger shop that does not exist: 20,000 customers, three years.")
    ] = False,
) -> None:
    """Serve a shop to look at: the purchases of 2,357 real customers of CDNOW, under invented names.

    It has a folder and a database of its own, whatever DATABASE_URL says, and is built anew every day, so that its log
    ends yesterday.
    """
    from querencia.common import home

    held = up.take(HOST, port, command="demo")
    root = home.home() / ("simulated" if simulated else "demo")
    root.mkdir(mode=0o700, exist_ok=True)
    password = home.demo_password(root)
    _turn_to(f"http://{HOST}:{port}")
    with held, _prepared(root, simulated, password) as folder:
        typer.echo(f"The demo is at http://{HOST}:{port}")
        typer.echo(f"login: demo@example.com / {password}")
        typer.echo(f"It lives in {folder}. Ctrl+C stops it.")
        up.serve(host=HOST, port=port, workers=2)


def _turn_to(url: str) -> None:
    """Away from whatever installation this machine has: its database and its public address are not the demo's."""
    os.environ.pop("DATABASE_URL", None)
    os.environ["QUERENCIA_URL"] = url
    os.environ["DJANGO_SETTINGS_MODULE"] = up.SETTINGS


@contextmanager
def _prepared(root: Path, is_simulated: bool, password: str) -> Iterator[Path]:
    """The folder of a demo whose log ends yesterday: built if there is none, and kept by whoever serves it.

    It is built aside and takes its name, the day and the version, when it is whole: a set-up that was cut off leaves
    nothing that could be taken for a demo.
    """
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    folder = root / f"{yesterday}-{__version__}"
    with _hold(root / "lock", fcntl.LOCK_EX):
        if folder.is_dir():
            os.environ["QUERENCIA_HOME"] = str(folder)
            house.enter()
            house.migrate()
        else:
            _build(root / "unfinished", folder, is_simulated, password)
            os.environ["QUERENCIA_HOME"] = str(folder)
        served = _hold(folder / "served", fcntl.LOCK_SH)
        _sweep(root, folder)
    with served:
        yield folder


def _build(unfinished: Path, folder: Path, is_simulated: bool, password: str) -> None:
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    os.environ["QUERENCIA_HOME"] = str(unfinished)
    typer.echo("Building the demo, once a day.")
    house.enter()
    house.migrate()
    from querencia.common.time import now
    from querencia.flows import demo

    try:
        demo.build(
            is_simulated=is_simulated,
            password=password,
            at=now(),
            folder=unfinished / "made",
            heard=lambda step: typer.echo(f"  {SAID[step]}"),
        )
    except demo.NotBuilt as fault:
        raise Failed(f"The demo could not be built. {fault}") from None
    shutil.rmtree(unfinished / "made")
    house.leave()
    unfinished.rename(folder)


def _sweep(root: Path, current: Path) -> None:
    """Remove the demos of days before, unless somebody is still serving them."""
    for path in root.iterdir():
        if path.is_dir() and path != current:
            try:
                _hold(path / "served", fcntl.LOCK_EX | fcntl.LOCK_NB).close()
            except BlockingIOError:
                continue
            shutil.rmtree(path, ignore_errors=True)


def _hold(path: Path, how: int) -> IO[str]:
    """A lock that ends with the process, however it ends, or when the file is closed."""
    file = path.open("w")
    try:
        fcntl.flock(file, how)
    except BaseException:
        file.close()
        raise
    return file
