"""The list of persons with their scores: filtered, counted, sorted and paged, at any number of customers.

How it stays quick is told in docs/decisions/0004-lists-know-their-size.md.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import F, Max, Min, Q, QuerySet, Sum
from django.db.models.expressions import RawSQL
from django.db.models.functions import Greatest

from querencia.customers.models import Customer, Score, ScoreCell
from querencia.customers.queries import persons

FACETS = ("abc", "stage", "segment", "risk", "branch", "channel")
# Name in the address -> column of Score, and whether the list begins with the largest.
SORTS: dict[str, tuple[str, bool]] = {
    "at_stake": ("at_stake", True),
    "amount_year": ("amount_year", True),
    "amount": ("amount", True),
    "last": ("last_on", True),
    "purchases": ("purchases", True),
    "name": ("customer__family_name", False),
}
# Up to so many matches are gathered and sorted; beyond, the index of the sort order is walked until a page is full.
GATHERED_MAX = 7_000
PAGE = 50
INTEGER_MAX = 2**63 - 1


@dataclass(frozen=True)
class Filters:
    """What is asked for: values by facet, and days between which customers first bought, last bought or left (both
    inclusive)."""

    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first_from: date | None = None
    first_to: date | None = None
    last_from: date | None = None
    last_to: date | None = None
    left_from: date | None = None
    left_to: date | None = None
    only_at_stake: bool = False

    @property
    def has_days(self) -> bool:
        return any([self.first_from, self.first_to, self.last_from, self.last_to, self.left_from, self.left_to])

    @property
    def are_any(self) -> bool:
        return self.has_days or self.only_at_stake or any(self.facets.values())


@dataclass(frozen=True)
class Choice:
    """One value of a facet, and how many would be listed with it."""

    value: str
    customers: int
    is_chosen: bool


@dataclass(frozen=True)
class Page:
    """Part of a list. ``total`` is None where it was not counted; ``after`` leads to the next page, "" at the end."""

    rows: list[Score]
    total: int | None
    after: str


def facets(filters: Filters) -> dict[str, list[Choice]]:
    """The choices of each facet, counted with the filters of the *other* facets applied."""
    made = {}
    for facet in FACETS:
        chosen = filters.facets.get(facet, ())
        others = _cells({name: values for name, values in filters.facets.items() if name != facet})
        counts = dict(others.values_list(facet).annotate(n=Sum("customers")).order_by())
        for value in chosen:
            counts.setdefault(value, 0)
        made[facet] = [Choice(value, count, value in chosen) for value, count in sorted(counts.items()) if value]
    return made


def cells() -> list[ScoreCell]:
    """All cells."""
    return list(ScoreCell.objects.order_by("pk"))


def is_scored() -> bool:
    """Whether there are scores at all."""
    return ScoreCell.objects.exists()


def count(filters: Filters) -> int:
    """How many customers the filters leave."""
    if filters.has_days or filters.only_at_stake:
        return _matching(filters).count()
    return int(_cells(filters.facets).aggregate(n=Sum("customers"))["n"] or 0)


def page(filters: Filters, *, sort: str = "at_stake", reverse: bool = False, after: str = "", size: int = PAGE) -> Page:
    """One page of scores with their customers. ``after`` is the cursor that an earlier page gave."""
    rows = list(_ordered(filters, sort=sort, reverse=reverse, after=after, size=size + 1))
    has_more = len(rows) > size
    rows = rows[:size]
    further = _cursor(rows[-1], sort) if has_more else ""
    persons.named([row.customer for row in rows])
    return Page(rows, count(filters), further)


def every(filters: Filters, *, sort: str = "at_stake", reverse: bool = False, size: int = 2_000) -> Iterator[Score]:
    """All scores that match, in order, read page by page: memory does not grow with the list."""
    after = ""
    while True:
        rows = list(_ordered(filters, sort=sort, reverse=reverse, after=after, size=size))
        after = _cursor(rows[-1], sort) if len(rows) == size else ""
        persons.named([row.customer for row in rows])
        yield from rows
        if not after:
            return


def segments() -> dict[str, dict[str, int]]:
    """By segment how many customers are in it, what they spent in a year and what is at stake."""
    sums = {name: Sum(name) for name in ("customers", "amount_year", "at_stake")}
    rows = ScoreCell.objects.values_list("segment").annotate(**sums).order_by("segment")
    return {segment: dict(zip(sums, figures, strict=True)) for segment, *figures in rows}


def unscored(*, after: int = 0, size: int = PAGE) -> list[Customer]:
    """Persons by id, for the time before the first run."""
    found = Customer.objects.filter(persons.IS_HEAD, pk__gt=after).order_by("pk")
    return list(persons.named(found[:size]))


def count_regrouped() -> int:
    """How many scores tell of other records than the person has by now: whoever was merged or parted since the run."""
    return Score.objects.filter(regrouped_at__isnull=False).count()


def _cells(chosen: Mapping[str, tuple[str, ...]]) -> QuerySet[ScoreCell]:
    return ScoreCell.objects.filter(**{f"{name}__in": values for name, values in chosen.items() if values})


def _matching(filters: Filters) -> QuerySet[Score]:
    days = {
        "first_on__gte": filters.first_from,
        "first_on__lte": filters.first_to,
        "last_on__gte": filters.last_from,
        "last_on__lte": filters.last_to,
        "left_on__gte": filters.left_from,
        "left_on__lte": filters.left_to,
    }
    scores = Score.objects.filter(**{name: day for name, day in days.items() if day})
    if filters.only_at_stake:
        scores = scores.filter(at_stake__gt=0)
    if any(filters.facets.values()):
        # The sum keeps planners from entering by the index of cells where another entrance is meant.
        cells = list(_cells(filters.facets).values_list("pk", flat=True))
        scores = scores.annotate(of_cell=F("cell_id") + 0).filter(of_cell__in=cells)
    return scores


def _ordered(filters: Filters, *, sort: str, reverse: bool, after: str, size: int) -> QuerySet[Score]:
    column, descending = SORTS[sort]
    descending = descending is not reverse
    scores, is_gathered = _entered(filters)
    if sort == "name":
        return _by_name(scores, descending, after, is_gathered=is_gathered)[:size]
    if is_gathered:
        # An order that no index serves keeps planners from walking one all the same.
        scores = scores.annotate(place=Greatest(column, column))
        column = "place"
    if after:
        value, last = _read_cursor(after, 2)
        scores = _beyond(scores, column, _value(sort, value), last, descending)
    elif not is_gathered and any(filters.facets.values()):
        scores = _begun(scores, filters, column, descending)
    order = (f"-{column}", "customer_id") if descending else (column, "-customer_id")
    if not is_gathered:
        # The walk reads nothing but the index, which knows the cell; the table is asked for what is shown alone.
        scores = Score.objects.filter(pk__in=scores.order_by(*order).values("pk")[:size])
    return scores.prefetch_related("customer", "cell").order_by(*order)[:size]


def _entered(filters: Filters) -> tuple[QuerySet[Score], bool]:
    """The scores that match, and whether they are few enough to be gathered and sorted."""
    if filters.has_days or not any(filters.facets.values()):
        return _matching(filters), filters.has_days
    cells = _cells(filters.facets)
    if (cells.aggregate(n=Sum("customers"))["n"] or 0) > GATHERED_MAX:
        return _matching(filters), False
    scores = Score.objects.filter(cell_id__in=list(cells.values_list("pk", flat=True)))
    return scores.filter(at_stake__gt=0) if filters.only_at_stake else scores, True


def _begun(scores: QuerySet[Score], filters: Filters, column: str, descending: bool) -> QuerySet[Score]:
    """From where the first who matches may be: who bought most in class C stands behind all of A and B."""
    end = Max(f"{column}_max") if descending else Min(f"{column}_min")
    bound = _cells(filters.facets).aggregate(end=end)["end"]
    return (
        scores.filter(**{f"{column}__lte" if descending else f"{column}__gte": bound}) if bound is not None else scores
    )


def _beyond(scores: QuerySet[Score], column: str, value: Any, last: int, descending: bool) -> QuerySet[Score]:
    """Behind the last row seen. The bound on the column alone is what an index can begin at."""
    if descending:
        bound = Q(**{f"{column}__lte": value})
        return scores.filter(bound, Q(**{f"{column}__lt": value}) | Q(customer_id__gt=last))
    bound = Q(**{f"{column}__gte": value})
    return scores.filter(bound, Q(**{f"{column}__gt": value}) | Q(customer_id__lt=last))


def _by_name(scores: QuerySet[Score], descending: bool, after: str, *, is_gathered: bool) -> QuerySet[Score]:
    if after:
        family, given, last = _read_cursor(after, 3)
        way = "lt" if descending else "gt"
        scores = scores.filter(
            Q(**{f"customer__family_name__{way}e": family}),
            Q(**{f"customer__family_name__{way}": family})
            | Q(**{"customer__family_name": family, f"customer__given_name__{way}": given})
            | Q(**{"customer__family_name": family, "customer__given_name": given, f"customer_id__{way}": last}),
        )
    family = Greatest("customer__family_name", "customer__family_name") if is_gathered else F("customer__family_name")
    # The index of names ends in the customer's own id; by the score's, which is the same, it would not be walked.
    names = (family, F("customer__given_name"), RawSQL('"customers_customer"."id"', ()))
    order = [name.desc() if descending else name.asc() for name in names]
    return scores.select_related("customer").prefetch_related("cell").order_by(*order)


def _cursor(row: Score, sort: str) -> str:
    """The place of the last row seen, in letters that an address may hold."""
    if sort == "name":
        place = [row.customer.family_name, row.customer.given_name, row.pk]
    else:
        place = [str(getattr(row, SORTS[sort][0])), row.pk]
    return urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read_cursor(given: str, parts: int) -> list[Any]:
    """Raises ValueError for what no page of this list gave."""
    try:
        place = json.loads(urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    except (ValueError, RecursionError):
        raise ValueError("not a place in a list") from None
    if not isinstance(place, list) or len(place) != parts or not all(isinstance(part, str) for part in place[:-1]):
        raise ValueError("not a place in this list")
    if any("\x00" in part for part in place[:-1]):
        raise ValueError("not a text that a database keeps")
    return [*place[:-1], _whole(place[-1])]


def _whole(number: Any) -> int:
    if not isinstance(number, int) or abs(number) > INTEGER_MAX:
        raise ValueError("not a number that a database keeps")
    return number


def _value(sort: str, text: str) -> Any:
    return date.fromisoformat(text) if SORTS[sort][0] == "last_on" else _whole(int(text[:20]))
