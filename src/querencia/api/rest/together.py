"""Single requests that wait at the same moment are carried out as one batch, in one transaction, and each is answered
by itself (see ``docs/decisions``): where many tills ask, they wait for the database together and not in a row."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse

from querencia.api.rest.fields import Outcome
from querencia.business.idempotency import Claim

TOGETHER_MAX = 100


@dataclass(eq=False)
class Ticket:
    """An item that waits to be written by what writes many of its kind, how its outcome is answered, and what became of
    it. ``claimed``: the name under which its answer is to be kept."""

    item: Any
    write: Callable[[Sequence[Any]], list[Outcome]]
    answer: Callable[[Outcome], Any]
    claimed: Claim | None = None
    response: HttpResponse | None = None
    fault: BaseException | None = None
    called: threading.Event = field(default_factory=threading.Event)

    @property
    def is_settled(self) -> bool:
        return self.response is not None or self.fault is not None


@dataclass(eq=False)
class _Line:
    waiting: list[Ticket] = field(default_factory=list)
    is_served: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


_lines: dict[Callable[[Sequence[Any]], list[Outcome]], _Line] = {}


def carry_out(ticket: Ticket, do: Callable[[Sequence[Ticket]], None]) -> HttpResponse:
    """Whoever comes first does it for those who came since. ``do`` is one transaction, in which each is given its
    response or its fault; where it fails for many, each is done alone: nobody fails for another one's sake."""
    line = _lines.setdefault(ticket.write, _Line())
    with line.lock:
        line.waiting.append(ticket)
        waits, line.is_served = line.is_served, True
    if waits:
        ticket.called.wait()
    if not ticket.is_settled:
        _serve(line, do)
    if ticket.fault is not None:
        raise ticket.fault
    assert ticket.response is not None
    return ticket.response


def _serve(line: _Line, do: Callable[[Sequence[Ticket]], None]) -> None:
    """Do it for those who stand there, and call whoever stands first then: nobody works for others twice, nor waits
    longer than for one group."""
    with line.lock:
        group, line.waiting = line.waiting[:TOGETHER_MAX], line.waiting[TOGETHER_MAX:]
    try:
        _carry_out(group, do)
    finally:
        with line.lock:
            following = line.waiting[:1]
            line.is_served = bool(following)
        for ticket in (*following, *group):
            ticket.called.set()


def _carry_out(group: Sequence[Ticket], do: Callable[[Sequence[Ticket]], None]) -> None:
    try:
        do(group)
    except Exception as fault:
        for ticket in group:
            ticket.response, ticket.fault = None, fault if len(group) == 1 else None
        for ticket in group if len(group) > 1 else ():
            _carry_out([ticket], do)
    except BaseException as fault:
        for ticket in group:
            ticket.response, ticket.fault = None, fault
        raise
