"""Reading: what members have (`balances`), how it came (`history`), where they stand (`standings`), what the programme
owes (`liability`), and whether the books are right (`checking`)."""

from querencia.loyalty.queries.balances import Balance, balances, spendable
from querencia.loyalty.queries.checking import Difference, check
from querencia.loyalty.queries.history import Moved, history
from querencia.loyalty.queries.liability import Liability, liability
from querencia.loyalty.queries.programmes import members_of, programmes, running

__all__ = [
    "Balance",
    "Difference",
    "Liability",
    "Moved",
    "balances",
    "check",
    "history",
    "liability",
    "members_of",
    "programmes",
    "running",
    "spendable",
]
