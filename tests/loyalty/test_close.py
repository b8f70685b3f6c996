"""A month is closed once, ties to the point, and nothing lands in it afterwards; what will lapse, and the journal."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querencia.loyalty import actions, closing, journal
from querencia.loyalty.breakage import breakage
from querencia.loyalty.journal import Month, Terms
from querencia.loyalty.models import Close, Entry, Lot, Member, Programme
from querencia.loyalty.queries import check
from querencia.loyalty.queries import closing as closes
from tests.loyalty import shop

pytestmark = pytest.mark.django_db
MARCH, APRIL, MAY = (date(2026, month, 1) for month in (3, 4, 5))


def on(month: int, day: int, hour: int = 10) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def close(programme: Programme, *months: date, at: datetime, **more: Any) -> list[str]:
    found = actions.close(programme=programme, months=months, at=at, **more)
    return [each.result for each in found]


def test_a_month_ties_line_by_line_and_is_closed_once(programme: Programme) -> None:
    shop.change(programme, expiry_count=20, expiry_unit="day", adjust_max=100)
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    bought = shop.earns(ana, 10_000, at=on(3, 5))  # 100 points, until 25 March
    shop.earns(bruno, 30_000, at=on(3, 20))  # 300, until 9 April
    shop.spends(ana, 30, "order-1", at=on(3, 6))
    assert shop.gives_back(ana, bought, 2_000, at=on(3, 7)) == 20
    actions.restore(programme=programme, restores=[actions.NewRestore("order-1", "r", 10)], at=on(3, 8))
    less = actions.NewAdjustment(bruno.pk, "slip", -7, "typed twice")
    actions.adjust(programme=programme, adjustments=[less], staff=shop.staff("clerk"), at=on(3, 21))
    actions.transfer(programme=programme, transfers=[actions.NewTransfer(bruno.pk, ana.pk, "t", 40)], at=on(3, 22))
    actions.expire(programme=programme, at=on(3, 28))  # of ana 100 − 30 − 20 + 10 = 60 lapse
    actions.hold(programme=programme, holds=[actions.NewHold(bruno.pk, "held", 5, 10**7)], at=on(3, 29))
    shop.earns(ana, 1_000, at=on(4, 2))
    clerk = shop.staff("ines")

    assert close(programme, MARCH, at=on(3, 31)) == ["not_over"]
    assert close(programme, APRIL, at=on(5, 2)) == ["too_early"]
    [done] = actions.close(programme=programme, months=[MARCH], at=on(4, 3), staff=clerk)
    assert done.row
    line = closing.bridge(done.row.document)
    assert line == closing.Bridge(0, 400, -30, -60, -20, -7, 0, 10, 293)
    assert done.row.document["accounts"]["held"] == {"opening": 0, "closing": 5}
    assert done.row.document["own"] == {
        "sales": 40_000, "earned": 400, "given": 0, "spent": 20, "lapsed": 60, "taken_back": 27, "left": 293
    }  # fmt: skip
    [again] = actions.close(programme=programme, months=[MARCH], at=on(4, 9))
    assert (again.result, again.row) == ("unchanged", done.row)
    assert closes.waiting(programme, at=on(6, 1)) == [APRIL, MAY]
    assert close(programme, APRIL, MAY, at=on(6, 1)) == ["created", "created"]
    april, may = (closing.bridge(closes.close_of(programme, month).document) for month in (APRIL, MAY))  # type: ignore[union-attr]
    assert (april.opening, april.granted, april.closing, may.closing) == (293, 10, 303, 303)
    assert may.ties
    assert shop.is_right(programme)


def test_months_are_those_of_where_the_business_is(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 10_000, at=datetime(2026, 3, 31, 21, 59, tzinfo=UTC))  # 23:59 in Madrid
    shop.earns(ana, 20_000, at=datetime(2026, 3, 31, 22, 1, tzinfo=UTC))
    assert close(programme, MARCH, at=datetime(2026, 3, 31, 22, tzinfo=UTC)) == ["created"]
    assert closing.bridge(Close.objects.get().document).granted == 100


def test_whatever_comes_late_lands_in_the_open_month_and_the_database_takes_nothing_else(programme: Programme) -> None:
    shop.change(programme, expiry_count=3, expiry_unit="day")
    ana = shop.member(programme)
    shop.earns(ana, 10_000, at=on(3, 20))
    close(programme, MARCH, at=on(4, 1))
    shop.earns(ana, 5_000, at=on(3, 30))  # a till that was cut off until now
    actions.expire(programme=programme, at=on(3, 31))
    late = Entry.objects.filter(kind__in=["grant", "expire"]).order_by("pk")[1:]
    assert [each.at for each in late] == [on(3, 30), on(3, 31)]
    opens = closing.begins(APRIL, "Europe/Madrid")
    assert {each.recorded_at for each in late} == {opens}
    close(programme, APRIL, at=on(5, 1))
    assert closing.bridge(closes.close_of(programme, APRIL).document).granted == 50  # type: ignore[union-attr]
    entry = Entry.objects.filter(kind="grant").order_by("pk")[0]
    entry.pk, entry.key = None, "smuggled"
    with pytest.raises(DatabaseError, match="closed"), transaction.atomic():
        entry.save(force_insert=True)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        Close.objects.update(document={})


def test_books_that_do_not_agree_are_not_closed(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 10_000, at=on(3, 5))
    Member.objects.update(active=90)
    [refused] = actions.close(programme=programme, months=[MARCH], at=on(4, 1))
    assert refused.result == "differs"
    assert {(each.of, each.what) for each in refused.differences} >= {("member", "active")}
    assert not Close.objects.exists()
    Member.objects.update(active=100)
    assert close(programme, MARCH, at=on(4, 1)) == ["created"]
    with connection.cursor() as cursor, transaction.atomic():  # as somebody would who owns the database
        is_postgresql = connection.vendor == "postgresql"
        cursor.execute(f"DROP TRIGGER loyalty_close_stays{' ON loyalty_close' if is_postgresql else ''}")
        forged = "replace(CAST(document AS text), 'own', 'Own')"
        cursor.execute(f"UPDATE loyalty_close SET document = {forged}{'::jsonb' if is_postgresql else ''}")
        assert {(each.of, each.what) for each in check(programme)} == {("closed month", "fingerprint")}
        transaction.set_rollback(True)
    assert shop.is_right(programme)


@pytest.mark.django_db(transaction=True)
def test_whoever_closes_waits_for_whoever_is_writing(programme: Programme) -> None:
    """A till begins in March and commits while March is being closed: its points are in one of the two months, once."""
    ana = shop.member(programme)
    shop.earns(ana, 10_000, at=on(3, 5))
    bought = [shop.buys(ana, 1_000, at=on(3, 31)).pk for _n in range(8)]
    faults: list[BaseException] = []

    def work(each: Any) -> None:
        try:
            each()
        except BaseException as fault:
            faults.append(fault)
        finally:
            connections.close_all()

    tills = [
        threading.Thread(
            target=work, args=[lambda pk=pk: actions.earn(programme=programme, purchases=[pk], at=on(3, 31))]
        )
        for pk in bought
    ]
    closers = [threading.Thread(target=work, args=[lambda: close(programme, MARCH, at=on(4, 1))]) for _n in range(2)]
    for each in (*tills[:4], *closers, *tills[4:]):
        each.start()
    for each in (*tills, *closers):
        each.join()
    assert not faults
    march = Close.objects.get()
    before = Entry.objects.filter(recorded_at__lt=march.ends_at, kind="grant").count()
    assert closing.bridge(march.document).closing == 100 + 10 * (before - 1)
    assert Entry.objects.filter(kind="grant").count() == 9
    assert close(programme, APRIL, at=on(5, 1)) == ["created"]
    assert closing.bridge(Close.objects.latest("month").document).closing == 180
    assert shop.is_right(programme)


# -- what will lapse, and the journal ----------------------------------------------------------------------------------


def lived(months: int, *, life: int = 4, members: int = 50, spends: float = 0.2, rise: float = 0.05) -> list[Any]:
    """Closed months of a programme whose points lapse after so many, and of which members spend a share each month."""
    documents: list[Any] = []
    left: dict[str, int] = {}
    for number in range(months):
        now, rows = closing.said(closing.following(MARCH, number)), []
        left[now] = granted = 1_000
        for cohort, has in left.items():
            age = list(left)[::-1].index(cohort)
            spent = round(has * (spends + rise * (number % 3)))
            lapsed = has - spent if age == life else 0
            left[cohort] = has - spent - lapsed
            new = granted if cohort == now else 0
            row = {"cohort": cohort, "partner": None, "granted": new, "spent": spent, "lapsed": lapsed}
            rows.append({**row, "left": new - spent - lapsed})
        documents.append({"month": now, "members": members, "lots": rows})
    return documents


def test_where_older_months_did_not_differ_no_interval_is_claimed() -> None:
    told = breakage(lived(12, spends=0.0, rise=0.0))
    assert {each.share for each in told.cohorts} == {1.0}
    assert all(bool(each.intervals) == (each.left == 0) for each in told.cohorts)


def prolonged(documents: list[Any], cohort: str) -> list[Any]:
    """The same, but points of one month have not lapsed although older ones did."""
    for row in (row for each in documents for row in each["lots"] if row["cohort"] == cohort):
        row["left"], row["lapsed"] = row["left"] + row["lapsed"], 0
    return documents


def test_what_will_lapse_is_estimated_where_cohorts_have_run_their_life() -> None:
    told = breakage(lived(16))
    assert told.why == ""
    over, young = told.cohorts[0], told.cohorts[-1]
    assert (over.share, over.intervals) == (over.share_so_far, ((over.share,) * 2,) * 2)
    assert over.over_at == 5
    assert young.share is not None
    assert young.lapsed == 0
    [(low80, high80), (low95, high95)] = young.intervals
    assert low95 < low80 < young.share < high80 < high95
    assert young.share == pytest.approx(over.share, abs=0.03)  # type: ignore[arg-type]
    assert told.share is not None
    assert told.intervals[1][0] < told.share < told.intervals[1][1]


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        ([], "empty"),
        (lived(4), "never"),
        (lived(6), "young"),
        (lived(16, members=3), "few"),
        (prolonged(lived(16), "2026-08"), "open"),
    ],
)
def test_where_data_are_thin_nothing_is_estimated(documents: list[Any], why: str) -> None:
    told = breakage(documents)
    assert told.why == why
    assert (told.share is None) == bool(why)


def test_the_journal_of_the_standards_own_example() -> None:
    """IFRS 15, illustrative example 52: 10,000 points with sales of 100,000, each worth 1, of which 9,500 are expected
    to be spent; 4,500 are in the first period, and 4,000 in the second, when 9,700 are expected."""
    terms = Terms(value_per_thousand=1_000)
    new = journal.Cohort(granted=10_000, used=4_500, lapsed=0, left=5_500, share=0.05)
    first = journal.journal(Month(100_000, 10_000, 0, 4_500, 0), [new], terms)
    told = [(line.account, line.debit, line.credit) for line in first.lines]
    revenue, deferred = journal.ACCOUNTS["revenue"], journal.ACCOUNTS["deferred"]
    assert told == [(revenue, 8_676, 0), (deferred, 0, 8_676), (deferred, 4_110, 0), (revenue, 0, 4_110)]
    assert first.deferred == 4_566
    older = replace(first.cohorts[0], used=8_500, left=1_500, share=0.03)
    second = journal.journal(Month(0, 0, 0, 4_000, 0), [older, journal.Cohort(0, 0, 0, 0)], terms)
    assert [(line.debit, line.credit) for line in second.lines] == [(3_493, 0), (0, 3_493)]  # 7,603 in all
    assert second.deferred == 1_073


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 10**7)] * 4, st.floats(0, 1)), min_size=1, max_size=5),
    st.tuples(st.integers(-(10**6), 10**9), st.integers(0, 10**6), *[st.integers(-(10**6), 10**6)] * 3),
    st.integers(0, 5_000),
    st.none() | st.integers(0, 10_000),
)
def test_a_journal_balances_whatever_it_holds(
    rows: list[tuple[int, int, int, int, float]], figures: tuple[int, ...], tax: int, share: int | None
) -> None:
    cohorts = [journal.Cohort(sum(row[:3]), *row[:3], share=row[4], deferred=row[3]) for row in rows[:-1]]
    cohorts.append(journal.Cohort(sum(rows[-1][:3]), *rows[-1][:3], share=rows[-1][4]))
    terms = Terms(999, tax, share, {"revenue": "700"})
    made = journal.journal(Month(*figures), cohorts, terms)
    assert sum(line.debit for line in made.lines) == sum(line.credit for line in made.lines)
    assert all(line.debit >= 0 and line.credit >= 0 for line in made.lines)
    change = sum((line.credit - line.debit) for line in made.lines if line.account == journal.ACCOUNTS["deferred"])
    assert made.deferred == change + sum(each.deferred for each in cohorts)


def test_a_closed_month_carries_its_journal_on(programme: Programme) -> None:
    shop.change(programme, cost_per_thousand=10_000)
    ana = shop.member(programme)
    terms = {"tax": 2_100, "breakage": 1_000, "accounts": {"revenue": "700 Sales"}}
    actions.set_accounting(programme=programme, terms=terms)
    shop.earns(ana, 121_000, at=on(3, 5))
    actions.give(programme=programme, gifts=[actions.Gift(ana.pk, "b", 100, "birthday")], at=on(3, 6))
    shop.spends(ana, 400, "o", at=on(4, 2))
    [march, april] = actions.close(programme=programme, months=[MARCH, APRIL], at=on(5, 1))
    assert march.row
    assert april.row
    # 100,000 without tax; 1,210 points worth 10 cents, of which nine tenths will be spent.
    worth = 1_210 * 9
    said = march.row.document["journal"]
    assert said["deferred"] == round(100_000 * worth / (100_000 + worth)) + 900
    assert said["lines"][0] | {"debit": 0} == {
        "account": "700 Sales", "what": "earned", "points": 1_210, "debit": 0, "credit": 0, "partner": ""
    }  # fmt: skip
    then = april.row.document["journal"]
    assert then["opening"] - then["deferred"] == round(said["deferred"] * 400 / (1_310 * 0.9))
    with pytest.raises(ValidationError):
        actions.set_accounting(programme=programme, terms={"tax": -1})


# -- any history -------------------------------------------------------------------------------------------------------

STEP = st.tuples(
    st.sampled_from(["earn", "earn", "spend", "refund", "adjust", "transfer", "restore", "expire", "give"]),
    st.integers(0, 2),
    st.integers(1, 120),
    st.integers(0, 9),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, *HealthCheck])
@given(st.lists(STEP, min_size=5, max_size=30))
def test_whatever_happens_over_months_every_bridge_ties(business: None, steps: list[tuple[str, int, int, int]]) -> None:
    with transaction.atomic():
        club = shop.programme(expiry_count=1, deficit="owe", deficit_max=50, restored_days_min=9, adjust_max=10**6)
        people = [shop.member(club, f"m{number}") for number in range(3)]
        clerk, at, bought = shop.staff(f"s{club.pk}"), on(3, 2), []
        for number, (what, who, points, days) in enumerate(steps):
            at, ana, bruno = at + timedelta(days=days), people[who], people[who - 1]
            if what == "earn":
                bought.append((ana, shop.earns(ana, points * 100, at=at)))
            elif what == "spend":
                actions.hold(programme=club, holds=[actions.NewHold(ana.pk, f"h{number}", points)], at=at)
                actions.capture(programme=club, captures=[actions.Capture(f"h{number}")], at=at)
            elif what == "restore":
                asked = [actions.NewRestore(f"h{n}", f"r{number}") for n in range(number)]
                actions.restore(programme=club, restores=asked, at=at)
            elif what == "refund" and bought:
                shop.gives_back(*bought[points % len(bought)], 500, at=at)
            elif what == "adjust":
                change = actions.NewAdjustment(ana.pk, f"a{number}", 60 - points or 1, "why")
                actions.adjust(programme=club, adjustments=[change], staff=clerk, at=at)
            elif what == "transfer":
                gift = actions.NewTransfer(ana.pk, bruno.pk, f"t{number}", points)
                actions.transfer(programme=club, transfers=[gift], at=at)
            elif what == "give":
                actions.give(programme=club, gifts=[actions.Gift(ana.pk, f"g{number}", points, "birthday")], at=at)
            elif what == "expire":
                actions.expire(programme=club, at=at)
        end = at + timedelta(days=70)
        actions.expire(programme=club, at=end)
        months = closes.waiting(club, at=end)
        done = actions.close(programme=club, months=months, at=end)
        assert {each.result for each in done} == ({"created"} if months else set())
        documents = [each.row.document for each in done if each.row]
        for document, before in zip(documents, [None, *documents], strict=False):
            line = closing.bridge(document)
            assert line.ties
            assert line.opening == (closing.bridge(before).closing if before else 0)
        if documents:
            cohorts = breakage(documents).cohorts
            ends = closing.begins(closing.following(months[-1]), "Europe/Madrid")
            opened = Lot.objects.filter(member__programme=club, entry__recorded_at__lt=ends, origin=None)
            assert sum(each.granted for each in cohorts) == sum(each.amount for each in opened)
            assert all(each.left >= 0 and 0 <= each.lapsed <= each.granted for each in cohorts)
            left = Lot.objects.filter(member__programme=club)
            if not Entry.objects.filter(programme=club, recorded_at__gte=ends).exists():
                assert sum(each.left for each in cohorts) == sum(each.remaining for each in left)
        assert shop.is_right(club)
        transaction.set_rollback(True)
