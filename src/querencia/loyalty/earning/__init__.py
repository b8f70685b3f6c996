"""What a purchase earns: facts, what is known of the member, and rules in; effects with their reasons out. Pure: the
same function serves live earning, the dry run, the back-test and refunds."""

from querencia.loyalty.earning.conditions import BadCondition, Condition
from querencia.loyalty.earning.evaluation import Effect, Outcome, evaluate
from querencia.loyalty.earning.facts import DISCOUNT, GOODS, SHIPPING, TAX, Facts, Line, Snapshot
from querencia.loyalty.earning.rules import BadRule, Cap, Rule, read

__all__ = [
    "DISCOUNT",
    "GOODS",
    "SHIPPING",
    "TAX",
    "BadCondition",
    "BadRule",
    "Cap",
    "Condition",
    "Effect",
    "Facts",
    "Line",
    "Outcome",
    "Rule",
    "Snapshot",
    "evaluate",
    "read",
]
