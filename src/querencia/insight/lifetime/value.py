"""What each customer will bring: purchases expected by a model of buying, times the spend expected of each."""

from typing import Any

import narwhals as nw

from querencia.insight.engine import frame_of, like
from querencia.insight.errors import InputError
from querencia.insight.lifetime.gamma_gamma import GammaGammaModel
from querencia.insight.lifetime.groups import Array, Groups, spread
from querencia.insight.lifetime.model import Model

MONTH_DAYS = 365 / 12
VALUED = ("customer_id", "expected_purchases", "chance_of_purchase", "probability_alive", "expected_amount", "value")


def customer_value(
    summary: Any, *, buying: Model, spending: GammaGammaModel, days: float, yearly_discount: float = 0.0
) -> Any:
    """The value of each customer in the next ``days``, by two fitted models. One row per row of ``summary``.

    ``customer_id``; ``expected_purchases`` and ``chance_of_purchase`` within ``days``; ``probability_alive``;
    ``expected_amount`` per purchase and ``value``, in minor units. ``yearly_discount`` (0.1: ten per cent) takes later
    purchases at their present value, month by month; ``expected_purchases`` stays a count.

    The models suppose that spend does not depend on how often somebody buys (Fader, Hardie & Lee 2005, "RFM and CLV",
    Journal of Marketing Research 42): see ``spending.correlation_``. Everything per customer is reckoned inside the
    engine of ``summary``.

    Raises :class:`InputError` when there is nothing ahead, or a discount of a hundred per cent or more either way.

    >>> import datetime
    >>> from querencia.insight import rfm, samples
    >>> from querencia.insight.lifetime import BetaGeoModel, GammaGammaModel
    >>> summary = rfm.summary(samples.cdnow(), as_of=datetime.date(1997, 9, 30))
    >>> buying, spending = BetaGeoModel().fit(summary), GammaGammaModel(amount_unit=100).fit(summary)
    >>> table = customer_value(summary, buying=buying, spending=spending, days=273)
    >>> round(table["expected_purchases"].sum()), round(table["value"].sum() / 100)
    (1653, 59932)
    """
    if not days > 0:
        raise InputError(f"The days ahead are above zero, not {days!r}.", example=days)
    if not -1 < yearly_discount < 1:
        raise InputError(
            f"A discount is a share such as 0.1, ten per cent a year, not {yearly_discount!r}.", example=yearly_discount
        )
    frame, grouped = frame_of(summary), buying._counted(summary)
    counted = buying.expected_purchases(grouped, days)
    scores = {
        "expected_purchases": counted,
        "chance_of_purchase": buying.probability_of_purchase(grouped, days),
        "probability_alive": buying.probability_alive(grouped),
        "worth": _discounted(buying, grouped, days, yearly_discount) if yearly_discount else counted,
    }
    amount = spending.amount_expression().alias("expected_amount")
    scored = spread(frame.with_columns(amount), grouped, scores)
    return like(scored.with_columns(value=nw.col("worth") * nw.col("expected_amount")).select(*VALUED), summary)


def _discounted(buying: Model, grouped: Groups, days: float, yearly_discount: float) -> Array:
    """Purchases of each month at their present value, each as if made in its middle."""
    whole = int(days / MONTH_DAYS)
    ends = [MONTH_DAYS * month for month in range(1, whole + 1)]
    ends += [days] if not ends or days - ends[-1] > 1e-9 * days else []
    total, before, begins = 0.0 * grouped.weight, 0.0 * grouped.weight, 0.0
    for end in ends:
        until = buying.expected_purchases(grouped, end)
        total = total + (until - before) / (1 + yearly_discount) ** ((begins + end) / 2 / 365)
        before, begins = until, end
    return total
