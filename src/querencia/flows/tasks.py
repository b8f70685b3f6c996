"""What the worker does for the moments in this room. Rows of ours say what is to be done; the queue only wakes it."""

from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from querencia.business import idempotency
from querencia.common.time import now
from querencia.customers.queries import imports as queries
from querencia.flows import catching_up, imports, intake, member_door, notices, outbox, privacy, retention
from querencia.measures import queries as measured
from querencia.measures import tasks as measuring
from querencia.webhooks import tasks as telling


@db_task()  # type: ignore[untyped-decorator]
def run_import(import_id: str) -> None:
    """Run an import from where it stands; harmless when somebody else has done it or is at it."""
    if imports.carry_out(import_id, at=now()) is not None:
        react()


@db_periodic_task(crontab())  # type: ignore[untyped-decorator]
def attend_imports() -> None:
    """Every minute, and once at start: go on with imports that wait or whose process died."""
    for imported in queries.waiting():
        run_import(str(imported.pk))


@db_task(retries=3, retry_delay=15)  # type: ignore[untyped-decorator]
def send_code(address: str, nonce: str, language: str) -> None:
    """Mail somebody the code they asked for; without an address nobody is to get one, and it takes as long to ask."""
    if address:
        member_door.send_code(address=address, nonce=nonce, language=language)


@db_task()  # type: ignore[untyped-decorator]
def react() -> None:
    """Do what follows from new events, until nothing is left that is due."""
    while outbox.drain(at=now()):
        pass
    telling.attend_deliveries.call_local()
    if catching_up.is_waiting():
        catch_up()
    if measured.next_queued():
        measuring.measure()


@db_task()  # type: ignore[untyped-decorator]
def catch_up() -> None:
    """Let what files brought of members earn, until nothing waits; somebody else at it does the same."""
    while catching_up.step(at=now()):
        pass
    telling.attend_deliveries.call_local()


@db_periodic_task(crontab())  # type: ignore[untyped-decorator]
def attend_reactions() -> None:
    """Every minute, and once at start: whatever nobody woke the worker for, and what is to be tried again."""
    react()


@db_task()  # type: ignore[untyped-decorator]
def take_in() -> None:
    """Take in what machines sent until nothing waits; somebody else at it does the same."""
    is_anything_new = False
    while intake.process(at=now()):
        is_anything_new = True
    if is_anything_new:
        react()


@db_periodic_task(crontab())  # type: ignore[untyped-decorator]
def attend_intake() -> None:
    """Every minute, and once at start: take in what waits, whoever was told of it."""
    take_in.call_local()


@db_periodic_task(crontab(minute="52"))  # type: ignore[untyped-decorator]
def tell_of_expiry() -> None:
    """Every hour: members are told before their points lapse."""
    notices.tell(at=now())


@db_periodic_task(crontab(minute="17"))  # type: ignore[untyped-decorator]
def forget_arrivals() -> None:
    """Every hour: requests that were taken in are many, and go sooner than all else."""
    retention.prune(at=now(), names=["arrivals"])
    retention.forget_counts(at=now())


@db_periodic_task(crontab(minute="27"))  # type: ignore[untyped-decorator]
def forget_answers() -> None:
    """Every hour: answers that are kept for who asks again go after a day."""
    idempotency.forget(at=now())


@db_periodic_task(crontab(hour="3", minute="40"))  # type: ignore[untyped-decorator]
def prune() -> None:
    """Every night: whatever was kept for as long as it may be goes; people whose time is over are erased."""
    if retention.prune(at=now()):
        erase.call_local()


@db_task()  # type: ignore[untyped-decorator]
def erase() -> None:
    """Forget whoever is to be forgotten; somebody else at it does the same."""
    if privacy.erase_waiting(at=now()):
        react()


@db_periodic_task(crontab())  # type: ignore[untyped-decorator]
def attend_erasures() -> None:
    """Every minute, and once at start: erasures that wait or whose process died."""
    erase.call_local()
