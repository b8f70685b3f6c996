"""Single requests of one moment: done in one transaction, answered each by itself."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client

from querencia.api.rest import together
from querencia.api.rest.together import Ticket, carry_out
from querencia.loyalty.models import Hold, Programme
from tests.api.conftest import Program
from tests.api.test_rest_loyalty import agrees, ana, club  # noqa: F401  (fixtures)

TILLS = 8


def test_those_who_come_while_one_is_served_are_served_together_and_a_bad_one_fails_alone() -> None:
    begun, go = threading.Event(), threading.Event()
    groups: list[list[Any]] = []
    found: dict[Any, Any] = {}

    def do(group: Sequence[Ticket]) -> None:
        items = [ticket.item for ticket in group]
        groups.append(items)
        begun.set()
        assert go.wait(10)
        if "bad" in items:
            raise ValueError(len(items))
        for ticket in group:
            ticket.response = HttpResponse(ticket.item)

    def ask(item: str) -> None:
        try:
            found[item] = carry_out(Ticket(item, list, str), do).content.decode()
        except ValueError as fault:
            found[item] = fault.args

    threads = [threading.Thread(target=ask, args=[item]) for item in ("first", "bad", "good", "better")]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(together._lines[list].waiting) < 3:
        time.sleep(0.001)
    go.set()
    for thread in threads:
        thread.join()
    assert found == {"first": "first", "bad": (1,), "good": "good", "better": "better"}
    assert groups[0] == ["first"]
    assert sorted(groups[1]) == ["bad", "better", "good"]
    assert sorted(groups[2:]) == [["bad"], ["better"], ["good"]]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_tills_that_ask_at_once_spend_what_there_is_and_hear_the_same_again(ana: Program, club: Programme) -> None:  # noqa: F811
    answers: list[Any] = []
    gate = threading.Barrier(TILLS)

    def spend(till: int) -> None:
        try:
            gate.wait()
            held = {"key": f"H{till}", "member": {"card_number": "C-1"}, "points": 3}
            mine = Program(ana.key, Client())
            for _ in range(2):
                answers.append((till, mine("POST", "/loyalty/holds", held, HTTP_IDEMPOTENCY_KEY=f"n{till}")))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=spend, args=[till]) for till in range(TILLS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = sorted((till, answer.status_code, answer.content) for till, answer in answers)
    assert len(said) == 2 * TILLS
    assert said[::2] == said[1::2]
    assert [status for _till, status, _body in said].count(201) == 2 * 3  # ten points
    assert {status for _till, status, _body in said} == {201, 409}
    assert Hold.objects.count() == 3
    assert agrees()
