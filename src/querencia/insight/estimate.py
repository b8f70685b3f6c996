"""A figure with how far it could be off."""

from dataclasses import dataclass

from querencia.insight import notebook


@dataclass(frozen=True)
class Estimate:
    """``value`` lies between ``low`` and ``high``, with 95 % confidence unless stated otherwise.

    >>> Estimate(0.42, 0.35, 0.5).low
    0.35
    """

    value: float
    low: float
    high: float

    def _repr_html_(self) -> str:
        return notebook.card("", rows=notebook.estimates({"": self}))
