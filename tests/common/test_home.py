"""The folder of an installation and what it keeps secret."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from querencia.common import home

MAKE = "from querencia.common import home; print(home.secret_key(home.home()))"


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "QUERENCIA_HOME": str(folder)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)


def test_the_secret_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        first = run(MAKE, tmp_path / "made" / "for it").stdout
    finally:
        os.umask(before)
    folder = tmp_path / "made" / "for it"
    assert len(first.strip()) >= 50
    assert run(MAKE, folder).stdout == first
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_installations_have_secrets_of_their_own(tmp_path: Path) -> None:
    assert run(MAKE, tmp_path / "a").stdout != run(MAKE, tmp_path / "b").stdout


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    environment = {**os.environ, "QUERENCIA_HOME": str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", MAKE], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in started}) == 1


def test_an_empty_secret_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    with pytest.raises(ImproperlyConfigured, match="Delete it and start again"):
        home.secret_key(tmp_path)


def test_looking_for_the_folder_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERENCIA_HOME", str(tmp_path / "nowhere"))
    assert home.place() == tmp_path / "nowhere"
    assert not home.place().exists()
    assert home.home().is_dir()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("QUERENCIA_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ImproperlyConfigured, match=r"cannot be made \(Not a directory\)"):
        home.home()


def test_a_token_is_another_one_once_it_was_used(tmp_path: Path) -> None:
    first = home.welcome_token(tmp_path)
    assert home.welcome_token(tmp_path) == first
    home.forget_welcome_token(tmp_path)
    assert home.welcome_token(tmp_path) != first


def test_the_repository_holds_no_secret() -> None:
    root = Path(__file__).parent.parent.parent
    settings = (root / "src" / "querencia" / "config" / "settings.py").read_text()
    assert "SECRET_KEY = os.environ" in settings
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    assert not {Path(name).name for name in listed} & {"secret_key", "welcome_token", "querencia.sqlite3", ".env"}
