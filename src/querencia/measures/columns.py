# ruff: noqa: S608  (the queries are put together from names of our own and from integers)
"""The columnar copy of the purchases: Parquet parts beside the database, which analysis reads instead of it.

Purchases are append-only, so a copy needs only what came after its watermark, the highest id it holds. Three things can
still put copy and database apart, and each refresh looks for them before it reads on:

- PostgreSQL gives out ids before transactions commit: a row with a lower id may appear later. Every part knows which
  range of ids it covers and how many rows it found; where the database now counts otherwise, the part is read anew.
- The database was restored from a backup, replaced or emptied. Every part keeps a fingerprint of its first and last
  row; from the first part whose rows are no longer there, the copy is thrown away and read anew.
- The process died. Parts get their name when they are whole and on disk; the manifest, replaced in one step, alone says
  which parts count. Whatever it does not name is swept away.
"""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from querencia.measures import source

FORMAT = 1
PART_ROWS = 1_000_000
PARTS_MAX = 24

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("customer_id", pa.int64()),
        ("day", pa.int32()),
        ("amount", pa.int64()),
        ("cost", pa.int64()),
        ("currency", pa.string()),
        ("channel", pa.string()),
        ("branch", pa.string()),
        ("source", pa.string()),
        ("key", pa.string()),
        ("refund_of", pa.string()),
    ]
)
TABLE = "customers_purchase"
# SQLite stores whatever it is given and its driver guesses types from the first rows: the casts leave nothing to guess.
SELECT = "SELECT " + ", ".join(
    f'CAST("{name}" AS {"BIGINT" if pa.types.is_integer(kind) else "TEXT"}) AS "{name}"'
    for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True)
)

type Progress = Callable[[float], None]


