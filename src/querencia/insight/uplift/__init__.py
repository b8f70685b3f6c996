"""What contact changes, for whom, and whom to contact: from experiments in which chance decided who was contacted.

``experiment`` is any table with one row per customer: ``arm`` (``control`` for who was left alone, else what they were
sent), ``outcome`` (a number; 1 and 0 for yes and no) and columns known *before* the contact. Where the chance of being
contacted was not the same for all, ``propensity`` holds it.

::

    from querencia.insight import uplift

    experiment = uplift.experiment(table, columns={"arm": "segment", "outcome": "visit"}, control="No E-Mail")
    uplift.effects(experiment)
    model = uplift.UpliftModel().fit(experiment, covariates=["recency", "history"], arm="Mens E-Mail")
    model.qini_, model.policy(value=150, cost=10)

Without randomised history nothing here answers: who was contacted for a reason differs from the others by that reason
(Ascarza 2018, "Retention Futility", Journal of Marketing Research 55(1)).
"""

from querencia.insight.uplift.arms import Arm, difference, effects
from querencia.insight.uplift.chance import Balance, balance, check, enough
from querencia.insight.uplift.experiment import experiment
from querencia.insight.uplift.model import NotRandomised, Policy, UpliftModel
from querencia.insight.uplift.ranking import auuc, curve, qini

__all__ = [
    "Arm",
    "Balance",
    "NotRandomised",
    "Policy",
    "UpliftModel",
    "auuc",
    "balance",
    "check",
    "curve",
    "difference",
    "effects",
    "enough",
    "experiment",
    "qini",
]
