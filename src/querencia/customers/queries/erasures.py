"""Who was erased: how many, why, on whose word."""

from querencia.customers.models import Erasure


def latest(limit: int = 50) -> list[Erasure]:
    """Erasures, the latest first."""
    return list(Erasure.objects.select_related("requested_by").order_by("-pk")[:limit])
