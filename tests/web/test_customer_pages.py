"""The pages about customers: the list, its export, one of them, and the one person of many records."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from querencia.business.models import Staff
from querencia.customers.actions import merge as join
from querencia.customers.actions import part
from querencia.customers.models import ContactPoint, Customer, Event, Merge, Purchase, Score
from querencia.measures import actions as measures
from tests.customers import cast
from tests.measures import shop as trade
from tests.web.visiting import somebody, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]


# -- the list ----------------------------------------------------------------------------------------------------------


def _listed(page: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'<th scope="row"><a href="/customers/(\d+)/"', page)]


@pytest.mark.parametrize(
    "sort", ["", "sort=name", "sort=name&reverse=1", "sort=last", "sort=purchases&abc=A", "stake=1"]
)
def test_from_page_to_page_everybody_is_shown_once(sort: str, owner: Client, scores: list[Score]) -> None:
    seen, address = [], f"/customers/?{sort}"
    while address:
        page = text(owner.get(address))
        seen += _listed(page)
        further = re.search(r'class="button next" href="([^"]+)"', page)
        address = "/customers/" + further[1].replace("&amp;", "&") if further else ""
    match = {"sort=purchases&abc=A": lambda s: s.cell.abc == "A", "stake=1": lambda s: s.at_stake > 0}
    wanted = {score.pk for score in scores if match.get(sort, lambda s: True)(score)}
    assert len(seen) == len(wanted)
    assert set(seen) == wanted


def test_the_export_holds_the_list_in_its_order(owner: Client, scores: list[Score]) -> None:
    for address in ("", "?abc=B&stage=late&sort=name", "?sort=last&reverse=1", "?branch=Ensanche+%26+R%C3%ADo"):
        answer = owner.get(f"/customers/export/{address}")
        rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
        shown = re.findall(r'<span class="sub">(k\d+)</span>', text(owner.get(f"/customers/{address}")))
        assert shown
        assert [row["key"] for row in rows][: len(shown)] == shown
        assert len({row["key"] for row in rows}) == len(rows)
        if not address:
            assert len(rows) == len(scores)
    written = Event.objects.filter(kind="customers.exported").order_by("pk").last()
    assert written is not None
    assert written.properties["rows"] == len(rows)
    assert "ferreteria-ana-customers.csv" in answer["Content-Disposition"]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_name_is_no_formula_in_a_spreadsheet(formula: str, owner: Client) -> None:
    score = cast.scored(1)[0]
    Customer.objects.filter(pk=score.pk).update(key=formula, given_name=formula, family_name=formula)
    answer = owner.get("/customers/export/")
    row = next(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"), newline="")))
    for name in ("key", "given_name", "family_name"):
        assert row[name] == f"'{formula}"


def test_amounts_are_exported_in_whole_units_of_the_currency(owner: Client) -> None:
    score = cast.scored(2)[1]
    row = list(csv.DictReader(io.StringIO(owner.get("/customers/export/").getvalue().decode("utf-8-sig"))))
    amounts = {each["key"]: each["amount_EUR"] for each in row}
    assert amounts[score.customer.key] == "10.00"


def test_columns_are_chosen_and_remembered(owner: Client, scores: list[Score]) -> None:
    answer = owner.post("/customers/columns/", {"column": ["branch", "chance", "no such"], "back": "abc=A&after=x"})
    assert answer["Location"] == "/customers/?abc=A"
    page = text(owner.get("/customers/"))
    heads = re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>)?([^<]+)', page)
    assert [head.strip() for head in heads] == ["Customer", "Branch", "Chance of buying"]
    owner.post("/customers/columns/", {})
    assert "At stake a year" in text(owner.get("/customers/"))


AWKWARD = [
    "/customers/?q=%00",
    "/customers/?q=a%00b",
    "/customers/?branch=%00",
    "/customers/?abc=%00&stage=nobody&sort=%00",
    "/customers/?q=%F0%9F%98%80",
    "/customers/?q=" + "x" * 2_000,
    "/customers/?after=x",
    "/customers/?after=%00",
    "/customers/?sort=name&after=a~b",
    "/customers/?sort=last&after=2020-13-01~1",
    "/customers/?after=99999999999999999999999~1",
    "/customers/?first_from=2020-99-01&last_to=nonsense&left_from=%00",
    "/customers/?first_from=2020-01-01",
    "/customers/?first_from=0001-01-01&first_to=9999-12-31",
    "/customers/99999999999999999999999/",
    "/customers/0/",
    "/customers/1/?before=x",
    "/customers/1/?before=2020-01-01~1~1",
    "/customers/1/?before=2020-01-01T00:00:00~0~5",
    "/customers/1/?before=0001-01-01T00:00:00%2B14:00~1~1",
    "/customers/1/?before=2020-01-01T00:00:00%2B00:00~1~99999999999999999999999",
    "/imports/00000000-0000-0000-0000-000000000000/",
    "/imports/nonsense/",
]


@pytest.mark.parametrize("address", AWKWARD)
def test_an_address_that_makes_no_sense_breaks_nothing(address: str, owner: Client) -> None:
    first = cast.scored(3)[0].pk
    answer = owner.get(address.replace("/customers/1/", f"/customers/{first}/"))
    assert answer.status_code in (200, 404)
    assert "<main" in text(answer)


def test_the_list_asks_the_database_as_often_for_many_as_for_few(owner: Client) -> None:
    counts = {}
    for number in (10, 60):
        Score.objects.all().delete()
        Event.objects.all().delete()
        Customer.objects.all().delete()
        cast.scored(number)
        for path in (
            "/customers/",
            "/customers/?sort=name",
            "/customers/?q=ana",
            "/measures/",
            "/imports/",
            "/settings/",
        ):
            with CaptureQueriesContext(
                connection,
            ) as asked:
                assert owner.get(path).status_code == 200
            counts.setdefault(path, []).append(len(asked))
    for path, (few, many) in counts.items():
        assert many <= few + 1, path
        assert many <= 26, path


@pytest.mark.django_db(transaction=True)
def test_figures_of_the_overview_are_as_many_as_the_customers_behind_them() -> None:
    trade.open_business()
    trade.sell(trade.trade(120), branch="Centro", channel="shop")
    run = measures.run(at=trade.NOW)
    assert run.status == "done", run.error
    owner = somebody("owner")
    with CaptureQueriesContext(connection) as asked:
        page = text(owner.get("/overview/"))
    assert len(asked) <= 24
    links = re.findall(r'<a href="(/customers/\?[^"]+)">(\d[\d,]*)(?: are late| is late)?</a>', page)
    links += re.findall(
        r'href="(/customers/\?(?:abc|first_from)=[^"]+)">[^<]+</a></th><td class="n(?:um)?">([\d,]+)</td>', page
    )
    asked_for = {name for address, _figure in links for name in re.findall(r"[?;](\w+)=", address)}
    assert {"abc", "stage", "first_from", "first_to"} <= asked_for
    for address, figure in links:
        listed = text(owner.get(address.replace("&amp;", "&")))
        counted = re.search(r'id="count"><span role="status">([\d,]+) customer', listed)
        assert counted, address
        assert counted[1] == figure, address
    for pk in set(re.findall(r'href="/customers/(\d+)/"', page)):
        assert owner.get(f"/customers/{pk}/").status_code == 200


def test_a_part_of_a_page_is_not_taken_for_the_page(owner: Client, scores: list[Score]) -> None:
    whole, part = owner.get("/customers/"), owner.get("/customers/", headers={"HX-Request": "true"})
    assert "<html" in text(whole)
    assert "<html" not in text(part)
    assert _listed(text(whole)) == _listed(text(part))
    for answer in (whole, part):
        assert "HX-Request" in answer["Vary"]


# -- one customer ------------------------------------------------------------------------------------------------------


def _history(who: Customer, number: int) -> set[str]:
    """So many purchases and as many events, many at the same moment."""
    for n in range(number):
        at = cast.AT + timedelta(hours=n // 4)
        Purchase.objects.create(
            source="till", key=f"T-{n}", customer=who, at=at, day=20574, amount=100 + n, currency="EUR", recorded_at=at
        )
        Event.objects.create(kind=f"e.{n}", customer=who, occurred_at=at, recorded_at=at, source="desk", key=f"{n}")
    return {f"T-{n}" for n in range(number)} | {f"e.{n}" for n in range(number)}


def test_every_moment_of_a_customer_is_shown_once(owner: Client) -> None:
    who = cast.scored(1)[0].customer
    wanted = _history(who, 47)
    seen, address = [], f"/customers/{who.pk}/"
    while address:
        page = text(owner.get(address, headers={"HX-Request": "true"}))
        seen += re.findall(r">\s*(T-\d+)</span>|<div>\s*(e\.\d+)", page)
        further = re.search(r'hx-get="([^"]+)"', page)
        address = f"/customers/{who.pk}/{further[1].replace('&amp;', '&')}" if further else ""
    shown = [one or other for one, other in seen]
    assert len(shown) == len(wanted)
    assert set(shown) == wanted


def test_a_long_history_is_read_by_few_questions(owner: Client) -> None:
    who = cast.scored(1)[0].customer
    _history(who, 40)
    with CaptureQueriesContext(connection) as asked:
        owner.get(f"/customers/{who.pk}/")
    assert len(asked) <= 22


@pytest.mark.parametrize(
    ("flaw", "offered"), [({}, True), ({"opted_out_at": cast.AT}, False), ({"bounced_at": cast.AT}, False)]
)
def test_only_addresses_that_may_be_used_are_offered(flaw: dict[str, Any], offered: bool, owner: Client) -> None:
    who = cast.scored(1)[0].customer
    ContactPoint.objects.create(customer=who, kind="phone", value="+34600000000", **flaw)
    ContactPoint.objects.create(customer=who, kind="email", value="ana@example.org", **flaw)
    page = text(owner.get(f"/customers/{who.pk}/"))
    assert ('class="button primary" href="tel:+34600000000"' in page) is offered
    assert ('class="button" href="mailto:ana@example.org"' in page) is offered


def test_names_are_written_not_run(owner: Client) -> None:
    who = cast.scored(1)[0].customer
    Customer.objects.filter(pk=who.pk).update(given_name="<script>alert(1)</script>", city='"><img src=x>')
    for path in ("/customers/", f"/customers/{who.pk}/", "/customers/?q=<script>alert(1)</script>"):
        page = text(owner.get(path))
        assert "<script>alert" not in page
        assert "<img src=x" not in page


# -- records that are one person ---------------------------------------------------------------------------------------


def test_every_record_leads_to_the_page_of_the_person_which_shows_what_all_of_them_tell(owner: Client) -> None:
    one, other = (score.pk for score in cast.scored(2))
    trade.sell([(Customer.objects.get(pk=pk).key, cast.AS_OF, 1_234) for pk in (one, other)])
    ContactPoint.objects.create(customer_id=other, kind="email", value="other@example.com")
    staff = Staff.objects.get(email="owner@example.org")
    join(pairs=[(one, other)], staff=staff, at=cast.AT)
    for path in (f"/customers/{other}/", f"/customers/{other}/?before=x"):
        assert owner.get(path)["Location"] == f"/customers/{one}/"
    page = text(owner.get(f"/customers/{one}/"))
    assert page.count("Purchase of €12.34") == 2
    assert "mailto:other@example.com" in page
    assert "These figures are of before" in page
    listed = text(owner.get("/customers/"))
    assert "Since then records of 1 person were joined" in listed
    assert f'href="/customers/{other}/"' not in listed
    assert f'href="/customers/{one}/"' in text(owner.get("/customers/?q=k001"))
    rows = list(csv.reader(io.StringIO(b"".join(owner.get("/customers/export/")).decode("utf-8-sig"))))  # type: ignore[arg-type]
    assert len(rows) == 2
    assert rows[1][-1] == cast.AT.date().isoformat()
    part(merges=list(Merge.objects.all()), staff=staff, at=cast.AT)
    assert "Not scored yet" in text(owner.get(f"/customers/{other}/"))
