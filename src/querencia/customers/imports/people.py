# ruff: noqa: S608  (the statements are put together from names of our own)
"""A batch of staged people into the database. A customer is no fact: what the file says replaces what was known, what
it leaves blank stays. Consents are facts: a refusal is kept against any file that says otherwise."""

from typing import Any

import polars as pl
from django.db import connection
from django.utils.translation import gettext as _

from querencia.customers import names
from querencia.customers.actions import consents
from querencia.customers.imports import bulk, reasons, vocabulary
from querencia.customers.imports.purchases import CREATED_FROM, CUSTOMER, Stamp, Written
from querencia.customers.models import ContactPoint, Customer, Identifier, SearchTerm

TEXTS = ("given_name", "family_name", "language", "time_zone", "country", "city", "branch")
ADDRESSES = ("email", "phone")
COLUMNS = ("key", "row", "rows", *TEXTS, *ADDRESSES, "birthday", "created_at", *vocabulary.CONSENT_FIELDS)
IDENTIFIER, CONTACT = Identifier._meta.db_table, ContactPoint._meta.db_table
TERM = SearchTerm._meta.db_table


def write(people: pl.DataFrame, _lines: pl.DataFrame | None, stamp: Stamp) -> Written:
    """Write a batch. Call inside a transaction that `bulk.begin` began."""
    known = once(people)
    bulk.load("staged_people", known)
    newest = bulk.number(f"SELECT coalesce(max(id), 0) FROM {CUSTOMER}")
    bulk.insert(Customer, _customer(stamp), "staged_people s WHERE true ORDER BY s.key")
    fresh = {
        row[0]
        for row in bulk.rows(
            f"SELECT c.key FROM {CUSTOMER} c JOIN staged_people s ON c.key = s.key WHERE c.id > {newest}"
        )
    }
    changed = _update(newest)
    warnings = []
    for reached in (_identify(known, stamp), _reach(known), _agree(known, stamp)):
        changed |= reached[0]
        warnings.append(reached[1])
    _index(fresh | changed)
    changed -= fresh
    count = dict(zip(known["key"].to_list(), known["rows"].to_list(), strict=True))
    new, other = sum(count[key] for key in fresh), sum(count[key] for key in changed)
    return Written(new, sum(count.values()) - new - other, pl.concat(warnings), 0, changed=other)


def once(people: pl.DataFrame) -> pl.DataFrame:
    """Each key once: of rows that share it, the last that says something counts, field by field."""
    found = people.with_columns(
        pl.lit(None, dtype=pl.Int64 if name == "created_at" else pl.String).alias(name)
        for name in COLUMNS
        if name not in people.columns and name not in ("rows",)
    )
    last = [pl.col(name).drop_nulls().last() for name in COLUMNS if name not in ("key", "row", "rows")]
    grouped = found.group_by("key", maintain_order=True).agg(
        pl.col("row").first(), pl.len().cast(pl.Int64).alias("rows"), *last
    )
    return grouped.select(COLUMNS).sort("key")


def _birthday() -> str:
    return "s.birthday::date" if connection.vendor == "postgresql" else "s.birthday"


def _customer(stamp: Stamp) -> dict[str, str]:
    return {
        "key": "s.key",
        **{name: f"coalesce(s.{name}, '')" for name in TEXTS},
        "birthday": _birthday(),
        "created_from": bulk.text(CREATED_FROM),
        "created_at": bulk.moment(f"coalesce(s.created_at, {stamp.recorded_at})"),
    }


def _update(newest: int) -> set[str]:
    """Bring known customers up to what the file says; the keys of those that changed."""
    said = {name: f"s.{name}" for name in TEXTS}
    said |= {"birthday": _birthday(), "created_at": bulk.moment("s.created_at")}
    changes = ", ".join(f"{name} = coalesce({value}, {CUSTOMER}.{name})" for name, value in said.items())
    differs = " OR ".join(
        f"(s.{name} IS NOT NULL AND {CUSTOMER}.{name} IS DISTINCT FROM {value})" for name, value in said.items()
    )
    return {
        str(row[0])
        for row in bulk.rows(
            f"UPDATE {CUSTOMER} SET {changes} FROM staged_people s "
            f"WHERE {CUSTOMER}.key = s.key AND {CUSTOMER}.id <= {newest} AND ({differs}) RETURNING {CUSTOMER}.key"
        )
    }


