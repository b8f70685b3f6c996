"""Many processes tell of the same people at the same time: each is one person in the end, and no fact is lost."""

import subprocess
import sys
from collections import Counter

import pytest

from querencia.customers.models import Customer, Event, Identifier, Merge, Outbox
from querencia.customers.queries import persons
from tests.customers import identified
from tests.measures.shop import environment

PROCESSES = 4


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_who_is_told_of_in_pieces_by_many_processes_at_once_is_one_person() -> None:
    command = [sys.executable, "-m", "tests.customers.identified"]
    started = [
        subprocess.Popen(
            [*command, str(seed)], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for seed in range(PROCESSES)
    ]
    try:
        for process in started:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(240) for process in started] == [0] * PROCESSES
    finally:
        for process in started:
            process.kill()
            process.communicate()
    pieces = identified.told()
    assert Identifier.objects.count() == len({pair for piece in pieces for pair in piece}) == identified.PEOPLE * 5
    owner = dict(Identifier.objects.values_list("value", "customer_id"))
    heads = persons.heads(owner.values())
    for number in range(identified.PEOPLE):
        values = [f"d{number}", f"e{number}@example.com", f"c{number}", f"x{number}", f"k{number}"]
        assert len({heads[owner[value]] for value in values}) == 1, number
        # Whom the business gave a key stands for the person, whoever came first.
        assert heads[owner[values[0]]] == owner[f"k{number}"], number
    assert persons.count() == identified.PEOPLE
    # Nothing is joined twice, nothing waits, and every piece that anybody told is kept, of whom it is about.
    assert max(Counter(Merge.objects.values_list("first_id", "second_id")).values(), default=1) == 1
    assert not Merge.objects.filter(since=None).exists()
    seen = Event.objects.filter(kind="Seen")
    assert seen.count() == PROCESSES * len(pieces)
    everybody = persons.heads(Customer.objects.values_list("pk", flat=True))
    of_person = Counter(everybody[pk] for pk in seen.values_list("customer_id", flat=True) if pk)
    assert set(of_person.values()) == {PROCESSES * len(pieces) // identified.PEOPLE}
    told = Event.objects.filter(kind="customer.merged").count()
    assert told == Merge.objects.count()
    assert Outbox.objects.count() == seen.count() + told
