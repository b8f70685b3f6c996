"""People ask what is known of them, or to be forgotten: every room takes part.

Forgetting is asked for in a moment, from when on nothing that names them is taken in, and done by the worker. Each step
does nothing twice, so that whoever is killed anywhere is followed by somebody who goes on.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from itertools import batched
from typing import Protocol, cast

from django.apps import apps
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from querencia.business.models import Staff
from querencia.common.database import alone, wiping
from querencia.customers.actions import erasing
from querencia.customers.models import Customer, Erasure
from querencia.customers.privacy import Period, Section, words_of
from querencia.customers.queries import persons
from querencia.flows import intake
from querencia.flows.models import Handling
from querencia.flows.reactions import TITLES
from querencia.measures.privacy import Busy

HOUSE = "querencia."
# What this room itself holds: why a reaction to an event of theirs failed.
HOLDS: Mapping[str, tuple[str, ...]] = {"Handling": ("error",)}
FREE: Mapping[str, str] = {
    "Handling.reaction": "a word of ours",
    "RetentionPeriod": "days",
    "Pruning": "counts",
    "CatchUp": "how far a file has come",
}
# Tables of libraries, and what of customers they hold.
LIBRARIES: Mapping[str, str] = {
    "admin.LogEntry": "emptied by the room of customers",
    "auth": "of those who work here",
    "contenttypes": "names of tables",
    "sessions": "of those who work here",
    "account": "of those who work here",
    "mfa": "of those who work here",
    "axes": "of whoever tries to log in",
}
# So many people an erasure: what is looked for in texts is held in memory.
PEOPLE = 5_000
ROWS = 2_000
SETTLED = (Handling.Status.DONE, Handling.Status.ASIDE)
logger = logging.getLogger(__name__)


def _handled(before: datetime, at: datetime) -> int:
    old = Handling.objects.filter(status__in=SETTLED, next_at__lt=before).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:ROWS])
    Handling.objects.filter(pk__in=ids).delete()
    return len(ids)


def _silent(before: datetime, at: datetime) -> int:
    asked = ask_to_erase(
        persons.silent(before=before, limit=PEOPLE), reason=Erasure.Reason.RETENTION, source="retention", at=at
    )
    return sum(each.people for each in asked)


PERIODS = (
    Period(
        "handled",
        _("Settled reactions"),
        _("Marks that what should follow from an event has followed."),
        days=30,
        forget=_handled,
        least=7,
    ),
    Period(
        "people",
        _("People"),
        _("Without a purchase, a consent or anything they did: they are erased, and what they bought stays."),
        days=None,
        forget=_silent,
        least=365,
    ),
)


class Room(Protocol):
    """What every room answers for: fields that may name somebody, text that does not and why, telling, forgetting."""

    HOLDS: Mapping[str, tuple[str, ...]]
    FREE: Mapping[str, str]
    PERIODS: Sequence[Period]

    def facts_of(self, customer_ids: Sequence[int]) -> Iterator[Section]: ...

    def erase(self, customer_ids: Sequence[int], *, at: datetime) -> None: ...


def rooms() -> dict[str, Room]:
    """The rooms with models by name, from the lowest floor up; those above this one are found as they are installed."""
    found = {
        config.label: config.name + ".privacy"
        for config in apps.get_app_configs()
        if config.name.startswith(HOUSE) and find_spec(config.name + ".privacy")
    }
    return {label: cast(Room, import_module(name)) for label, name in sorted(found.items(), key=_floor)}


def _floor(room: tuple[str, str]) -> tuple[bool, str]:
    return room[0] != "customers", room[0]


def facts_of(customer_ids: Sequence[int]) -> Iterator[Section]:
    """What followed from events of these customers."""
    columns = {"kind": _("kind"), "reaction": _("reaction"), "status": _("status"), "error": _("error")}
    rows = Handling.objects.filter(event__customer__in=customer_ids).order_by("-pk")
    words = words_of(Handling, ("status",)) | {"reaction": TITLES}
    told = rows.values("reaction", "status", "error", kind=F("event__kind"))
    yield Section("reactions", _("What followed from events"), columns, told.iterator(ROWS), words)


def erase(customer_ids: Sequence[int], *, at: datetime) -> None:
    """Forget why reactions to events of these customers failed."""
    for some in batched(customer_ids, PEOPLE, strict=False):
        Handling.objects.filter(event__customer__in=some).exclude(error="").update(error="")


def everything_of(customer_id: int) -> Iterator[Section]:
    """Everything the house knows of the person that a customer is."""
    ids = persons.nodes([customer_id])[customer_id]
    for room in rooms().values():
        yield from room.facts_of(ids)


def ask_to_erase(
    customer_ids: Iterable[int], *, reason: str, source: str, at: datetime, staff: Staff | None = None
) -> list[Erasure]:
    """Have the people that these customers are forgotten, soon; nothing that names them is taken in from now on."""
    asked = [
        erasing.ask(some, reason=reason, source=source, at=at, staff=staff)
        for some in batched(dict.fromkeys(customer_ids), PEOPLE, strict=False)
    ]
    return [each for each in asked if each]


def erase_waiting(*, at: datetime) -> int | None:
    """Forget whoever is to be forgotten; how many erasures came to their end. None: another process is at it, or a run
    has yet to let go of the columnar copy."""
    with alone("erase") as is_alone:
        if not is_alone:
            return None
        waiting = list(Erasure.objects.filter(status=Erasure.Status.WAITING).order_by("pk"))
        # Even when nothing waits: whoever came to the end before may have been cut off while the disk was wiped.
        with wiping():
            for erasure in waiting:
                try:
                    _erase(erasure, at)
                except Busy:
                    return None
        return len(waiting)


def _erase(erasure: Erasure, at: datetime) -> None:
    ids = list(Customer.objects.filter(erasure=erasure).order_by("pk").values_list("pk", flat=True))
    for room in rooms().values():
        room.erase(ids, at=at)
    # What came in before anybody asked and waits to be read: it is read now, and what names them is left out.
    while intake.process(at=at):
        pass
    erasing.finish(erasure, at=at)
    logger.info("Erasure %s of %s people is done", erasure.pk, erasure.people)
