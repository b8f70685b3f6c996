"""What follows from an event follows once: not lost, not twice, and no event holds up another."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from huey.contrib.djhuey import HUEY

from querencia.customers import kinds
from querencia.customers.events import NewEvent, record
from querencia.customers.models import Event, Outbox
from querencia.flows import outbox, reactions, tasks
from querencia.flows.models import Handling
from querencia.measures.models import Run
from tests.measures import shop

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _quiet_queue() -> Iterator[None]:
    HUEY.flush()
    yield
    HUEY.flush()


def post(*numbers: int, **more: Any) -> None:
    record([NewEvent("letter.posted", f"e{number}", "desk", **more) for number in numbers], at=AT)


def drain(at: datetime = AT) -> int:
    count = 0
    while done := outbox.drain(at=at):
        count += done
    return count


type Follow = Callable[[Callable[[Event], None]], list[list[str]]]


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Has a reaction follow letters; gives the keys of each batch that it was handed."""

    def following(look: Callable[[Event], None] = lambda event: None) -> list[list[str]]:
        handed: list[list[str]] = []

        def answer(events: Sequence[Event], at: datetime) -> None:
            handed.append([event.key for event in events])
            for event in events:
                look(event)
                record([NewEvent("letter.answered", event.key, "answer", is_live=False)], at=at)

        monkeypatch.setattr(reactions, "REACTIONS", {"letter.posted": (answer,)})
        return handed

    return following


def answered() -> set[str]:
    return set(Event.objects.filter(kind="letter.answered").values_list("key", flat=True))


def states() -> dict[str, str]:
    return dict(Handling.objects.values_list("event__key", "status"))


def test_what_follows_is_done_in_batches_and_once(follow: Follow) -> None:
    handed = follow()
    post(*range(1_200))
    post(5, 6)
    assert outbox.count_waiting() == 1_200
    assert drain() == 1_200
    assert [len(batch) for batch in handed] == [500, 500, 200]
    assert len(answered()) == 1_200
    assert drain() == outbox.count_waiting() == 0


def test_history_sets_nothing_off_and_kinds_that_nothing_follows_leave_no_trace(follow: Follow) -> None:
    handed = follow()
    post(1, 2, is_live=False)
    record([NewEvent("letter.burnt", "x", "desk")], at=AT)
    assert outbox.count_waiting() == 1
    assert drain() == 0
    assert handed == []
    assert not Outbox.objects.exists()
    assert not Handling.objects.exists()


def test_one_event_that_cannot_be_followed_holds_up_no_other(follow: Follow) -> None:
    def look(event: Event) -> None:
        if event.key == "e7":
            raise LookupError(f"no letter {event.key}")

    handed = follow(look)
    post(*range(100))
    drain()
    assert len(answered()) == 99
    assert len(handed) < 20, "the batch is halved, not tried one by one"
    row = Handling.objects.get(status="waiting")
    assert (row.event.key, row.tries, row.error) == ("e7", 1, "LookupError: no letter e7")
    at, tries = AT, 1
    while Handling.objects.filter(status="waiting").exists():
        assert drain(row.next_at - timedelta(seconds=1)) == 0, "not before its time"
        post(1_000 + tries)
        at = row.next_at
        drain(at)
        assert f"e{1_000 + tries}" in answered()
        row.refresh_from_db()
        tries += 1
    assert (row.status, row.tries, tries) == ("stuck", outbox.TRIES_MAX, outbox.TRIES_MAX)
    assert timedelta(hours=2) < at - AT < timedelta(days=1)
    assert [each.event.key for each in outbox.stuck()] == ["e7"]
    assert drain(at + timedelta(days=30)) == 0


