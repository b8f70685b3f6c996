"""How a file is written: found out from a sample, kept with the import, and changeable by whoever knows better."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, Self

from django.utils.translation import gettext as _

from querencia.common import money
from querencia.customers.imports import dates, opening
from querencia.customers.imports.problems import Unreadable

CSV, EXCEL, PARQUET, JSONL = "csv", "excel", "parquet", "jsonl"
DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 256 << 10
PIECE_BYTES, PIECES = 32 << 10, 16
WHOLE_BYTES = 64 << 20
FOREIGN_MAX = 20_000
REFUSED = {"[": "json_array", "<": "markup"}
PREAMBLE_MAX = 20
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Letters and signs of Spanish, Portuguese and their neighbours: the encoding in which they make sense is the right one.
AT_HOME = frozenset("áéíóúàèìòùâêîôûãõäëïöüñçÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛÃÕÄËÏÖÜÑÇºª¿¡€£´’“”–·°«»")
SINGLE_BYTE = ("windows-1252", "iso-8859-1", "cp850", "mac_roman")
NUMBER_WITH_COMMA = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d+,(?:\d{1,2}|\d{4,})")
NUMBER_WITH_POINT = re.compile(r"\d{1,3}(?:,\d{3})+\.\d+|\d+\.(?:\d{1,2}|\d{4,})")
# Digits and separators within signs, brackets and a currency before or after them.
NUMBER = re.compile(rf"[-+(]?(?P<before>{money.MARK})?[-+]?(?P<digits>[\d.,]*\d[\d.,]*)-?(?P<after>{money.MARK})?[-)]?")


@dataclass(frozen=True)
class FileFormat:
    """Everything that decides how the bytes become rows and the rows values."""

    container: str = CSV
    compression: str = ""
    encoding: str = "utf-8"
    delimiter: str = ","
    has_header: bool = True
    skip_rows: int = 0  # lines above the header, such as the title of a report
    sheet: str = ""
    decimal: str = "."
    date_order: str = dates.YMD
    currency: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in known and value is not None})

    def changed(self, given: dict[str, Any] | None) -> Self:
        known = {field.name for field in fields(self)}
        return replace(self, **{k: v for k, v in (given or {}).items() if k in known and v is not None})


def container_of(path: Path, given: dict[str, Any]) -> FileFormat:
    """Container, compression, encoding, delimiter and header, from the file's first bytes and pieces of the rest.

    Raises Unreadable when it is no table.
    """
    opening.check_path(path)
    packing = given.get("compression") or opening.compression(path)
    with opening.unpacked(path, packing) as (content, _raw):
        head = opening.read_some(content, SAMPLE_BYTES)
    if not head.strip():
        raise Unreadable("empty")
    if head.startswith(b"PAR1") or head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        if packing:
            raise Unreadable("packed_twice", kind=packing)
        return FileFormat(container=PARQUET if head.startswith(b"PAR1") else EXCEL).changed(given)
    encoding = given.get("encoding") or encoding_of(head, [] if packing else everything(path))
    found = FileFormat(container=CSV, compression=packing, encoding=encoding).changed(given)
    sample = as_text(head, encoding)
    start = sample.lstrip("\ufeff \t\r\n")[:1]
    if start == "{":
        return replace(found, container=JSONL, has_header=False)
    if start in REFUSED:
        raise Unreadable(REFUSED[start])
    if "delimiter" not in given or not given["delimiter"]:
        found = replace(found, delimiter=delimiter_of(sample))
    rows = parsed(sample, found.delimiter)
    if "skip_rows" not in given:
        found = replace(found, skip_rows=preamble_of(rows))
    if "has_header" not in given or given["has_header"] is None:
        found = replace(found, has_header=has_header(rows[found.skip_rows :]))
    return found


def everything(path: Path) -> Iterable[bytes]:
    """The whole of a file of usual size, piece by piece: letters with accents may first turn up in the last row."""
    if path.stat().st_size > WHOLE_BYTES:
        yield from pieces(path)
        return
    with path.open("rb") as file:
        while piece := file.read(SAMPLE_BYTES):
            yield piece


def pieces(path: Path) -> list[bytes]:
    """Pieces from all over a large file."""
    size = path.stat().st_size
    if size <= SAMPLE_BYTES:
        return []
    found = []
    with path.open("rb") as file:
        for number in range(1, PIECES + 1):
            file.seek(SAMPLE_BYTES + (size - SAMPLE_BYTES) * number // (PIECES + 1))
            found.append(file.read(PIECE_BYTES))
    return found


def encoding_of(head: bytes, more: Iterable[bytes]) -> str:
    """The encoding of a text by its marks, its bytes, and the letters they would make. Raises Unreadable for none."""
    for mark, encoding in BOMS.items():
        if head.startswith(mark):
            return encoding
    if head.count(0) > len(head) // 100:
        return _wide(head)
    control = sum(head.count(bytes([byte])) for byte in range(32) if byte not in (9, 10, 12, 13, 26, 27))
    if control > len(head) // 100:
        raise Unreadable("binary")
    foreign, is_utf8 = b"", True
    for piece in chain([head], more):
        is_utf8 = is_utf8 and _is_utf8(piece)
        foreign += piece.translate(None, bytes(range(128)))[: FOREIGN_MAX - len(foreign)]
        if not is_utf8 and len(foreign) >= FOREIGN_MAX:
            break
    return "utf-8" if is_utf8 else max(SINGLE_BYTE, key=lambda name: _at_home(foreign, name))


def _wide(head: bytes) -> str:
    """UTF-16 that does not say so: every other byte is zero. Raises Unreadable where zeros stand anyhow."""
    for encoding, zeros, letters in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if zeros.count(0) > 0.8 * len(zeros) and letters.count(0) == 0:
            return encoding
    raise Unreadable("binary")


def _is_utf8(piece: bytes) -> bool:
    # A piece may begin and end in the middle of a letter.
    trimmed = piece.lstrip(bytes(range(0x80, 0xC0))) if piece[:1] > b"\x7f" else piece
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(trimmed, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _at_home(foreign: bytes, encoding: str) -> float:
    letters = foreign.decode(encoding, errors="replace")
    # The first of equals wins: windows-1252 is iso-8859-1 with more letters.
    return round(sum(letter in AT_HOME for letter in letters) / max(len(letters), 1), 3)


def as_text(head: bytes, encoding: str) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False).removeprefix("\ufeff")
    except LookupError:
        raise Unreadable("encoding_unknown", encoding=encoding) from None
    except UnicodeDecodeError as fault:
        row = fault.object[: fault.start].count(b"\n") + 1
        raise Unreadable("encoding", row=row, offset=fault.start, encoding=encoding) from fault


def parsed(sample: str, delimiter: str) -> list[list[str]]:
    """The sample's whole rows, blank ones as empty lists; its last one may be cut off and is left out."""
    text = sample[: sample.rfind("\n") + 1] or sample
    try:
        return list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:
        return [line.split(delimiter) if line else [] for line in text.splitlines()]


