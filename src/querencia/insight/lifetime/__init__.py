"""Models of how long customers stay and how often they buy, fitted on counts of identical histories.

All take ``summary`` (see :func:`querencia.insight.rfm.summary`): frequency, recency and age in days.
"""

from querencia.insight.lifetime.beta_geo import BetaGeoModel
from querencia.insight.lifetime.gamma_gamma import GammaGammaModel
from querencia.insight.lifetime.groups import Groups, groups
from querencia.insight.lifetime.pareto_nbd import ParetoNBDModel

__all__ = ["BetaGeoModel", "GammaGammaModel", "Groups", "ParetoNBDModel", "groups"]
