"""Reading endpoints and deliveries."""

from datetime import datetime, timedelta

from django.db.models import Count, Q

from querencia.webhooks.models import Delivery, Endpoint

EVERY_KIND = "*"


def endpoints() -> list[Endpoint]:
    """All endpoints with the number of deliveries that wait (``waiting``) and that failed (``failed``)."""
    counted = {name: Count("deliveries", filter=Q(deliveries__status=name)) for name in ("waiting", "failed")}
    return list(Endpoint.objects.annotate(**counted).order_by("pk"))


def endpoint_by_id(pk: int) -> Endpoint | None:
    return Endpoint.objects.filter(pk=pk).first()


def wanted() -> frozenset[str]:
    """The kinds that any endpoint that is on wants; ``EVERY_KIND`` among them when one wants all."""
    return frozenset(
        kind for kinds in Endpoint.objects.filter(off_because="").values_list("kinds", flat=True) for kind in kinds
    )


def deliveries(endpoint: Endpoint, *, status: str = "", limit: int = 100) -> list[Delivery]:
    """The newest deliveries to an endpoint, the newest first."""
    found = endpoint.deliveries.filter(status=status) if status else endpoint.deliveries.all()
    return list(found.select_related("event").order_by("-pk")[:limit])


def due_within(wait: timedelta, *, at: datetime) -> datetime | None:
    """When the next delivery is due, if that is within so long."""
    found = Delivery.objects.filter(status="waiting", endpoint__off_because="", next_at__lte=at + wait)
    return found.order_by("next_at").values_list("next_at", flat=True).first()