def delimiter_of(sample: str) -> str:
    """What parts the columns: the sign that gives most rows the same number of them, more than one."""

    def agreement(delimiter: str) -> tuple[float, int]:
        rows = [row for row in parsed(sample[:65_536], delimiter) if row]
        width, count = Counter(len(row) for row in rows).most_common(1)[0] if rows else (1, 0)
        return (count / len(rows), width) if width > 1 else (0.0, 0)

    return max(DELIMITERS, key=agreement)


def preamble_of(rows: list[list[str]]) -> int:
    """Lines above the table: blank, or of fewer columns than most rows have."""
    filled = [row for row in rows if row]
    if not filled:
        return 0
    width = width_of(rows)
    count = sum(len(row) == width for row in filled)
    first = next(number for number, row in enumerate(rows) if len(row) >= width)
    if first and len(rows[first - 1]) == width - 1 > 1 and not any(row[-1] for row in filled if len(row) == width):
        first -= 1  # rows that end with a separator under a header that does not
    return first if width > 1 and first <= PREAMBLE_MAX and count > len(filled) / 2 else 0


def width_of(rows: list[list[str]]) -> int:
    """How many columns most rows have."""
    widths = Counter(len(row) for row in rows if row)
    return widths.most_common(1)[0][0] if widths else 0


def has_header(rows: list[list[str]]) -> bool:
    """Names are no dates and no numbers, and each stands once."""
    if not rows:
        return True
    first = [cell.strip() for cell in rows[0]]
    named = [cell for cell in first if cell]
    if any(dates.looks_like_date(cell) or "@" in cell for cell in named):
        return False
    numbers = [cell for cell in named if digits_of(cell)]
    return not numbers or (len(numbers) < len(named) / 3 and all(len(number) == 4 for number in numbers))


def digits_of(cell: str) -> str:
    """The digits and separators of a number as people write it; nothing where it is none."""
    found = NUMBER.fullmatch(money.SPACES.sub("", cell))
    letters = [mark for mark in found.group("before", "after") if mark and mark.isalpha()] if found else []
    return found["digits"] if found and all(money.is_currency(mark) for mark in letters) else ""


def decimal_of(columns: list[list[str]], delimiter: str, language: str) -> str:
    """Comma or point, by the numbers that can only be read one way."""
    comma = point = 0
    for cells in columns:
        for cell in cells:
            digits = digits_of(cell)
            comma += bool(NUMBER_WITH_COMMA.fullmatch(digits))
            point += bool(NUMBER_WITH_POINT.fullmatch(digits))
    if comma == point:
        return "," if delimiter == ";" and language in ("es", "pt") and not point else "."
    return "," if comma > point else "."


def in_words(given: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each part of a format, for people."""
    form = FileFormat.from_json(given)
    containers = {CSV: _("Text with columns"), EXCEL: _("Workbook"), PARQUET: "Parquet", JSONL: _("JSON lines")}
    marks = {",": _("comma"), ";": _("semicolon"), "\t": _("tabulator"), "|": _("vertical bar")}
    orders = {
        dates.YMD: _("year, month, day"),
        dates.DMY: _("day, month, year"),
        dates.MDY: _("month, day, year"),
    }
    said = [(_("Kind of file"), containers.get(form.container, form.container))]
    if form.compression:
        said.append((_("Packed with"), form.compression))
    if form.container == CSV:
        said += [(_("Encoding"), form.encoding), (_("Between columns"), marks.get(form.delimiter, form.delimiter))]
        said.append((_("First row"), _("names of the columns") if form.has_header else _("already data")))
    if form.container == EXCEL:
        said.append((_("Sheet"), form.sheet))
    said += [
        (_("Decimals after a"), _("comma") if form.decimal == "," else _("point")),
        (_("Order of dates"), orders.get(form.date_order, form.date_order)),
    ]
    return [*said, (_("Currency"), form.currency)] if form.currency else said
