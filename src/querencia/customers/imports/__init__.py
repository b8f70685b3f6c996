"""Files of purchases and customers: what they are, how they are read, what becomes of their rows.

`inspect` looks and writes nothing. `customers.actions` registers and runs an import: pass one (`staging`) types the
whole file, pass two (`running`) writes it batch by batch.
"""

from querencia.business.models import Business
from querencia.customers.imports.checks import BusinessFacts
from querencia.customers.imports.formats import in_words as format_in_words
from querencia.customers.imports.inspection import Column, Inspection, PreviewRow, inspect
from querencia.customers.imports.problems import Unreadable
from querencia.customers.imports.reasons import count
from querencia.customers.imports.reasons import label as reason_label
from querencia.customers.imports.reasons import text as reason_text
from querencia.customers.imports.vocabulary import CUSTOMERS, PURCHASES, Field, fields

__all__ = [
    "CUSTOMERS",
    "PURCHASES",
    "BusinessFacts",
    "Column",
    "Field",
    "Inspection",
    "PreviewRow",
    "Unreadable",
    "count",
    "facts_of",
    "fields",
    "format_in_words",
    "inspect",
    "reason_label",
    "reason_text",
]


def facts_of(business: Business | None, currency: str = "") -> BusinessFacts:
    """What the business adds to files that leave it unsaid; before it is set up only what is named here."""
    if business is None:
        return BusinessFacts(currency=currency.upper())
    return BusinessFacts(business.currency, business.time_zone, business.language, business.country)
