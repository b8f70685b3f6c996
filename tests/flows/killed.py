"""A worker that is killed at every boundary, one after the other: ``python -m tests.flows.killed outbox`` (or
``intake``, ``points``), on a database that holds nothing.

For each boundary (before a statement, before a commit, after it) a child process works up to there and kills itself.
Then another worker goes on, and everything must have been done exactly once. Says how many boundaries it was.
"""

import json
import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
EVENTS = 7
SOURCE = "follower"


@dataclass(frozen=True)
class Scenario:
    """What is there to be done, the work that is killed, the work of whoever goes on, and what must be true then."""

    prepare: Callable[[int], None]
    work: Callable[[], None]
    go_on: Callable[[], None]
    check: Callable[[int], None]


def main() -> None:
    import django

    django.setup()
    from django.db import connection

    scenario = {"outbox": of_the_outbox, "intake": of_the_intake, "points": of_the_points}[sys.argv[1]]()
    boundary = 0
    was_killed = True
    while was_killed:
        boundary += 1
        scenario.prepare(boundary)
        connection.close()
        if connection.vendor == "postgresql":
            connection.close_pool()  # parent and child would speak on one connection
        if (pid := os.fork()) == 0:
            work_until(boundary, scenario.work)
            os._exit(0)
        was_killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        scenario.go_on()
        scenario.check(boundary)
    sys.stdout.write(f"{boundary - 1}\n")


def work_until(boundary: int, work: Callable[[], None]) -> None:
    from django.db import connection

    seen = 0

    def step() -> None:
        nonlocal seen
        seen += 1
        if seen == boundary:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(execute: Any, *given: Any) -> Any:
        step()
        return execute(*given)

    commit = connection._commit

    def watched_commit() -> None:
        step()
        commit()
        step()

    connection._commit = watched_commit  # type: ignore[method-assign]
    with connection.execute_wrapper(watch):
        work()


# -- the outbox --------------------------------------------------------------------------------------------------------


def of_the_outbox() -> Scenario:
    from querencia.flows import outbox, reactions

    outbox.NOTED, outbox.BATCH = 5, 4
    reactions.REACTIONS = {"letter.posted": (follow, follow_too)}

    def drain(minutes: Iterable[int]) -> None:
        for minute in minutes:
            while outbox.drain(at=AT + timedelta(minutes=minute)):
                pass

    return Scenario(post, lambda: drain([0]), lambda: drain(range(1, 20)), is_followed)


def follow(events: Sequence[Any], at: datetime) -> None:
    """A reaction that nothing but its mark keeps from being done twice."""
    from querencia.customers.events import NewEvent, record

    done = [
        NewEvent("letter.followed", uuid.uuid4().hex, SOURCE, properties={"of": e.pk}, is_live=False) for e in events
    ]
    record(done, at=at)


def follow_too(events: Sequence[Any], at: datetime) -> None:
    follow(events, at)


def post(boundary: int) -> None:
    from querencia.customers.events import NewEvent, record
    from querencia.customers.models import Event

    Event.objects.all().delete()
    told = [NewEvent("letter.posted", f"e{number}", "desk") for number in range(EVENTS)]
    told.append(NewEvent("letter.lost", "nobody reacts to it", "desk"))
    record(told, at=AT)


def is_followed(boundary: int) -> None:
    from querencia.customers.models import Event, Outbox
    from querencia.flows.models import Handling

    wanted = set(Event.objects.filter(kind="letter.posted").values_list("pk", flat=True))
    followed = [event.properties["of"] for event in Event.objects.filter(source=SOURCE)]
    assert sorted(followed) == sorted([*wanted, *wanted]), (boundary, "not each exactly once", followed, wanted)
    assert not Outbox.objects.exists(), boundary
    assert Handling.objects.filter(status="done").count() == Handling.objects.count() == 2 * EVENTS, boundary


# -- the intake --------------------------------------------------------------------------------------------------------

TYPES = ("identify", "track", "track", "order", "track", "refund", "alias", "nonsense")


def of_the_intake() -> Scenario:
    from querencia.business import actions
    from querencia.flows import intake

    actions.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    actions.create_key(kind="write", name="shop", at=AT)

    def take_in() -> None:
        while intake.process(at=AT):
            pass

    return Scenario(knock, take_in, take_in, is_taken_in)


