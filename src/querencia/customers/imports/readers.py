"""The rows of a file, batch by batch in bounded memory, whatever it is kept in."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from querencia.customers.imports import formats, opening
from querencia.customers.imports.formats import FileFormat
from querencia.customers.imports.problems import Unreadable, listed

BLOCK_BYTES = 1 << 20
BATCH_ROWS, HEAD_ROWS = 50_000, 200
BLANK = ("", None)


@dataclass(frozen=True)
class Broken:
    """A row that is no row of this table."""

    row: int
    text: str
    code: str = "broken_row"
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Rows with the number each has in the file (as spreadsheets count: a header is row 1), and rows that are none."""

    frame: pl.DataFrame
    rows: pl.Series
    broken: list[Broken]
    share: float  # of the file read so far, 0..1


@dataclass(frozen=True)
class Shape:
    """The columns of a file and about how many rows it has."""

    columns: list[str]
    rows_estimated: int


def read(
    path: Path, form: FileFormat, *, columns: Sequence[str] | None = None, block: int = BLOCK_BYTES
) -> Iterator[Batch]:
    """The file's batches, with the named columns only if some are named. Raises Unreadable where it cannot go on."""
    readers = {formats.CSV: _csv, formats.EXCEL: _excel, formats.PARQUET: _parquet, formats.JSONL: _jsonl}
    yield from readers[form.container](path, form, columns, block)


def named(cells: Sequence[Any]) -> list[str]:
    """Names of columns out of a header: stripped, numbered where blank. Raises Unreadable where one stands twice."""
    names = [
        " ".join(str(cell if cell is not None else "").split()) or f"column {i}" for i, cell in enumerate(cells, 1)
    ]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise Unreadable("duplicate_columns", name=name, first=names.index(name) + 1, second=place + 1)
    return names


# -- text with columns -------------------------------------------------------------------------------------------------


def csv_columns(path: Path, form: FileFormat) -> list[str]:
    """The names of the columns. Raises Unreadable when the rows do not fall into columns."""
    with opening.text(path, form.compression, form.encoding) as (content, _raw):
        head = content.read(formats.SAMPLE_BYTES).decode(errors="ignore")
    rows = formats.parsed(head, form.delimiter)[form.skip_rows :]
    if not any(rows):
        raise Unreadable("empty")
    cells = [cell.strip() for cell in rows[0]]
    if len(cells) == formats.width_of(rows[1:]) - 1:
        cells.append("")  # rows that end with a separator under a header that does not
    if len(cells) == 1:
        raise Unreadable("one_column", delimiter=repr(form.delimiter).strip("'"))
    if not form.has_header:
        return named([""] * len(cells))
    if not any(rows[1:]):
        raise Unreadable("header_only", columns=listed(named(cells)))
    return named(cells)


def _csv(path: Path, form: FileFormat, columns: Sequence[str] | None, block: int) -> Iterator[Batch]:
    names = csv_columns(path, form)
    wanted = list(columns) if columns is not None else names
    size = max(path.stat().st_size, 1)
    numbering = _Numbering(form.has_header)
    with opening.text(path, form.compression, form.encoding) as (content, raw):
        for _line in range(form.skip_rows):
            content.skip_line()
        reader = _opened_csv(_Ended(content), form, names, wanted, numbering, block)
        while (batch := _next_batch(reader, numbering)) is not None:
            frame = pl.DataFrame(pl.from_arrow(batch))
            rows, broken = numbering.of(len(frame))
            yield Batch(frame, rows + form.skip_rows, numbering.moved(broken, form.skip_rows), raw.tell() / size)
        broken = numbering.rest()
        if not numbering.is_at_end:
            raise Unreadable("quote", row=numbering.last + form.skip_rows)
        if broken:
            yield Batch(_nothing(wanted), pl.Series("row", [], pl.Int64), numbering.moved(broken, form.skip_rows), 1.0)


class _Ended(io.RawIOBase):
    """A stream with one more row at its end. A quotation mark that never closes swallows it, and so is found out."""

    ROW = "\x1eend"

    def __init__(self, content: opening.Transcoded) -> None:
        super().__init__()
        self._content = content
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._is_at_end:
            return b""
        made = self._content.read(size)
        if made:
            return made
        self._is_at_end = True
        return f"\n{self.ROW}\n".encode()


