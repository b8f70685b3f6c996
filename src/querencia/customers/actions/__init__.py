"""Writing to the central database, by what is written."""

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
from querencia.customers.actions.people import mark_invented

__all__ = [
    "FINISHED",
    "AlreadyRunning",
    "describe_import",
    "discard_import",
    "mark_invented",
    "queue_import",
    "receive_file",
    "register_import",
    "requeue_import",
    "run_import",
    "spool",
]
