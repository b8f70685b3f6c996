"""What a purchase earns: facts, what is known of the member, and rules in; effects with their reasons out. Pure: the
same function serves live earning, the dry run, the back-test and refunds."""

from querencia.loyalty.earning.audience import Audience, BadAudience
from querencia.loyalty.earning.audience import read as read_audience
from querencia.loyalty.earning.conditions import BadCondition, Condition
from querencia.loyalty.earning.evaluation import Effect, Outcome, evaluate
from querencia.loyalty.earning.facts import DISCOUNT, GOODS, NOWHERE, SHIPPING, TAX, Facts, Line, Places, Snapshot
from querencia.loyalty.earning.rules import BadRule, Cap, Rule, read

__all__ = [
    "DISCOUNT",
    "GOODS",
    "NOWHERE",
    "SHIPPING",
    "TAX",
    "Audience",
    "BadAudience",
    "BadCondition",
    "BadRule",
    "Cap",
    "Condition",
    "Effect",
    "Facts",
    "Line",
    "Outcome",
    "Places",
    "Rule",
    "Snapshot",
    "evaluate",
    "read",
    "read_audience",
]
