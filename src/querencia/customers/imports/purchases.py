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
    key_column: str
    evidence: str = ""
    zone: str = "UTC"


def write(purchases: pl.DataFrame, lines: pl.DataFrame | None, stamp: Stamp) -> Written:
    """Write a batch. Call inside a transaction."""
    bulk.load("staged_purchases", _shaped(purchases, COLUMNS, {"cost": pl.Int64}))
    write_customers(purchases, stamp)
    newest = bulk.number(f"SELECT coalesce(max(id), 0) FROM {PURCHASE}")
    new = _write_purchases(stamp)
    if lines is not None and new:
        bulk.load("staged_lines", _shaped(lines, LINE_COLUMNS, {"quantity": pl.Int64}))
        _write_lines(newest)
    total = int(purchases["rows"].sum())
    if new == len(purchases):
        return Written(total, 0, reasons.nothing(), 0)
    stored = bulk.number(f"SELECT sum(s.rows) FROM {_already(newest)}", [stamp.source])
    rejects, rejected = _stored_otherwise(newest, stamp)
    return Written(total - stored, stored - rejected, rejects, rejected)


def _shaped(frame: pl.DataFrame, columns: tuple[str, ...], kinds: dict[str, Any]) -> pl.DataFrame:
    """All columns in one order, whichever the file had; blank texts as the database has them."""
    found = [
        (pl.col(name) if name in frame.columns else pl.lit(None, dtype=kinds.get(name, pl.String)).alias(name))
        for name in columns
    ]
    return frame.select(found).with_columns(pl.col(pl.String).fill_null(""))


def write_customers(purchases: pl.DataFrame, stamp: Stamp) -> None:
    """People who are known by nothing but their key, for purchases of people nobody has told us of."""
    people = purchases.group_by("customer_key").agg(pl.col("at").min().alias("since")).sort("customer_key")
    bulk.load("staged_buyers", people)
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
    return bulk.insert(Purchase, given, f"staged_purchases s JOIN {CUSTOMER} c ON c.key = s.customer_key WHERE true")


def _write_lines(newest: int) -> None:
    given = {name: f"l.{name}" for name in LINE_COLUMNS} | {
        "purchase": "p.id",
        "quantity": bulk.thousandths("l.quantity"),
    }
    # Only of purchases that came with this batch: those of earlier imports have theirs.
    fresh = f"staged_lines l JOIN {PURCHASE} p ON p.key = l.key AND p.id > {newest} WHERE true"
    bulk.insert(PurchaseLine, given, fresh)


def _already(newest: int) -> str:
    return f"staged_purchases s JOIN {PURCHASE} p ON p.key = s.key AND p.source = %s AND p.id <= {newest}"


def _stored_otherwise(newest: int, stamp: Stamp) -> tuple[pl.DataFrame, int]:
    """Purchases that are stored with other facts than the file has them, and how many rows they are."""
    found = bulk.rows(
        f"SELECT s.row, s.rows, s.key, CASE WHEN c.key <> s.customer_key THEN 'stored_customer' "
        f"WHEN p.amount <> s.amount THEN 'stored_amount' ELSE 'stored_date' END "
        f"FROM {_already(newest)} JOIN {CUSTOMER} c ON c.id = p.customer_id "
        f"WHERE c.key <> s.customer_key OR p.amount <> s.amount OR p.at <> {bulk.moment('s.at')} ORDER BY s.row",
        [stamp.source],
    )
    rejects = [(row, stamp.key_column, key, code, None, False) for row, _rows, key, code in found]
    return pl.DataFrame(rejects, schema=reasons.REJECTS, orient="row"), sum(int(each[1]) for each in found)