def _identify(known: pl.DataFrame, stamp: Stamp) -> tuple[set[str], pl.DataFrame]:
    """Point keys, e-mail addresses and phones at their customers; what points at somebody else already stays theirs."""
    kinds = [
        known.select("key", "row", kind=pl.lit("customer_key"), value=pl.col("key")),
        *(known.select("key", "row", kind=pl.lit(name), value=pl.col(name)) for name in ADDRESSES),
    ]
    bulk.load("staged_identifiers", pl.concat(kinds).drop_nulls("value"))
    before = bulk.number(f"SELECT coalesce(max(id), 0) FROM {IDENTIFIER}")
    joined = f"staged_identifiers s JOIN {CUSTOMER} c ON c.key = s.key"
    bulk.insert(
        Identifier,
        {"kind": "s.kind", "value": "s.value", "customer": "c.id"},
        f"{joined} WHERE true ORDER BY s.value, s.row",
    )
    held = f"{joined} JOIN {IDENTIFIER} i ON i.value = s.value AND i.kind = s.kind"
    added = bulk.rows(
        f"SELECT c.key FROM {held} WHERE i.id > {before} AND i.customer_id = c.id AND s.kind <> 'customer_key'"
    )
    taken = bulk.rows(f"SELECT s.row, s.kind, s.value FROM {held} WHERE i.customer_id <> c.id ORDER BY s.row")
    return {str(row[0]) for row in added}, _warned("identifier_taken", taken, stamp)


def _reach(known: pl.DataFrame) -> tuple[set[str], pl.DataFrame]:
    points = [known.select("key", kind=pl.lit(name), value=pl.col(name)) for name in ADDRESSES]
    bulk.load("staged_points", pl.concat(points).drop_nulls("value"))
    before = bulk.number(f"SELECT coalesce(max(id), 0) FROM {CONTACT}")
    joined = f"staged_points s JOIN {CUSTOMER} c ON c.key = s.key"
    bulk.insert(ContactPoint, {"customer": "c.id", "kind": "s.kind", "value": "s.value"}, f"{joined} WHERE true")
    added = bulk.rows(
        f"SELECT c.key FROM {joined} JOIN {CONTACT} p "
        f"ON p.customer_id = c.id AND p.kind = s.kind AND p.value = s.value WHERE p.id > {before}"
    )
    return {str(row[0]) for row in added}, reasons.nothing()


def _agree(known: pl.DataFrame, stamp: Stamp) -> tuple[set[str], pl.DataFrame]:
    asked = [
        known.select("key", "row", channel=pl.lit(channel), status=pl.col(field))
        for field, channel in vocabulary.CONSENT_FIELDS.items()
    ]
    said = pl.concat(asked).drop_nulls("status")
    if said.is_empty():
        return set(), reasons.nothing()
    bulk.load("staged_consents", said)
    evidence = _("%(file)s, row ") % {"file": stamp.file_name}
    # Two files may arrive within a second, and a refusal in the second one counts.
    source = f"{stamp.source} {stamp.reference}"
    added, kept = consents.record_staged(evidence=evidence, source=source, at=stamp.recorded_at)
    return added, _warned("consent_kept", kept, stamp)


def _warned(code: str, found: list[tuple[Any, ...]], stamp: Stamp) -> pl.DataFrame:
    rows = [(row, stamp.columns.get(field, field), value, code, None, True) for row, field, value in found]
    return pl.DataFrame(rows, schema=reasons.REJECTS, orient="row") if rows else reasons.nothing()


def _index(keys: set[str]) -> None:
    """Search terms of these customers, from the names they have now."""
    if not keys:
        return
    bulk.load("staged_keys", pl.DataFrame({"customer_key": sorted(keys)}, schema={"customer_key": pl.String}))
    people = bulk.rows(
        f"SELECT c.id, c.given_name, c.family_name FROM {CUSTOMER} c JOIN staged_keys k ON c.key = k.customer_key"
    )
    terms = [(person, term) for person, given, family in people for term in names.words(f"{given} {family}")]
    schema = {"customer_id": pl.Int64, "term": pl.String}
    bulk.load("staged_terms", pl.DataFrame(terms, schema=schema, orient="row").sort("term", "customer_id"))
    bulk.execute(
        f"DELETE FROM {TERM} WHERE id IN (SELECT old.id FROM staged_keys k JOIN {CUSTOMER} c ON c.key = k.customer_key "
        f"JOIN {TERM} old ON old.customer_id = c.id "
        "LEFT JOIN staged_terms t ON t.customer_id = old.customer_id AND t.term = old.term WHERE t.term IS NULL)"
    )
    bulk.insert(SearchTerm, {"customer": "t.customer_id", "term": "t.term"}, "staged_terms t WHERE true")
