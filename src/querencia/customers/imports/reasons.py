"""Why a row, or a value of it, was not taken: codes that are counted, and their words in the reader's language."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from babel.numbers import format_decimal
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as N_

from querencia.common.money import LOCALES

EXAMPLE_LENGTH_MAX = 80
# code -> (a few words for a list, the sentence for the rejects file)
WORDS = {
    "no_customer": (N_("no customer"), N_("The row names no customer.")),
    "customer_key_long": (N_("customer id too long"), N_("The customer's id is longer than 200 characters.")),
    "no_date": (N_("no date"), N_("The row has no date.")),
    "bad_date": (N_("not a date"), N_("This is not a date in the order in which the file writes dates.")),
    "date_future": (N_("date in the future"), N_("The date lies in the future.")),
    "date_past": (N_("date before 1900"), N_("The date lies before 1900.")),
    "no_amount": (N_("no amount"), N_("The row has no amount.")),
    "bad_amount": (N_("not an amount"), N_("This is not an amount in the notation of the file.")),
    "other_currency": (
        N_("another currency"),
        N_("The business counts in another currency; amounts of several currencies cannot be added."),
    ),
    "key_long": (N_("purchase number too long"), N_("The purchase number is longer than 200 characters.")),
    "refund_positive": (
        N_("refund above zero"),
        N_("The row names the purchase it refunds, but its amount is above zero; refunds are negative."),
    ),
    "mixed_customers": (
        N_("one purchase number, several customers"),
        N_("Rows with this purchase number name different customers."),
    ),
    "stored_amount": (
        N_("already stored with another amount"),
        N_(
            "This purchase is already stored with another amount. "
            "Facts are not changed: send a refund or a correction as a row."
        ),
    ),
    "stored_date": (
        N_("already stored with another date"),
        N_(
            "This purchase is already stored with another date. "
            "Facts are not changed: send a refund and the right row."
        ),
    ),
    "stored_customer": (
        N_("already stored for another customer"),
        N_(
            "This purchase is already stored for another customer. "
            "Facts are not changed: send a refund and the right row."
        ),
    ),
    "broken_row": (N_("wrong number of columns"), N_("The row has %(found)s columns, the table has %(expected)s.")),
    "broken_json": (N_("not a JSON object"), N_("The row is not a JSON object.")),
    "no_key": (N_("no customer id"), N_("The row has no customer id.")),
    "bad_quantity": (N_("not a quantity"), N_("This is not a number.")),
    "bad_cost": (N_("not a cost"), N_("This is not an amount.")),
    "bad_email": (N_("not an e-mail address"), N_("This is not an e-mail address.")),
    "bad_phone": (N_("not a phone number"), N_("This is not a phone number that can be dialled.")),
    "bad_birthday": (N_("not a birthday"), N_("This is not a date of birth.")),
    "bad_country": (N_("unknown country"), N_("No country has this name or code.")),
    "bad_language": (N_("unknown language"), N_("No language has this name or code.")),
    "bad_time_zone": (N_("unknown time zone"), N_("There is no such time zone.")),
    "bad_created_at": (N_("not a date"), N_("This is not a date.")),
    "bad_consent": (N_("neither yes nor no"), N_("This is neither yes nor no, so it counts as not asked.")),
    "consent_kept": (
        N_("consent not renewed"),
        N_("This customer has refused since; a file cannot give the consent back."),
    ),
    "identifier_taken": (
        N_("belongs to another customer"),
        N_("This already identifies another customer; it stays theirs."),
    ),
    "erased": (
        N_("of people who were erased, left out"),
        N_("This person was erased and is not brought back. Whoever returns is written down by hand."),
    ),
    "too_long": (N_("shortened"), N_("The text was too long and has been shortened.")),
    "refund": (N_("amount below zero, counted as a refund"), N_("The amount is below zero: it counts as a refund.")),
    "zero": (N_("amount of zero, counted as a purchase"), N_("The amount is zero; it counts as a purchase.")),
    "repeated": (
        N_("equal to a row above, counted again"),
        N_("The row is equal to one above it; it was counted again."),
    ),
}  # fmt: skip
# Rows that are taken whole: said in the summary, but nothing to mend and so not in the rejects file.
NOTES = ("refund", "zero", "repeated")

REJECTS = {
    "row": pl.Int64,
    "column": pl.String,
    "value": pl.String,
    "code": pl.String,
    "facts": pl.String,
    "is_warning": pl.Boolean,
}


def nothing() -> pl.DataFrame:
    return pl.DataFrame(schema=REJECTS)


def count(number: int) -> str:
    """A count as readers of the active language write it."""
    language = (get_language() or "en").split("-")[0]
    return str(format_decimal(number, format="#,##0", locale=LOCALES.get(language, "en_US")))


def label(code: str) -> str:
    """The reason in a few words."""
    return _(WORDS[code][0]) if code in WORDS else code


def sentence(code: str, facts: dict[str, Any] | None = None) -> str:
    return _(WORDS[code][1]) % (facts or {}) if code in WORDS else code


def text(reason: dict[str, Any]) -> str:
    """An entry of `Import.reasons`, with its count and where it was first met."""
    rows = ngettext("%(count)s row", "%(count)s rows", int(reason["count"])) % {"count": count(int(reason["count"]))}
    said = _("%(rows)s: %(reason)s") % {"rows": rows, "reason": label(reason["code"])}
    facts = {
        "column": reason.get("column") or "",
        "row": count(reason.get("row") or 0),
        "example": reason.get("example") or "",
    }
    if facts["column"] and facts["example"]:
        return said + " " + _("(column %(column)s, first in row %(row)s: “%(example)s”)") % facts
    if facts["column"]:
        return said + " " + _("(column %(column)s, first in row %(row)s)") % facts
    return said + " " + _("(first in row %(row)s)") % facts


@dataclass
class Tally:
    """Reasons with their counts, in the order first met."""

    reasons: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    rejected: int = 0

    @classmethod
    def of(cls, reasons: list[dict[str, Any]], rejected: int = 0) -> "Tally":
        return cls({(reason["code"], reason.get("column") or ""): dict(reason) for reason in reasons}, rejected)

    def add(self, rejects: pl.DataFrame) -> None:
        if rejects.is_empty():
            return
        self.rejected += int((~rejects["is_warning"]).sum())
        groups = rejects.group_by("code", "column", "is_warning", maintain_order=True).agg(
            pl.len().alias("count"), pl.first("row"), pl.col("value").first().alias("example")
        )
        for group in groups.iter_rows(named=True):
            key = (group["code"], group["column"] or "")
            if known := self.reasons.get(key):
                known["count"] += group["count"]
            else:
                example = (group["example"] or "")[:EXAMPLE_LENGTH_MAX]
                self.reasons[key] = {**group, "column": group["column"] or "", "example": example}

    def as_json(self) -> list[dict[str, Any]]:
        return sorted(
            self.reasons.values(), key=lambda said: (said["is_warning"], said["code"] in NOTES, -said["count"])
        )


def in_words(rejects: pl.DataFrame, say: Callable[[str], str] = label) -> pl.DataFrame:
    """The rejects file's columns: row, column, value, reason in words, and what became of the row."""
    codes = rejects["code"].unique().to_list()
    plain = {code: sentence(code) for code in codes if code in WORDS and "%(" not in WORDS[code][1]}
    reason = rejects["code"].replace_strict(plain, default=None, return_dtype=pl.String).to_list()
    if None in reason:
        facts, names = rejects["facts"].to_list(), rejects["code"].to_list()
        reason = [
            said if said is not None else sentence(code, json.loads(known or "{}"))
            for said, code, known in zip(reason, names, facts, strict=True)
        ]
    outcome = (
        pl.when(rejects["code"] == "too_long")
        .then(pl.lit(_("taken, shortened")))
        .when(rejects["code"] == "erased")
        .then(pl.lit(_("left out")))
        .when(rejects["is_warning"])
        .then(pl.lit(_("taken without this value")))
        .otherwise(pl.lit(_("rejected")))
    )
    return rejects.select(
        pl.col("row").alias(_("row")),
        pl.col("column").alias(_("column")),
        pl.col("value").alias(_("value")),
        pl.Series(_("reason"), reason, dtype=pl.String),
        outcome.alias(_("outcome")),
    )
