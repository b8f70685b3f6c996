"""Writing to the central database, by what is written."""

from querencia.customers.actions.arrivals import (
    finish_arrivals,
    keep_arrival,
    reject,
    replay_rejects,
)
from querencia.customers.actions.identifying import identify
from querencia.customers.actions.imports import (
    FINISHED,
    AlreadyRunning,
    describe_import,
    discard_import,
    queue_import,
    receive_file,
    register_import,
    requeue_import,
    run_import,
    spool,
)
from querencia.customers.actions.merging import merge, part, reconsider
from querencia.customers.actions.people import mark_invented

__all__ = [
    "FINISHED",
    "AlreadyRunning",
    "describe_import",
    "discard_import",
    "finish_arrivals",
    "identify",
    "keep_arrival",
    "mark_invented",
    "merge",
    "part",
    "queue_import",
    "receive_file",
    "reconsider",
    "register_import",
    "reject",
    "replay_rejects",
    "requeue_import",
    "run_import",
    "spool",
]