def knock(boundary: int) -> None:
    """Somebody new, who says who they are, buys, gives back, and is somebody else as well."""
    from querencia.business.models import ApiKey
    from querencia.customers.models import Arrival

    who = f"person-{boundary}"
    body = json.dumps({"batch": [_said(kind, who, number) for number, kind in enumerate(TYPES)]}).encode()
    Arrival.objects.create(api_key=ApiKey.objects.get(), door="batch", body=body, events=len(TYPES), received_at=AT)


def _said(kind: str, who: str, number: int) -> dict[str, Any]:
    order = {"order_id": f"order-{who}", "total": 12.5, "currency": "EUR"}
    more: dict[str, dict[str, Any]] = {
        "identify": {"type": "identify", "traits": {"email": f"{who}@example.com", "firstName": "Ana"}},
        "track": {"type": "track", "event": "Song Played"},
        "order": {"type": "track", "event": "Order Completed", "properties": order},
        "refund": {"type": "track", "event": "Order Refunded", "properties": order},
        "alias": {"type": "alias", "previousId": f"before-{who}"},
        "nonsense": {"type": "nonsense"},
    }
    return {"messageId": f"{who}-{number}", "userId": who, **more[kind]}


def is_taken_in(boundary: int) -> None:
    from querencia.customers.models import Arrival, Customer, Event, Identifier, Outbox, Purchase, Reject

    people, good = boundary, len(TYPES) - 1
    assert not Arrival.objects.filter(state="waiting").exists(), boundary
    told = Event.objects.filter(source__startswith="segment")
    counted = told.count(), told.values("key").distinct().count(), Reject.objects.count()
    assert counted == (people * good, people * good, people), (boundary, counted)
    assert sorted(Purchase.objects.values_list("amount", flat=True)) == [-1250] * people + [1250] * people, boundary
    known = Identifier.objects.filter(kind="email").values("value").distinct().count()
    persons = len({person or pk for pk, person in Customer.objects.values_list("pk", "person")})
    assert (known, persons) == (people, people), (boundary, known, persons)
    assert Outbox.objects.filter(event__in=told).count() == told.count(), boundary


# -- points ------------------------------------------------------------------------------------------------------------

EARNED, SPENT = 100, 30


def of_the_points() -> Scenario:
    from querencia.business import actions

    actions.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")

    def drain(minutes: Iterable[int]) -> None:
        from querencia.flows import outbox
        from tests.loyalty.shop import AT as NOW

        for minute in minutes:
            while outbox.drain(at=NOW + timedelta(minutes=minute)):
                pass
        spend()

    return Scenario(buy, lambda: drain([0]), lambda: drain(range(1, 20)), is_booked)


def buy(boundary: int) -> None:
    """A member of a new programme buys, and gives some back; the points that are left are to be spent."""
    from querencia.loyalty.models import Programme
    from tests.loyalty import shop

    Programme.objects.update(starts_at=None)  # those of before
    club = shop.programme(pending_days=0)
    ana = shop.member(club, f"ana-{boundary}")
    bought = shop.buys(ana, EARNED * 200, at=shop.AT)
    shop.buys(ana, -EARNED * 100, at=shop.AT, refund_of=bought.key)


def spend() -> None:
    """As a till does that asks again after every fault: under the same keys."""
    from querencia.loyalty import actions
    from querencia.loyalty.models import Programme
    from tests.loyalty.shop import AT as NOW

    club = Programme.objects.latest("pk")
    member = club.members.get()
    actions.hold(programme=club, holds=[actions.NewHold(member.pk, "order", SPENT + 10)], at=NOW)
    actions.capture(programme=club, captures=[actions.Capture("order", SPENT)], at=NOW)


def is_booked(boundary: int) -> None:
    from querencia.loyalty import queries
    from querencia.loyalty.models import Entry, Programme
    from tests.loyalty.shop import AT as NOW

    club = Programme.objects.latest("pk")
    member = club.members.get()
    assert not list(queries.check(club)), boundary
    balance = queries.balances([member.pk], at=NOW)[member.pk]
    assert (balance.available, balance.held) == (EARNED - SPENT, 0), (boundary, balance)
    kinds = sorted(Entry.objects.filter(programme=club).values_list("kind", flat=True))
    assert kinds == ["capture", "claw_back", "grant", "hold", "release"], (boundary, kinds)


if __name__ == "__main__":
    main()
