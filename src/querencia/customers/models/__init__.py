"""The central database: people, how to reach them, what they allowed, what they bought, what happened, what they are
worth. Facts (purchases, events, consents) are append-only: a change is another row."""

from querencia.customers.models.arrivals import Arrival, Reject
from querencia.customers.models.facts import Event, Purchase, PurchaseLine
from querencia.customers.models.imports import Import
from querencia.customers.models.merges import Merge
from querencia.customers.models.outbox import Outbox
from querencia.customers.models.people import Consent, ContactPoint, Customer, Identifier, SearchTerm
from querencia.customers.models.privacy import Erasure, OptOut, PreferenceLink, Tombstone
from querencia.customers.models.scores import Score, ScoreCell

__all__ = [
    "Arrival",
    "Consent",
    "ContactPoint",
    "Customer",
    "Erasure",
    "Event",
    "Identifier",
    "Import",
    "Merge",
    "OptOut",
    "Outbox",
    "PreferenceLink",
    "Purchase",
    "PurchaseLine",
    "Reject",
    "Score",
    "ScoreCell",
    "SearchTerm",
    "Tombstone",
]
