"""What keeping customers is worth to this firm: its own retention, spending, margin, discount and cost, with intervals.

::

    from querencia.insight import economics

    kept = economics.keep(purchases, as_of=day)
    found = economics.scenario(kept, economics.Inputs(points=0.05, margin=0.4, discount=0.1, cost=300))
    found.gain, found.break_even, economics.headline(found, currency="EUR")

:func:`keep` goes through the purchases once, inside the engine; everything after it is arithmetic on some dozen sums.
"""

from querencia.insight.economics.claims import Claim, check, claims, headline, second_window
from querencia.insight.economics.kept import Kept, keep
from querencia.insight.economics.scenario import Inputs, Scenario, at_points, rates, scenario
from querencia.insight.economics.shares import referred
from querencia.insight.economics.worth import annuity, break_even, elasticity, lifetime_value, multiple, per_period

__all__ = [
    "Claim",
    "Inputs",
    "Kept",
    "Scenario",
    "annuity",
    "at_points",
    "break_even",
    "check",
    "claims",
    "elasticity",
    "headline",
    "keep",
    "lifetime_value",
    "multiple",
    "per_period",
    "rates",
    "referred",
    "scenario",
    "second_window",
]
