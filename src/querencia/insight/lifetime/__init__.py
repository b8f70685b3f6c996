"""Models of how long customers stay and how often they buy, fitted on counts of identical histories.

All take ``summary`` (see :func:`querencia.insight.rfm.summary`): frequency, recency and age in days. Only
:class:`ShiftedBetaGeoModel`, for contracts, takes tenures. What else is known of customers may explain buying
and leaving in BG/NBD, MBG/NBD and Pareto/NBD: ``covariates``.
"""

from querencia.insight.lifetime.beta_geo import BetaGeoModel
from querencia.insight.lifetime.beta_geo_beta_binomial import BetaGeoBetaBinomialModel
from querencia.insight.lifetime.covariates import check
from querencia.insight.lifetime.explained import Effect
from querencia.insight.lifetime.gamma_gamma import GammaGammaModel
from querencia.insight.lifetime.groups import Groups, groups, log_gap_sum
from querencia.insight.lifetime.pareto_nbd import ParetoNBDModel
from querencia.insight.lifetime.regular_timing import ModifiedBetaGeoModel, RegularTimingModel
from querencia.insight.lifetime.resampled import Resampled
from querencia.insight.lifetime.shifted_beta_geo import ShiftedBetaGeoModel
from querencia.insight.lifetime.value import customer_value

__all__ = [
    "BetaGeoBetaBinomialModel",
    "BetaGeoModel",
    "Effect",
    "GammaGammaModel",
    "Groups",
    "ModifiedBetaGeoModel",
    "ParetoNBDModel",
    "RegularTimingModel",
    "Resampled",
    "ShiftedBetaGeoModel",
    "check",
    "customer_value",
    "groups",
    "log_gap_sum",
]
