"""The folder of one import: the file itself, what was made of it, what was rejected."""

import csv
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from django.conf import settings

from querencia.customers.imports import reasons

CHUNK = 1 << 20
BOM = "\ufeff"  # so that spreadsheets read the rejects as UTF-8


class Busy(Exception):
    """Another process is at work on this import."""


@dataclass(frozen=True)
class Folder:
    path: Path

    @classmethod
    def of(cls, import_id: Any) -> "Folder":
        return cls(Path(settings.IMPORTS_FOLDER) / str(import_id))

    @property
    def file(self) -> Path:
        return self.path / "file"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def staged(self) -> Path:
        return self.path / "staged.parquet"

    @property
    def lines(self) -> Path:
        return self.path / "lines.parquet"

    @property
    def rejects(self) -> Path:
        return self.path / "rejects.csv"

    @property
    def checked(self) -> Path:
        return self.path / "checked.json"

    def rejects_of(self, batch: int) -> Path:
        return self.path / f"rejects-{batch:06}.csv"

    def make(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, path: Path, *, move: bool) -> None:
        """Take the file in: moved if it is ours to move, else pointed at, however large it is."""
        self.make()
        if move:
            shutil.move(path, self.file)
            return
        # In one step: somebody may be reading it.
        pointer = self.path / f"pointer-{secrets.token_hex(4)}"
        pointer.symlink_to(path.resolve())
        pointer.replace(self.file)

    def read_checked(self) -> dict[str, Any] | None:
        """What the first pass found; None when it has not come to its end."""
        try:
            found: dict[str, Any] = json.loads(self.checked.read_text())
        except (OSError, ValueError):
            return None
        return found

    def write_checked(self, found: dict[str, Any]) -> None:
        """The last thing of the first pass, in one step: with it, everything before it counts."""
        for path in (self.staged, self.lines, self.rejects):
            if path.exists():
                _sync(path)
        waiting = self.checked.with_suffix(".new")
        waiting.write_text(json.dumps(found))
        _sync(waiting)
        waiting.replace(self.checked)
        _sync(self.path)

    def sweep(self, *, keep_file: bool = True) -> None:
        """Throw away what a finished import no longer needs; the rejects stay."""
        for path in (self.staged, self.lines, self.checked):
            path.unlink(missing_ok=True)
        if not keep_file:
            self.file.unlink(missing_ok=True)
        shutil.rmtree(self.runs, ignore_errors=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def join_rejects(self) -> None:
        """Rejects of the second pass, kept by batch so that a batch done twice is there once, behind the first's."""
        parts = sorted(self.path.glob("rejects-*.csv"))
        if not parts:
            return
        joined = self.path / "rejects.new"
        with joined.open("wb") as out:
            if not self.rejects.exists():
                out.write((BOM + header()).encode())
            for part in [self.rejects, *parts] if self.rejects.exists() else parts:
                with part.open("rb") as rows:
                    shutil.copyfileobj(rows, out)
        joined.replace(self.rejects)
        for part in parts:
            part.unlink()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """At most one process works on an import; the claim ends with the process, however it ends. Raises Busy."""
        self.make()
        with (self.path / "claim").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy from None
            yield

    def is_claimed(self) -> bool:
        try:
            with self.claimed():
                return False
        except Busy:
            return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def header() -> str:
    return ",".join(reasons.in_words(reasons.nothing()).columns) + "\n"


class RejectsFile:
    """Rejects as a table people can open: row, column, value, reason in words."""

    def __init__(self, path: Path, *, with_header: bool = True) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self.count = 0
        if with_header:
            self._file.write(BOM + header())

    def add(self, rejects: pl.DataFrame) -> None:
        if not rejects.is_empty():
            # A cell that begins like a formula would be run by a spreadsheet.
            words = reasons.in_words(rejects).with_columns(pl.nth(2).str.replace(r"^([=+@\t\r]|-[^\d.,])", "'$1"))
            words = words.with_columns(pl.col(pl.String).replace("", None))
            self._file.write(words.write_csv(include_header=False, quote_style="necessary"))
            self.count += len(rejects)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "RejectsFile":
        return self

    def __exit__(self, *_fault: object) -> None:
        self.close()


def fingerprint_of(path: Path, kind: str, mapping: dict[str, str], file_format: dict[str, Any], source: str) -> str:
    """SHA-256 of the content and of how it is read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    how = {"kind": kind, "mapping": mapping, "format": file_format, "source": source}
    digest.update(json.dumps(how, sort_keys=True).encode())
    return digest.hexdigest()


def read_rejects(path: Path, most: int = 1000) -> list[dict[str, str]]:
    """The first rejects of a file, for a page."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        return [row for _number, row in zip(range(most), reader, strict=False)]
