"""The monthly close in the cockpit, over the command line and REST: one asks first, and the file balances."""

import csv
import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from typer.testing import CliRunner

from querencia.business import actions as business
from querencia.business.actions import create_key
from querencia.cli import app
from querencia.common.time import now
from querencia.loyalty import actions, closing
from querencia.loyalty.models import Close, Programme
from tests.loyalty import shop
from tests.web.visiting import PASSWORD, somebody, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def month() -> date:
    """The latest that is over."""
    return closing.following(closing.month_of(now(), "Europe/Madrid"), -1)


@pytest.fixture
def club(settings: Any, month: date) -> Programme:
    """Its first points are of the month before the latest that is over."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    business.set_business(name="Ferretería Ana", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    business.add_staff(email="first@example.org", password=PASSWORD, name="Ana", role="owner")
    club = shop.programme(cost_per_thousand=10_000)
    ana = shop.member(club)
    for each in (closing.following(month, -1), month):
        shop.earns(ana, 100_000, at=datetime(each.year, each.month, 9, tzinfo=UTC))
    shop.spends(ana, 500, "order", at=datetime(month.year, month.month, 10, tzinfo=UTC))
    return club


def test_a_manager_closes_month_by_month_and_takes_the_journal_home(club: Programme, month: date) -> None:
    manager, analyst = somebody("manager"), somebody("analyst")
    first, second = (
        f"/loyalty/{club.pk}/closes/{closing.said(each)}/" for each in (closing.following(month, -1), month)
    )
    assert "2 months" in text(analyst.get(f"/loyalty/{club.pk}/closes/"))
    assert "A manager or the owner decides." in text(analyst.get(first))
    analyst.post(first)
    assert not Close.objects.exists()
    assert "close that first" in text(manager.get(second))
    assert "close that first" in text(manager.post(second, follow=True))
    page = text(manager.post(first, follow=True))
    assert "from 0 to <em>1,000 points</em>" in page
    assert "Nothing can be recorded" in page
    assert "Contract liability: loyalty points" in page
    assert Close.objects.get().closed_by.email.startswith("manager")  # type: ignore[union-attr]
    given = {"value_per_thousand": "10.00", "tax": "21", "breakage": "12.5", "account_revenue": "=700 Sales"}
    assert manager.post(f"/loyalty/{club.pk}/accounting/", given).status_code == 302
    manager.post(second)
    rows = list(csv.DictReader(StringIO(text(manager.get(f"{second}journal.csv")).lstrip("\ufeff"))))
    debit, credit = (sum(int(row[side]) for row in rows) for side in ("debit", "credit"))
    assert (debit == credit, debit > 0, {row["currency"] for row in rows}) == (True, True, {"EUR"})
    # What a spreadsheet would run is a text; each date is the last of the month.
    assert {row["account"] for row in rows} == {"'=700 Sales", "Contract liability: loyalty points"}
    assert {closing.first_day(date.fromisoformat(row["date"]) + timedelta(days=1)) for row in rows} == {
        closing.following(month)
    }
    page = text(manager.get(f"/loyalty/{club.pk}/closes/"))
    assert "1,500 points" in page
    assert "No point has lapsed yet" in page
    assert manager.get(f"/loyalty/{club.pk}/closes/2001-13/").status_code == 404


def test_programs_read_closed_months(club: Programme, month: date) -> None:
    actions.close(programme=club, months=[closing.following(month, -1), month], at=now())
    key = create_key(kind="api", name="books", at=now(), scopes=["loyalty:read"])[1]

    def said(path: str) -> Any:
        answer = Client().get(f"/api/v1/loyalty/{path}", HTTP_AUTHORIZATION=f"Bearer {key}")
        return answer.status_code, json.loads(answer.content)

    newest, first = said(f"closes?programme_id={club.pk}")[1]["items"]
    assert (newest["month"], first["points"]["opening"]) == (month.isoformat(), 0)
    points = newest["points"]
    assert sum(points.values()) == 2 * points["closing"] == 3_000
    detail = said(f"closes/{newest['id']}")[1]
    assert detail["accounts"]["active"] == {"opening": 1_000, "closing": 1_500}
    assert detail["breakage"] == {"share": None, "intervals": [], "why": "never"}
    assert sum(line["debit"] - line["credit"] for line in detail["journal"]) == 0
    assert (said("closes/999")[0], said("closes?programme_id=999")[0]) == (404, 422)


def test_the_command_closes_all_that_is_over(club: Programme, month: date) -> None:
    done = CliRunner().invoke(app, ["close"])
    assert (done.exit_code, done.output.count("closed. ")) == (0, 2), done.output
    assert "1,000 points +1,000 granted -500 redeemed = 1,500" in done.output
    again = CliRunner().invoke(app, ["close", "--month", closing.said(month), "--json"])
    [told] = json.loads(again.output)["months"]
    assert (again.exit_code, told["result"]) == (0, "unchanged")
    assert told["fingerprint"] == closing.fingerprint(told["document"])
    not_over = CliRunner().invoke(
        app, ["close", "--month", closing.said(closing.following(month)), "--programme", str(club.pk)]
    )
    assert (not_over.exit_code, "is not over yet" in not_over.output) == (1, True)
    assert CliRunner().invoke(app, ["close", "--month", "April"]).exit_code == 2
