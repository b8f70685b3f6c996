"""The sums of all purchases that the economics of retention rest on: kept at night, reckoned with by day."""

from typing import Any

import narwhals as nw

from querencia.insight import economics
from querencia.insight.engine import frame_of
from querencia.measures.engine import Desk
from querencia.measures.scoring import Facts


def kept(desk: Desk, facts: Facts) -> dict[str, Any]:
    """What :func:`querencia.insight.economics.keep` keeps, with the margin where costs are known, as JSON."""
    margin = nw.col("amount") - nw.col("cost")
    bought = frame_of(desk.given("bought")).select("customer_id", "day", "amount", "channel", margin=margin)
    return economics.keep(bought, as_of=facts.as_of, days=desk.given("days")).to_json()
