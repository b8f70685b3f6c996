"""Many at once: no point is spent twice, and no kill loses or doubles one."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections

from querencia.customers.actions import merging
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Entry, Programme
from tests.loyalty import shop
from tests.loyalty.shop import AT
from tests.measures.shop import environment

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
AT_ONCE = 32


def at_once(number: int, work: Callable[[int], Any]) -> list[Any]:
    """What each of so many threads, all begun together, gave back."""
    gate = threading.Barrier(number)
    found: list[Any] = [None] * number

    def one(place: int) -> None:
        try:
            gate.wait()
            found[place] = work(place)
        except Exception as fault:
            found[place] = fault
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=[place]) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [each for each in found if isinstance(each, Exception)], found
    return found


def test_of_many_who_spend_one_balance_as_many_can_as_it_pays_for(programme: Programme) -> None:
    ana, anna = shop.member(programme), shop.member(programme, "anna")
    for number in range(5):
        shop.earns(ana, 10_000 + number)
    shop.earns(anna, 22_300)
    merging.merge(pairs=[(ana.customer_id, anna.customer_id)], staff=None, at=AT)  # 723 points in one purse

    def spend(place: int) -> str:
        who = (ana, anna)[place % 2].pk
        [done] = actions.hold(programme=programme, holds=[actions.NewHold(who, f"order-{place}", 37)], at=AT)
        if done.result == "created":
            [done] = actions.capture(programme=programme, captures=[actions.Capture(f"order-{place}")], at=AT)
        return done.result

    found = at_once(AT_ONCE, spend)
    assert (found.count("created"), found.count("insufficient")) == (723 // 37, AT_ONCE - 723 // 37)
    assert shop.has(ana).available == 723 % 37
    assert shop.is_right(programme)


def test_one_order_that_many_tell_of_is_spent_and_earned_once(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 50_000)
    bought = shop.buys(ana, 10_000)

    def tell(place: int) -> tuple[str, str, str]:
        [earned] = actions.earn(programme=programme, purchases=[bought.pk], at=AT)
        [held] = actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "order", 120)], at=AT)
        [done] = actions.capture(programme=programme, captures=[actions.Capture("order", 100)], at=AT)
        return earned.result, held.result, done.result

    found = at_once(12, tell)
    for step in zip(*found, strict=True):
        assert sorted(step) == ["created", *["unchanged"] * 11]
    assert shop.has(ana).available == 500
    assert shop.is_right(programme)


def test_everything_at_once_leaves_books_that_agree(programme: Programme) -> None:
    shop.change(programme, expiry_count=3, expiry_unit="day", deficit="owe", deficit_max=10_000)
    people = [shop.member(programme, f"m{number}") for number in range(4)]
    bought = [shop.earns(who, 9_000, at=AT - timedelta(days=number)) for number, who in enumerate(people)]
    back = [shop.buys(who, -4_500, refund_of=each.key) for who, each in zip(people, bought, strict=True)]

    def work(place: int) -> None:
        one, other = people[place % 4], people[(place + 1) % 4]
        gift = actions.NewTransfer(one.pk, other.pk, f"t{place}", 7)
        actions.transfer(programme=programme, transfers=[gift], at=AT)
        actions.refund(programme=programme, refunds=[each.pk for each in back], at=AT)
        actions.expire(programme=programme, at=AT + timedelta(days=place % 3))
        actions.hold(programme=programme, holds=[actions.NewHold(other.pk, f"h{place}", 5, 1)], at=AT)
        actions.release(programme=programme, keys=[f"h{place - 1}"], at=AT)

    at_once(12, work)
    assert Entry.objects.filter(key__startswith="refund:").values("key").distinct().count() == 4
    assert shop.is_right(programme)


def test_tills_that_are_processes_of_their_own_spend_no_point_twice(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 100_000)
    command = [sys.executable, "-m", "tests.loyalty.till"]
    tills = [
        subprocess.Popen(
            [*command, f"till-{number}", str(ana.pk), "13", "30"],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    try:
        for till in tills:
            assert till.stdout
            assert till.stdout.readline() == "ready\n"
        for till in tills:
            assert till.stdin
            till.stdin.write("go\n")
            till.stdin.flush()
        spent = [int(till.communicate(timeout=240)[0]) for till in tills]
    finally:
        for till in tills:
            till.kill()
            till.wait()
    assert sum(spent) == 1_000 // 13
    assert shop.has(ana).available == 1_000 % 13
    assert shop.is_right(programme)
    assert queries.liability(programme).accounts["redeemed"] == 1_000 // 13 * 13


def test_a_process_that_is_killed_anywhere_loses_no_point_and_doubles_none() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.killed", "points"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert int(done.stdout) > 30, "the boundaries are not seen any more"
    assert connection.vendor in ("sqlite", "postgresql")
