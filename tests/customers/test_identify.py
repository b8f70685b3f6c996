"""Who is who: identifiers find customers, create them, or bring them together, within limits."""

import random
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from querencia.customers import actions
from querencia.customers.identity import Known
from querencia.customers.models import ContactPoint, Customer, Identifier, Merge

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
KINDS = {"k": "customer_key", "e": "email", "p": "phone", "c": "card", "d": "device", "o": "order", "x": "external"}


def known(*identifiers: str, **traits: Any) -> Known:
    """``k:1 e:ana@example.com``: kinds by their first letter."""
    return Known(tuple((KINDS[each[0]], each[2:]) for each in identifiers), traits)


def one(*identifiers: str, at: datetime = AT, **traits: Any) -> int:
    return actions.identify([known(*identifiers, **traits)], at=at, source="web")[0]


def persons() -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for pk, person in Customer.objects.values_list("pk", "person_id"):
        found.setdefault(person or pk, set()).add(pk)
    return {frozenset(nodes) for nodes in found.values()}


def test_nobody_found_is_created_and_found_the_next_time() -> None:
    ana = one("k:1", "e:Ana@Example.com ", "p:+34 612 34 56 78", given_name="Ana", birthday=date(1990, 1, 2))
    assert one("e:ana@example.COM") == one("p:+34612345678") == one("k:1") == ana
    kept = Customer.objects.get()
    assert (kept.key, kept.given_name, kept.created_from, kept.created_at) == ("1", "Ana", "web", AT)
    assert set(ContactPoint.objects.values_list("kind", "value")) == {
        ("email", "ana@example.com"),
        ("phone", "+34612345678"),
    }


def test_one_found_is_attached_to() -> None:
    ana = one("e:ana@example.com")
    assert one("e:ana@example.com", "d:phone-1") == one("d:phone-1") == ana
    assert one("k:1", "e:ana@example.com") == ana
    assert Customer.objects.count() == 1


def test_phones_without_a_prefix_are_those_of_the_business(business: None) -> None:
    assert one("p:612 34 56 78") == one("p:+34612345678")


def test_who_was_imported_is_found_by_key_alone() -> None:
    bruno = Customer.objects.create(key="b", created_at=AT)
    assert one("k:b", "e:bruno@example.com") == one("e:bruno@example.com") == bruno.pk


@pytest.mark.parametrize("nobody", ["", "0", "-1", "null", "NULL", "Anonymous", " anonymous ", "undefined", "None"])
def test_what_programs_write_for_nobody_brings_nobody_together(nobody: str) -> None:
    first, second = one(f"k:{nobody}", "d:1"), one(f"k:{nobody}", "d:2")
    assert first != second
    assert one(f"k:{nobody}", f"e:{nobody}") == 0
    assert Identifier.objects.filter(kind="customer_key").count() == 0


def test_two_found_are_merged_and_each_keeps_what_it_had() -> None:
    visitor, ana = one("d:phone-1"), one("k:1", "e:ana@example.com")
    assert persons() == {frozenset({visitor}), frozenset({ana})}
    assert one("e:ana@example.com", "d:phone-1") == ana
    assert persons() == {frozenset({visitor, ana})}
    # Whom the business gave a key stands for both; facts still go to whom they name.
    assert set(Customer.objects.values_list("person_id", flat=True)) == {ana}
    assert one("d:phone-1") == visitor
    edge = Merge.objects.get()
    assert (edge.rule, edge.since, edge.until, edge.source) == ("identifiers", AT, None, "web")
    assert edge.evidence == {"kinds": ["device", "email"]}


def test_a_second_key_is_another_person_however_much_they_share() -> None:
    ana, bruno = one("k:1", "e:family@example.com"), one("k:2", "e:family@example.com")
    assert ana != bruno
    assert one("e:family@example.com") == ana
    assert one("k:1", "d:tablet") == ana
    assert one("k:2", "d:tablet") == bruno
    assert not Merge.objects.exists()


