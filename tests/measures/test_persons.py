"""A run scores persons: one score for all records that are one, under whoever stands for them."""

from datetime import date, timedelta
from typing import Any

import pytest

from querencia.business.models import Staff
from querencia.customers import actions as customers
from querencia.customers import kinds
from querencia.customers.models import Event, Merge, Score, ScoreCell
from querencia.measures import actions, health, persons, queries
from querencia.measures.models import Run
from tests.measures import shop

pytestmark = pytest.mark.django_db(transaction=True)

YESTERDAY = date(2026, 3, 1)
DAY = timedelta(days=1)


def some_months() -> list[shop.Bought]:
    """A young shop, which a run is quick with."""
    opened = date(2025, 12, 1)
    return [
        row
        for n in range(30)
        for row in shop.every(7 + n % 5, key=f"c{n}", start=opened + n % 9 * DAY, times=8 + n % 4)
    ]


@pytest.fixture
def staff() -> Staff:
    shop.open_business()
    shop.sell(some_months())
    # One customer whose purchases were written under two records.
    shop.sell(shop.every(10, key="old", start=date(2025, 12, 3), times=4, amount=1_000))
    shop.sell(shop.every(10, key="new", start=date(2026, 1, 12), times=5, amount=3_000))
    return Staff.objects.create(email="olga@example.com")


def ids() -> tuple[int, int]:
    return shop.customer("old").pk, shop.customer("new").pk


def done() -> Run:
    run = actions.run(at=shop.NOW)
    assert run.status == Run.Status.DONE, run.error
    assert [each.said for each in health.scores(shop.NOW) if each.level != "well"] == []
    return run


def join(staff: Staff) -> None:
    customers.merge(pairs=[ids()], staff=staff, at=shop.NOW)


def figures(pk: int) -> tuple[int, int, date, date] | None:
    score = Score.objects.filter(pk=pk).first()
    return (score.purchases, score.amount, score.first_on, score.last_on) if score else None


def test_records_that_are_one_are_scored_as_one_and_again_as_two_when_they_are_parted(staff: Staff) -> None:
    old, new = ids()
    assert done().customers == 32
    apart = {pk: figures(pk) for pk in (old, new)}
    alone = Score.objects.filter(pk=shop.customer("c1").pk).values("amount", "silent_days", "last_on").get()
    join(staff)
    assert figures(new) is None
    assert queries.latest_measure().customers == 32  # type: ignore[union-attr]
    assert done().customers == 31
    assert figures(old) == (9, 19_000, date(2025, 12, 3), date(2026, 2, 21))
    assert figures(new) is None
    assert Score.objects.get(pk=old).rhythm_days == pytest.approx(10, abs=1)
    assert Score.objects.filter(pk=shop.customer("c1").pk).values("amount", "silent_days", "last_on").get() == alone
    assert queries.latest_measure().customers == 31  # type: ignore[union-attr]
    assert sum(ScoreCell.objects.values_list("customers", flat=True)) == 31
    assert not Score.objects.filter(regrouped_at__isnull=False).exists()
    customers.part(merges=list(Merge.objects.all()), staff=staff, at=shop.NOW + DAY)
    assert done().customers == 32
    assert {pk: figures(pk) for pk in (old, new)} == apart


def test_that_somebody_is_joined_is_no_news_of_how_they_buy(staff: Staff) -> None:
    shop.sell(shop.every(9, key="gone", start=date(2025, 12, 1), times=4))
    done()
    assert Score.objects.get(pk=shop.customer("gone").pk).cell.stage == "left"
    # The one who left is the one who came all the time.
    customers.merge(pairs=[(shop.customer("gone").pk, shop.customer("new").pk)], staff=staff, at=shop.NOW)
    done()
    told = {kinds.CUSTOMER_LATE, kinds.CUSTOMER_LEFT, kinds.CUSTOMER_RETURNED}
    assert not Event.objects.filter(kind__in=told).exists()


@pytest.mark.parametrize("is_parted", [False, True], ids=["joined", "parted"])
def test_what_happens_to_persons_while_a_run_reckons_is_seen_in_what_it_writes(
    is_parted: bool, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = ids()
    visitor = shop.customer("visitor").pk
    if is_parted:
        join(staff)
    lay = persons.lay

    def meanwhile(desk: Any, name: str = "merged") -> None:
        lay(desk, name)
        if name == "merged":
            customers.merge(pairs=[(visitor, shop.customer("c1").pk)], staff=staff, at=shop.NOW)
            if is_parted:
                customers.part(merges=list(Merge.objects.filter(first=old)), staff=staff, at=shop.NOW)
            else:
                join(staff)

    monkeypatch.setattr(persons, "lay", meanwhile)
    done()
    assert figures(new) is None
    assert Score.objects.get(pk=old).regrouped_at == shop.NOW
    # A visitor who never bought changes nothing of what is said.
    assert list(Score.objects.filter(regrouped_at__isnull=False)) == [Score.objects.get(pk=old)]
    assert sum(ScoreCell.objects.values_list("customers", flat=True)) == Score.objects.count() == 31
