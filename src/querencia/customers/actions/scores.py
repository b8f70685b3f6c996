"""Scores follow persons from one run to the next: nobody is listed or counted twice, and what no longer tells of the
whole person is marked.

Where one alone of those who came together ever bought, their score is the person's, and goes over to whoever stands for
them. Where several did, the head's stays, marked, and the others go. Of those who are parted the head keeps the score,
marked; all of them are scored anew by the next run.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import copy
from datetime import datetime

from django.db import connection
from django.db.models import F

from querencia.customers.models import Purchase, Score, ScoreCell
from querencia.customers.queries.persons import asked

type Heads = Mapping[int, int]
type Groups = dict[int, frozenset[int]]


def follow(before: Heads, after: Heads, *, at: datetime) -> None:
    """For the same customers, who stood for each of them and who does now. Inside the transaction that changed it.

    Does nothing while a run replaces the scores: it lets them follow at its end.
    """
    scores = {score.pk: score for some in asked(before) for score in Score.objects.filter(customer__in=some)}
    if not scores or not _held({score.cell_id for score in scores.values()}):
        return
    buyers = {
        pk
        for some in asked(before)
        for pk in Purchase.objects.filter(customer__in=some).order_by().values_list("customer_id", flat=True).distinct()
    }
    # Whoever has a score bought something, whatever became of it.
    buyers |= {head for head, group in _groups(before, buyers).items() if head in scores and not group}
    kept, told = _placed(scores, _groups(before, buyers), _groups(after, buyers))
    _write(scores, kept, told, at)


def _held(cells: set[int]) -> bool:
    """Whether these cells are ours for this transaction. A run takes all of them before it touches a score, so that
    nobody ever waits for it while it waits for them."""
    if connection.vendor == "sqlite":
        return True  # which has one writer
    held = ScoreCell.objects.filter(pk__in=cells).order_by("pk").select_for_update(skip_locked=True)
    return len(held.values_list("pk", flat=True)) == len(cells)


def _groups(heads: Heads, buyers: set[int]) -> Groups:
    """By head, who of the person ever bought."""
    found: dict[int, set[int]] = defaultdict(set)
    for node, head in heads.items():
        found[head] |= {node} & buyers
    return {head: frozenset(group) for head, group in found.items()}


def _placed(scores: Mapping[int, Score], before: Groups, after: Groups) -> tuple[dict[int, int], set[int]]:
    """For each head who keeps a score, whose it was; and those whose score tells of the whole person."""
    scored = {head: before[head] for head in scores if head in before}
    by_group = {group: head for head, group in scored.items()}
    kept = {head: by_group[group] for head, group in after.items() if group in by_group}
    told = set(kept)
    taken = set(kept.values())
    # Whoever had the score before comes first: of those who are parted only one can keep it.
    for head in sorted(after.keys() - told, key=lambda head: (head not in scored, head)):
        ours = [each for each, group in scored.items() if group & after[head] and each not in taken]
        if ours:
            kept[head] = max(ours, key=lambda each: (each == head, scores[each].amount, -each))
            taken.add(kept[head])
    return kept, told


def _write(scores: Mapping[int, Score], kept: Mapping[int, int], told: set[int], at: datetime) -> None:
    moved = {head: whose for head, whose in kept.items() if head != whose}
    gone = scores.keys() - kept.values()
    for some in asked([*gone, *moved.values()]):
        Score.objects.filter(pk__in=some).delete()
    Score.objects.bulk_create([_of(scores[whose], head) for head, whose in moved.items()], batch_size=500)
    for some in asked(kept.keys() - told):
        Score.objects.filter(pk__in=some).update(regrouped_at=at)
    _count(scores[each] for each in gone)


def _of(score: Score, head: int) -> Score:
    made = copy(score)
    made.customer_id = head
    return made


def _count(gone: Iterable[Score]) -> None:
    """Take scores that went out of the cells that count them."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for score in gone:
        for place, amount in enumerate((1, score.amount_year, score.at_stake)):
            sums[score.cell_id][place] += amount
    for cell, (customers, year, stake) in sorted(sums.items()):
        ScoreCell.objects.filter(pk=cell).update(
            customers=F("customers") - customers, amount_year=F("amount_year") - year, at_stake=F("at_stake") - stake
        )
    if sums:
        ScoreCell.objects.filter(pk__in=sums, customers=0).delete()
