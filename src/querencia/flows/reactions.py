"""One table from the kind of an event to what follows from it, for everything nobody waits for.

A reaction is a function that takes many events and the moment, and writes to the database only: what it does and the
mark that it is done are one transaction (see ``flows/outbox.py``). Whatever leaves the house is a row here, and sent by
its room.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import batched

from django.utils.translation import gettext_lazy

from querencia.customers import kinds
from querencia.customers.models import Event
from querencia.flows import catching_up, points
from querencia.loyalty import actions as loyalty
from querencia.loyalty.queries.programmes import begun, members_of, running
from querencia.measures import actions as measuring
from querencia.measures import queries as measured
from querencia.measures.models import Run
from querencia.webhooks import actions as webhooks
from querencia.webhooks import queries as subscribed

PURCHASES_TOGETHER = 5_000

type Reaction = Callable[[Sequence[Event], datetime], None]


def measure_anew(events: Sequence[Event], at: datetime) -> None:
    """Purchases were brought in: ask for a run, unless one has seen them already."""
    latest = max(
        (e.recorded_at for e in events if e.properties.get("kind") == "purchases" and e.properties["new"]), default=None
    )
    run = measured.latest_done()
    if latest and not (run and run.started_at and run.started_at >= latest):
        measuring.request_run(trigger=Run.Trigger.IMPORT, at=at)


def move_points(events: Sequence[Event], at: datetime) -> None:
    """Purchases earn points and refunds take them back, in every programme that has begun; tiers follow at once."""
    ids = [pk for event in events for pk in event.properties.get("purchases", ())]
    for programme in begun(at=at):
        for some in batched(ids, PURCHASES_TOGETHER, strict=False):
            earned = points.earn(programme=programme, purchases=some, at=at)
            if back := [each.purchase_id for each in earned if each.result == "refund"]:
                points.refund(programme=programme, purchases=back, at=at)


def judge_imported(events: Sequence[Event], at: datetime) -> None:
    """Have members looked through for what a file brought of them: it earns, too."""
    catching_up.ask(events, at)


def settle_referrals(events: Sequence[Event], at: datetime) -> None:
    """Friends who were brought bought something, or gave it back."""
    ids = [pk for event in events for pk in event.properties.get("purchases", ())]
    for programme in begun(at=at):
        for some in batched(ids, PURCHASES_TOGETHER, strict=False):
            loyalty.settle_referrals(programme=programme, purchases=some, at=at)


def welcome_members(events: Sequence[Event], at: datetime) -> None:
    """New members are given what welcomes them."""
    for programme in running(at=at):
        joined = [e.customer_id for e in events if e.customer_id and e.properties.get("programme") == programme.pk]
        members = members_of(programme, joined)
        ids = [member.pk for mine in members.values() for member in mine]
        for some in batched(ids, PURCHASES_TOGETHER, strict=False):
            loyalty.welcome(programme=programme, member_ids=some, at=at)


def tell_endpoints(events: Sequence[Event], at: datetime) -> None:
    """Write down a message for every endpoint that wants the event; it is sent from there."""
    webhooks.note(events=events, at=at)


REACTIONS: dict[str, tuple[Reaction, ...]] = {
    kinds.IMPORT_DONE: (measure_anew, judge_imported),
    kinds.MEMBER_JOINED: (welcome_members,),
    kinds.PURCHASES_RECORDED: (move_points, settle_referrals),
}

TITLES = {
    "tell_endpoints": gettext_lazy("Tell other systems"),
    "move_points": gettext_lazy("Earn points, or take them back"),
    "welcome_members": gettext_lazy("Welcome new members"),
    "settle_referrals": gettext_lazy("See what became of friends who were brought"),
    "judge_imported": gettext_lazy("Let what members bought earn"),
    "measure_anew": gettext_lazy("Measure the business anew"),
}


def title_of(name: str) -> str:
    """What a reaction is called on a page."""
    return str(TITLES.get(name, name))


def named() -> dict[str, Reaction]:
    """Every reaction by the name under which its marks are kept."""
    known = (tell_endpoints, *(reaction for following in REACTIONS.values() for reaction in following))
    return {reaction.__name__: reaction for reaction in known}


def of_kinds(kinds_seen: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The names of what follows from each kind of event."""
    wanted = subscribed.wanted()
    return {
        kind: tuple(
            reaction.__name__
            for reaction in (
                *REACTIONS.get(kind, ()),
                *([tell_endpoints] if {kind, subscribed.EVERY_KIND} & wanted else ()),
            )
        )
        for kind in set(kinds_seen)
    }