def _opened_csv(
    content: _Ended,
    form: FileFormat,
    names: list[str],
    wanted: list[str],
    numbering: "_Numbering",
    block: int,
) -> Any:
    try:
        return pa.csv.open_csv(
            content,
            read_options=pa.csv.ReadOptions(
                use_threads=False, block_size=block, column_names=names, skip_rows_after_names=int(form.has_header)
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=form.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=numbering.handle,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=wanted,
                strings_can_be_null=False,
                check_utf8=False,  # the stream has been looked at already
            ),
        )
    except pa.ArrowInvalid as fault:
        raise _csv_fault(fault, numbering) from fault


def _next_batch(reader: Any, numbering: "_Numbering") -> Any:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except pa.ArrowInvalid as fault:
        raise _csv_fault(fault, numbering) from fault


def _csv_fault(fault: Exception, numbering: "_Numbering") -> Unreadable:
    message = str(fault).splitlines()[0]
    if "straddling" in message:
        return Unreadable("quote", row=numbering.next)
    return Unreadable("unreadable", row=numbering.next, message=message)


def _nothing(columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


class _Numbering:
    """The numbers of good rows, between which broken ones are counted too."""

    def __init__(self, has_header: bool) -> None:
        self.next = 1 + has_header
        self.broken: list[Broken] = []
        self.skipped: list[int] = []  # broken and empty rows, in order
        self.is_at_end = False

    @property
    def last(self) -> int:
        return max([self.next - 1, *self.skipped])

    def handle(self, row: Any) -> str:
        number = int(row.number)
        if row.text == _Ended.ROW:
            self.is_at_end = True
            return "skip"
        self.skipped.append(number)
        if row.text.strip(' \t\r\n,;|"\x1a'):
            facts = {"expected": row.expected_columns, "found": row.actual_columns}
            self.broken.append(Broken(number, row.text[:200], facts=facts))
        return "skip"

    def of(self, count: int) -> tuple[pl.Series, list[Broken]]:
        skipped = np.array(self.skipped, dtype=np.int64)
        numbers = np.arange(self.next, self.next + count + len(skipped), dtype=np.int64)
        numbers = numbers[~np.isin(numbers, skipped)][:count] if len(skipped) else numbers
        self.next = int(numbers[-1]) + 1 if count else self.next
        self.skipped = [number for number in self.skipped if number >= self.next]
        passed = [row for row in self.broken if row.row < self.next]
        self.broken = self.broken[len(passed) :]
        return pl.Series("row", numbers), passed

    def rest(self) -> list[Broken]:
        rest, self.broken = self.broken, []
        return rest

    @staticmethod
    def moved(broken: list[Broken], by: int) -> list[Broken]:
        return [Broken(row.row + by, row.text, row.code, row.facts) for row in broken] if by else broken


# -- workbooks ---------------------------------------------------------------------------------------------------------


def sheet_of(path: Path, form: FileFormat) -> Any:
    """The sheet asked for, or the one that holds most. Raises Unreadable."""
    import python_calamine as calamine

    try:
        workbook = calamine.CalamineWorkbook.from_path(str(path))
        if form.sheet and form.sheet not in workbook.sheet_names:
            raise Unreadable("excel_sheet", sheet=form.sheet, names=listed(workbook.sheet_names))
        sheets = [workbook.get_sheet_by_name(name) for name in ([form.sheet] if form.sheet else workbook.sheet_names)]
    except calamine.PasswordError as fault:
        raise Unreadable("excel_locked") from fault
    except calamine.CalamineError as fault:
        raise Unreadable("excel_locked" if "assword" in str(fault) else "excel_broken", message=str(fault)) from fault
    if not sheets:
        raise Unreadable("empty")
    return max(sheets, key=lambda sheet: sheet.total_height)


def _excel(path: Path, form: FileFormat, columns: Sequence[str] | None, block: int) -> Iterator[Batch]:
    sheet = sheet_of(path, form)
    rows: Iterator[tuple[int, list[Any]]] = enumerate(sheet.iter_rows(), 1)
    head = list(islice(rows, HEAD_ROWS))
    filled = [[cell for cell in row if cell not in BLANK] for _number, row in head]
    if not any(filled):
        raise Unreadable("empty")
    first = formats.preamble_of(filled)
    width = max(len(row) for _number, row in head)
    names = named(head[first][1] if form.has_header else [""] * width)
    rows = chain(head[first + form.has_header :], rows)
    places = [place for place, name in enumerate(names) if columns is None or name in columns]
    is_empty = True
    while part := list(islice(rows, BATCH_ROWS)):
        kept = [(number, row) for number, row in part if any(cell not in BLANK for cell in row)]
        data = {
            names[p]: _cells([row[p] if p < len(row) else None for _n, row in kept], names[p], form) for p in places
        }
        numbers = pl.Series("row", [number for number, _row in kept], dtype=pl.Int64)
        is_empty = is_empty and not kept
        yield Batch(pl.DataFrame(data), numbers, [], min(part[-1][0] / sheet.total_height, 1.0))
    if is_empty:
        raise Unreadable("header_only", columns=listed(names))


def _cells(cells: list[Any], name: str, form: FileFormat) -> pl.Series:
    """Numbers and dates as they are where a column holds nothing else, otherwise as text in the file's notation."""
    import datetime

    kinds = {type(cell) for cell in cells if cell not in BLANK}
    blank = [None if cell in BLANK else cell for cell in cells]
    if kinds and kinds <= {int, float}:
        return pl.Series(name, [None if cell is None else float(cell) for cell in blank], dtype=pl.Float64)
    if kinds and kinds <= {datetime.datetime, datetime.date}:
        return pl.Series(name, [_moment(cell) for cell in blank], dtype=pl.Datetime("us"))
    return pl.Series(
        name, [None if cell is None else _cell_text(cell, form.decimal) for cell in blank], dtype=pl.String
    )


def _moment(cell: Any) -> Any:
    import datetime

    if cell is None or isinstance(cell, datetime.datetime):
        return cell
    return datetime.datetime.combine(cell, datetime.time())


def _cell_text(cell: Any, decimal: str) -> str:
    if isinstance(cell, float):
        written = str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
        return written.replace(".", decimal)
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


# -- Parquet and JSON lines --------------------------------------------------------------------------------------------


def opened_parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as fault:
        raise Unreadable("parquet_broken", message=str(fault).splitlines()[0]) from fault


def _parquet(path: Path, form: FileFormat, columns: Sequence[str] | None, block: int) -> Iterator[Batch]:
    file = opened_parquet(path)
    total, done = max(file.metadata.num_rows, 1), 0
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=None if columns is None else list(columns)):
            frame = pl.DataFrame(pl.from_arrow(batch))
            rows = pl.int_range(done + 1, done + len(frame) + 1, eager=True, dtype=pl.Int64).alias("row")
            done += len(frame)
            yield Batch(frame, rows, [], done / total)
    except (pa.ArrowInvalid, OSError) as fault:
        raise Unreadable("parquet_broken", message=str(fault).splitlines()[0]) from fault


def _jsonl(path: Path, form: FileFormat, columns: Sequence[str] | None, block: int) -> Iterator[Batch]:
    size, number = max(path.stat().st_size, 1), 1
    with opening.text(path, form.compression, form.encoding) as (content, raw):
        lines = io.BufferedReader(content, 1 << 20)
        while chunk := lines.readlines(block):
            yield _json_batch(chunk, number, columns, raw.tell() / size)
            number += len(chunk)


def _json_batch(lines: list[bytes], first: int, columns: Sequence[str] | None, share: float) -> Batch:
    objects, numbers, broken = [], [], []
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            found = json.loads(line, parse_float=str)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            objects.append(found)
            numbers.append(number)
        else:
            broken.append(Broken(number, line[:200].decode(errors="replace").strip(), code="broken_json"))
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in objects for name in row))
    data = {name: pl.Series(name, [_json_text(row.get(name)) for row in objects], dtype=pl.String) for name in names}
    return Batch(pl.DataFrame(data), pl.Series("row", numbers, dtype=pl.Int64), broken, share)


def _json_text(value: Any) -> str | None:
    if value is None:
        return value
    if isinstance(value, str):
        # Half a letter can be written in JSON, but is no letter.
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else str(value)
