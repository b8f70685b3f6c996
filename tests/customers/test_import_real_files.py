"""Every real file that is at hand: its known facts come out, and its traps as sentences."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Count, Max, Min, Sum

from querencia.business.actions import set_business
from querencia.common.time import day_of
from querencia.customers.imports import reason_text
from querencia.customers.models import ContactPoint, Customer, Import, Purchase, PurchaseLine
from querencia.customers.queries import imports as queries
from tests.customers.files import bring_in, counts, look, people, reasons

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("business")]


def said(done: Import) -> list[str]:
    return [reason_text(reason) for reason in done.reasons]


def test_cdnow(shared_data: Path) -> None:
    """`date` is YYYYMMDD; neither is the number of the purchase in the file, so equal rows are counted and said."""
    set_business(name="CDNOW", currency="USD", time_zone="America/New_York")
    path = shared_data / "purchases" / "cdnow_sample.csv"
    done = bring_in(path)
    assert done.mapping == {"customer_key": "id", "at": "date", "amount": "amt"}
    assert counts(done) == (6919, 6919, 0, 0)
    found = Purchase.objects.aggregate(Sum("amount"), Min("day"), Max("day"), Count("customer", distinct=True))
    assert found == {
        "amount__sum": 24_409_194,
        "day__min": (date(1997, 1, 1) - date(1970, 1, 1)).days,
        "day__max": (date(1998, 6, 30) - date(1970, 1, 1)).days,
        "customer__count": 2357,
    }
    assert len(set(Purchase.objects.values_list("customer", "day"))) == 6696
    assert said(done) == [
        "21 rows: equal to a row above, counted again (column id, first in row 2,616: “0898”)",
        "8 rows: amount of zero, counted as a purchase (column amt, first in row 227: “0.0”)",
    ]
    assert queries.rejects_path(done) is None
    assert counts(bring_in(path)) == (6919, 0, 6919, 0)
    assert counts(bring_in(path, mapping={"quantity": "cds"})) == (6919, 0, 6919, 0)


@pytest.mark.slow
def test_an_invoice_log_with_its_traps(shared_data: Path) -> None:
    set_business(name="Gifts", currency="GBP", time_zone="Europe/London")
    path = shared_data / "purchases" / "uci_online_retail.parquet"
    stopped = bring_in(path)
    assert stopped.mapping["amount"] == "Quantity*UnitPrice"
    assert stopped.status == Import.Status.STOPPED
    assert queries.why(stopped).startswith("135,080 of 541,909 rows would be rejected (24.9%; the limit is 10%)")
    assert not Purchase.objects.exists()
    done = bring_in(path, limit=0.25)
    assert done.pk == stopped.pk
    assert counts(done) == (541_909, 406_829, 0, 135_080)
    assert said(done) == [
        "135,080 rows: no customer (column CustomerID, first in row 623)",
        "8,905 rows: amount below zero, counted as a refund (column Quantity*UnitPrice, first in row 142: “-1 · 27.5”)",
        "5,225 rows: equal to a row above, counted again (column InvoiceNo, first in row 518: “536409”)",
        "44 rows: amount of zero, counted as a purchase (column Quantity*UnitPrice, first in row 9,303: “1 · 0”)",
    ]
    bought = PurchaseLine.objects.filter(amount__gt=0)
    facts = bought.aggregate(Sum("amount"), Count("purchase__customer", distinct=True))
    assert facts == {"amount__sum": 891_140_790, "purchase__customer__count": 4338}
    # Four lines of 397,884 cost a tenth of a penny.
    assert PurchaseLine.objects.filter(quantity__gt=0).count() - 40 == 397_884 == bought.count() + 4
    assert Purchase.objects.filter(key__startswith="C").aggregate(Max("amount"))["amount__max"] < 0
    one = Purchase.objects.get(key="536365")
    assert (one.customer.key, day_of(one.day), one.amount) == ("17850", date(2010, 12, 1), 13_912)
    assert one.lines.order_by("number").values_list("sku", "quantity", "amount")[0] == ("85123A", Decimal(6), 1530)
    rejects = queries.rejects_path(done)
    assert rejects is not None
    assert rejects.read_text().splitlines()[:2] == [
        "\ufeffrow,column,value,reason,outcome",
        "623,CustomerID,,The row names no customer.,rejected",
    ]
    assert counts(bring_in(path, limit=0.25)) == (541_909, 0, 406_829, 135_080)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (
            "purchases/cdnow_summary_39_weeks.csv",
            "no log of purchases but a summary of one (ID, frequency, recency, T)",
        ),
        ("purchases/cdnow_summary_39_weeks_spend.csv", "a summary of one (ID, x, t_x, T, zbar)"),
        ("purchases/donations_bgbb.csv", "a summary of one (frequency, recency, periods, weights)"),
        ("purchases/grocery.csv", "who bought and when, but not for how much. Found: cust, date. Say which column"),
        ("purchases/airline_activity.csv", "who bought and when, but not for how much. Found: Loyalty Number, Year"),
        ("service/quejas_pamplona.csv", "it lacks the customer and the amount. Found: Año Expediente, Nº Expediente"),
        ("service/helpdesk_tickets.csv", "it lacks the customer and the amount. Found: CaseID, ActivityID"),
        ("churn/telco.csv", "it lacks the date and the amount. Found: customerID"),
        ("churn/mlc.csv", "it lacks the date and the amount"),
        ("people/fake_1000_labels.csv", "it lacks the customer, the date, and the amount"),
        ("experiments/hillstrom.csv", "it lacks the customer and the date"),
        ("text/hotels_es.csv", "it lacks the customer and the amount"),
        ("text/reviews_en.csv", "it lacks the customer, the date, and the amount"),
        ("text/reviews_pt.csv", "it lacks the customer and the amount"),
    ],
)
def test_what_holds_no_purchases_is_refused_in_one_sentence(file: str, sentence: str, shared_data: Path) -> None:
    seen = look(shared_data / file)
    assert (seen.kind, seen.is_ready) == ("purchases", False)
    assert sentence in seen.problem


def test_visits_without_money(shared_data: Path) -> None:
    done = bring_in(shared_data / "purchases" / "grocery.csv", mapping={"amount": "0"})
    assert counts(done) == (10_483, 10_483, 0, 0)
    assert done.reasons == []
    assert Customer.objects.count() == 1525
    assert Purchase.objects.aggregate(Sum("amount"))["amount__sum"] == 0


@pytest.mark.slow
def test_months_of_members(shared_data: Path) -> None:
    """Members with the month of their enrolment, and months of flights; some member-months are there twice."""
    members = bring_in(shared_data / "purchases" / "airline_members.csv")
    assert members.mapping["created_at"] == "`Enrollment Year`+`Enrollment Month`"
    assert counts(members) == (8281, 8281, 0, 0)
    assert day_of(Customer.objects.get(key="480934").created_at.date().toordinal() - date(1970, 1, 1).toordinal()) in (
        date(2016, 1, 31),
        date(2016, 2, 1),
    )
    flights = bring_in(shared_data / "purchases" / "airline_activity.csv", mapping={"amount": "Distance"})
    assert counts(flights) == (200_856, 200_856, 0, 0)
    assert said(flights)[1].startswith("942 rows: equal to a row above, counted again (column Loyalty Number")
    assert Customer.objects.filter(purchases__isnull=False).distinct().count() <= Customer.objects.count()


def test_american_dates_in_a_spanish_file(shared_data: Path) -> None:
    """Headers with blanks behind, and days above twelve only far below."""
    path = shared_data / "service" / "quejas_pamplona.csv"
    seen = look(
        path, kind="purchases", mapping={"customer_key": "Nº Expediente", "at": "Fecha apertura", "amount": "1"}
    )
    assert seen.is_ready
    assert "tema" in [column.name for column in seen.columns]
    assert (seen.file_format["date_order"], seen.notes) == ("mdy", [])
    done = bring_in(path, mapping={"customer_key": "Nº Expediente", "amount": "1", "channel": "origen"})
    assert counts(done)[0] == 5378
    assert set(Purchase.objects.dates("at", "year").values_list("at__year", flat=True)) <= {2013, 2014}


def test_people_with_duplicates(shared_data: Path) -> None:
    done = bring_in(shared_data / "people" / "fake_1000.csv")
    assert done.kind == Import.Kind.CUSTOMERS
    assert counts(done) == (1000, 999, 0, 1)
    assert said(done)[0] == "1 row: no customer id (column unique_id, first in row 2: “0”)"
    assert reasons(done) == {"no_key": 1, "identifier_taken": 365, "bad_email": 30, "bad_birthday": 8}
    assert ContactPoint.objects.filter(kind="email").values("value").distinct().count() == 393
    before = people()
    again = bring_in(shared_data / "people" / "fake_1000.csv")
    assert counts(again) == (1000, 0, 999, 1)
    assert people() == before


@pytest.mark.parametrize(
    ("file", "rows", "birthdays"), [("febrl1", 1000, 3), ("febrl2", 5000, 10), ("febrl3", 5000, 35)]
)
def test_people_with_blanks_everywhere(file: str, rows: int, birthdays: int, shared_data: Path) -> None:
    done = bring_in(shared_data / "people" / f"{file}.csv")
    assert counts(done) == (rows, rows, 0, 0)
    assert reasons(done) == {"bad_birthday": birthdays}
    assert not Customer.objects.filter(family_name__startswith=" ").exists()
    assert not Customer.objects.filter(city__startswith=" ").exists()


def test_contracts_are_customers_when_told_so(shared_data: Path) -> None:
    done = bring_in(shared_data / "churn" / "telco.csv", kind="customers")
    assert counts(done) == (7043, 7043, 0, 0)
