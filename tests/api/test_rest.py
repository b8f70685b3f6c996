"""REST: what is written is found again, once however often it is sent; persons, not records; pages that hold still."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from querencia.customers import actions, events
from querencia.customers.identity import Known
from querencia.customers.models import Consent, Customer, Event, Merge, Outbox, Purchase
from querencia.measures.models import Measure
from tests.api.conftest import Program
from tests.customers.cast import AS_OF, scored

pytestmark = pytest.mark.django_db
# An id that nobody has, on a database that counts on from test to test too.
NOBODY = 10**12
ANA = {"kind": "customer_key", "value": "K-1"}
SALE = {
    "key": "T-1",
    "customer": ANA,
    "at": "2026-05-01T10:42:00+02:00",
    "amount": 1000,
    "lines": [{"sku": "B", "name": "Bread", "quantity": 1.5, "amount": 400}, {"amount": 600}],
    "branch": "Centro",
    "cost": 700,
    "tenders": [{"kind": "card", "amount": 1000}],
}


def results(answer: Any) -> list[str]:
    assert sum(answer[name] for name in ("created", "updated", "unchanged", "rejected")) == len(answer["results"])
    return [each["result"] for each in answer["results"]]


# -- customers ---------------------------------------------------------------------------------------------------------


def test_a_customer_is_created_updated_and_left_as_they_are(program: Program) -> None:
    given = {"key": "K-1", "identifiers": [{"kind": "email", "value": "Ana@Example.org"}], "given_name": "Ana"}
    answer = program("POST", "/customers", given)
    assert (answer.status_code, json.loads(answer.content)["result"]) == (201, "created")
    assert program.said("POST", "/customers", given)["result"] == "unchanged"
    more = {"identifiers": given["identifiers"], "family_name": "López", "birthday": "1990-02-01", "country": "ES"}
    assert program.said("POST", "/customers", more)["result"] == "updated"
    assert program.said("POST", "/customers", {"key": "K-1", "birthday": None})["result"] == "updated"
    found = program.said("GET", answer["Location"].removeprefix("/api/v1"))
    assert (found["key"], found["given_name"], found["family_name"], found["birthday"]) == ("K-1", "Ana", "López", None)
    assert found["identifiers"] == [ANA, {"kind": "email", "value": "ana@example.org"}]
    assert [each["value"] for each in found["addresses"]] == ["ana@example.org"]
    kinds = Event.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["customer.created", "customer.changed", "customer.changed"]
    assert Outbox.objects.count() == 3


def test_of_many_each_is_answered_by_itself_and_the_good_ones_are_kept(program: Program) -> None:
    items = [
        {"key": "K-1", "given_name": "Ana"},
        {"key": "K-2", "nobody": "knows this"},
        {"identifiers": [{"kind": "email", "value": "nobody"}]},
        {"key": "anonymous"},
        {"given_name": "Ana"},
        "no object",
        {"key": "K-1", "city": "Irun"},
        {"key": "K-1", "city": "Irun"},
        {"key": "K\0"},
        {"key": "K-9", "country": "Spain", "time_zone": "Mars/Base", "birthday": 1},
    ]
    answer = program.said("POST", "/customers/bulk", {"items": items})
    assert results(answer) == [
        "created", "rejected", "rejected", "rejected", "rejected", "rejected", "updated", "unchanged", "rejected",
        "rejected",
    ]  # fmt: skip
    where = [sorted(error["pointer"] for error in each["errors"]) for each in answer["results"]]
    assert where == [
        [], ["/nobody"], ["/identifiers/0/value"], ["/key"], [""], [""], [], [], ["/key"],
        ["/birthday", "/country", "/time_zone"],
    ]  # fmt: skip
    assert Customer.objects.get().city == "Irun"
    assert program.refused("POST", "/customers/bulk", {"items": []}) == (422, "invalid")
    assert program.refused("POST", "/customers/bulk", {"items": [{"key": "x"}] * 1001}) == (422, "invalid")


def test_a_customer_is_found_by_any_identifier(program: Program) -> None:
    given = [{"kind": "email", "value": "ana+shop@example.org"}, {"kind": "phone", "value": "600 111 222"}]
    given += [{"kind": "card", "value": "a/b c?"}]
    pk = program.said("POST", "/customers", {"key": "K-1", "identifiers": given}, status=201)["id"]
    for path in ("email/Ana%2Bshop@EXAMPLE.org", "phone/%2B34600111222", "phone/600111222", "card/a%2Fb%20c%3F"):
        assert program.said("GET", f"/customers/by/{path}")["id"] == pk, path
    for path in ("email/nobody@example.org", "email/nobody", "card/A", "device/a", "customer_key/K"):
        assert program.refused("GET", f"/customers/by/{path}") == (404, "not_found")
    assert program.refused("GET", "/customers/by/shoe/44") == (422, "invalid")
    asked = [{"kind": "phone", "value": "600111222"}, {"kind": "card", "value": "none"}, ANA]
    found = program.said("POST", "/customers/lookup", {"identifiers": asked})["customers"]
    assert [each and each["id"] for each in found] == [pk, None, pk]


def test_a_change_touches_what_it_names(program: Program) -> None:
    pk = program.said("POST", "/customers", {"key": "K-1", "given_name": "Ana", "city": "Irun"}, status=201)["id"]
    change = {"city": None, "given_name": "Anne", "value_answers": {"price": 3}}
    assert program.said("PATCH", f"/customers/{pk}", change)["result"] == "updated"
    assert program.said("PATCH", f"/customers/{pk}", change)["result"] == "unchanged"
    found = program.said("GET", f"/customers/{pk}")
    assert (found["given_name"], found["city"], found["value_answers"]) == ("Anne", "", {"price": 3})
    assert [each["id"] for each in program.said("GET", "/customers?q=anne")["items"]] == [pk]
    assert program.said("GET", "/customers?q=ana")["items"] == []
    assert program.refused("PATCH", f"/customers/{pk}", {"key": "K-2"}) == (422, "invalid")
    assert program.refused("PATCH", f"/customers/{NOBODY}", {}) == (404, "not_found")


def test_identifiers_are_attached_and_what_is_somebody_elses_is_named(program: Program) -> None:
    pk = program.said("POST", "/customers", {"key": "K-1"}, status=201)["id"]
    program.said("POST", "/customers", {"key": "K-2", "identifiers": [{"kind": "card", "value": "2"}]}, status=201)
    new = {"customer": ANA, "identifiers": [{"kind": "card", "value": "1"}, {"kind": "card", "value": "2"}]}
    answer = program.said("POST", "/identifiers", new)
    assert (answer["result"], [error["pointer"] for error in answer["errors"]]) == ("updated", ["/identifiers/1/value"])
    assert program.said("POST", "/identifiers", {**new, "customer": {"id": pk}})["result"] == "unchanged"
    assert len(program.said("GET", f"/customers/{pk}/identifiers")["items"]) == 2
    # Whoever has no key yet may become one with who has: that is what matching is for.
    program.said("POST", "/customers", {"identifiers": [{"kind": "email", "value": "a@example.org"}]}, status=201)
    joined = {"customer": ANA, "identifiers": [{"kind": "email", "value": "a@example.org"}]}
    assert program.said("POST", "/identifiers", joined)["result"] == "updated"
    assert program.said("GET", "/customers/by/email/a@example.org")["id"] == pk
    unknown = {"items": [{**new, "customer": {"id": NOBODY}}, new]}
    assert results(program.said("POST", "/identifiers/bulk", unknown)) == ["rejected", "unchanged"]


def test_who_was_merged_answers_as_one_and_says_so(program: Program) -> None:
    ids = [program.said("POST", "/customers", {"key": f"K-{n}"}, status=201)["id"] for n in (1, 2)]
    program.said("PATCH", f"/customers/{ids[1]}", {"city": "Irun"})
    both = {"first": {"id": ids[1]}, "second": ANA, "reason": "Same card"}
    merged = program.said("POST", "/merges", both, status=201)["id"]
    assert program.said("POST", "/merges", both)["result"] == "unchanged"
    answer = program("GET", f"/customers/{ids[1]}")
    found = json.loads(answer.content)
    assert (found["id"], found["asked_for"], found["customer_ids"], found["city"]) == (ids[0], ids[1], ids, "Irun")
    assert answer["Content-Location"] == f"/api/v1/customers/{ids[0]}"
    assert [each["id"] for each in program.said("GET", "/customers")["items"]] == ids[:1]
    # A fact stays with whom it named, and is answered as the person's.
    sold = program.said("POST", "/purchases", {**SALE, "customer": {"id": ids[1]}}, status=201)
    assert sold["customer_id"] == ids[0]
    assert Purchase.objects.get().customer_id == ids[1]
    assert len(program.said("GET", f"/purchases?customer_id={ids[0]}")["items"]) == 1
    edge = program.said("GET", f"/merges/{merged}")
    assert (edge["state"], edge["source"], edge["person_id"]) == ("open", "api: till", ids[0])
    assert Merge.objects.get().evidence == {"reason": "Same card"}
    assert program.said("POST", f"/merges/{merged}/part")["result"] == "updated"
    assert program.said("GET", f"/customers/{ids[1]}")["asked_for"] is None
    assert [each["id"] for each in program.said("GET", "/merges?state=parted")["items"]] == [merged]
    same = {"first": ANA, "second": {"id": ids[0]}}
    answer = program.said("POST", "/merges/bulk", {"items": [both, same, {**both, "first": {"id": NOBODY}}]})
    assert results(answer) == ["created", "rejected", "rejected"]
    parts = {"items": [{"id": merged}, {"id": merged + 1}, {"id": NOBODY}, {"id": merged + 1}]}
    assert results(program.said("POST", "/merges/part/bulk", parts)) == [
        "unchanged",
        "updated",
        "rejected",
        "unchanged",
    ]
    told = Event.objects.filter(kind="customer.merged").latest("pk")
    assert (told.properties["by"], told.properties["staff"]) == ("api: till", None)


# -- facts -------------------------------------------------------------------------------------------------------------


def test_purchases_are_written_once_and_refunded_up_to_what_was_paid(program: Program) -> None:
    pk = program.said("POST", "/purchases", SALE, status=201)["id"]
    assert program.said("POST", "/purchases", SALE)["id"] == pk
    assert program.refused("POST", "/purchases", {**SALE, "amount": 900, "lines": []}) == (409, "conflict")
    assert program.said("POST", "/purchases", {**SALE, "source": "web"}, status=201)["id"] != pk
    found = program.said("GET", f"/purchases/{pk}")
    assert (found["amount"], found["currency"], found["branch"], found["cost"]) == (1000, "EUR", "Centro", 700)
    assert [(line["name"], line["quantity"], line["amount"]) for line in found["lines"]] == [
        ("Bread", "1.500", 400), ("", None, 600),
    ]  # fmt: skip
    refund = {"key": "R-1", "customer": ANA, "at": "2026-05-02T10:00:00Z", "amount": -700, "refund_of": "T-1"}
    early = {**refund, "key": "R-9", "refund_of": "T-9", "amount": -5}
    items = [refund, {**refund, "key": "R-2"}, {**refund, "key": "R-3", "amount": -300}, refund, early]
    answer = program.said("POST", "/purchases/bulk", {"items": items})
    assert results(answer) == ["created", "rejected", "created", "unchanged", "created"]
    assert answer["results"][1]["errors"][0]["code"] == "too_much"
    assert program.refused("POST", "/purchases", {**refund, "key": "R-4", "amount": -1}) == (422, "invalid")
    assert Customer.objects.get().key == "K-1"


def test_purchases_that_make_no_sense_are_rejected_where_they_do_not(program: Program) -> None:
    far = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    wrong = {
        "/currency": {"currency": "USD"},
        "/at": {"at": far},
        "": {"amount": 1},
        "/customer": {"customer": {"id": NOBODY}},
        "/amount": {"amount": 10.5},
        "/lines/0/amount": {"lines": [{"amount": 10**30}]},
        "/lines/1/quantity": {"lines": [{"amount": 1}, {"amount": 999, "quantity": "many"}]},
        "/tenders/0": {"tenders": [{"a": "\0"}]},
        "/key": {"key": " "},
        "/source": {"source": "no blanks"},
    }
    items = [{**SALE, **change} for change in wrong.values()]
    items += [{**SALE, "at": at} for at in ("2026-05-01T10:00:00", 0, "yesterday", "0001-01-01T00:00:00Z")]
    items += [{**SALE, "refund_of": "T-0"}, {**SALE, "refund_of": "T-1", "amount": -1, "lines": []}]
    answer = program.said("POST", "/purchases/bulk", {"items": items})
    assert answer["rejected"] == len(items)
    assert [each["errors"][0]["pointer"] for each in answer["results"]] == [*wrong, *["/at"] * 4, "", ""]
    assert not Purchase.objects.exists()
    assert not Customer.objects.exists()


def test_consents_are_written_as_said_and_read_as_they_count(program: Program) -> None:
    pk = program.said("POST", "/customers", {"identifiers": [{"kind": "email", "value": "a@example.org"}]}, status=201)
    pk = pk["id"]
    said = {"customer": {"id": pk}, "channel": "email", "purpose": "marketing", "status": "granted", "evidence": "form"}
    program.said("POST", "/consents", said, status=201)
    assert program.said("POST", "/consents", said)["result"] == "unchanged"
    found = program.said("GET", f"/customers/{pk}/consents")
    allowed = {(each["channel"], each["purpose"]): each for each in found["allowed"]}
    assert len(allowed) == 20
    assert allowed["email", "marketing"]["is_allowed"]
    assert allowed["email", "marketing"]["address"] == "a@example.org"
    assert (allowed["phone", "service"]["is_allowed"], allowed["phone", "service"]["why"]) == (False, "no_address")
    assert allowed["email", "research"]["why"] == "never_asked"
    assert [each["source"] for each in found["history"]] == ["api: till"]
    items = [said, {**said, "status": "withdrawn", "evidence": ""}, {**said, "evidence": ""}, {**said, "customer": {}}]
    assert results(program.said("POST", "/consents/bulk", {"items": items})) == [
        "unchanged", "created", "rejected", "rejected",
    ]  # fmt: skip
    again = program.said("GET", f"/customers/{pk}/consents")["allowed"]
    assert (
        next(each["why"] for each in again if (each["channel"], each["purpose"]) == ("email", "marketing"))
        == "withdrawn"
    )
    assert Consent.objects.count() == 2


def test_events_happen_once_and_the_houses_own_cannot_be_forged(program: Program) -> None:
    event = {"key": "e1", "kind": "Shop Visited", "customer": ANA, "properties": {"a": [1, {"b": None}]}}
    pk = program.said("POST", "/events", event, status=201)["id"]
    assert program.said("POST", "/events", event)["id"] == pk
    assert program.refused("POST", "/events", {**event, "kind": "Other"}) == (409, "conflict")
    wrong: list[dict[str, Any]] = [
        {"properties": value} for value in ({"a": "x" * 33_000}, {"a": "\0"}, {"\0": 1}, [1])
    ]
    for change in ({"kind": "customer.created"}, {"source": "measures"}, {"key": ""}, *wrong):
        assert program.refused("POST", "/events", {**event, "key": "e2", **change}) == (422, "invalid"), change
    old = {**event, "key": "e3", "customer": None, "is_live": False, "occurred_at": "2020-01-01T00:00:00Z"}
    assert results(program.said("POST", "/events/bulk", {"items": [event, old]})) == ["unchanged", "created"]
    assert Outbox.objects.filter(event__key="e1").exists()
    assert not Outbox.objects.filter(event__key="e3").exists()
    assert program.said("GET", f"/events/{pk}")["properties"] == event["properties"]
    kinds = [each["kind"] for each in program.said("GET", "/events?order=oldest")["items"]]
    assert kinds == list(Event.objects.order_by("pk").values_list("kind", flat=True))


# -- lists -------------------------------------------------------------------------------------------------------------


def read_through(program: Program, path: str, *, limit: int) -> list[dict[str, Any]]:
    found, address = [], f"{path}{'&' if '?' in path else '?'}limit={limit}"
    while address:
        answer = program("GET", address)
        page = json.loads(answer.content)
        assert len(page["items"]) <= limit
        found += page["items"]
        link = answer.headers.get("Link", "")
        assert ('rel="next"' in link) == bool(page["next_cursor"])
        address = link.partition(">")[0].removeprefix("</api/v1")
    return found


def test_pages_hold_still_while_something_is_added(program: Program) -> None:
    items = [{"key": f"e{n:02}", "kind": "Seen"} for n in range(25)]
    program.said("POST", "/events/bulk", {"items": items})
    newest = [each["key"] for each in read_through(program, "/events", limit=10)]
    assert newest == [f"e{n:02}" for n in reversed(range(25))]
    first = program.said("GET", "/events?limit=10")
    program.said("POST", "/events", {"key": "later", "kind": "Seen"}, status=201)
    second = program.said("GET", f"/events?limit=10&cursor={first['next_cursor']}")
    assert [each["key"] for each in second["items"]] == [f"e{n:02}" for n in reversed(range(5, 15))]
    last = first["items"][0]["id"]
    assert [each["key"] for each in program.said("GET", f"/events?order=oldest&after_id={last}")["items"]] == ["later"]


def test_a_cursor_belongs_to_its_list_and_its_filters(program: Program) -> None:
    program.said("POST", "/customers/bulk", {"items": [{"key": f"Key-{n}"} for n in range(3)]})
    cursor = program.said("GET", "/customers?limit=1")["next_cursor"]
    assert len(program.said("GET", f"/customers?limit=2&cursor={cursor}")["items"]) == 2
    forged = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for path in (f"/events?cursor={cursor}", f"/customers?cursor={forged}", "/customers?cursor=MQ.x"):
        assert program.refused("GET", path) == (422, "invalid")
    assert len(program.said("GET", "/customers?q=Key-&limit=2")["items"]) == 2
    for query in ("q=K&stage=late", "limit=0", "limit=201", "limit=x", "limi=1", "stage=asleep", "sort=shoe", "q=%00"):
        assert program.refused("GET", f"/customers?{query}") == (422, "invalid"), query


def test_scores_segments_and_their_members(program: Program) -> None:
    scored(60)
    sizes = {each["name"]: each["customers"] for each in program.said("GET", "/segments")["items"]}
    assert (sum(sizes.values()), len(sizes)) == (60, 11)
    name = max(sizes, key=lambda each: sizes[each])
    members = read_through(program, f"/segments/{name}/customers", limit=7)
    assert len({each["customer_id"] for each in members}) == sizes[name]
    stakes = [each["at_stake"]["estimate"] for each in members]
    assert stakes == sorted(stakes, reverse=True)
    assert {each["segment"] for each in members} == {name}
    assert len(read_through(program, "/scores?sort=last&abc=A", limit=50)) == 20
    customers = read_through(program, "/customers?sort=name", limit=50)
    assert len({each["id"] for each in customers}) == 60
    assert len(read_through(program, "/customers", limit=11)) == 60
    one = program.said("GET", f"/customers/{members[0]['customer_id']}/score")
    assert one == members[0]
    assert one["chance_of_purchase"] == {"estimate": 0.25, "low": 0.1, "high": 0.4}
    assert program.refused("GET", "/segments/none/customers") == (404, "not_found")
    unscored = Customer.objects.create(key="new", created_at=datetime.now(UTC)).pk
    assert program.refused("GET", f"/customers/{unscored}/score") == (404, "not_found")


def test_measures_come_by_day_with_their_intervals(program: Program) -> None:
    counts = dict.fromkeys(("customers", "active", "new", "returned", "late", "defections_value", "revenue"), 5)
    for n in range(5):
        Measure.objects.create(
            day=AS_OF - timedelta(days=n), defections=3, defections_low=1, defections_high=6, revenue_year=9, **counts
        )
    days = [each["day"] for each in read_through(program, "/measures", limit=2)]
    assert days == [(AS_OF - timedelta(days=n)).isoformat() for n in range(5)]
    asked = f"/measures?since={AS_OF - timedelta(days=2)}&until={AS_OF - timedelta(days=1)}"
    found = program.said("GET", asked)["items"]
    assert len(found) == 2
    assert found[0]["defections"] == {"estimate": 3, "low": 1, "high": 6}
    assert found[0]["revenue_at_risk"] == {"estimate": None, "low": None, "high": None}
    assert program.refused("GET", "/measures?since=0") == (422, "invalid")


def test_what_others_told_is_read_too(program: Program) -> None:
    [pk] = actions.identify([Known((("customer_key", "K-1"),))], at=datetime.now(UTC), source="segment")
    events.record([events.NewEvent("Song Played", "m1", "segment:1", customer_id=pk)], at=datetime.now(UTC))
    assert [each["source"] for each in program.said("GET", f"/events?customer_id={pk}")["items"]] == ["segment:1"]
    assert program.said("GET", "/events?key=m1&source=segment:1")["items"][0]["customer_id"] == pk
