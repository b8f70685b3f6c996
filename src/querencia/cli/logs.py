"""Purchase logs in files, opened without a database: rows typed as `import` types them, purchases in an engine.

Several files are one log. Typed rows go batch by batch to a folder that is gone at the end, so that memory does not
grow with the files.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfileobj
from typing import Any

import polars as pl
from django.utils.translation import gettext as _

from querencia.cli import hindsight
from querencia.cli.faults import Refused
from querencia.cli.screen import Screen
from querencia.cli.understanding import Asked, Understood, understand
from querencia.common import money
from querencia.common.time import day_number
from querencia.customers.imports import checks, format_in_words, mapping, readers, reason_text, staging, vocabulary
from querencia.customers.imports.checks import BusinessFacts, Checked, Terms
from querencia.customers.imports.problems import Unreadable
from querencia.customers.imports.readers import Batch
from querencia.customers.imports.reasons import Tally, count
from querencia.measures import engine

STDIN = "-"
STDIN_NAME = "standard input"
# Where a day to look from is given, what is dated later is told apart by that; no clock is asked.
END_OF_TIME = datetime(9999, 12, 30, tzinfo=UTC)
BLOCK_BYTES = 4 << 20
FACTS = ("customer_key", "day", "amount", "key", "refund_of")


@dataclass
class Log:
    """The purchases of some files, and what became of their rows.

    ``purchases`` is a canonical table (:mod:`querencia.insight.tables`) whose customers are numbered in the order of
    their own ids. ``rows`` are those of the files, a header and blank rows apart; ``later`` are those after the day
    looked from: nothing has looked at them. ``rejected`` are reasons with count, first row and its values.
    """

    currency: str = ""
    rows: int = 0
    later: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    desk: Any = None
    purchases: Any = None

    @property
    def left_out(self) -> int:
        return sum(int(reason["count"]) for reason in self.rejected)

    @property
    def used(self) -> int:
        return self.rows - self.later - self.left_out

    def ids(self, numbers: Sequence[int]) -> list[str]:
        """The own ids of numbered customers."""
        found = self.desk.execute(
            "SELECT customer_id, id FROM customers WHERE list_contains($1::BIGINT[], customer_id)", [list(numbers)]
        ).fetchall()
        named = {number: str(own) for number, own in found}
        return [named[number] for number in numbers]


@contextmanager
def opened(files: Sequence[str], asked: Asked, *, screen: Screen, now: datetime | None = None) -> Iterator[Log]:
    """The log of these files. ``now`` is the latest that a date may be where ``asked`` names no day to look from.

    What was guessed is told on the screen. Refuses, in a sentence, files that hold no purchase.
    """
    if asked.currency and not money.is_currency(asked.currency):
        raise Refused(str(Unreadable("currency_unknown", code=asked.currency)))
    with tempfile.TemporaryDirectory(prefix="querencia-", ignore_cleanup_errors=True) as room:
        folder = Path(room)
        seen = [found for path, name in _paths(files, folder) if (found := understand(path, name, asked)) is not None]
        log = Log(asked.currency or next((each.currency for each in seen if each.currency), ""))
        for each in seen:
            _describe(screen, each)
        latest = day_number(asked.as_of) if asked.as_of else None
        at = END_OF_TIME if latest is not None or now is None else now
        for place, each in enumerate(seen):
            terms = Terms(each.resolved, each.form, BusinessFacts(log.currency), at)
            _type(each, terms, log, folder / f"{place}.parquet", latest, screen)
        if log.used <= 0:
            raise Refused(_nothing(log, asked))
        with engine.connect(folder) as desk:
            _load(log, desk, folder, seen)
            yield log


def _paths(files: Sequence[str], folder: Path) -> Iterator[tuple[Path, str]]:
    for place, name in enumerate(files):
        if Path(name).resolve() in {Path(other).resolve() for other in files[:place]}:
            raise Refused(_("%(name)s is named twice: each of its purchases would count twice.") % {"name": name})
        if name != STDIN:
            yield Path(name), name
            continue
        kept = folder / "input"
        with kept.open("wb") as out:
            copyfileobj(sys.stdin.buffer, out)
        yield kept, STDIN_NAME


def _describe(screen: Screen, seen: Understood) -> None:
    form = ", ".join(f"{label}: {value}" for label, value in format_in_words(seen.form.as_json()))
    screen.say(f"{seen.name}  {form}", strong=True)
    screen.say("  " + ", ".join(f"{name} ← {column}" for name, column in seen.columns.items()))
    if seen.guessed:
        screen.say("  " + _("Guessed: %(names)s; --columns says it otherwise.") % {"names": ", ".join(seen.guessed)})
    for note in seen.notes:
        screen.say(f"  {note}", warn=True)


# -- rows --------------------------------------------------------------------------------------------------------------


def _type(seen: Understood, terms: Terms, log: Log, into: Path, latest: int | None, screen: Screen) -> None:
    """Type the file's rows into a Parquet file, and count what was left out and why."""
    tally, rows = Tally(), 0
    try:
        with staging.Writer(into) as writer, screen.progress(_("Reading")) as show:
            columns = mapping.columns_of(seen.resolved)
            for batch in _ahead(readers.read(seen.path, seen.form, columns=columns, block=BLOCK_BYTES)):
                checked = checks.check(vocabulary.PURCHASES, terms, batch)
                rows += checked.read
                if latest is not None:
                    checked, later = _until(latest, checked, batch, terms)
                    log.later += later
                _count(tally, checked, batch)
                if not checked.good.is_empty():
                    writer.write(checked.good.select(name for name in FACTS if name in checked.good.columns))
                show(min(batch.share, 1.0))
    except Unreadable as fault:
        raise Refused(f"{seen.name}: {fault}") from fault
    log.rows += rows
    log.rejected += [{"file": seen.name, **_told(reason)} for reason in tally.as_json()]
    log.sources.append(
        {"file": seen.name, "rows": rows, "columns": seen.columns, "guessed": seen.guessed, "notes": seen.notes}
    )


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, each being read while the one before it is typed."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _until(latest: int, checked: Checked, batch: Batch, terms: Terms) -> tuple[Checked, int]:
    """What was checked without the rows of later days, good or bad, and how many they were."""
    good, rejects = checked.good.filter(pl.col("day") <= latest), checked.rejects
    dropped = len(checked.good) - len(good)
    if not rejects.is_empty():
        named = batch.rows.is_in(rejects["row"].to_list())
        frame, at = batch.frame.filter(named), terms.resolved["at"]
        is_later = hindsight.later(frame, at, order=terms.form.date_order, latest=latest)
        later = batch.rows.filter(named).filter(is_later)
        rejects = rejects.filter(~pl.col("row").is_in(later.to_list()))
        dropped += len(later)
    return replace(checked, good=good, rejects=rejects), dropped


