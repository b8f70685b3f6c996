"""The one folder that holds all state of an installation."""

import os
import secrets
from pathlib import Path

import platformdirs
from django.core.exceptions import ImproperlyConfigured

VARIABLE = "QUERENCIA_HOME"


def place() -> Path:
    """The folder of ``QUERENCIA_HOME``, else the platform's data folder, whether it is there or not."""
    named = os.environ.get(VARIABLE)
    folder = Path(named).expanduser() if named else Path(platformdirs.user_data_dir("querencia", appauthor=False))
    return folder.resolve()


def home() -> Path:
    """The same folder, made, private to its owner, if absent."""
    folder = place()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        said = f"The folder {folder} cannot be made ({fault.strerror}). {VARIABLE} or --home names another."
        raise ImproperlyConfigured(said) from fault
    return folder


def secret_key(folder: Path) -> str:
    """The installation's secret, made on first use and readable by its owner only."""
    return _secret(folder / "secret_key", length=50)


def erasure_key(folder: Path) -> str:
    """With what erased people are known again and by nobody else: whoever loses it forgets who must not come back."""
    return _secret(folder / "erasure_key", length=32)


def welcome_token(folder: Path) -> str:
    """What proves that a first visitor may set up the house: only who started it has read it."""
    return _secret(folder / "welcome_token", length=24)


def forget_welcome_token(folder: Path) -> None:
    """It opens the door once: should the house ever stand empty again, another one will be needed."""
    (folder / "welcome_token").unlink(missing_ok=True)


def demo_password(folder: Path) -> str:
    """What the demo in a folder is logged in to with: the same however often it is built anew."""
    return _secret(folder / "password", length=9)


def _secret(path: Path, *, length: int) -> str:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_when_written(path)
    with os.fdopen(handle, "w") as file:
        key = secrets.token_urlsafe(length)
        file.write(key)
    return key


def _read_when_written(path: Path) -> str:
    # Two processes may start at once: the second sees the file before the first has filled it.
    for _ in range(100):
        if key := path.read_text():
            return key
        import time

        time.sleep(0.01)
    raise ImproperlyConfigured(
        f"{path} is empty. Delete it and start again: it is made anew, and everybody logs in anew."
    )
