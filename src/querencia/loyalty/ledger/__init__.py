"""How points move: under the members' locks, in memory, and out into the database in a few statements."""

from querencia.loyalty.ledger.book import Book, Given, Purse, Taken
from querencia.loyalty.ledger.funding import fund, unfund
from querencia.loyalty.ledger.rows import Lot, Posting

__all__ = ["Book", "Given", "Lot", "Posting", "Purse", "Taken", "fund", "unfund"]