def _count(tally: Tally, checked: Checked, batch: Batch) -> None:
    tally.add(checked.rejects)
    for reason in tally.reasons.values():
        if "values" not in reason:
            place = batch.rows.index_of(reason["row"])
            row = {} if place is None else batch.frame.row(place, named=True)
            reason["values"] = {name: "" if value is None else str(value) for name, value in row.items()}


def _told(reason: dict[str, Any]) -> dict[str, Any]:
    """A reason for readers and for programs: in words, with its count, its first row and what stands there."""
    example = reason["values"] or {"": reason["example"]}
    return {
        "reason": reason_text(reason),
        "code": reason["code"],
        "column": reason["column"],
        "count": int(reason["count"]),
        "row": int(reason["row"]),
        "example": example,
    }


def _nothing(log: Log, asked: Asked) -> str:
    """Why there is no purchase to speak of."""
    facts = {"rows": count(log.rows), "day": asked.as_of}
    if log.rejected:
        said = _("Not one of the %(rows)s rows can be used:") % {"rows": count(log.rows - log.later)}
        return "\n".join([said, *(f"  {reason['reason']}" for reason in log.rejected)])
    if asked.as_of is not None:
        return _("There is no purchase on or before %(day)s: look from a later day (--as-of).") % facts
    return _("The files hold no rows.")


def summarise(screen: Screen, log: Log) -> None:
    """How many rows were read, and what was left out of them and why."""
    facts = {"rows": count(log.rows), "out": count(log.left_out), "later": count(log.later)}
    screen.say(_("Rows read: %(rows)s, left out: %(out)s.") % facts)
    if log.later:
        screen.say("  " + _("Later than the day looked from, and not looked at: %(later)s.") % facts)
    for reason in log.rejected:
        where = f"{reason['file']}: " if len(log.sources) > 1 else ""
        screen.say(f"  {where}{reason['reason']}", warn=True)
    if not log.currency:
        screen.say("  " + _("The files name no currency; --currency does."), warn=True)


# -- the engine --------------------------------------------------------------------------------------------------------


def _load(log: Log, desk: engine.Connection, folder: Path, seen: Sequence[Understood]) -> None:
    """Number the customers: an engine groups whole numbers at half the price of text."""
    parts = ", ".join("'" + str(path).replace("'", "''") + "'" for path in sorted(folder.glob("*.parquet")))
    own = "customer_key::BIGINT" if all(each.has_numbered_ids for each in seen) else "customer_key"
    desk.execute(f"CREATE VIEW typed AS FROM read_parquet([{parts}], union_by_name => true)")
    desk.execute(
        f"CREATE TABLE customers AS SELECT row_number() OVER (ORDER BY id) AS customer_id, id, customer_key "  # noqa: S608
        f"FROM (SELECT DISTINCT customer_key, {own} AS id FROM typed)"
    )
    named = ", key, refund_of" if any("refund_of" in each.columns for each in seen) else ""
    desk.execute(
        f"CREATE TABLE purchases AS SELECT customer_id, day::BIGINT AS day, amount{named} "  # noqa: S608
        "FROM typed JOIN customers USING (customer_key)"
    )
    log.desk, log.purchases = desk, desk.table("purchases")
