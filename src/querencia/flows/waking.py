"""Waking the worker. Rows say what is to be done: a message that is lost costs a minute, never an event."""

import logging
import threading
import time

# It is told once a second at most, a second later: whatever comes in between it will find.
SECONDS = 1.0
log = logging.getLogger(__name__)
_telling = threading.Lock()
_told_until: dict[str, float] = {}


def take_in() -> None:
    """Have what machines sent taken in soon."""
    _tell("take_in")


def react() -> None:
    """Have what follows from new events done soon."""
    _tell("react")


def _tell(task: str) -> None:
    with _telling:
        now = time.monotonic()
        if now < _told_until.get(task, 0.0):
            return
        _told_until[task] = now + SECONDS
    from querencia.flows import tasks

    try:
        getattr(tasks, task).schedule(delay=SECONDS)
    except Exception:
        log.warning("the worker could not be told; it looks for itself every minute")
