"""A worker that is killed at every boundary, one after the other: ``python -m tests.flows.killed``, on a database that
holds nothing.

For each boundary (before a statement, before a commit, after it) a child process drains the outbox up to there and
kills itself. Then another worker goes on, and everything must have been done exactly once. Says how many boundaries it
was.
"""

import os
import signal
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
EVENTS = 7
SOURCE = "follower"


def main() -> None:
    import django

    django.setup()
    from django.db import connection

    from querencia.flows import outbox, reactions

    outbox.NOTED, outbox.BATCH = 5, 4
    reactions.REACTIONS = {"letter.posted": (follow, follow_too)}
    boundary = 0
    was_killed = True
    while was_killed:
        boundary += 1
        prepare()
        connection.close()
        if connection.vendor == "postgresql":
            connection.close_pool()  # parent and child would speak on one connection
        if (pid := os.fork()) == 0:
            drain_until(boundary)
            os._exit(0)
        was_killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        for minutes in range(1, 20):
            while outbox.drain(at=AT + timedelta(minutes=minutes)):
                pass
        check(boundary)
    sys.stdout.write(f"{boundary - 1}\n")


def follow(events: Sequence[Any], at: datetime) -> None:
    """A reaction that nothing but its mark keeps from being done twice."""
    from querencia.customers.events import NewEvent, record

    done = [
        NewEvent("letter.followed", uuid.uuid4().hex, SOURCE, properties={"of": e.pk}, is_live=False) for e in events
    ]
    record(done, at=at)


def follow_too(events: Sequence[Any], at: datetime) -> None:
    follow(events, at)


def prepare() -> None:
    from querencia.customers.events import NewEvent, record
    from querencia.customers.models import Event

    Event.objects.all().delete()
    told = [NewEvent("letter.posted", f"e{number}", "desk") for number in range(EVENTS)]
    told.append(NewEvent("letter.lost", "nobody reacts to it", "desk"))
    record(told, at=AT)


def drain_until(boundary: int) -> None:
    from django.db import connection

    from querencia.flows import outbox

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
        while outbox.drain(at=AT):
            pass


def check(boundary: int) -> None:
    from querencia.customers.models import Event, Outbox
    from querencia.flows.models import Handling

    wanted = set(Event.objects.filter(kind="letter.posted").values_list("pk", flat=True))
    followed = [event.properties["of"] for event in Event.objects.filter(source=SOURCE)]
    assert sorted(followed) == sorted([*wanted, *wanted]), (boundary, "not each exactly once", followed, wanted)
    assert not Outbox.objects.exists(), boundary
    assert Handling.objects.filter(status="done").count() == Handling.objects.count() == 2 * EVENTS, boundary


if __name__ == "__main__":
    main()
