"""Whether everything is well with this installation: each look gives a sentence, for `querencia doctor`."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import duckdb
import pyarrow as pa
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F, Sum

from querencia.common.database import alone
from querencia.customers import kinds
from querencia.customers.models import Erasure, Event, Import, Purchase, PurchaseLine, Score
from querencia.customers.queries import persons, tombstones
from querencia.measures import columns, queries, tasks
from querencia.measures.models import Run

DISK_FREE_MIN = 1 << 30
SILENCE_MAX = timedelta(minutes=10)
IMPORT_MAX = timedelta(hours=24)
WORKING_IMPORT = (Import.Status.QUEUED, Import.Status.CHECKING, Import.Status.WRITING)

type Level = Literal["well", "warning", "problem"]


@dataclass(frozen=True)
class Look:
    """One look: at what, what was seen, whether something should be done, and the numbers behind it."""

    name: str
    level: Level
    said: str
    facts: dict[str, Any] = field(default_factory=dict)


def look(*, at: datetime) -> list[Look]:
    """All looks, in order. When the database cannot be read, what needs it is left out."""
    found = [*database(), *disk(), *address(), *post()]
    if any(one.level == "problem" for one in found if one.name in ("database", "migrations")):
        return found
    looks: list[Callable[[datetime], Iterator[Look]]] = [queue, runs, imports, amounts, scores, copy, erased]
    return [*found, *(seen for one in looks for seen in one(at))]


def counts() -> dict[str, int | None]:
    """Customers, purchases, and events that others told of; None for all when they cannot be read."""
    try:
        return {
            "customers": persons.count(),
            "purchases": Purchase.objects.count(),
            # What this house notes of its own work is none of what customers did.
            "events": Event.objects.exclude(kind__in=kinds.KINDS).count(),
        }
    except DatabaseError:
        return dict.fromkeys(("customers", "purchases", "events"))


def database() -> Iterator[Look]:
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(connection.vendor, connection.vendor)
    name = str(connection.settings_dict["NAME"])
    try:
        connection.ensure_connection()
        waiting = _unapplied()
    except Exception as fault:  # whatever a driver raises for an address where no database answers
        first = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
        yield Look("database", "problem", f"{kind} {name} does not answer: {first}", {"kind": kind})
        return
    yield Look("database", "well", f"{kind} {name} answers.", {"kind": kind})
    if waiting:
        said = f"{waiting} changes to the tables have not been made. Run: querencia manage migrate"
        yield Look("migrations", "problem", said, {"waiting": waiting})
    else:
        yield Look("migrations", "well", "The tables are up to date.", {"waiting": 0})


def _unapplied() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def disk() -> Iterator[Look]:
    usage = shutil.disk_usage(settings.HOME)
    facts = {"free_bytes": usage.free, "folder": str(settings.HOME)}
    said = f"{usage.free / 1e9:.1f} GB are free where {settings.HOME} is"
    if usage.free < DISK_FREE_MIN:
        yield Look("disk", "problem", f"Only {said}: imports and runs need room to work.", facts)
    else:
        yield Look("disk", "well", f"{said}.", facts)


def address() -> Iterator[Look]:
    facts = {"url": settings.PUBLIC_URL}
    if settings.HTTPS or settings.REACHED_ONLY_LOCALLY:
        yield Look("address", "well", f"It is reached at {settings.PUBLIC_URL}.", facts)
    else:
        said = (
            f"{settings.PUBLIC_URL} is public and not https: passwords travel readable. Put a proxy with a certificate "
            "in front and set QUERENCIA_URL to its https address."
        )
        yield Look("address", "warning", said, facts)


def post() -> Iterator[Look]:
    """Whether a lost password can be mailed; on one machine nobody needs it."""
    if settings.REACHED_ONLY_LOCALLY:
        return
    mailer: dict[str, Any] = settings.MAILERS["default"]
    if mailer["BACKEND"].endswith("smtp.EmailBackend"):
        yield Look("mail", "well", f"Mail leaves through {mailer['OPTIONS']['host']}.")
    else:
        yield Look("mail", "warning", "No mail server is named (EMAIL_HOST): lost passwords cannot be mailed.")


def queue(at: datetime) -> Iterator[Look]:
    seen = tasks.heartbeat()
    waiting = Run.objects.filter(status=Run.Status.QUEUED).count() + Import.objects.filter(status="queued").count()
    facts = {"last_seen": seen.isoformat() if seen else None, "waiting": waiting}
    if seen and at - seen <= SILENCE_MAX:
        yield Look("queue", "well", f"A worker showed itself {_ago(at - seen)} ago.", facts)
        return
    said = f"No worker has shown itself for {_ago(at - seen)}." if seen else "No worker has ever shown itself."
    level: Level = "problem" if waiting else "warning"
    yield Look("queue", level, f"{said} Work that waits: {waiting}. Start one with: querencia up", facts)


def runs(at: datetime) -> Iterator[Look]:
    newest = queries.latest_run()
    with alone("run", patience=0) as is_free:
        stuck = Run.objects.filter(status=Run.Status.RUNNING).count() if is_free else 0
    late = Run.objects.filter(status=Run.Status.QUEUED, created_at__lt=at - SILENCE_MAX).count() if is_free else 0
    if stuck or late:
        said = f"Runs whose process is gone: {stuck}; waiting for over ten minutes: {late}. The next run clears them."
        yield Look("runs", "problem", said, {"stuck": stuck, "waiting": late})
    elif newest is None:
        yield Look("runs", "well", "Nothing has been measured yet.")
    elif newest.status == Run.Status.FAILED:
        yield Look("runs", "problem", f"The latest run failed. {queries.why(newest)}", {"run": newest.pk})
    else:
        done = queries.latest_done()
        said = f"The customers were last scored as of {done.as_of}." if done else "The first run is on its way."
        yield Look("runs", "well", said, {"as_of": str(done.as_of) if done else None})


def imports(at: datetime) -> Iterator[Look]:
    begun = Import.objects.filter(status__in=WORKING_IMPORT)
    stuck = begun.filter(created_at__lt=at - IMPORT_MAX).count()
    if stuck:
        said = f"Imports begun over a day ago and not finished: {stuck}. Hand the same file over again: it goes on."
        yield Look("imports", "problem", said, {"stuck": stuck})
    else:
        yield Look("imports", "well", "No import is stuck.", {"stuck": 0, "working": begun.count()})


def amounts(at: datetime) -> Iterator[Look]:
    """A purchase is the sum of its lines, where it has lines."""
    sums = (
        PurchaseLine.objects.order_by().values("purchase_id", whole=F("purchase__amount")).annotate(lines=Sum("amount"))
    )
    wrong = sums.exclude(lines=F("whole")).count()
    if wrong:
        said = f"Purchases whose lines do not add up to their amount: {wrong}."
        yield Look("amounts", "problem", said, {"wrong": wrong})
    else:
        yield Look("amounts", "well", "Purchases are the sums of their lines.", {"wrong": 0})


def scores(at: datetime) -> Iterator[Look]:
    done, kept = queries.latest_done(), Score.objects.count()
    said = done.customers if done else 0
    # Who came together since has one score of several.
    joined = persons.joined_since(done.started_at) if done and done.started_at and kept < said else 0
    if not said - joined <= kept <= said:
        text = f"The latest run scored {said} customers, but {kept} have a score. Run: querencia measure"
        yield Look("scores", "problem", text, {"scores": kept, "scored": said})
    else:
        yield Look("scores", "well", f"All {kept} scores of the latest run are there.", {"scores": kept})


def copy(at: datetime) -> Iterator[Look]:
    made = columns.Copy.open(settings.COLUMNS_FOLDER)
    try:
        differing = columns.differences(made)
    except (OSError, pa.ArrowException, duckdb.Error) as fault:
        first = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
        said = f"The columnar copy cannot be read ({first}). Run: querencia measure --anew"
        yield Look("copy", "problem", said, {"rows": made.rows})
        return
    done = queries.latest_done()
    facts = {"rows": made.rows, "differing": differing}
    if differing:
        said = f"The columnar copy differs from the database in {len(differing)} parts. Run: querencia measure --anew"
        yield Look("copy", "problem", said, facts)
    elif done and done.purchases and not made.rows:
        yield Look("copy", "warning", "The columnar copy is gone. The next run makes it anew.", facts)
    else:
        yield Look("copy", "well", f"The columnar copy of {made.rows} purchases agrees with the database.", facts)


def erased(at: datetime) -> Iterator[Look]:
    """Whether those who were erased would be known again."""
    waiting = Erasure.objects.filter(status="waiting", requested_at__lt=at - SILENCE_MAX).count()
    if not tombstones.is_key_the_same():
        said = (
            "The key by which erased people are known again is another one than when they were erased: files and "
            "machines bring them back. Put erasure_key (or QUERENCIA_ERASURE_KEY) back from a backup."
        )
        yield Look("erasures", "problem", said)
    elif waiting:
        yield Look("erasures", "problem", f"Erasures that wait for over ten minutes: {waiting}.", {"waiting": waiting})
    else:
        yield Look("erasures", "well", "Nobody waits to be erased.", {"waiting": 0})


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 2:
        return f"{max(0, int(span.total_seconds()))} seconds"
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
