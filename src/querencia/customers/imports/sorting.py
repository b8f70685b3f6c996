"""Rows by key, however many they are: sorted runs on the disk, merged with a few thousand rows of each in memory."""

import heapq
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import polars as pl
import pyarrow as pa

RUN_ROWS = 200_000
PIECE_ROWS = 2_000
BATCH_ROWS = 50_000
SAME_KEY_MAX = 500_000
COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


class TooManyAlike(Exception):
    """More rows than memory should hold share one key; `row` is the first of them."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row["key"])
        self.row = row


class ByKey:
    """Takes frames with the columns ``key`` and ``row`` and gives them back in that order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self._waiting: list[pl.DataFrame] = []
        self._runs: list[Path] = []
        self._open: list[Any] = []

    def add(self, frame: pl.DataFrame) -> None:
        """All frames have the same columns of the same types."""
        self._waiting.append(frame)
        self.rows += len(frame)
        if sum(len(part) for part in self._waiting) >= RUN_ROWS:
            self._write(self._sorted())

    def batches(self) -> Iterator[pl.DataFrame]:
        """Frames of about BATCH_ROWS, the rows of one key never torn apart. Raises TooManyAlike."""
        runs = [self._read(path) for path in self._runs]
        runs += [self._sorted().iter_slices(PIECE_ROWS)] if self._waiting else []
        heads = _Heads(runs)
        wanted = BATCH_ROWS + PIECE_ROWS * len(runs)
        while len(heads.rows) or heads.last:
            heads.fill(wanted)
            # What comes later is not below the smallest of the keys read last.
            whole = pl.lit(value=True) if heads.last is None else pl.col("key") < heads.last
            ready, rest = heads.rows.filter(whole), heads.rows.filter(~whole)
            if ready.is_empty():
                if len(rest) > SAME_KEY_MAX:
                    raise TooManyAlike(rest.row(0, named=True))
                wanted += BATCH_ROWS
                continue
            heads.rows = rest
            wanted = BATCH_ROWS + PIECE_ROWS * len(runs)
            yield ready.sort("key", "row")

    def _sorted(self) -> pl.DataFrame:
        rows, self._waiting = pl.concat(self._waiting).sort("key", "row"), []
        return rows

    def _write(self, rows: pl.DataFrame) -> None:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{len(self._runs):06}"
        table = rows.to_arrow()
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema, options=COMPRESSED) as stream:
            stream.write_table(table, max_chunksize=PIECE_ROWS)
        self._runs.append(path)

    def _read(self, path: Path) -> Iterator[pl.DataFrame]:
        file = pa.OSFile(str(path), "rb")
        self._open.append(file)
        return (pl.DataFrame(pl.from_arrow(batch)) for batch in pa.ipc.open_stream(file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_fault: object) -> None:
        for file in self._open:
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Heads:
    """The rows read so far of every run and not given away yet."""

    def __init__(self, runs: list[Iterator[pl.DataFrame]]) -> None:
        self._runs = runs
        self._ends: list[tuple[str, int]] = []  # the last key read of each run that has more, the smallest first
        self._pieces: list[pl.DataFrame] = []
        for number in range(len(runs)):
            self._read(number)
        self.rows = self._joined()

    @property
    def last(self) -> str | None:
        return self._ends[0][0] if self._ends else None

    def fill(self, wanted: int) -> None:
        """Read on, always where the smallest keys are, until so many rows are here or no run has more."""
        count = len(self.rows)
        self._pieces = [self.rows]
        while self._ends and count < wanted:
            count += self._read(heapq.heappop(self._ends)[1])
        self.rows = self._joined()

    def _read(self, number: int) -> int:
        piece = next(self._runs[number], None)
        if piece is None:
            return 0
        self._pieces.append(piece)
        heapq.heappush(self._ends, (piece["key"][-1], number))
        return len(piece)

    def _joined(self) -> pl.DataFrame:
        pieces, self._pieces = [piece for piece in self._pieces if len(piece)], []
        return pl.concat(pieces) if pieces else pl.DataFrame()
