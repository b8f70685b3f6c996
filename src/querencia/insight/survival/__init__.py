"""How long customers stay where a contract says when they leave: subscriptions, policies, memberships.

``contracts`` is any table with one row per customer: ``tenure`` (how long they have been, or were, there; any unit) and
``left`` (1 or true for who left, at that tenure; 0 for who was still there when last looked at). ``weight``, if there,
is the number of customers a row stands for. Other columns may group or explain.

::

    from querencia.insight import survival

    contracts = survival.contracts(table, columns={"left": "Churn"}, left_value="Yes")
    survival.curve(contracts, by="Contract")
    survival.HazardModel(covariates=["Contract", "MonthlyCharges"]).fit(contracts).effects_
"""

from querencia.insight.survival.contracts import check, contracts
from querencia.insight.survival.curves import Comparison, compare, curve, hazard, typical
from querencia.insight.survival.hazard_model import Effect, HazardModel
from querencia.insight.survival.saying import lasting, said

__all__ = [
    "Comparison",
    "Effect",
    "HazardModel",
    "check",
    "compare",
    "contracts",
    "curve",
    "hazard",
    "lasting",
    "said",
    "typical",
]
