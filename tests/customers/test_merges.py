"""Merges bring customers together and are undone without a trace but the note that they were."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from querencia.business.models import Staff
from querencia.customers import actions
from querencia.customers.actions.consents import Said, record
from querencia.customers.identity import Known
from querencia.customers.models import Consent, ContactPoint, Customer, Identifier, Merge
from querencia.customers.queries import persons
from querencia.customers.queries.consents import allowed

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def people(number: int) -> list[int]:
    made = [Customer.objects.create(key=f"c{n}", created_at=AT).pk for n in range(number)]
    for pk in made[number // 2 :]:
        Identifier.objects.create(kind="customer_key", value=f"c{pk}", customer_id=pk)
    return made


def somebody() -> Staff:
    return Staff.objects.get_or_create(email="olga@example.com")[0]


def reached(nodes: list[int], edges: set[tuple[int, int]]) -> Iterator[tuple[int, frozenset[int]]]:
    """Who is one with whom, told the slow way."""
    for node in nodes:
        group = {node}
        for _ in nodes:
            group |= {b for a, b in edges if a in group} | {a for a, b in edges if b in group}
        yield node, frozenset(group)


steps = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), max_size=14)


class AnySequence(TestCase):
    @given(steps)
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def test_of_merges_and_undos_leaves_components_right_and_undoing_all_gives_back_the_start(
        self, steps: list[tuple[int, int, bool]]
    ) -> None:
        staff, nodes = somebody(), people(7)
        start = list(Customer.objects.order_by("pk").values())
        edges: set[tuple[int, int]] = set()
        for number, (one, other, is_merge) in enumerate(steps):
            a, b = sorted((nodes[one], nodes[other]))
            at = AT + number * DAY
            if is_merge:
                is_new = a != b and (a, b) not in edges
                assert actions.merge(pairs=[(b, a)], staff=staff, at=at) == is_new
                edges |= {(a, b)} if is_new else set()
            else:
                wanted = list(Merge.objects.filter(first=a, second=b))
                assert actions.part(merges=wanted, staff=staff, at=at) == ((a, b) in edges)
                edges -= {(a, b)}
            right = dict(reached(nodes, edges))
            assert {pk: frozenset(group) for pk, group in persons.nodes(nodes).items()} == right
            assert len(set(persons.heads(nodes).values())) == len(set(right.values()))
        noted = Merge.objects.count()
        actions.part(merges=list(Merge.objects.all()), staff=staff, at=AT + 99 * DAY)
        assert list(Customer.objects.order_by("pk").values()) == start
        assert Merge.objects.count() == noted


@pytest.mark.django_db
def test_what_somebody_parted_comes_together_again_only_by_hand() -> None:
    both = Known((("email", "ana@example.com"), ("device", "tablet")))
    for each in both.identifiers:
        actions.identify([Known((each,))], at=AT, source="web")
    actions.identify([both], at=AT, source="web")
    edge = Merge.objects.get()
    staff = somebody()
    assert actions.part(merges=[edge], staff=staff, at=AT + DAY) == 1
    edge.refresh_from_db()
    assert (edge.since, edge.until, edge.closed_by) == (AT, AT + DAY, staff)
    actions.identify([both], at=AT + 2 * DAY, source="web")
    assert not Customer.objects.filter(person__isnull=False).exists()
    assert actions.merge(pairs=[(edge.first_id, edge.second_id)], staff=staff, at=AT + 3 * DAY) == 1
    assert [(each.rule, each.opened_by) for each in persons.merges(edge.first_id)] == [
        ("by_hand", staff),
        ("identifiers", None),
    ]


@pytest.mark.django_db
def test_whoever_is_given_a_key_stands_for_the_person_from_then_on() -> None:
    older, newer = (Known(((kind, "1"),)) for kind in ("device", "external"))
    ids = actions.identify([older, newer], at=AT, source="web")
    actions.merge(pairs=[(ids[0], ids[1])], staff=somebody(), at=AT)
    assert persons.heads(ids) == dict.fromkeys(ids, ids[0])
    actions.identify([Known((("customer_key", "k1"), ("external", "1")))], at=AT, source="web")
    assert persons.heads(ids) == dict.fromkeys(ids, ids[1])


@pytest.mark.django_db
def test_the_strictest_consent_counts_at_a_merge_and_returns_when_it_is_undone() -> None:
    ana, other = people(2)
    for pk, status in ((ana, "granted"), (other, "withdrawn")):
        ContactPoint.objects.create(customer_id=pk, kind="email", value=f"{pk}@example.com")
        Consent.objects.create(
            customer_id=pk, channel="email", purpose="marketing", status=status, source="desk", at=AT
        )

    def may() -> list[bool]:
        return [each.is_allowed for each in allowed([ana, other], channel="email", purpose="marketing").values()]

    staff = somebody()
    assert may() == [True, False]
    actions.merge(pairs=[(ana, other)], staff=staff, at=AT + DAY)
    assert may() == [False, False]
    Consent.objects.create(
        customer_id=ana, channel="email", purpose="marketing", status="granted", source="desk", at=AT + 2 * DAY
    )
    assert may() == [True, True]
    actions.part(merges=list(Merge.objects.all()), staff=staff, at=AT + 3 * DAY)
    assert may() == [True, False]


@pytest.mark.django_db
def test_who_says_again_what_they_said_before_the_other_spoke_is_heard() -> None:
    ana, other = people(2)
    actions.merge(pairs=[(ana, other)], staff=somebody(), at=AT)

    def say(who: int, status: str, days: int) -> int:
        return record([Said(who, "email", "marketing", status)], source="desk", at=AT + days * DAY)

    assert [say(ana, "withdrawn", 1), say(other, "granted", 2), say(ana, "withdrawn", 3)] == [1, 1, 1]
    assert allowed([other], channel="email", purpose="marketing")[other].why == "withdrawn"
    assert say(ana, "withdrawn", 4) == 0


@pytest.mark.django_db
def test_no_file_gives_one_customer_back_what_the_person_withdrew_as_another(business: None, tmp_path: Path) -> None:
    ana, other = people(2)
    Consent.objects.create(
        customer_id=other, channel="email", purpose="marketing", status="withdrawn", source="desk", at=AT
    )
    actions.merge(pairs=[(ana, other)], staff=somebody(), at=AT + DAY)
    path = tmp_path / "people.csv"
    path.write_text("customer_id,email,city,email consent\nc0,ana@example.com,Vigo,yes\n")
    imported = actions.register_import(
        path=path,
        file_name=path.name,
        kind="customers",
        mapping={"key": "customer_id", "email": "email", "city": "city", "consent_email": "email consent"},
        file_format={},
        at=AT + 2 * DAY,
    )
    assert actions.run_import(imported.pk, at=AT + 2 * DAY).status == "done"
    # The row still goes to the customer whose key it names.
    assert Customer.objects.get(pk=ana).city == "Vigo"
    assert Consent.objects.count() == 1
    assert not any(each.is_allowed for each in allowed([ana, other], channel="email", purpose="marketing").values())
