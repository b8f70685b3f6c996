"""Customers who look alike are proposed, and somebody decides: once for ever, and never again by a run."""

import subprocess
import sys
from datetime import timedelta

import pytest

from querencia.business.models import Staff
from querencia.common.database import alone
from querencia.customers import actions
from querencia.customers.actions.proposals import propose
from querencia.customers.identity import Known
from querencia.customers.models import ContactPoint, Customer, Merge
from querencia.customers.queries import persons
from querencia.insight import InputError
from querencia.measures import duplicates
from tests.insight.test_duplicates import town
from tests.measures import shop

pytestmark = pytest.mark.django_db(transaction=True)

AT = shop.NOW
DAY = timedelta(days=1)


@pytest.fixture
def staff() -> Staff:
    return Staff.objects.create(email="olga@example.com")


def bring_in() -> set[tuple[int, int]]:
    """The invented town in the database; the pairs that are one person."""
    rows = town(120, 16).to_dicts()
    names = ("given_name", "family_name", "birthday", "city")
    made = Customer.objects.bulk_create(
        [Customer(key=f"k{row['id']}", created_at=AT, **{name: row[name] for name in names}) for row in rows]
    )
    by_id = {row["id"]: who.pk for row, who in zip(rows, made, strict=True)}
    ContactPoint.objects.bulk_create(
        [ContactPoint(customer_id=by_id[r["id"]], kind="email", value=r["email"]) for r in rows if r["email"]]
    )
    return {(by_id[number], by_id[1_000 + number]) for number in range(1, 17)}


def waiting() -> dict[tuple[int, int], Merge]:
    found, after = [], ""
    while True:
        rows, after = persons.waiting(after=after)
        found += rows
        if not after:
            return {(each.first_id, each.second_id): each for each in found}


def test_what_was_decided_is_never_proposed_again_and_what_was_not_waits_once(staff: Staff) -> None:
    right = bring_in()
    done = duplicates.look(at=AT)
    pairs = waiting()
    assert done.records == 136
    assert done.proposed.new == done.proposed.waiting == len(pairs)
    assert len(pairs.keys() & right) >= 12
    sure = [each.probability for each in pairs.values()]
    assert sure == sorted(sure, reverse=True)
    joined, refused, thought_again = [pairs[pair] for pair in sorted(pairs.keys() & right)[:3]]
    actions.merge(pairs=[(joined.first_id, joined.second_id)], staff=staff, at=AT)
    actions.part(merges=[refused, thought_again], staff=staff, at=AT)
    actions.reconsider(merges=[Merge.objects.get(pk=thought_again.pk)], staff=staff, at=AT)
    # Whoever is joined later with one of the refused is the same person, who was refused.
    other = Customer.objects.create(key="0", created_at=AT).pk
    actions.merge(pairs=[(other, refused.second_id)], staff=staff, at=AT)
    told = [(*pair, each.probability) for pair, each in pairs.items()]
    again = propose(told, at=AT + DAY)
    assert (again.new, again.gone) == (0, 0)
    assert waiting().keys() == pairs.keys() - {(each.first_id, each.second_id) for each in (joined, refused)}
    joined.refresh_from_db()
    assert (joined.is_open, joined.rule, joined.opened_by) == (True, "proposal", staff)
    assert propose([], at=AT + 2 * DAY).gone == len(pairs) - 3
    # Asked for again by somebody, it waits for somebody.
    assert waiting().keys() == {(thought_again.first_id, thought_again.second_id)}


def test_pairs_become_those_of_persons_and_the_surest_counts(staff: Staff) -> None:
    a, b, c, d = (Customer.objects.create(key=key, created_at=AT).pk for key in "abcd")
    actions.merge(pairs=[(a, b)], staff=staff, at=AT)
    assert propose([(a, b, 0.99), (a, c, 0.6), (b, c, 0.8), (c, d, 0.7)], at=AT).new == 2
    assert {pair: each.probability for pair, each in waiting().items()} == {(a, c): 0.8, (c, d): 0.7}
    done = propose([(a, c, 0.9)], at=AT + DAY)
    assert (done.new, done.gone, done.waiting) == (0, 1, 1)
    [edge] = waiting().values()
    assert (edge.probability, edge.noted_at) == (0.9, AT)


def test_that_a_pair_looks_alike_keeps_nobody_apart_whom_identifiers_bring_together() -> None:
    pieces = [Known((("email", "ana@example.com"),)), Known((("device", "tablet"),))]
    ids = actions.identify(pieces, at=AT, source="web")
    propose([(ids[0], ids[1], 0.7)], at=AT)
    actions.identify([Known(pieces[0].identifiers + pieces[1].identifiers)], at=AT, source="web")
    assert persons.nodes([ids[0]]) == {ids[0]: sorted(ids)}
    assert waiting() == {}
    assert Merge.objects.get().since == AT


def test_a_house_with_nobody_to_compare_says_so() -> None:
    with pytest.raises(InputError, match="0 of the records"):
        duplicates.look(at=AT)
    Customer.objects.create(key="1", given_name="Ana", city="Vigo", created_at=AT)
    with pytest.raises(InputError, match="1 of the records"):
        duplicates.look(at=AT)
    assert not Merge.objects.exists()


@pytest.mark.slow
def test_the_command_says_what_it_found_and_one_is_enough_at_a_time() -> None:
    command = [sys.executable, "-m", "querencia", "duplicates"]
    environment = shop.environment(QUERENCIA_LOG="ERROR")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is nothing to compare: 0 of the records tell at least two of given_name" in done.stderr
    bring_in()
    done = subprocess.run([*command, "--sure", "0.9"], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("136 records compared. "), done.stderr
    assert "0 wait no longer" in done.stdout
    assert all(each.probability >= 0.9 for each in waiting().values())
    with alone("duplicates") as is_alone:
        assert is_alone
        with pytest.raises(duplicates.Busy):
            duplicates.look(at=AT)
