"""Rows of a file about people who were erased: left out, and said so, without a word that names them."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import chain, product

import polars as pl

from querencia.customers.imports import reasons, vocabulary
from querencia.customers.queries import tombstones

# As what a column may name somebody: where people have no number, an address often stands for it.
KEY = ("customer_key", "email", "phone", "card", "external")
KINDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    vocabulary.PURCHASES: {"customer_key": KEY},
    vocabulary.CUSTOMERS: {"key": KEY, "email": ("email",), "phone": ("phone",)},
}


def left_out(kind: str, rows: pl.DataFrame, columns: Mapping[str, str]) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """The rows without those of erased people, these as rejects, and how many rows of the file they are.

    ``columns``: by field what a reject calls it.
    """
    if rows.is_empty() or not tombstones.are_any():
        return rows, reasons.nothing(), 0
    is_erased = pl.Series([False] * len(rows), dtype=pl.Boolean)
    for column, kinds in KINDS[kind].items():
        if column in rows.columns:
            values = rows[column].drop_nulls().unique().to_list()
            # Many spellings may be one address.
            asked: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
            for name, value in product(kinds, values):
                asked[name, value.lower() if name == "email" else value].append(value)
            gone = list(chain.from_iterable(asked[pair] for pair in tombstones.erased(asked)))
            is_erased = is_erased | rows[column].is_in(gone).fill_null(False)
    theirs = rows.filter(is_erased)
    count = int(theirs["rows"].sum()) if "rows" in theirs.columns else len(theirs)
    field = next(iter(KINDS[kind]))
    said = [(row, columns.get(field, field), "", "erased", None, True) for row in theirs["row"].to_list()]
    rejects = pl.DataFrame(said, schema=reasons.REJECTS, orient="row") if said else reasons.nothing()
    return rows.filter(~is_erased), rejects, count
