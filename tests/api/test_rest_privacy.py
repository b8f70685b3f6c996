"""Programs over REST bring nobody back who was erased, and are told so for each of many."""

from typing import Any

import pytest

from querencia.business.models import KeptAnswer
from querencia.customers.models import Consent, Customer, Event, Purchase
from querencia.flows import privacy
from tests.api.conftest import AT, Program
from tests.flows.everywhere import where

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL = "xiomara@example.org"
WORDS = ("Xiomara", "Zubizarreta", EMAIL, "kx-90817")
HER = {
    "key": "kx-90817",
    "given_name": "Xiomara",
    "family_name": "Zubizarreta",
    "identifiers": [{"kind": "email", "value": EMAIL}],
}


@pytest.fixture
def gone(program: Program) -> Customer:
    """Somebody a program told of, who was erased since."""
    told = program.said("POST", "/customers", HER, status=201, HTTP_IDEMPOTENCY_KEY="one")
    bought = {
        "key": "T-1",
        "source": "till",
        "at": "2026-03-01T10:00:00Z",
        "amount": 1250,
        "customer": {"id": told["id"]},
    }
    program.said("POST", "/purchases", bought, status=201, HTTP_IDEMPOTENCY_KEY="two")
    assert KeptAnswer.objects.count() == 2
    privacy.ask_to_erase([told["id"]], reason="request", source="test", at=AT)
    assert privacy.erase_waiting(at=AT) == 1
    return Customer.objects.get(pk=told["id"])


def test_nothing_brings_them_back(program: Program, gone: Customer) -> None:
    bruno = {"key": "k-bruno", "given_name": "Bruno"}
    answers = program.said("POST", "/customers/bulk", {"items": [HER, bruno]}, HTTP_IDEMPOTENCY_KEY="a")["results"]
    assert [each["result"] for each in answers] == ["rejected", "created"]
    assert {each["code"] for each in answers[0]["errors"]} == {"erased"}
    by_mail, by_id = {"kind": "email", "value": EMAIL.upper()}, {"id": gone.pk}
    said = {"channel": "email", "purpose": "marketing", "status": "granted", "evidence": "form"}
    bought = {"source": "till", "at": "2026-03-01T10:00:00Z", "amount": 500}
    happened = {"kind": "Seen", "source": "till", "occurred_at": "2026-03-01T10:00:00Z"}
    asked: list[tuple[str, list[dict[str, Any]]]] = [
        ("/consents/bulk", [{**said, "customer": who} for who in (by_mail, by_id)]),
        ("/purchases/bulk", [{**bought, "key": f"P{n}", "customer": who} for n, who in enumerate((by_mail, by_id))]),
        ("/events/bulk", [{**happened, "key": f"E{n}", "customer": who} for n, who in enumerate((by_mail, by_id))]),
        (
            "/identifiers/bulk",
            [
                {"customer": {"kind": "customer_key", "value": "k-bruno"}, "identifiers": [by_mail]},
                {"customer": by_id, "identifiers": [{"kind": "card", "value": "4000"}]},
            ],
        ),
    ]
    for path, items in asked:
        results = program.said("POST", path, {"items": items}, HTTP_IDEMPOTENCY_KEY=path)["results"]
        assert [each["result"] for each in results] == ["rejected", "rejected"], (path, results)
    change = {"given_name": "Xiomara"}
    assert program.refused("PATCH", f"/customers/{gone.pk}", change, HTTP_IDEMPOTENCY_KEY="b") == (409, "conflict")
    assert (Customer.objects.filter(erased_at=None).count(), Purchase.objects.count()) == (1, 1)
    assert not Consent.objects.exists()
    assert not Event.objects.filter(kind="Seen").exists()
    left = {word: places for word, places in where(WORDS, is_raw=False).items() if places}
    assert not left, left


def test_they_are_read_without_a_name(program: Program, gone: Customer) -> None:
    told = program.said("GET", f"/customers/{gone.pk}")
    assert (told["given_name"], told["family_name"], told["identifiers"], told["addresses"]) == ("", "", [], [])
    found = program.said("POST", "/customers/lookup", {"identifiers": [{"kind": "email", "value": EMAIL}]})
    assert found["customers"] == [None]
