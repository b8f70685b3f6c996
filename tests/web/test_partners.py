"""Partners in the cockpit and over REST: added with what is agreed, at the expense of rules, settled once a month."""

import csv
import json
import re
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from querencia.business.actions import create_key
from querencia.common.time import now
from querencia.loyalty import actions, closing
from querencia.loyalty.models import Partner, Programme, RuleVersion, Statement
from tests.loyalty import shop
from tests.web.test_closes import club, month  # noqa: F401
from tests.web.test_pages import somebody, text

pytestmark = pytest.mark.django_db
RULE = {"title": "Coffee", "points": "3", "every": "money", "per": "1", "round": "down", "partner": "cafe"}


def test_a_partner_is_added_pays_for_a_rule_and_is_settled(club: Programme, month: date) -> None:  # noqa: F811
    manager, analyst = somebody("manager"), somebody("analyst")
    pages = f"/loyalty/{club.pk}"
    first = closing.following(month, -1)
    terms = {"starts_on": closing.said(first), "ends_on": "", "funds_per_thousand": "12", "takes_per_thousand": "9.50"}
    analyst.post(f"{pages}/partners/", {"name": "Café", **terms})
    assert not Partner.objects.exists()
    page = text(manager.post(f"{pages}/partners/", {"name": "Café", **terms}, follow=True))
    assert "<code>cafe</code>" in page
    cafe = Partner.objects.get()
    tried = re.search(r'name="sure" value="([^"]+)"', text(manager.post(f"{pages}/rules/", RULE)))
    assert tried
    manager.post(f"{pages}/rules/", {**RULE, "sure": tried[1]})
    assert RuleVersion.objects.latest("pk").document["partner"] == "cafe"
    ana = club.members.get()
    when = datetime(month.year, month.month, 20, tzinfo=UTC)
    gift = actions.Gift(ana.pk, "w", 1_000, "welcome", cafe)
    actions.give(programme=club, gifts=[gift], at=when)
    actions.close(programme=club, months=[first, month], at=now())
    page = text(manager.get(f"{pages}/partners/"))
    assert f"{pages}/partners/{closing.said(month)}/settle/" in page
    assert f"{pages}/partners/{closing.said(first)}/settle/" not in page
    page = text(manager.post(f"{pages}/partners/{closing.said(month)}/settle/", follow=True))
    assert "1 statement was issued." in page
    row = Statement.objects.get()
    assert "owes <em>€12.00</em>" in text(analyst.get(f"/loyalty/statements/{row.pk}/"))
    assert "€12.00" in text(analyst.get(f"/loyalty/partners/{cafe.pk}/"))
    file = text(analyst.get(f"/loyalty/statements/{row.pk}/statement.csv")).lstrip("\ufeff")
    rows = {each["what"]: each for each in csv.DictReader(StringIO(file))}
    assert (rows["closing"]["points"], rows["due"]["amount_EUR_minor"]) == ("1000", "1200")
    again = text(manager.post(f"/loyalty/partners/{cafe.pk}/", {**terms, "takes_per_thousand": "1"}, follow=True))
    assert "There is a statement for that month already" in again
    assert "2026-04" in text(manager.post(f"/loyalty/partners/{cafe.pk}/", {**terms, "starts_on": "April"}))
    assert shop.is_right(club)

    key = create_key(kind="api", name="books", at=now(), scopes=["loyalty:read"])[1]

    def said(path: str) -> Any:
        answer = Client().get(f"/api/v1/loyalty/{path}", HTTP_AUTHORIZATION=f"Bearer {key}")
        return answer.status_code, json.loads(answer.content)

    [told] = said(f"partners?programme_id={club.pk}")[1]["items"]
    assert (told["key"], told["agreement"]["takes_per_thousand"]) == ("cafe", 950)
    [one] = said(f"statements?partner_id={cafe.pk}")[1]["items"]
    assert (one["month"], one["due"], one["closing"]) == (month.isoformat(), 1_200, 1_000)
    assert (said("partners?programme_id=999")[0], said("statements?partner_id=999")[0]) == (422, 422)