@dataclass(frozen=True)
class Part:
    """The purchases with ``after < id <= upto``: in a Parquet file, or none (rows 0, no file)."""

    after: int
    upto: int
    rows: int = 0
    file: str = ""
    # Fingerprints by id, of the first and the last row.
    marks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did, in rows."""

    rows: int
    added: int
    reread: int
    was_rebuilt: bool


class Copy:
    """The copy in one folder. Use ``refresh`` to bring it up to date and ``files`` to read it."""

    def __init__(self, folder: Path, parts: list[Part]) -> None:
        self.folder = folder
        self.parts = parts

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The copy as the manifest describes it; an empty one when there is none, or one that cannot be trusted."""
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            parts = [Part(**part) for part in manifest["parts"]] if manifest["format"] == FORMAT else []
        except (OSError, ValueError, KeyError, TypeError):
            parts = []
        sizes = {path.name: path.stat().st_size for path in folder.glob("*.parquet")}
        return cls(folder, parts if all(sizes.get(part.file) for part in parts if part.rows) else [])

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def watermark(self) -> int:
        return self.parts[-1].upto if self.parts else 0

    @property
    def files(self) -> list[str]:
        return [str(self.folder / part.file) for part in self.parts if part.rows]

    def relation(self, engine: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """All rows, with the columns of SCHEMA; lazy: nothing is read yet."""
        if files := self.files:
            return engine.read_parquet(files)
        return engine.from_arrow(SCHEMA.empty_table())

    def keep(self, parts: list[Part]) -> None:
        """Make these parts the copy, in one step."""
        text = json.dumps({"format": FORMAT, "parts": [asdict(part) for part in parts]}, indent=1)
        with _whole_file(self.folder / "manifest.json") as path:
            path.write_text(text)
        self.parts = parts

    def sweep(self) -> None:
        """Remove what the manifest does not name: parts replaced, and what a dead process left half-written."""
        named = {part.file for part in self.parts}
        for path in self.folder.glob("*.parquet*"):
            if path.name not in named:
                path.unlink(missing_ok=True)


def refresh(folder: Path, *, progress: Progress | None = None, rebuild: bool = False) -> tuple[Copy, Refreshed]:
    """Bring the copy in a folder up to date with the database, reading only what is new or no longer agrees.

    One process at a time: a second one waits. ``rebuild`` reads everything anew. ``progress`` hears the share done.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder), source.connect() as rows:
        copy = Copy.open(folder)
        known = [] if rebuild else _still_there(copy.parts, rows)
        was_rebuilt = len(known) < len(copy.parts)
        if was_rebuilt:
            copy.keep(known)
        reread = _heal(copy, rows)
        added = _read_on(copy, rows, progress)
        if len(copy.parts) > PARTS_MAX:
            copy.keep(_merged(copy))
        copy.sweep()
        return copy, Refreshed(copy.rows, added, reread, was_rebuilt)


def reread(folder: Path, customer_ids: Sequence[int]) -> int:
    """Read anew the parts that hold purchases of these customers; how many. For rows that are no longer what they were:
    those of people who were erased."""
    if not (folder / "manifest.json").exists():
        return 0
    with (
        _alone(folder),
        source.connect() as rows,
        duckdb.connect(config={"autoinstall_known_extensions": "false"}) as engine,
    ):
        copy = Copy.open(folder)
        engine.execute("CREATE TABLE wanted AS SELECT unnest(?::BIGINT[]) AS customer_id", [list(customer_ids)])
        held = "SELECT 1 FROM read_parquet(?) WHERE customer_id IN (SELECT customer_id FROM wanted) LIMIT 1"
        theirs = [
            part for part in copy.parts if part.rows and engine.execute(held, [str(folder / part.file)]).fetchone()
        ]
        parts: list[Part] = []
        for part in copy.parts:
            parts += _anew(copy.folder, part, rows) if part in theirs else [part]
        if theirs:
            copy.keep(parts)
        copy.sweep()
        return len(theirs)


def _anew(folder: Path, part: Part, rows: source.Rows) -> list[Part]:
    """A part as the database has its range now."""
    anew = list(_parts(folder, _batches(rows, _within(part)), after=part.after))
    # Up to the same id as before, so that no range stays unwatched.
    return [*anew[:-1], replace(anew[-1], upto=part.upto)] if anew else [Part(part.after, part.upto)]


def differences(copy: Copy) -> list[str]:
    """Ranges of ids in which the sums of copy and database disagree, as ``after-upto``; reads the whole table."""
    sums = "count(*), sum(id), sum(customer_id), sum(day), sum(amount)"
    found = []
    with source.connect() as rows, duckdb.connect(config={"autoinstall_known_extensions": "false"}) as engine:
        for part in copy.parts:
            there = [int(n or 0) for n in rows.one(f"SELECT {sums} FROM {TABLE} WHERE {_within(part)}")]
            here = [0] * 5
            if part.rows:
                values = engine.read_parquet(str(copy.folder / part.file)).aggregate(sums).fetchall()[0]
                here = [int(n or 0) for n in values]
            if here != there:
                found.append(f"{part.after}-{part.upto}")
    return found


def _within(part: Part) -> str:
    return f"id > {part.after} AND id <= {part.upto}"


def _still_there(parts: list[Part], rows: source.Rows) -> list[Part]:
    """The parts up to the first whose first or last row the database no longer holds as it was."""
    ids = [number for part in parts for number in part.marks]
    if not ids:
        return parts
    table = rows.table(f"{SELECT} FROM {TABLE} WHERE id IN ({', '.join(ids)})", SCHEMA)
    marks = {str(row["id"]): _mark(row) for row in table.to_pylist()}
    for position, part in enumerate(parts):
        if any(marks.get(number) != mark for number, mark in part.marks.items()):
            return parts[:position]
    return parts


def _mark(row: dict[str, Any]) -> str:
    # Hashed: a key may be an order number, and the manifest needs only to know it again.
    return hashlib.sha256(repr([row[name] for name in SCHEMA.names]).encode()).hexdigest()[:20]


def _heal(copy: Copy, rows: source.Rows) -> int:
    """Read anew the parts whose range now holds another number of rows; returns how many rows were read."""
    if not copy.parts or rows.count(f"SELECT count(*) FROM {TABLE} WHERE id <= {copy.watermark}") == copy.rows:
        return 0
    reread, parts = 0, []
    for part in copy.parts:
        if rows.count(f"SELECT count(*) FROM {TABLE} WHERE {_within(part)}") == part.rows:
            parts.append(part)
            continue
        anew = _anew(copy.folder, part, rows)
        reread += sum(one.rows for one in anew)
        parts += anew
    copy.keep(parts)
    return reread


def _read_on(copy: Copy, rows: source.Rows, progress: Progress | None) -> int:
    """Read what came after the watermark, keeping every part as soon as it is whole."""
    after, before, highest = copy.watermark, copy.rows, 0
    if progress:
        highest = rows.count(f"SELECT coalesce(max(id), 0) FROM {TABLE}")
    for part in _parts(copy.folder, _batches(rows, f"id > {after}"), after=after):
        copy.keep([*copy.parts, part])
        if progress and highest > after:
            progress(min(1.0, (part.upto - after) / (highest - after)))
    return copy.rows - before


def _batches(rows: source.Rows, where: str) -> Iterator[pa.RecordBatch]:
    return rows.batches(f"{SELECT} FROM {TABLE} WHERE {where} ORDER BY id", SCHEMA)


def _parts(folder: Path, batches: Iterable[pa.RecordBatch], *, after: int) -> Iterator[Part]:
    """Write rows in order of id as parts of at most about PART_ROWS; each is yielded when it is on disk."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(one.num_rows for one in held) >= PART_ROWS:
            part = _write(folder, pa.Table.from_batches(held, SCHEMA), after=after)
            held, after = [], part.upto
            yield part
    if any(one.num_rows for one in held):
        yield _write(folder, pa.Table.from_batches(held, SCHEMA), after=after)


def _write(folder: Path, table: pa.Table, *, after: int, upto: int = 0) -> Part:
    ends = [*table.slice(0, 1).to_pylist(), *table.slice(table.num_rows - 1).to_pylist()]
    upto = upto or ends[-1]["id"]
    name = f"purchases-{after + 1}-{upto}-{secrets.token_hex(4)}.parquet"
    with _whole_file(folder / name) as path:
        pq.write_table(table, path, compression="zstd", row_group_size=131_072)
    return Part(after, upto, table.num_rows, name, {str(row["id"]): _mark(row) for row in ends})


def _merged(copy: Copy) -> list[Part]:
    """Neighbouring parts as few as PART_ROWS allows: every day adds one, and each costs a file to open."""
    groups: list[list[Part]] = []
    for part in copy.parts:
        if groups and sum(one.rows for one in groups[-1]) + part.rows <= PART_ROWS:
            groups[-1].append(part)
        else:
            groups.append([part])
    return [_joined(copy.folder, group) for group in groups]


def _joined(folder: Path, group: list[Part]) -> Part:
    filled = [part for part in group if part.rows]
    after, upto = group[0].after, group[-1].upto
    if len(filled) <= 1:
        return replace(filled[0] if filled else group[0], after=after, upto=upto)
    tables = [pq.read_table(folder / part.file, schema=SCHEMA) for part in filled]
    return _write(folder, pa.concat_tables(tables), after=after, upto=upto)


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """A path to write to that takes its final name only when everything is on disk."""
    unfinished = path.with_name(path.name + ".unfinished")
    yield unfinished
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    # The system lets go of this lock when the process ends, however it ends.
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
