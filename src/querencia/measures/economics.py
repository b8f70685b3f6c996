"""The sums of all purchases that the economics of retention rest on: kept at night, reckoned with by day."""

from typing import Any

from querencia.insight import economics
from querencia.measures.engine import Desk
from querencia.measures.scoring import Facts


def kept(desk: Desk, facts: Facts) -> dict[str, Any]:
    """What :func:`querencia.insight.economics.keep` keeps, with the margin where costs are known, as JSON."""
    bought = desk.table("bought").select("customer_id, day, amount, amount - cost AS margin, channel")
    return economics.keep(bought, as_of=facts.as_of, days=desk.table("days")).to_json()