def test_five_of_a_kind_are_the_limit_and_the_weakest_is_dropped() -> None:
    ana = one("k:1")
    for number in range(7):
        assert one("k:1", f"d:device-{number}") == ana
    assert Identifier.objects.filter(kind="device").count() == 5
    stranger = one("d:device-6")
    assert stranger != ana
    assert one("k:1", "d:device-6") == ana
    assert not Merge.objects.exists()


def test_people_with_too_many_together_are_not_merged_but_by_what_is_left() -> None:
    for device in range(5):
        one("e:ana@example.com", f"d:device-{device}")
    one("c:77", "d:9")
    merged = one("e:ana@example.com", "c:77")
    assert merged == one("e:ana@example.com")
    assert not Merge.objects.exists()


def test_more_than_five_a_day_are_noted_for_somebody_to_decide() -> None:
    ana = one("k:1")
    kinds = ("e:{}@example.com", "c:{}", "x:{}", "o:{}", "d:{}", "d:x{}")
    others = [one(kind.format(number)) for number, kind in enumerate(kinds)]
    for number, kind in enumerate(kinds):
        assert one("k:1", kind.format(number)) == ana
    assert persons() == {frozenset({ana, *others[:5]}), frozenset({others[5]})}
    noted = Merge.objects.get(since=None)
    assert {noted.first_id, noted.second_id} == {ana, others[5]}
    for _ in range(2):
        assert one("k:1", kinds[5].format(5), at=AT + timedelta(days=2)) == ana
    assert Merge.objects.count() == 6
    assert Merge.objects.filter(since=None).count() == 1


def test_a_batch_is_the_same_as_one_after_the_other() -> None:
    told = [known("d:1"), known("k:1", "d:1"), known("d:2"), known("k:1", "d:2"), known("k:1"), known("k:2", "d:2")]
    ids = actions.identify(told, at=AT, source="web")
    assert ids[0] == ids[1] == ids[3] == ids[4]
    assert persons() == {frozenset({ids[0], ids[2]}), frozenset({ids[5]})}
    assert actions.identify(told, at=AT, source="web") == [ids[0], *ids[1:]]


def test_traits_fill_in_what_nobody_knew() -> None:
    ana = one("k:1", given_name="Ana")
    one("k:1", given_name="Eve", family_name="López", city="Vigo")
    kept = Customer.objects.get(pk=ana)
    assert (kept.given_name, kept.family_name, kept.city) == ("Ana", "López", "Vigo")
    assert set(kept.search_terms.values_list("term", flat=True)) == {"ana", "lopez"}


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of identifier"):
        actions.identify([Known((("shoe_size", "44"),))], at=AT, source="web")


def test_a_thousand_are_identified_in_a_few_statements(django_assert_max_num_queries: Any) -> None:
    people = [known(f"k:{n}", f"e:p{n}@example.com", f"d:{n}", given_name=f"N{n}") for n in range(1_000)]
    with django_assert_max_num_queries(60):
        ids = actions.identify(people, at=AT, source="web")
    assert len(set(ids)) == 1_000
    with django_assert_max_num_queries(9):
        assert actions.identify(people, at=AT, source="web") == ids


@pytest.mark.django_db(transaction=True)
def test_two_who_identify_the_same_at_once_make_nobody_twice() -> None:
    people = [known(f"k:{n}", f"e:p{n}@example.com", f"d:{n}") for n in range(1, 151)]
    people += [known(f"e:p{n}@example.com", f"d:{n}") for n in range(1, 151)] + [known(f"d:{n}") for n in range(1, 151)]
    failed: list[BaseException] = []

    def tell(seed: int) -> None:
        mine = people[:]
        random.Random(seed).shuffle(mine)
        try:
            for start in range(0, len(mine), 50):
                actions.identify(mine[start : start + 50], at=AT, source="web")
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=tell, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(persons()) == 150
    assert Identifier.objects.count() == 450
    ids = actions.identify(people, at=AT, source="web")
    heads = {pk: person or pk for pk, person in Customer.objects.values_list("pk", "person_id")}
    assert all(len({heads[ids[n]], heads[ids[n + 150]], heads[ids[n + 300]]}) == 1 for n in range(150))
