"""Pictures of what insight returns, as Altair charts that say in words what they show (``description``).

::

    from querencia.insight import pareto, plot

    plot.concentration(pareto.curve(summary))  # in a notebook: the chart itself
    plot.svg(chart)                            # for a page: an <svg> in the colours of the page
    plot.picture(chart)                        # for a file: an SVG that stands alone

Each takes the small table or the result that the function named in it returns, of any engine.
"""

from querencia.insight.plot.asking import contrasts, drivers, iceberg, weights
from querencia.insight.plot.buying import cohorts, concentration, defections, purchases, scores, sparkline
from querencia.insight.plot.comparing import compared
from querencia.insight.plot.drawing import picture, svg
from querencia.insight.plot.moving import bridge
from querencia.insight.plot.renewing import gain, renewals
from querencia.insight.plot.staying import hazard, survival
from querencia.insight.plot.trusting import calibration, effects, lift, qini

__all__ = [
    "bridge",
    "calibration",
    "cohorts",
    "compared",
    "concentration",
    "contrasts",
    "defections",
    "drivers",
    "effects",
    "gain",
    "hazard",
    "iceberg",
    "lift",
    "picture",
    "purchases",
    "qini",
    "renewals",
    "scores",
    "sparkline",
    "survival",
    "svg",
    "weights",
]
