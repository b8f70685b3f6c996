# ruff: noqa: S608  (the statements are put together from names of our own)
"""A batch of staged purchases into the database: new customers, new purchases, their lines; what is there stays."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from querencia.customers.imports import bulk, reasons
from querencia.customers.models import Customer, Identifier, Purchase, PurchaseLine

OPTIONAL = ("channel", "branch", "refund_of")
COLUMNS = ("key", "row", "rows", "customer_key", "at", "day", "amount", *OPTIONAL, "cost")
LINE_COLUMNS = ("key", "number", "sku", "name", "category", "quantity", "amount")
CREATED_FROM = "import"
PURCHASE, CUSTOMER = Purchase._meta.db_table, Customer._meta.db_table


@dataclass(frozen=True)
class Written:
    """What became of a batch, in rows of the file."""

    new: int
    unchanged: int
    rejects: pl.DataFrame
    rejected: int
    changed: int = 0


@dataclass(frozen=True)
class Stamp:
    """What all rows of an import share."""

    source: str
    currency: str
    recorded_at: int  # seconds since 1970
    columns: dict[str, str]  # field -> the column, or the formula, that tells it
    file_name: str
    reference: str  # that no other import has


def write(purchases: pl.DataFrame, lines: pl.DataFrame | None, stamp: Stamp) -> Written:
    """Write a batch. Call inside a transaction that `bulk.begin` began."""
    load(purchases)
    write_customers(purchases, stamp)
    stored, known = _find_known(purchases["key"][0], purchases["key"][-1], stamp)
    newest = bulk.number(f"SELECT coalesce(max(id), 0) FROM {PURCHASE}")
    new = _write_purchases(stamp)
    if lines is not None and new:
        bulk.load("staged_lines", _shaped(lines, LINE_COLUMNS, {"quantity": pl.Int64}))
        _write_lines(newest, stamp)
    if new + stored != len(purchases):
        raise RuntimeError(f"{len(purchases)} purchases were staged, {new} are new and {stored} known")
    total = int(purchases["rows"].sum())
    rejects, rejected = _stored_otherwise(stamp) if known else (reasons.nothing(), 0)
    return Written(total - known, known - rejected, rejects, rejected)


def load(purchases: pl.DataFrame) -> None:
    bulk.load("staged_purchases", _shaped(purchases, COLUMNS, {"cost": pl.Int64}))


def stored_under_other_numbers(stamp: Stamp) -> int:
    """How many of the purchases that are loaded are new by their numbers, but stored already by all else."""
    known = f"SELECT 1 FROM {PURCHASE} o WHERE o.key = s.key AND o.source = {bulk.text(stamp.source)}"
    same = (
        f"SELECT 1 FROM {PURCHASE} p WHERE p.customer_id = c.id AND p.at = {bulk.moment('s.at')} "
        f"AND p.amount = s.amount AND p.source = {bulk.text(stamp.source)}"
    )
    return bulk.number(
        f"SELECT count(*) FROM staged_purchases s JOIN {CUSTOMER} c ON c.key = s.customer_key "
        f"WHERE NOT EXISTS ({known}) AND EXISTS ({same})"
    )


def _shaped(frame: pl.DataFrame, columns: tuple[str, ...], kinds: dict[str, Any]) -> pl.DataFrame:
    """All columns in one order, whichever the file had; blank texts as the database has them."""
    found = [
        (pl.col(name) if name in frame.columns else pl.lit(None, dtype=kinds.get(name, pl.String)).alias(name))
        for name in columns
    ]
    return frame.select(found).with_columns(pl.col(pl.String).fill_null(""))


def write_customers(purchases: pl.DataFrame, stamp: Stamp) -> None:
    """People who are known by nothing but their key, for purchases of people nobody has told us of."""
    bulk.load("staged_buyers", purchases.select("customer_key").unique().sort("customer_key"))
    newest = bulk.number(f"SELECT coalesce(max(id), 0) FROM {CUSTOMER}")
    given = {
        "key": "k.customer_key",
        "created_from": bulk.text(CREATED_FROM),
        "created_at": bulk.moment(str(stamp.recorded_at)),
    }
    known = f"SELECT 1 FROM {CUSTOMER} c WHERE c.key = k.customer_key"
    unknown = f"staged_buyers k WHERE NOT EXISTS ({known}) ORDER BY k.customer_key"
    if bulk.insert(Customer, given, unknown):
        identified = {"kind": bulk.text(Identifier.Kind.CUSTOMER_KEY), "value": "c.key", "customer": "c.id"}
        fresh = f"staged_buyers k JOIN {CUSTOMER} c ON c.key = k.customer_key WHERE c.id > {newest} ORDER BY c.key"
        bulk.insert(Identifier, identified, fresh)


def _find_known(first: str, last: str, stamp: Stamp) -> tuple[int, int]:
    """Remember which purchases of the batch are stored already; how many they are, in how many rows of the file."""
    bulk.load("staged_known", pl.DataFrame(schema={"key": pl.String, "id": pl.Int64, "rows": pl.Int64}))
    # The first time a log is read all its keys lie behind those of the batches before: one look instead of thousands.
    if not bulk.rows(f"SELECT 1 FROM {PURCHASE} WHERE key BETWEEN %s AND %s LIMIT 1", [first, last]):
        return 0, 0
    stored = bulk.execute(
        f"INSERT INTO staged_known SELECT s.key, p.id, s.rows FROM staged_purchases s JOIN {PURCHASE} p "
        f"ON p.key = s.key AND p.source = {bulk.text(stamp.source)}"
    )
    return stored, bulk.number("SELECT sum(rows) FROM staged_known")


def _write_purchases(stamp: Stamp) -> int:
    given = {
        "source": bulk.text(stamp.source),
        "key": "s.key",
        "customer": "c.id",
        "at": bulk.moment("s.at"),
        "day": "s.day",
        "amount": "s.amount",
        "currency": bulk.text(stamp.currency),
        "cost": "s.cost",
        "channel": "s.channel",
        "branch": "s.branch",
        "refund_of": "s.refund_of",
        "recorded_at": bulk.moment(str(stamp.recorded_at)),
    }
    source = f"staged_purchases s JOIN {CUSTOMER} c ON c.key = s.customer_key"
    unknown = "s.key NOT IN (SELECT k.key FROM staged_known k)"
    return bulk.insert(Purchase, given, f"{source} WHERE {unknown} ORDER BY s.key", is_new=True)


def _write_lines(newest: int, stamp: Stamp) -> None:
    given = {name: f"l.{name}" for name in LINE_COLUMNS} | {
        "purchase": "p.id",
        "quantity": bulk.thousandths("l.quantity"),
    }
    # Only of purchases that came with this batch: those of earlier imports have theirs.
    fresh = f"p.key = l.key AND p.source = {bulk.text(stamp.source)} AND p.id > {newest}"
    bulk.insert(
        PurchaseLine, given, f"staged_lines l JOIN {PURCHASE} p ON {fresh} ORDER BY p.id, l.number", is_new=True
    )


def _stored_otherwise(stamp: Stamp) -> tuple[pl.DataFrame, int]:
    """Purchases that are stored with other facts than the file has them, and how many rows they are."""
    found = bulk.rows(
        f"SELECT s.row, s.rows, s.key, CASE WHEN c.key <> s.customer_key THEN 'stored_customer' "
        f"WHEN p.amount <> s.amount THEN 'stored_amount' ELSE 'stored_date' END "
        f"FROM staged_known k JOIN staged_purchases s ON s.key = k.key JOIN {PURCHASE} p ON p.id = k.id "
        f"JOIN {CUSTOMER} c ON c.id = p.customer_id "
        f"WHERE c.key <> s.customer_key OR p.amount <> s.amount OR p.at <> {bulk.moment('s.at')} ORDER BY s.row"
    )
    rejects = [(row, stamp.columns.get("key", ""), key, code, None, False) for row, _rows, key, code in found]
    return pl.DataFrame(rejects, schema=reasons.REJECTS, orient="row"), sum(int(each[1]) for each in found)
