"""Pages on which somebody says who is one person: by hand, by undoing it, and for pairs that wait."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from querencia.business import actions as business
from querencia.business.models import Staff
from querencia.customers import actions
from querencia.customers.actions import erasing
from querencia.customers.identity import Known
from querencia.customers.models import Customer, Identifier, Merge
from querencia.customers.queries import persons
from tests.customers import cast
from tests.measures import shop

pytestmark = pytest.mark.django_db

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def staff(settings: Any) -> Staff:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    business.set_business(name="Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    return business.add_staff(email="olga@example.org", password="una llave larga", name="Olga", role="manager")


@pytest.fixture
def olga(staff: Staff) -> Client:
    client = Client()
    client.force_login(staff, BACKEND)
    return client


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


def people(number: int) -> list[int]:
    return [score.pk for score in cast.scored(number)]


def waiting(number: int) -> list[Merge]:
    """So many pairs of people who were given together, and wait."""
    ids = people(number * 2)
    rows = [
        Merge(
            first_id=first,
            second_id=second,
            rule="identifiers",
            evidence={"kinds": ["device", "email"]},
            source="web",
            noted_at=cast.AT + timedelta(hours=place),
        )
        for place, (first, second) in enumerate(zip(ids[::2], ids[1::2], strict=True))
    ]
    return Merge.objects.bulk_create(rows)


def test_the_other_record_is_found_by_anything_compared_and_joined_and_parted_again(olga: Client) -> None:
    one, other = people(2)
    shop.sell([(Customer.objects.get(pk=other).key, cast.AS_OF, 4_200)])
    Identifier.objects.create(kind="card", value="77-1", customer_id=other)
    page = text(olga.get(f"/customers/{one}/merge/?q=77-1"))
    [link] = re.findall(rf'href="(\?q=[^"]*with={other})"', page)
    page = text(olga.get(f"/customers/{one}/merge/{link.replace('&amp;', '&')}"))
    assert "Are these one person?" in page
    assert "77-1" in page
    assert re.search(r"<td><span>1 · €42.00</span></td>", page)
    assert (page.count(">same</span>"), page.count(">differs</span>")) == (1, 2)  # city; name and key
    joined = olga.post(f"/customers/{other}/merge/", {"with": one}, follow=True)
    assert joined.redirect_chain[-1][0] == f"/customers/{one}/"
    page = text(joined)
    assert "Joined from 2 records" in page
    assert "Olga" in page.split('id="records"')[1]
    edge = Merge.objects.get()
    assert (edge.rule, edge.opened_by.email) == ("by_hand", "olga@example.org")  # type: ignore[union-attr]
    page = text(olga.post(f"/customers/{one}/part/", {"merge": edge.pk}, follow=True))
    assert "Parted:" in page
    assert "One record" in page
    assert "They were parted already." in text(olga.post(f"/customers/{one}/part/", {"merge": edge.pk}, follow=True))
    assert persons.nodes([one]) == {one: [one]}


@pytest.mark.parametrize("chosen", ["", "x", "0", "99999999999999999999", "themselves", "another record of theirs"])
def test_nobody_is_joined_with_nobody_or_themselves(chosen: str, olga: Client, staff: Staff) -> None:
    one, other = people(2)
    if chosen == "another record of theirs":
        actions.merge(pairs=[(one, other)], staff=staff, at=cast.AT)
        chosen = str(other)
    before = Merge.objects.count()
    chosen = str(one) if chosen == "themselves" else chosen
    page = text(olga.post(f"/customers/{one}/merge/", {"with": chosen}))
    assert ("There is no such other person" in page) is bool(chosen)
    assert Merge.objects.count() == before


def test_whoever_is_forgotten_is_joined_with_nobody(olga: Client, staff: Staff) -> None:
    [pair] = waiting(1)
    erasing.ask([pair.first_id], reason="request", source="cockpit", at=cast.AT)
    assert "No pair of records waits" in text(olga.get("/duplicates/"))
    page = text(olga.post(f"/customers/{pair.second_id}/merge/", {"with": pair.first_id}))
    assert "There is no such other person" in page
    assert persons.heads([pair.first_id, pair.second_id]) == {pk: pk for pk in (pair.first_id, pair.second_id)}


def test_a_merge_of_somebody_else_is_not_parted_from_here(olga: Client, staff: Staff) -> None:
    one, other, third = people(3)
    actions.merge(pairs=[(other, third)], staff=staff, at=cast.AT)
    olga.post(f"/customers/{one}/part/", {"merge": Merge.objects.get().pk})
    assert Merge.objects.get().is_open


def test_pairs_that_wait_are_decided_on_and_taken_back(olga: Client) -> None:
    first, second = waiting(2)
    page = text(olga.get("/duplicates/"))
    assert "2 pairs of records may be one person." in page
    assert page.count("Given together: Device, E-mail") == 2
    htmx = {"HX-Request": "true"}
    said = text(olga.post(f"/duplicates/{first.pk}/", {"answer": "join"}, headers=htmx))
    assert "they are one person" in said
    assert "<html" not in said
    assert persons.heads([first.second_id]) == {first.second_id: first.first_id}
    said = text(olga.post(f"/duplicates/{first.pk}/", {"answer": "apart"}, headers=htmx))
    assert "Somebody has decided on this pair already." in said
    assert "Not the same:" in text(olga.post(f"/duplicates/{second.pk}/", {"answer": "apart"}, follow=True))
    assert "No pair of records waits" in text(olga.get("/duplicates/"))
    for each in (first, second):
        olga.post(f"/duplicates/{each.pk}/", {"answer": "again"})
        olga.post(f"/duplicates/{each.pk}/", {"answer": "again"})
    assert "2 pairs of records may be one person." in text(olga.get("/duplicates/"))
    assert not Customer.objects.filter(person__isnull=False).exists()
    assert olga.post(f"/duplicates/{persons.waiting()[0][0].pk}/", {"answer": "burn"}).status_code == 404


def test_pairs_are_paged_each_once_and_whoever_became_one_person_otherwise_waits_no_longer(
    olga: Client, staff: Staff
) -> None:
    rows = waiting(23)
    actions.merge(pairs=[(rows[0].first_id, rows[1].first_id)], staff=staff, at=cast.AT)
    actions.merge(pairs=[(rows[1].first_id, rows[0].second_id)], staff=staff, at=cast.AT)
    path, seen = "/duplicates/", []
    while path:
        page = text(olga.get(path))
        assert "22 pairs" in page
        seen += re.findall(r'id="pair-(\d+)"', page)
        found = re.findall(r'href="(\?after=[^"]+)"', page)
        path = f"/duplicates/{found[0]}" if found else ""
    assert seen == [str(row.pk) for row in rows[1:]]
    for place in ("x", "1~x", "x~1", "nan~9"):
        assert olga.get("/duplicates/", {"after": place}).status_code in (200, 404)


def test_a_page_of_pairs_is_read_in_few_statements(olga: Client, django_assert_max_num_queries: Any) -> None:
    waiting(10)
    with django_assert_max_num_queries(16):
        olga.get("/duplicates/")


def test_too_many_in_a_day_reach_the_page(olga: Client) -> None:
    given = ("customer_key", "1")
    for number in range(7):
        actions.identify([Known((("device", f"d{number}"),))], at=cast.AT, source="web")
        actions.identify([Known((("email", f"e{number}@example.com"),))], at=cast.AT, source="web")
    actions.identify([Known((given,))], at=cast.AT, source="web")
    for kind, value in [("device", "d{}"), ("email", "e{}@example.com")] * 4:
        number = Merge.objects.count()
        actions.identify([Known((given, (kind, value.format(number))))], at=cast.AT, source="web")
    assert "More than five records would have come together within a day." in text(olga.get("/duplicates/"))
