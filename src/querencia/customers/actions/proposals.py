"""Pairs that look alike, kept until somebody decides: each comparison puts its own in the place of the last one's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from querencia.customers.actions.merging import ROWS, Pair, take_turns
from querencia.customers.models import Merge
from querencia.customers.models.merges import WAITING
from querencia.customers.queries import persons

SOURCE = "duplicates"


@dataclass(frozen=True)
class Proposed:
    """What became of the pairs: those that wait now, those of them that are new, and those that wait no longer."""

    waiting: int
    new: int
    gone: int


@transaction.atomic
def propose(pairs: Iterable[tuple[int, int, float]], *, at: datetime) -> Proposed:
    """Let these pairs of customers, with how sure it is of each, wait for somebody to decide.

    Pairs of one person, and those that somebody said are not the same, are none. What the last run proposed and this
    one does not is taken back, unless somebody asked to decide on it again.
    """
    take_turns()
    wanted = _of_persons(pairs)
    refused = _refused()
    others = WAITING & ~_proposed()
    kept = set(Merge.objects.filter(others).values_list("first_id", "second_id"))
    wanted = {pair: sure for pair, sure in wanted.items() if pair not in refused and pair not in kept}
    known = {(each.first_id, each.second_id): each for each in Merge.objects.filter(_proposed())}
    gone = [each.pk for pair, each in known.items() if pair not in wanted]
    for some in persons.asked(gone):
        Merge.objects.filter(pk__in=some).delete()
    changed = []
    for pair, sure in wanted.items():
        if (each := known.get(pair)) and each.probability != sure:
            each.probability = sure
            changed.append(each)
    Merge.objects.bulk_update(changed, ["probability"], batch_size=ROWS)
    new = [_row(pair, sure, at) for pair, sure in sorted(wanted.items()) if pair not in known]
    Merge.objects.bulk_create(new, batch_size=ROWS)
    return Proposed(persons.count_waiting(), len(new), len(gone))


def _proposed() -> Q:
    """What a run proposed and nobody has looked at yet."""
    return WAITING & Q(rule=Merge.Rule.PROPOSAL) & ~Q(evidence__has_key="again")


def _of_persons(pairs: Iterable[tuple[int, int, float]]) -> dict[Pair, float]:
    """The pairs of whoever stands for each person, the surest of several."""
    given = list(pairs)
    heads = persons.heads(pk for one, other, _sure in given for pk in (one, other))
    found: dict[Pair, float] = {}
    for one, other, sure in given:
        pair = _ordered(heads[one], heads[other])
        if pair[0] != pair[1]:
            found[pair] = max(sure, found.get(pair, 0.0))
    return found


def _refused() -> set[Pair]:
    """Pairs of persons of whom somebody said that they are not the same, or parted them."""
    closed = Merge.objects.filter(until__isnull=False).annotate(
        one=Coalesce("first__person_id", "first_id"), other=Coalesce("second__person_id", "second_id")
    )
    return {_ordered(one, other) for one, other in closed.values_list("one", "other").iterator()}


def _ordered(one: int, other: int) -> Pair:
    return (min(one, other), max(one, other))


def _row(pair: Pair, sure: float, at: datetime) -> Merge:
    return Merge(
        first_id=pair[0],
        second_id=pair[1],
        rule=Merge.Rule.PROPOSAL,
        probability=sure,
        source=SOURCE,
        noted_at=at,
    )
