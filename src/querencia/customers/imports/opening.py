"""From a file on the disk to a stream of UTF-8 text: unpacked, transcoded, each byte looked at once."""

import codecs
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from querencia.customers.imports.problems import Unreadable, listed

CHUNK = 1 << 20
PACKED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR", b"\x28\xb5\x2f\xfd": "Zstandard"}


def check_path(path: Path) -> None:
    """Raises Unreadable when there is no such file, or it may not be read."""
    if path.is_dir():
        raise Unreadable("folder", path=path.name)
    if not path.exists():
        raise Unreadable("missing", path=path.name)
    if not os.access(path, os.R_OK):
        raise Unreadable("forbidden", path=path.name)
    if path.stat().st_size == 0:
        raise Unreadable("empty")


def compression(path: Path) -> str:
    """``gzip``, ``zip`` or none; workbooks are zip files too, but none to unpack. Raises Unreadable for the rest."""
    with path.open("rb") as file:
        head = file.read(8)
    for magic, kind in PACKED.items():
        if head.startswith(magic):
            raise Unreadable("packed", kind=kind)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"PK"):
        return "" if is_workbook(path) else "zip"
    return ""


def is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            names = packed.namelist()
    except zipfile.BadZipFile:
        return False
    return any(name.startswith(("xl/", "[Content_Types]")) or name == "content.xml" for name in names)


@contextmanager
def unpacked(path: Path, packing: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The content and, beside it, the file on the disk, whose position tells how far the reading has come."""
    with path.open("rb") as raw:
        if packing == "gzip":
            with gzip.GzipFile(fileobj=raw) as content:
                yield cast(BinaryIO, content), raw
        elif packing == "zip":
            with _only_member(raw) as content:
                yield content, raw
        else:
            yield raw, raw


@contextmanager
def _only_member(raw: BinaryIO) -> Iterator[BinaryIO]:
    try:
        packed = zipfile.ZipFile(raw)
    except zipfile.BadZipFile as fault:
        raise Unreadable("packed_broken", message=str(fault)) from fault
    with packed:
        members = [
            member
            for member in packed.infolist()
            if not member.is_dir()
            and not member.filename.startswith("__MACOSX/")
            and member.filename[-9:] != ".DS_Store"
        ]
        if not members:
            raise Unreadable("zip_empty")
        if len(members) > 1:
            names = listed([member.filename for member in members], 5)
            raise Unreadable("zip_several", count=len(members), names=names)
        if members[0].flag_bits & 1:
            raise Unreadable("zip_locked")
        try:
            with packed.open(members[0]) as content:
                yield cast(BinaryIO, content)
        except (NotImplementedError, zipfile.BadZipFile) as fault:
            raise Unreadable("packed_broken", message=str(fault)) from fault


def read_some(content: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes; a damaged packed file is said to be one."""
    try:
        return content.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as fault:
        raise Unreadable("packed_broken", message=str(fault)) from fault


class Transcoded(io.RawIOBase):
    """A stream as UTF-8. Bytes that cannot be read raise Unreadable with their row and place."""

    def __init__(self, content: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._content = content
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._passes = encoding in ("utf-8", "utf-8-sig")
        self._offset = 0
        self._rows = 1
        self._ready = b""
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        made = self.read(len(view))
        view[: len(made)] = made
        return len(made)

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            pieces = []
            while piece := self.read(CHUNK):
                pieces.append(piece)
            return b"".join(pieces)
        while len(self._ready) < size and not self._is_at_end:
            self._ready += self._next(size - len(self._ready))
        made, self._ready = self._ready[:size], self._ready[size:]
        return made

    def skip_line(self) -> None:
        while (letter := self.read(1)) and letter not in b"\r\n":
            pass
        if letter == b"\r":
            following = self.read(1)
            self._ready = self._ready if following == b"\n" else following + self._ready

    def _next(self, size: int) -> bytes:
        chunk = read_some(self._content, size)
        self._is_at_end = not chunk
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(chunk, final=self._is_at_end)
        except UnicodeDecodeError as fault:
            row = self._rows + fault.object[: fault.start].count(b"\n")
            offset = self._offset - pending + fault.start
            raise Unreadable("encoding", row=row, offset=offset, encoding=self._encoding) from fault
        first, self._offset = self._offset == 0, self._offset + len(chunk)
        if self._passes:
            self._rows += chunk.count(b"\n")
            return chunk.removeprefix(codecs.BOM_UTF8) if first else chunk
        made = text.encode()
        self._rows += made.count(b"\n")
        return made


@contextmanager
def text(path: Path, packing: str, encoding: str) -> Iterator[tuple[Transcoded, BinaryIO]]:
    """The content as a stream of UTF-8, and the file on the disk beside it."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise Unreadable("encoding_unknown", encoding=encoding) from None
    with unpacked(path, packing) as (content, raw):
        yield Transcoded(content, encoding), raw
