"""One table from the kind of an event to what follows from it, for everything nobody waits for.

A reaction is a function that takes many events and the moment, and writes to the database only: what it does and the
mark that it is done are one transaction (see ``flows/outbox.py``). Whatever leaves the house is a row here, and sent by
its room.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy

from querencia.customers import kinds
from querencia.customers.models import Event
from querencia.measures import actions as measuring
from querencia.measures import queries as measured
from querencia.measures.models import Run

type Reaction = Callable[[Sequence[Event], datetime], None]


def measure_anew(events: Sequence[Event], at: datetime) -> None:
    """Purchases were brought in: ask for a run, unless one has seen them already."""
    latest = max(
        (e.recorded_at for e in events if e.properties.get("kind") == "purchases" and e.properties["new"]), default=None
    )
    run = measured.latest_done()
    if latest and not (run and run.started_at and run.started_at >= latest):
        measuring.request_run(trigger=Run.Trigger.IMPORT, at=at)


REACTIONS: dict[str, tuple[Reaction, ...]] = {
    kinds.IMPORT_DONE: (measure_anew,),
}

TITLES = {
    "measure_anew": gettext_lazy("Measure the business anew"),
}


def title_of(name: str) -> str:
    """What a reaction is called on a page."""
    return str(TITLES.get(name, name))


def named() -> dict[str, Reaction]:
    """Every reaction of the table by the name under which its marks are kept."""
    return {reaction.__name__: reaction for following in REACTIONS.values() for reaction in following}


def of_kind(kind: str) -> tuple[str, ...]:
    """The names of what follows from a kind of event."""
    return tuple(reaction.__name__ for reaction in REACTIONS.get(kind, ()))