def test_what_is_stuck_is_tried_again_or_set_aside(follow: Follow) -> None:
    broken = {"e1", "e2", "e3"}

    def look(event: Event) -> None:
        if event.key in broken:
            raise LookupError

    follow(look)
    post(1, 2, 3, 4)
    for hours in range(24):
        drain(AT + timedelta(hours=hours))
    assert outbox.count_stuck() == 3
    broken.clear()
    first = outbox.stuck()[0]
    assert outbox.set_aside(ids=[first.pk]) == 1
    assert outbox.try_again(ids=[first.pk], at=AT) == 0
    assert outbox.try_again(at=AT) == 2
    drain()
    assert sorted(states().values()) == ["aside", "done", "done", "done"]
    assert len(answered()) == 3


def test_a_reaction_and_its_mark_are_one(follow: Follow) -> None:
    times: list[str] = []

    def look(event: Event) -> None:
        times.append(event.key)
        if event.key == "e2" and len(times) < 5:
            raise LookupError  # after e1 was answered within the same transaction

    follow(look)
    post(1, 2)
    drain()
    drain(AT + timedelta(hours=1))
    assert Event.objects.filter(kind="letter.answered").count() == 2
    assert times == ["e1", "e2", "e1", "e2", "e2"]


def test_one_at_which_the_process_dies_every_time_ends_up_stuck_alone(follow: Follow) -> None:
    class Killed(BaseException):
        """What no reaction catches, as a process that ends."""

    def look(event: Event) -> None:
        if event.key == "e2":
            raise Killed

    follow(look)
    post(1, 2, 3)
    for minutes in range(60):
        try:
            drain(AT + timedelta(minutes=minutes))
        except Killed:
            continue
    assert states() == {"e1": "done", "e2": "stuck", "e3": "done"}
    assert outbox.stuck()[0].error == "The process ended."


def test_an_event_that_commits_late_is_not_skipped(follow: Follow) -> None:
    follow()
    is_written, may_commit = threading.Event(), threading.Event()

    def slowly() -> None:
        with transaction.atomic():
            post(1)
            is_written.set()
            may_commit.wait(10)
        connection.close()

    thread = threading.Thread(target=slowly)
    thread.start()
    assert is_written.wait(10)
    if connection.vendor == "postgresql":  # SQLite has one writer at a time
        post(2)
        drain()
        assert answered() == {"e2"}
    may_commit.set()
    thread.join()
    drain()
    assert "e1" in answered()


def test_two_workers_do_nothing_twice(follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BATCH", 20)
    monkeypatch.setattr(outbox, "NOTED", 30)
    handed = follow()
    post(*range(300))

    def work() -> None:
        drain()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain(AT + timedelta(minutes=2))
    assert sorted(key for batch in handed for key in batch) == sorted(f"e{number}" for number in range(300))
    assert set(states().values()) == {"done"}


@pytest.mark.slow
@pytest.mark.parametrize(("work", "boundaries"), [("outbox", 60), ("intake", 30)])
def test_killed_at_every_boundary_nothing_is_lost_and_nothing_done_twice(work: str, boundaries: int) -> None:
    connection.close()
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.killed", work],
        env=shop.environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > boundaries


def imported(number: int, *, new: int, kind: str = "purchases", at: datetime = AT) -> None:
    told = {"kind": kind, "new": new}
    record([NewEvent(kinds.IMPORT_DONE, f"i{number}", "imports", properties=told)], at=at)


def test_a_run_is_asked_for_where_purchases_are_new_and_no_run_has_seen_them() -> None:
    imported(1, new=0)
    imported(2, new=9, kind="customers")
    drain()
    assert not Run.objects.exists()
    imported(3, new=9)
    imported(4, new=9)
    drain()
    assert list(Run.objects.values_list("trigger", "status")) == [("import", "queued")]
    Run.objects.update(status="done", started_at=AT, finished_at=AT)
    imported(5, new=9, at=AT - timedelta(minutes=1))
    drain()
    assert Run.objects.count() == 1


def test_the_worker_is_woken_every_minute_and_does_all_there_is(follow: Follow) -> None:
    follow()
    post(1, 2)
    tasks.attend_reactions.call_local()
    while task := HUEY.dequeue():
        HUEY.execute(task)
    assert answered() == {"e1", "e2"}
