"""What should have followed from an event and did not: a manager sees it, has it tried again, or sets it aside."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from querencia.business import actions
from querencia.customers.events import NewEvent, record
from querencia.flows import outbox, reactions
from querencia.flows.models import Handling

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


@pytest.fixture
def manager(settings: Any) -> Client:
    actions.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    staff = actions.add_staff(email="m@example.org", password="una llave larga y propia", role="manager")
    client = Client()
    client.force_login(staff, "allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> list[Handling]:
    def lose(events: Any, at: datetime) -> None:
        raise LookupError("<no such letter>")

    monkeypatch.setattr(reactions, "REACTIONS", {"customer.left": (lose,)})
    record([NewEvent("customer.left", f"e{number}", "desk") for number in range(3)], at=AT)
    for hours in range(12):
        outbox.drain(at=AT + timedelta(hours=hours))
    return outbox.stuck()


def statuses() -> list[str]:
    return sorted(Handling.objects.values_list("status", flat=True))


def test_the_page_says_what_is_stuck_and_why(manager: Client, stuck: list[Handling]) -> None:
    page = manager.get("/reactions/").content.decode()
    assert page.count("LookupError: &lt;no such letter&gt;") == 3
    assert "3 cosas que debían seguir" in page
    assert "Se fue" in page
    assert "lose" in page


def test_one_is_tried_again_one_set_aside_and_then_all(manager: Client, stuck: list[Handling]) -> None:
    manager.post("/reactions/again/", {"row": stuck[0].pk})
    assert statuses() == ["stuck", "stuck", "waiting"]
    manager.post("/reactions/aside/", {"row": stuck[1].pk})
    assert statuses() == ["aside", "stuck", "waiting"]
    manager.post("/reactions/again/", {"row": "9" * 40})
    manager.post("/reactions/again/")
    assert statuses() == ["aside", "waiting", "waiting"]


def test_where_nothing_is_stuck_the_page_says_so(manager: Client) -> None:
    assert "Nada." in manager.get("/reactions/").content.decode()


def test_every_reaction_has_a_title() -> None:
    assert set(reactions.named()) <= set(reactions.TITLES)
