"""Purchases of a file set nothing off by themselves. Those that members made while their programme ran earn all the
same, by the rules of their day: in pieces that are each whole, so that whoever is killed goes on where it stopped."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from querencia.common.database import among
from querencia.customers import kinds
from querencia.customers.models import Event, Import, Purchase
from querencia.customers.queries import persons
from querencia.flows.models import CatchUp
from querencia.loyalty.models import Member
from querencia.loyalty.queries.programmes import begun

MEMBERS = 200


def ask(events: Sequence[Event], at: datetime) -> None:
    """A reaction: files of purchases were read to their end."""
    files = [each for each in events if each.properties.get("kind") == "purchases" and each.properties["new"]]
    if files and begun(at=at):
        rows = [CatchUp(imported_id=UUID(each.properties["import"])) for each in files]
        CatchUp.objects.bulk_create(rows, ignore_conflicts=True)


def step(*, at: datetime) -> bool:
    """Look through some members for a file that waits, in one transaction; whether there was one."""
    with transaction.atomic():
        waiting = CatchUp.objects.select_for_update(skip_locked=True, of=("self",)).filter(done_at=None)
        row = waiting.select_related("imported").order_by("imported__started_at").first()
        if row is None:
            return False
        some = list(Member.objects.filter(pk__gt=row.after).order_by("pk").values_list("pk", "customer_id")[:MEMBERS])
        if purchases := _bought(row.imported, [customer for _pk, customer in some], at):
            _follow(purchases, at)
        if some:
            row.after = some[-1][0]
        else:
            row.done_at = at
        row.save(update_fields=["after", "done_at"])
    return True


def is_waiting() -> bool:
    return CatchUp.objects.filter(done_at=None).exists()


def share_done(imported: Import) -> float | None:
    """How far members were looked through for a file; None where nothing of it can earn."""
    row = CatchUp.objects.filter(imported=imported).first()
    if row is None:
        return None
    last = Member.objects.order_by("-pk").values_list("pk", flat=True).first() or 1
    return 1.0 if row.done_at else row.after / last


def _bought(imported: Import, customers: Iterable[int], at: datetime) -> list[int]:
    """What the file brought of these persons since the first programme began."""
    began = [programme.starts_at for programme in begun(at=at) if programme.starts_at]
    if not began or imported.started_at is None:
        return []
    nodes = {node for each in persons.nodes(customers).values() for node in each}
    rows = Purchase.objects.filter(among("customer_id", nodes), at__gte=min(began), source=imported.source)
    # A file's rows carry the second in which it was begun.
    rows = rows.filter(recorded_at=imported.started_at.replace(microsecond=0))
    return list(rows.order_by("at", "pk").values_list("pk", flat=True))


def _follow(purchases: list[int], at: datetime) -> None:
    """What follows from purchases that are told one by one, follows from these."""
    from querencia.flows import reactions

    told = Event(kind=kinds.PURCHASES_RECORDED, properties={"purchases": purchases})
    for reaction in reactions.REACTIONS[kinds.PURCHASES_RECORDED]:
        reaction([told], at)
