"""The list of customers: every one once, in order, and as many as it says."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from querencia.customers.models import Score
from querencia.customers.queries import listing
from querencia.customers.queries.listing import FACETS, SORTS, Filters
from tests.customers import cast

pytestmark = pytest.mark.django_db

FILTERS = {
    "everybody": Filters(),
    "one class": Filters(facets={"abc": ("A",)}),
    "classes and stages": Filters(facets={"abc": ("A", "B"), "stage": ("late", "left")}),
    "a branch": Filters(facets={"branch": ("Ensanche & Río",)}),
    "at stake": Filters(only_at_stake=True),
    "a class at stake": Filters(facets={"abc": ("C",)}, only_at_stake=True),
    "first days": Filters(first_from=cast.AS_OF - timedelta(days=200), first_to=cast.AS_OF - timedelta(days=40)),
    "last days": Filters(last_from=cast.AS_OF - timedelta(days=20)),
    "days of leaving of a class": Filters(facets={"abc": ("A",)}, left_from=cast.AS_OF - timedelta(days=30)),
    "nobody": Filters(facets={"branch": ("Nowhere",)}),
}
CHECKS: dict[str, Callable[[Score], bool]] = {
    "everybody": lambda score: True,
    "one class": lambda score: score.cell.abc == "A",
    "classes and stages": lambda score: score.cell.abc in "AB" and score.cell.stage in ("late", "left"),
    "a branch": lambda score: score.cell.branch == "Ensanche & Río",
    "at stake": lambda score: score.at_stake > 0,
    "a class at stake": lambda score: score.cell.abc == "C" and score.at_stake > 0,
    "first days": lambda score: 40 <= (cast.AS_OF - score.first_on).days <= 200,
    "last days": lambda score: (cast.AS_OF - score.last_on).days <= 20,
    "days of leaving of a class": lambda score: (
        score.cell.abc == "A" and score.left_on is not None and (cast.AS_OF - score.left_on).days <= 30
    ),
    "nobody": lambda score: False,
}


@pytest.fixture(params=[listing.GATHERED_MAX, 5], ids=["gathered", "walked along the index"])
def scores(request: Any, monkeypatch: pytest.MonkeyPatch) -> list[Score]:
    """A hundred and thirty customers, read in both of the ways that depend on how many match."""
    monkeypatch.setattr(listing, "GATHERED_MAX", request.param)
    return cast.scored()


def _paged(filters: Filters, *, sort: str, reverse: bool) -> list[Score]:
    rows, after = [], ""
    while True:
        page = listing.page(filters, sort=sort, reverse=reverse, after=after, size=7)
        rows += page.rows
        if not page.after:
            return rows
        assert len(page.rows) == 7
        after = page.after


@pytest.mark.parametrize("name", FILTERS)
def test_pages_show_everyone_who_matches_once_and_in_order(name: str, scores: list[Score]) -> None:
    filters = FILTERS[name]
    matching = {score.pk for score in scores if CHECKS[name](score)}
    assert bool(matching) is (name != "nobody")
    assert listing.count(filters) == listing.page(filters).total == len(matching)
    for sort, (column, descends) in SORTS.items():
        for reverse in (False, True):
            rows = _paged(filters, sort=sort, reverse=reverse)
            assert len(rows) == len(matching), (sort, reverse)
            assert {row.pk for row in rows} == matching, (sort, reverse)
            if sort != "name":
                values = [getattr(row, column) for row in rows]
                assert values == sorted(values, reverse=descends is not reverse), (sort, reverse)
            whole = list(listing.every(filters, sort=sort, reverse=reverse, size=11))
            assert [row.pk for row in whole] == [row.pk for row in rows], (sort, reverse)


def test_names_stand_together_and_backwards_is_backwards(scores: list[Score]) -> None:
    forth = _paged(Filters(), sort="name", reverse=False)
    assert [row.pk for row in reversed(forth)] == [row.pk for row in _paged(Filters(), sort="name", reverse=True)]
    names = [(row.customer.family_name, row.customer.given_name) for row in forth]
    changes = sum(one != other for one, other in pairwise(names))
    assert changes == len(set(names)) - 1


def test_a_choice_is_counted_as_it_would_be_listed(scores: list[Score]) -> None:
    chosen = {"abc": ("A", "B"), "stage": ("late",)}
    for facet, choices in listing.facets(Filters(facets=chosen)).items():
        assert choices, facet
        for choice in choices:
            asked = Filters(facets={**chosen, facet: (choice.value,)})
            assert choice.customers == listing.count(asked) == len(list(listing.every(asked))), (facet, choice)
            assert choice.is_chosen is (choice.value in chosen.get(facet, ())), (facet, choice)
    whole = listing.facets(Filters())
    assert set(whole) == set(FACETS)
    assert sum(choice.customers for choice in whole["abc"]) == len(scores)


def test_what_was_chosen_stays_to_be_taken_back(scores: list[Score]) -> None:
    facets = listing.facets(Filters(facets={"branch": ("Nowhere",)}))
    assert [choice for choice in facets["branch"] if choice.is_chosen] == [listing.Choice("Nowhere", 0, True)]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    "after",
    ["x", "W10", "WzFd", "WyJhIiwgMV0", "bnVsbA", "é", "W1sxXSwgMV0", "WyIwIiwgOTk5OTk5OTk5OTk5OTk5OTk5OTk5OV0"],
)
def test_a_place_that_no_page_gave_is_refused(sort: str, after: str) -> None:
    cast.scored(3)
    if sort == "name" or after != "WyJhIiwgMV0":
        with pytest.raises(ValueError):
            listing.page(Filters(), sort=sort, after=after)


def test_before_the_first_run_customers_are_listed_all_the_same() -> None:
    assert not listing.is_scored()
    assert listing.unscored() == []
    made = [score.pk for score in cast.scored(20)]
    assert listing.is_scored()
    first = listing.unscored(size=15)
    assert [one.pk for one in [*first, *listing.unscored(after=first[-1].pk)]] == made
