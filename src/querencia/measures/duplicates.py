# ruff: noqa: S608  (the queries are put together from names of our own)
"""Customers compared with each other, and the pairs that look alike laid before whoever decides."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from django.conf import settings

from querencia.common.database import alone
from querencia.customers.actions import proposals
from querencia.customers.actions.proposals import Proposed
from querencia.insight import duplicates
from querencia.measures import engine, source

PROBABILITY_MIN = 0.5
TEXTS = ("given_name", "family_name", "birthday", "city", "email", "phone", "address")
SCHEMA = pa.schema([("id", pa.int64()), *((name, pa.string()) for name in TEXTS)])
# Of several addresses of one kind any serves: whoever has another one has another record.
POINT = (
    "LEFT JOIN (SELECT customer_id, min(value) AS value FROM customers_contactpoint WHERE kind = '{kind}' "
    "GROUP BY customer_id) {kind} ON {kind}.customer_id = c.id"
)
SELECT = (
    "SELECT CAST(c.id AS BIGINT) AS id, CAST(c.given_name AS TEXT) AS given_name, CAST(c.family_name AS TEXT) AS "
    "family_name, CAST(c.birthday AS TEXT) AS birthday, CAST(c.city AS TEXT) AS city, CAST(email.value AS TEXT) AS "
    "email, CAST(phone.value AS TEXT) AS phone, CAST(post.value AS TEXT) AS address FROM customers_customer c "
    + " ".join(POINT.format(kind=kind) for kind in ("email", "phone", "post"))
)

type Progress = Callable[[float], None]


class Busy(Exception):
    """Another process is comparing already."""

    def __init__(self) -> None:
        super().__init__("Customers are being compared already. When that is done, this can be started again.")


@contextmanager
def _engine() -> Iterator[duplicates.Spark | None]:
    """Spark, where the installation has it; DuckDB else."""
    wanted = str(settings.ANALYTICS["engine"])
    if not wanted.startswith("spark"):
        yield None
        return
    with (
        engine.room_in(settings.COLUMNS_FOLDER) as room,
        engine.spark_session(wanted, room, jars=duplicates.spark_jars()) as session,
    ):
        yield duplicates.Spark(session, room)


@dataclass(frozen=True)
class Compared:
    """How many records were compared, and what became of the pairs."""

    records: int
    pairs: int
    proposed: Proposed


def look(
    *, at: datetime, probability_min: float = PROBABILITY_MIN, progress: Progress = lambda share: None
) -> Compared:
    """Compare all customers and propose the pairs that are one person by at least that chance.

    Raises InputError where there is nothing to compare, and `Busy`.
    """
    with alone("duplicates", patience=0) as is_alone:
        if not is_alone:
            raise Busy
        settings.COLUMNS_FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
        with engine.connect(settings.COLUMNS_FOLDER) as desk, source.connect() as rows:
            read = pa.RecordBatchReader.from_batches(SCHEMA, rows.batches(SELECT, SCHEMA))
            desk.from_arrow(read).create("people")
            progress(0.2)
            with _engine() as spark:
                people = (desk, desk.table("people"))
                pairs = duplicates.propose(people, probability_min=probability_min, spark=spark).fetchall()
            progress(0.9)
            records = int(desk.execute("SELECT count(*) FROM people").fetchall()[0][0])
        return Compared(records, len(pairs), proposals.propose(pairs, at=at))
