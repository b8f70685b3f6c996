"""Whoever is one person is one everywhere: listed once, found by any record, with the facts and the consents of all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Count, Sum

from querencia.business.models import Staff
from querencia.customers import actions, events, kinds
from querencia.customers.actions.consents import Said, record
from querencia.customers.identity import Known
from querencia.customers.models import ContactPoint, Customer, Event, Identifier, Merge, Score, ScoreCell
from querencia.customers.queries import consents, listing, persons, preferences, profile, search
from querencia.customers.queries.listing import Filters
from tests.customers import cast
from tests.measures import shop

pytestmark = pytest.mark.django_db

AT = datetime(2026, 5, 2, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def staff() -> Staff:
    return Staff.objects.create(email="olga@example.com")


def key(*customers: int) -> None:
    """The business gave a key to them alone: they stand for whomever they are joined with."""
    Identifier.objects.filter(kind="customer_key").delete()
    Identifier.objects.bulk_create(
        [Identifier(kind="customer_key", value=f"key-{pk}", customer_id=pk) for pk in customers]
    )


def buy(*customers: int) -> None:
    shop.sell([(Customer.objects.get(pk=pk).key, cast.AS_OF, 900) for pk in customers])


def part_all(staff: Staff, days: int = 2) -> None:
    actions.part(merges=list(Merge.objects.all()), staff=staff, at=AT + days * DAY)


def cells_agree() -> bool:
    counted = Score.objects.values_list("cell").annotate(Count("pk"), Sum("amount_year"), Sum("at_stake"))
    told = ScoreCell.objects.values_list("pk", "customers", "amount_year", "at_stake")
    return sorted(counted) == sorted(told)


def listed() -> dict[int, bool]:
    """Who is on the list, and whether they are marked."""
    rows = list(listing.every(Filters(), size=7))
    assert len(rows) == listing.count(Filters()) == len({row.pk for row in rows})
    assert sum(row.regrouped_at is not None for row in rows) == listing.count_regrouped()
    return {row.pk: row.regrouped_at is not None for row in rows}


def test_two_who_bought_are_listed_once_and_marked_until_they_are_scored_together(staff: Staff) -> None:
    one, other, third = (score.pk for score in cast.scored(3))
    buy(one, other, third)
    actions.merge(pairs=[(one, other)], staff=staff, at=AT)
    assert listed() == {one: True, third: False}
    assert cells_agree()
    part_all(staff)
    # Whoever was parted comes back at the next run; until then nothing is said of them.
    assert listed() == {one: True, third: False}


def test_the_score_of_the_only_one_who_bought_is_that_of_the_person_and_goes_to_who_stands_for_them(
    staff: Staff,
) -> None:
    buyer, other = (score.pk for score in cast.scored(2))
    visitor = Customer.objects.create(key="device:1", created_at=AT).pk
    buy(buyer, other)
    key(visitor)
    before = Score.objects.filter(pk=buyer).values().get()
    actions.merge(pairs=[(buyer, visitor)], staff=staff, at=AT)
    assert listed() == {visitor: False, other: False}
    assert Score.objects.filter(pk=visitor).values().get() == before | {"customer_id": visitor}
    assert cells_agree()
    part_all(staff)
    assert listed() == {buyer: False, other: False}
    assert Score.objects.filter(pk=buyer).values().get() == before


def test_of_who_is_parted_after_a_run_the_head_keeps_the_score_marked(staff: Staff) -> None:
    one, other = (score.pk for score in cast.scored(2))
    buy(one, other)
    actions.merge(pairs=[(one, other)], staff=staff, at=AT)
    Score.objects.update(regrouped_at=None)  # as a run leaves it
    assert listed() == {one: False}
    part_all(staff)
    assert listed() == {one: True}


def test_any_number_who_come_together_and_part_in_any_order_leave_cells_that_agree(staff: Staff) -> None:
    people = [score.pk for score in cast.scored(30)]
    buy(*people[:20])
    key(*people[::4])
    for number in range(24):
        pair = (people[number * 7 % 30], people[number * 11 % 30 - 1])
        actions.merge(pairs=[pair], staff=staff, at=AT + number * DAY)
        if number % 5 == 4:
            actions.part(merges=list(Merge.objects.filter(until=None)[1:3]), staff=staff, at=AT + number * DAY)
        assert cells_agree(), number
        assert set(listed()) <= set(persons.heads(people).values()), number


@pytest.mark.parametrize("text", ["old@example.com", "+34612000111", "Vieja", "9-old", "T-1"])
def test_whatever_finds_one_record_finds_the_person(staff: Staff, text: str) -> None:
    known = Known((("customer_key", "9-new"), ("email", "new@example.com")), {"given_name": "Ana"})
    old = Known(
        (("email", "old@example.com"), ("phone", "+34 612 000 111"), ("card", "9-old")), {"given_name": "Vieja"}
    )
    new, other = actions.identify([known, old], at=AT, source="web")
    shop.sell([(Customer.objects.get(pk=other).key, cast.AS_OF, 900)])
    actions.merge(pairs=[(new, other)], staff=staff, at=AT)
    text = Customer.objects.get(pk=other).purchases.get().key if text == "T-1" else text
    assert [who.pk for who in search.find(text)] == [new]
    assert search.records(text) == [other]
    part_all(staff)
    assert [who.pk for who in search.find(text)] == [other]


def test_who_stands_for_a_person_and_has_no_name_is_called_as_another_of_them_is(staff: Staff) -> None:
    nameless, named = (score.pk for score in cast.scored(10) if score.customer.key in ("k002", "k005"))
    Identifier.objects.create(kind="email", value="jose@example.com", customer_id=named)
    actions.merge(pairs=[(nameless, named)], staff=staff, at=AT)
    [found] = search.find("jose@example.com")
    [row] = [row for row in listing.page(Filters()).rows if row.pk == nameless]
    assert found.name == row.customer.name == profile.people([nameless])[nameless].name == 'José O"Neill; DROP'
    assert Customer.objects.get(pk=nameless).name == "k002"


def test_a_profile_is_made_of_all_records(staff: Staff) -> None:
    one, other = (score.pk for score in cast.scored(2))
    Customer.objects.filter(pk=one).update(city="", birthday=None)
    Customer.objects.filter(pk=other).update(city="Vigo", language="pt", birthday=AT.date())
    buy(one, other, other)
    for number, pk in enumerate((one, other, other)):
        events.record([events.NewEvent("Looked", f"e{number}", "web", customer_id=pk)], at=AT)
    ContactPoint.objects.create(customer_id=one, kind="email", value="ana@example.com")
    ContactPoint.objects.create(customer_id=other, kind="email", value="ana@example.com", opted_out_at=AT)
    ContactPoint.objects.create(customer_id=other, kind="phone", value="+34612000111")
    actions.merge(pairs=[(one, other)], staff=staff, at=AT)
    for asked in (one, other):
        who = profile.person(asked)
        assert who is not None
        assert (who.pk, who.ids, who.city, who.language, who.birthday) == (one, [one, other], "Vigo", "pt", AT.date())
        assert [(p.value, bool(p.opted_out_at)) for p in who.contact_points] == [
            ("ana@example.com", True),
            ("+34612000111", False),
        ]
        # Opted out as one record's, it is so as the other's.
        assert (who.reachable("email"), who.reachable("phone")) == ("", "+34612000111")
        moments, _ = profile.timeline(who.ids)
        assert [moment.event.kind for moment in moments if moment.event].count("Looked") == 3
        assert [moment.purchase is not None for moment in moments].count(True) == 3
        assert [row["amount"] for row in profile.months(who.ids)] == [2_700]
    assert profile.person(0) is None


def test_many_profiles_are_read_in_a_few_statements(staff: Staff, django_assert_max_num_queries: Any) -> None:
    ids = [score.pk for score in cast.scored(40)]
    actions.merge(pairs=list(zip(ids[:20], ids[20:], strict=True)), staff=staff, at=AT)
    with django_assert_max_num_queries(6):
        people = profile.people(ids)
        assert all(len(who.contact_points) == 0 for who in people.values())
    assert {who.pk for who in people.values()} == set(ids[:20])


def test_an_address_that_one_record_opted_out_is_closed_for_the_whole_person_until_its_owner_opens_it(
    staff: Staff,
) -> None:
    one, other = (score.pk for score in cast.scored(2))
    for pk in (one, other):
        record([Said(pk, "email", "marketing", "granted")], source="desk", at=AT)
    point = ContactPoint.objects.create(customer_id=one, kind="email", value="ana@example.com")
    ContactPoint.objects.create(customer_id=other, kind="email", value="ana@example.com", opted_out_at=AT)
    actions.merge(pairs=[(one, other)], staff=staff, at=AT)

    def why() -> set[str]:
        return {each.why for each in consents.allowed([one, other], channel="email", purpose="marketing").values()}

    assert why() == {"opted_out"}
    assert preferences.is_opted_out(point, "marketing")
    from querencia.customers.actions import preferences as wishing

    names = [wish.name for wish in preferences.wishes(point)]
    wishing.wish(point=point, shown=names, wanted=["email:marketing"], evidence="page", at=AT + DAY)
    assert why() == {""}


def test_merging_and_parting_are_events_of_the_person_that_say_no_more_than_is_needed(staff: Staff) -> None:
    one, other, third = (score.pk for score in cast.scored(3))
    key(other)
    actions.merge(pairs=[(one, other)], staff=staff, at=AT)
    actions.merge(pairs=[(other, one)], staff=staff, at=AT + DAY)  # says nothing new
    edge = Merge.objects.get()
    part_all(staff)
    told = list(Event.objects.filter(kind__in=[kinds.CUSTOMER_MERGED, kinds.CUSTOMER_PARTED]).order_by("pk"))
    said = {"merge": edge.pk, "records": [one, other], "rule": "by_hand", "staff": staff.pk, "by": "staff"}
    assert [(each.kind, each.customer_id, each.properties) for each in told] == [
        (kinds.CUSTOMER_MERGED, other, said),
        (kinds.CUSTOMER_PARTED, one, said),
    ]
    assert third not in {each.customer_id for each in told}


def test_before_the_first_run_persons_are_listed_once(staff: Staff) -> None:
    ids = [Customer.objects.create(key=f"c{n}", created_at=AT).pk for n in range(3)]
    actions.merge(pairs=[(ids[0], ids[2])], staff=staff, at=AT)
    assert [who.pk for who in listing.unscored()] == ids[:2]
    assert persons.count() == 2
