"""The page on which a manager moves retention, margin, discount and cost."""

import html
import re
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from django.test import Client
from django.urls import reverse

from querencia.business import actions as business
from querencia.business.models import Role, Staff
from querencia.common.time import day_number
from querencia.insight import economics
from querencia.insight.economics import Inputs, Kept
from querencia.measures import actions, queries
from querencia.measures.models import Finding, Run
from tests.measures import shop

PAGE = "/economics/"
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
TODAY = date(2026, 3, 1)
PASSWORD = "una llave larga y propia"
SHOP = {"name": "La Tienda", "currency": "EUR", "time_zone": "Europe/Madrid", "language": "en", "country": "ES"}


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def set_up(client: Client) -> Staff:
    owner = business.set_up(business=SHOP, owner={"email": "ana@example.org", "password": PASSWORD, "name": "Ana"})[1]
    client.force_login(owner)
    return owner


@pytest.fixture
def owner(db: None, client: Client) -> Staff:
    return set_up(client)


def purchases(customers: int = 120, **columns: Any) -> pl.DataFrame:
    rows = [(key, day_number(day), amount) for key, day, amount in shop.trade(customers)]
    table = pl.DataFrame(rows, schema=["customer_id", "day", "amount"], orient="row")
    return table.with_columns(**columns)


def keep(table: pl.DataFrame) -> Kept:
    """What a run would keep of these purchases."""
    kept = economics.keep(table, as_of=TODAY)
    run = Run.objects.create(
        status=Run.Status.DONE,
        trigger="command",
        as_of=TODAY,
        created_at=NOW,
        finished_at=NOW,
        customers=kept.customers,
        purchases=len(table),
    )
    Finding.objects.create(name="economics", as_of=TODAY, data=kept.to_json(), run=run)
    return kept


def text(client: Client, query: str = "", **headers: str) -> str:
    answer = client.get(PAGE + query, headers=headers)
    assert answer.status_code == 200
    return html.unescape(re.sub(r"\s+", " ", answer.content.decode()))


def headline(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page)
    assert found is not None
    return found[1].strip()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_run_keeps_what_the_page_reckons_with(client: Client) -> None:
    set_up(client)
    shop.sell(shop.trade(60), cost=500, channel="friend")
    assert actions.run(at=NOW).status == Run.Status.DONE
    finding = queries.finding("economics")
    assert finding is not None
    rows = [(key, day_number(day), amount, amount - 500, "friend") for key, day, amount in shop.trade(60)]
    names = ["customer_id", "day", "amount", "margin", "channel"]
    expected = economics.keep(pl.DataFrame(rows, schema=names, orient="row"), as_of=finding["as_of"])
    # Customers have other ids in the database; every sum is the same.
    assert Kept.of_json(finding) == expected
    found = economics.scenario(expected, Inputs(margin=0.88))
    assert found is not None
    assert headline(text(client)) == economics.headline(found, currency="EUR")
    # A second run of the same day keeps the same, to the last digit.
    again = actions.run(at=NOW)
    assert again.status == Run.Status.DONE
    assert queries.finding("economics") == finding


def test_before_the_first_run_the_page_says_what_it_will_show(client: Client, owner: Staff) -> None:
    page = text(client)
    assert headline(page) == "Here you will see what keeping customers is worth to you."
    assert 'href="/imports/"' in page


def test_the_page_says_what_the_library_says(client: Client, owner: Staff) -> None:
    kept = keep(purchases())
    page = text(client, "?points=8&margin=40&discount=12&cost=3.50&acquiring=20")
    inputs = Inputs(points=0.08, margin=0.4, discount=0.12, cost=350, acquiring=2_000)
    found = economics.scenario(kept, inputs)
    assert found is not None
    assert headline(page) == economics.headline(found, currency="EUR")
    for claim in economics.claims(kept, inputs, currency="EUR"):
        assert claim.claim in page
        assert claim.own in page
    assert f"{found.retention_with.value:.1%}" in page
    assert page.count("<svg") >= 3  # the mark of the house, the gain, the renewals
    # Each picture has its words and its table.
    assert page.count('role="img" aria-label="') == 2
    assert page.count("As a table") == 2
    assert "As of March 1, 2026, from" in page


