"""The demo: the purchases are the sample's to the cent, the people are nobody."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import phonenumbers
import polars as pl
import pytest
from django.db.models import Sum

from querencia.business.models import Business, Role, Staff
from querencia.common.time import day_number
from querencia.customers.models import Consent, ContactPoint, Customer, Purchase, SearchTerm
from querencia.flows import demo
from querencia.measures import queries
from querencia.measures.models import Run

pytestmark = pytest.mark.slow

NOW = datetime(2026, 7, 15, 10, tzinfo=UTC)
YESTERDAY = date(2026, 7, 14)
FICTION = re.compile(r"\+1[2-9]\d\d55501\d\d")
RESERVED = ("@example.com", "@example.org", "@example.net")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> demo.Files:
    return demo.sample(tmp_path_factory.mktemp("demo"), ends=YESTERDAY)


def test_dates_are_moved_by_whole_days_and_nothing_else(files: demo.Files) -> None:
    given = pl.read_csv(demo.SAMPLE, schema_overrides={"id": pl.String, "amt": pl.String})
    moved = pl.read_csv(files.purchases, schema_overrides={"customer": pl.String, "amount": pl.String})
    assert moved["customer"].to_list() == given["id"].to_list()
    assert moved["amount"].to_list() == given["amt"].to_list()
    assert moved["number"].is_unique().all()
    before = given["date"].cast(pl.String).str.to_date("%Y%m%d")
    after = moved["date"].str.to_date()
    assert (after - before).n_unique() == 1
    assert after.max() == YESTERDAY


def test_the_people_are_the_same_every_day_and_reach_nobody(files: demo.Files, tmp_path: Path) -> None:
    people = pl.read_csv(files.people, schema_overrides={"key": pl.String, "phone": pl.String})
    assert len(people) == people["key"].n_unique() == 2_357
    later = demo.sample(tmp_path, ends=YESTERDAY + timedelta(days=1))
    same = ("key", "given_name", "family_name", "language", "email", "phone", "city", "consent_email")
    again = pl.read_csv(later.people, schema_overrides={"key": pl.String, "phone": pl.String})
    assert again.select(same).equals(people.select(same))
    languages = dict(people["language"].value_counts().iter_rows())
    assert set(languages) == {"en", "es", "pt"}
    assert min(languages.values()) > 350
    emails, phones = people["email"].drop_nulls(), people["phone"].drop_nulls()
    assert all(email.endswith(RESERVED) for email in emails)
    assert all(FICTION.fullmatch(phone) for phone in phones)
    assert emails.is_unique().all()
    assert phones.is_unique().all()
    assert len(phones) > 1_500


@pytest.mark.django_db(transaction=True)
def test_the_sample_becomes_a_shop_that_is_scored(tmp_path: Path) -> None:
    heard: list[str] = []
    demo.build(is_simulated=False, password="queda-en-casa", at=NOW, folder=tmp_path, heard=heard.append)
    assert heard == ["making", "people", "purchases", "programme", "measuring"]

    known = Business.objects.get()
    assert (known.notice, known.currency) == ("demo", "USD")
    owner = Staff.objects.get()
    assert (owner.email, owner.role) == (demo.EMAIL, Role.OWNER)
    assert owner.check_password("queda-en-casa")

    assert Customer.objects.filter(is_invented=True).exclude(family_name="").count() == 2_357
    assert Purchase.objects.count() == 6_919
    assert Purchase.objects.aggregate(Sum("amount"))["amount__sum"] == 24_409_194
    assert Purchase.objects.order_by("-day").values_list("day", flat=True).first() == day_number(YESTERDAY)
    assert Customer.objects.filter(created_at__date__gt=YESTERDAY).count() == 0
    assert SearchTerm.objects.values("customer").distinct().count() == 2_357
    assert ContactPoint.objects.filter(kind="phone").count() > 1_500
    assert set(Consent.objects.values_list("status", flat=True)) == {"granted", "denied"}
    assert all("invented" in evidence for evidence in Consent.objects.values_list("evidence", flat=True))

    run = queries.latest_run()
    assert run is not None
    assert (run.status, run.customers, run.purchases, run.as_of) == (Run.Status.DONE, 2_357, 6_919, YESTERDAY)
    calls, cohorts, pareto = queries.finding("calls"), queries.finding("cohorts"), queries.finding("pareto")
    assert calls is not None
    assert cohorts is not None
    assert pareto is not None
    assert len(calls["rows"]) == 10
    assert cohorts["period"] == "month"
    assert pareto["top_20_percent_share"] == pytest.approx(0.6746, abs=0.0001)
    assert not queries.is_due(NOW)


@pytest.mark.django_db(transaction=True)
def test_the_simulated_shop_says_so_and_has_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SIMULATED_CUSTOMERS", 1_500)
    demo.build(is_simulated=True, password="queda-en-casa", at=NOW, folder=tmp_path, heard=lambda step: None)
    assert Business.objects.get().notice == "simulated"
    assert Customer.objects.filter(is_invented=True).count() == Customer.objects.count() == 1_500
    assert set(Customer.objects.values_list("language", flat=True)) == {"en", "es", "pt"}
    assert set(Purchase.objects.values_list("channel", flat=True)) == {"store", "web", "phone"}
    assert len(set(Purchase.objects.exclude(branch="").values_list("branch", flat=True))) == 3
    refunds = Purchase.objects.exclude(refund_of="")
    assert refunds.count() > 20
    assert all(amount < 0 for amount in refunds.values_list("amount", flat=True))
    phones = ContactPoint.objects.filter(kind="phone").values_list("value", flat=True)
    assert len(phones) > 1_000
    assert not any(phonenumbers.is_valid_number(phonenumbers.parse(phone)) for phone in phones if phone[:3] != "+44")
    measure = queries.latest_measure()
    assert measure is not None
    assert measure.day == YESTERDAY
    assert 1_450 < measure.customers <= 1_500  # who brought everything back has bought nothing
    assert measure.long_standing_share is not None
