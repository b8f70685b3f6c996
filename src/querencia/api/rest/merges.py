"""Merges: that customers are one person, said and taken back. Nothing is rewritten for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router

from querencia.api.rest import batches, pages
from querencia.api.rest.customers import SOURCE
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import (
    AskedId,
    CustomerGiven,
    Given,
    Id,
    Many,
    Outcome,
    Outcomes,
    Page,
    Told,
    reference,
    rejected,
    text,
)
from querencia.api.rest.problems import Fault, Problem
from querencia.common.time import now
from querencia.customers import actions
from querencia.customers.actions.profiles import find
from querencia.customers.models import Merge
from querencia.customers.queries import persons

router = Router(tags=[_("Merges")])
SAME = Fault("A customer cannot be merged with itself.", "same", "/second")
UNKNOWN = Fault("There is no such merge.", "not_found", "/id")


class MergeGiven(Given):
    """Two customers that are one person; both exist."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "first": {"kind": "customer_key", "value": "K-1001"},
                    "second": {"kind": "customer_key", "value": "K-1002"},
                    "reason": "The same card and the same birthday.",
                }
            ]
        }
    }
    first: CustomerGiven
    second: CustomerGiven
    reason: text(200) = ""  # type: ignore[valid-type]
    """How you know; without names and addresses."""


class PartGiven(Given):
    """A merge to undo."""

    model_config = {"json_schema_extra": {"examples": [{"id": 1}]}}
    id: Id


class MergeTold(Told):
    id: int
    state: Literal["open", "waiting", "parted"]
    """Waiting ones were only noted, because too many came together in a day: somebody decides."""
    customer_ids: list[int]
    person_id: int
    """Whoever stands for the first of them now."""
    rule: str
    """By identifiers given together, by hand, or by a confirmed proposal."""
    source: str
    noted_at: datetime
    since: datetime | None
    until: datetime | None


class MergesPage(Page[MergeTold]): ...


class MergesAsked(pages.Asked):
    customer_id: AskedId | None = None
    """Of the whole person."""
    state: Literal["", "open", "waiting", "parted"] = ""


class MergeHere(Given):
    merge_id: AskedId


@endpoint(router, "GET", "/merges", scope="merges:read", answers={200: MergesPage}, summary=_("List merges"))
def list_merges(request: HttpRequest, asked: Query[MergesAsked]) -> Answer:
    """Edges between customers, those undone among them, the newest first."""
    last = pages.place(request, asked)
    rows = persons.page(customer_id=asked.customer_id, state=asked.state, before=last, size=asked.limit + 1)
    after = rows[asked.limit - 1].pk if len(rows) > asked.limit else None
    return pages.page(request, asked, _told(rows[: asked.limit]), after, MergesPage)


@endpoint(
    router, "GET", "/merges/{int:merge_id}", scope="merges:read", answers={200: MergeTold}, summary=_("Get a merge")
)
def get_merge(request: HttpRequest, here: Path[MergeHere]) -> Answer:
    """One edge between two customers."""
    found = persons.edges([here.merge_id])
    if not found:
        raise Problem("not_found", "There is no such merge.")
    return Answer(_told(list(found.values()))[0])


@endpoint(
    router,
    "POST",
    "/merges",
    scope="merges:write",
    answers={200: Outcome, 201: Outcome},
    summary=_("Merge two customers"),
)
def merge_customers(request: HttpRequest, given: MergeGiven) -> Answer:
    """Limits of matching do not hold: whoever calls this knows better. What waited is thereby decided."""
    by = _by(request)
    return batches.one(given, lambda items: _merge(items, by), place="/api/v1/merges/{}")


@endpoint(
    router, "POST", "/merges/bulk", scope="merges:write", answers={200: Outcomes}, summary=_("Merge many customers")
)
def merge_many_customers(request: HttpRequest, given: Many[MergeGiven]) -> Answer:
    """Up to 1,000 pairs in one transaction, each answered by itself."""
    by = _by(request)
    return batches.many(given, lambda items: _merge(items, by))


@endpoint(
    router,
    "POST",
    "/merges/{int:merge_id}/part",
    scope="merges:write",
    answers={200: Outcome},
    summary=_("Undo a merge"),
)
def part_customers(request: HttpRequest, here: Path[MergeHere]) -> Answer:
    """Closes the edge, or refuses one that waits. Matching never brings these two together again by itself."""
    by = _by(request)
    return batches.one(PartGiven(id=here.merge_id), lambda items: _part(items, by))


@endpoint(
    router, "POST", "/merges/part/bulk", scope="merges:write", answers={200: Outcomes}, summary=_("Undo many merges")
)
def part_many_customers(request: HttpRequest, given: Many[PartGiven]) -> Answer:
    """Up to 1,000 merges in one transaction, each answered by itself."""
    by = _by(request)
    return batches.many(given, lambda items: _part(items, by))


def _by(request: HttpRequest) -> str:
    key = request.api_key  # type: ignore[attr-defined]
    return f"{SOURCE}: {key.name}"[:80]


def _merge(items: Sequence[MergeGiven], by: str) -> list[Outcome]:
    found = find([reference(side) for each in items for side in (each.first, each.second)])
    pairs = [(min(two), max(two)) for two in zip(found[::2], found[1::2], strict=True)]
    good = {pair: each.reason for each, pair in zip(items, pairs, strict=True) if pair[0] and pair[0] != pair[1]}
    before = persons.open_edges(good)
    said = {pair: {"reason": reason} for pair, reason in good.items() if reason}
    actions.merge(pairs=good.keys() - before.keys(), staff=None, at=now(), evidence=said, source=by)
    after = persons.open_edges(good)
    heads = persons.heads(one for one, _other in good)
    outcomes = []
    for one, other in pairs:
        if not one:
            outcomes.append(rejected(Fault("There is no such customer.", "unknown_customer", "")))
        elif one == other:
            outcomes.append(rejected(SAME))
        else:
            result: Literal["created", "unchanged"] = "unchanged" if (one, other) in before else "created"
            before.setdefault((one, other), after[one, other])
            outcomes.append(Outcome(result=result, id=after[one, other].pk, customer_id=heads[one]))
    return outcomes


def _part(items: Sequence[PartGiven], by: str) -> list[Outcome]:
    found = persons.edges(each.id for each in items)
    left = {pk for pk, each in found.items() if each.until is None}
    actions.part(merges=[found[pk] for pk in sorted(left)], staff=None, at=now(), source=by)
    heads = persons.heads(each.first_id for each in found.values())
    outcomes = []
    for each in items:
        if each.id not in found:
            outcomes.append(rejected(UNKNOWN))
            continue
        result: Literal["updated", "unchanged"] = "updated" if each.id in left else "unchanged"
        left.discard(each.id)
        outcomes.append(Outcome(result=result, id=each.id, customer_id=heads[found[each.id].first_id]))
    return outcomes


def _told(rows: Sequence[Merge]) -> list[MergeTold]:
    heads = persons.heads(row.first_id for row in rows)
    return [
        MergeTold(
            id=row.pk,
            state="parted" if row.until else "open" if row.since else "waiting",
            customer_ids=[row.first_id, row.second_id],
            person_id=heads[row.first_id],
            rule=row.rule,
            source=row.source,
            noted_at=row.noted_at,
            since=row.since,
            until=row.until,
        )
        for row in rows
    ]