def test_it_works_by_a_button_and_by_htmx(client: Client, owner: Staff) -> None:
    keep(purchases())
    whole = text(client, "?points=12")
    assert '<button type="submit" class="primary">Reckon</button>' in whole
    assert 'value="12"' in whole
    assert 'hx-get="/economics/"' in whole
    part = text(client, "?points=12", **{"HX-Request": "true"})
    assert "<html" not in part
    assert "<form" not in part
    # The headline and what the sliders say are exchanged along with the answer.
    assert f'<div hx-swap-oob="innerHTML:#headline"><h1>{headline(whole)}</h1></div>' in part
    assert '<output id="stand-points" for="id_points" hx-swap-oob="true">12 points</output>' in part
    assert "HX-Request" in client.get(PAGE).headers["Vary"]


def test_nothing_on_the_page_needs_what_the_policy_forbids(client: Client, owner: Staff) -> None:
    keep(purchases())
    answer = client.get(PAGE)
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    page = answer.content.decode()
    assert "style=" not in page
    assert not re.search(r"\son[a-z]+=", page)
    assert not re.search(r"<script(?![^>]*src=)", page)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?cost=-3", "greater than or equal to 0"),
        ("?points=much", "Enter a number"),
        ("?discount=900", "less than or equal to 50"),
        ("?margin=", "This field is required"),
        ("?cost=1e30", "less than or equal to"),
        ("?acquiring=NaN", "Enter a number"),
        ("?referral=nobody", "not one of the available choices"),
    ],
)
def test_what_cannot_be_is_said_and_left_where_it_began(client: Client, owner: Staff, query: str, said: str) -> None:
    kept = keep(purchases())
    page = text(client, query)
    assert said in page
    assert "Reckoned as at the beginning in these." in page
    start = economics.scenario(kept, Inputs(margin=0.3))
    assert start is not None
    assert headline(page) == economics.headline(start, currency="EUR")


def test_the_margin_begins_where_the_purchases_put_it(client: Client, owner: Staff) -> None:
    keep(purchases(margin=(pl.col("amount") * 0.42).cast(pl.Int64)))
    page = text(client)
    assert 'name="margin" value="42.0"' in page
    assert "where the costs of your purchases put it" in page
    assert "of a year's profit" in page


def test_channels_tell_who_was_sent(client: Client, owner: Staff) -> None:
    channel = pl.when(pl.col("customer_id").str.ends_with("7")).then(pl.lit("friend")).otherwise(pl.lit("street"))
    late = pl.DataFrame(
        [(f"n{n}", day_number(TODAY) - 10 - n, 900, "friend" if n < 12 else "street") for n in range(40)],
        schema=["customer_id", "day", "amount", "channel"],
        orient="row",
    )
    keep(pl.concat([purchases(channel=channel), late]))
    assert "Say which channels" in text(client)
    page = text(client, "?referral=friend")
    assert re.search(r"Of the customers new in the last year \d+% were sent by others", page)
    assert re.search(r'value="friend"[^>]*checked', page)


def test_a_young_log_says_what_it_still_needs(client: Client, owner: Staff) -> None:
    keep(purchases(20).filter(pl.col("day") > day_number(TODAY) - 10))
    page = text(client)
    assert headline(page) == "What keeping customers is worth cannot be told yet."
    assert "What it still needs" in page
    assert "“A fifth of the customers brings four fifths of the revenue.”" in page


def test_free_goods_have_no_worth(client: Client, owner: Staff) -> None:
    keep(purchases(amount=pl.lit(0, pl.Int64)))
    assert "No customer has brought money in" in text(client)


def test_who_may_see_it(client: Client, owner: Staff) -> None:
    keep(purchases(40))
    entry = '<a href="/economics/"'
    for role in Role:
        staff = business.add_staff(email=f"{role}@example.org", password=PASSWORD, name=role, role=role)
        client.force_login(staff)
        allowed = role != Role.AGENT
        assert client.get(PAGE).status_code == (200 if allowed else 403)
        assert (entry in client.get(reverse("customers")).content.decode()) == allowed
    client.logout()
    assert client.get(PAGE).status_code == 302


@pytest.mark.parametrize(("language", "percent"), [("es", "30 %"), ("pt", "30%"), ("en", "30%")])
def test_every_language_writes_figures_its_own_way(client: Client, owner: Staff, language: str, percent: str) -> None:
    keep(purchases())
    business.set_language(staff=owner, language=language)
    page = text(client, "?points=2.5").replace("\xa0", " ").replace("\u202f", " ")
    assert f'<html lang="{language}"' in page
    assert f">{percent}</output>" in page
    assert ("2.5 points</output>" in page) == (language == "en")
    # A number field takes a point in every language: what is sent must come back as it was sent.
    assert 'name="points" value="2.5"' in page
