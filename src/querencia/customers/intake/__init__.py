"""What machines send in Segment's format: what it means, or why it means nothing. Nothing here asks a database."""

from querencia.customers.intake.orders import GivenBack, Line, Sale
from querencia.customers.intake.reading import EVENT_BYTES_MAX, SOURCE, TYPES, Seen, is_ours, read, source_of
from querencia.customers.intake.reasons import FINAL, Refusal, Refused, reason_text

__all__ = [
    "EVENT_BYTES_MAX",
    "FINAL",
    "SOURCE",
    "TYPES",
    "GivenBack",
    "Line",
    "Refusal",
    "Refused",
    "Sale",
    "Seen",
    "is_ours",
    "read",
    "reason_text",
    "source_of",
]
