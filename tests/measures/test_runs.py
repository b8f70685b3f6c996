"""A run shows everything or nothing, and says of each customer what insight says."""

import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from django.db import connection

from querencia.common.time import day_number, day_of
from querencia.customers import kinds
from querencia.customers.models import Event, Outbox, Purchase, Score, ScoreCell
from querencia.insight import defection, forecast, pareto, rfm, tables
from querencia.measures import actions, queries, tasks
from querencia.measures.models import Finding, Measure, Run
from tests.measures import shop

pytestmark = pytest.mark.django_db(transaction=True)

YESTERDAY = date(2026, 3, 1)


@pytest.fixture
def trading() -> None:
    shop.open_business()
    shop.sell(shop.trade(120), branch="Centro", channel="shop")


def done(**how: Any) -> Run:
    run = actions.run(at=shop.NOW, **how)
    assert run.status == Run.Status.DONE, run.error
    return run


def everything() -> dict[str, list[Any]]:
    """What readers see of the last good run."""
    return {
        "scores": list(Score.objects.order_by("pk").values()),
        "cells": list(ScoreCell.objects.order_by("pk").values()),
        "measures": list(Measure.objects.order_by("day").values()),
        "findings": list(Finding.objects.order_by("name").values()),
    }


def test_scores_are_those_of_insight(trading: None) -> None:
    run = done()
    assert run.as_of == YESTERDAY
    assert list(run.durations) == sorted(actions.STEPS) or set(run.durations) == set(actions.STEPS)
    rows = Purchase.objects.values_list("customer_id", "day", "amount")
    purchases = tables.purchases(
        pl.DataFrame(list(rows), schema=["customer_id", "day", "amount"], orient="row"), unit="minor"
    )
    horizon = Score.objects.values_list("horizon_days", flat=True).distinct().get()
    assert horizon == 365
    summary = rfm.summary(purchases, as_of=YESTERDAY)
    expected = (
        summary.join(rfm.score(summary), on="customer_id")
        .join(pareto.classify(summary), on="customer_id")
        .join(defection.status(purchases, as_of=YESTERDAY), on="customer_id")
        .join(forecast.predict(purchases, as_of=YESTERDAY, horizon_days=horizon), on="customer_id")
    )
    scores = {score.pk: score for score in Score.objects.select_related("cell")}
    assert len(scores) == len(expected) == run.customers > 100
    for row in expected.iter_rows(named=True):
        score = scores[row["customer_id"]]
        same = ("purchases", "amount", "amount_year", "value_year", "silent_days", "model")
        same += ("recency_score", "frequency_score", "monetary_score")
        assert [getattr(score, name) for name in same] == [row[name] for name in same]
        near = ("expected_purchases", "expected_purchases_high", "chance_of_purchase", "chance_low", "chance_high")
        near += ("rhythm_days", "rhythm_low", "limit_days")
        assert [getattr(score, name) for name in near] == [pytest.approx(row[name], rel=1e-6) for name in near]
        assert score.expected_spend == pytest.approx(row["expected_spend"], abs=1)
        assert (score.first_on, score.last_on) == (day_of(row["first_day"]), day_of(row["last_day"]))
        assert score.left_on == (None if row["left_day"] is None else day_of(row["left_day"]))
        assert (score.cell.abc, score.cell.segment, score.cell.stage) == (row["abc"], row["segment"], row["status"])
        assert (score.cell.branch, score.cell.channel) == ("Centro", "shop")


@pytest.mark.slow
def test_only_the_late_and_those_who_left_lately_are_at_stake(trading: None) -> None:
    done()
    stages = set()
    for score in Score.objects.select_related("cell"):
        lately = score.left_on is not None and score.left_on > YESTERDAY - timedelta(days=365 / 4)
        if score.cell.stage == "late" or lately:
            assert score.chance_of_purchase is not None
            assert score.at_stake == pytest.approx(score.value_year * (1 - score.chance_of_purchase), abs=1)
            stages.add(score.cell.stage)
        else:
            assert score.at_stake == 0
        assert score.at_stake_low <= score.at_stake <= score.at_stake_high
        assert score.cell.risk == (
            "low" if score.chance_of_purchase > 2 / 3 else "high" if score.chance_of_purchase < 1 / 3 else "medium"
        )  # type: ignore[operator]
    assert stages
    for cell in ScoreCell.objects.all():
        members = Score.objects.filter(cell=cell)
        assert cell.customers == len(members)
        assert cell.at_stake == sum(score.at_stake for score in members)
        assert cell.amount_year == sum(score.amount_year for score in members)
        for name in ("at_stake", "amount_year", "amount", "last_on", "purchases"):
            values = [getattr(score, name) for score in members]
            assert (getattr(cell, f"{name}_min"), getattr(cell, f"{name}_max")) == (min(values), max(values)), name


@pytest.mark.slow
def test_the_day_is_measured_as_the_scores_say(trading: None) -> None:
    done()
    measure = queries.latest_measure()
    assert measure is not None
    scores = list(Score.objects.select_related("cell"))
    stage = [score.cell.stage for score in scores]
    first = YESTERDAY - timedelta(days=30)
    assert measure.day == YESTERDAY
    assert measure.customers == len(scores)
    assert measure.active == len(scores) - stage.count("left")
    assert measure.late == stage.count("late")
    assert measure.new == sum(score.first_on > first for score in scores)
    assert measure.defections == sum(score.left_on is not None and score.left_on > first for score in scores)
    assert measure.revenue_year == sum(score.amount_year for score in scores)
    assert measure.revenue_at_risk == sum(score.at_stake for score in scores)
    assert sum(each["customers"] for each in measure.classes.values()) == len(scores)
    assert measure.long_standing_share is not None
    assert 0 < measure.long_standing_share < 1
    assert not measure.is_reckoned_afterwards


@pytest.mark.slow
def test_the_trend_is_there_after_the_first_run(trading: None) -> None:
    done()
    past = [measure.day for measure in Measure.objects.filter(is_reckoned_afterwards=True)]
    month_ends = [day for day in past if (day + timedelta(days=1)).day == 1]
    assert len(month_ends) == 24
    # And the day with which the last thirty are compared.
    assert set(past) - set(month_ends) == {YESTERDAY - timedelta(days=30)}
    finding = queries.finding("retention")
    assert finding is not None
    same = [measure.day for measure in queries.trend(800) if measure.retention_window_days == 365]
    assert [row["day"] for row in finding["rows"]] == [day_number(day) for day in same]
    # A run as of one of those days says the same of it, as far as it can know no more.
    reckoned = Measure.objects.get(day=date(2025, 12, 31))
    run = actions.run(at=shop.NOW, as_of=reckoned.day)
    assert run.status == Run.Status.DONE
    measured = Measure.objects.get(day=reckoned.day)
    assert not measured.is_reckoned_afterwards
    same = ("customers", "new", "revenue", "revenue_year", "retention_rate", "classes", "long_standing_share")
    assert [getattr(measured, name) for name in same] == [getattr(reckoned, name) for name in same]


@pytest.mark.slow
def test_older_facts_that_arrive_later_change_the_past(trading: None) -> None:
    done()
    before = Measure.objects.get(day=date(2025, 6, 30))
    shop.sell([("late-handed", date(2025, 6, 1), 99_900)])
    done()
    after = Measure.objects.get(day=date(2025, 6, 30))
    assert after.customers == before.customers + 1
    assert after.revenue == before.revenue + 99_900
    assert Measure.objects.get(day=date(2025, 5, 31)).run_id == before.run_id  # untouched months stand


@pytest.mark.slow
def test_running_twice_replaces_the_day(trading: None) -> None:
    first = done()
    seen = everything()
    second = done()
    assert second.pk != first.pk
    again = everything()
    for rows in (*seen.values(), *again.values()):
        for row in rows:
            row.pop("run_id", None)
            row.pop("id", None)
    assert again == seen


@pytest.mark.slow
def test_a_log_that_ends_early_is_judged_by_its_last_day() -> None:
    shop.open_business()
    shop.sell(shop.trade(60, until=date(2025, 9, 30)))
    last = day_of(max(Purchase.objects.values_list("day", flat=True)))
    assert last < date(2025, 10, 1)
    assert done().as_of == last
    shop.sell([("today", date(2026, 3, 2), 100)])
    assert done().as_of == last  # today is not over


@pytest.mark.slow
def test_few_customers_are_scored_without_a_forecast() -> None:
    shop.open_business()
    shop.sell(shop.trade(5))
    run = done()
    assert run.customers == Score.objects.count() == 5
    score = Score.objects.select_related("cell").first()
    assert score is not None
    assert (score.chance_of_purchase, score.expected_spend, score.cell.risk) == (None, None, "unknown")
    measure = queries.latest_measure()
    assert measure is not None
    assert measure.revenue_at_risk is None
    closed = {gate["name"]: gate["reason"] for gate in queries.gates() if not gate["is_open"]}
    assert "customers" in closed
    assert all(closed.values())


@pytest.mark.slow
def test_an_empty_house_can_be_measured() -> None:
    run = done()
    assert (run.customers, run.purchases, Score.objects.count()) == (0, 0, 0)
    measure = queries.latest_measure()
    assert measure is not None
    assert (measure.customers, measure.revenue, measure.retention_rate) == (0, 0, None)


@pytest.mark.slow
def test_refunds_are_netted_and_other_currencies_left_out() -> None:
    shop.open_business("EUR")
    shop.sell([("ana", date(2026, 2, 1), 5_000), ("ana", date(2026, 2, 20), 3_000)])
    bought = Purchase.objects.order_by("id").first()
    assert bought is not None
    # Another till gave the same key to another purchase: the refund means the one of its own source.
    shop.sell([("bruno", date(2026, 2, 2), 7_000)], source="web", key=bought.key)
    shop.sell([("ana", date(2026, 2, 25), -5_000)], refund_of=bought.key)
    shop.sell([("ana", date(2026, 2, 26), 9_000)], currency="USD")
    run = done()
    assert run.purchases == 4
    scores = {score.customer.key: score for score in Score.objects.select_related("customer")}
    assert (scores["ana"].purchases, scores["ana"].amount) == (1, 3_000)
    assert (scores["bruno"].purchases, scores["bruno"].amount) == (1, 7_000)
    gate = next(gate for gate in queries.gates() if gate["name"] == "one_currency")
    assert not gate["is_open"]
    assert gate["facts"] == {"currency": "EUR", "left_out": 1}


@pytest.mark.slow
def test_the_usual_branch_is_where_most_was_bought() -> None:
    shop.open_business()
    for number, branch in enumerate(["Norte", "Sur", "Sur", ""]):
        shop.sell([("ana", date(2026, 2, 1 + number), 100)], branch=branch)
    shop.sell([("bruno", date(2026, 2, 1), 100)], branch="Norte")
    shop.sell([("bruno", date(2026, 2, 2), 100)], branch="Sur")
    done()
    usual = {score.customer.key: score.cell.branch for score in Score.objects.select_related("cell", "customer")}
    assert usual == {"ana": "Sur", "bruno": "Sur"}


@pytest.mark.slow
def test_the_share_of_old_customers_is_of_margin_where_costs_are_known() -> None:
    shop.open_business()
    old = shop.sell([("ana", date(2023, 1, 1), 1_000), ("ana", date(2026, 2, 1), 10_000)], cost=9_000)
    shop.sell([("bruno", date(2026, 2, 1), 10_000)], cost=7_000)
    done()
    measure = queries.latest_measure()
    assert measure is not None
    assert measure.long_standing_share == pytest.approx(1 / 4)
    Purchase.objects.filter(pk=old[1].pk).delete()
    old[1].cost = None
    old[1].save(force_insert=True)
    actions.run(at=shop.NOW, anew=True)
    measure = queries.latest_measure()
    assert measure is not None
    assert measure.long_standing_share == pytest.approx(1 / 2)


@pytest.mark.slow
def test_who_to_call_first_and_why(trading: None) -> None:
    done()
    finding = queries.finding("calls")
    assert finding is not None
    rows = finding["rows"]
    assert 1 <= len(rows) <= 10
    kept = [row["at_stake"] for row in rows]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == max(score.at_stake for score in Score.objects.all())
    codes = {"slower_than_rhythm", "dropped_frequency", "big_customer_left_recently", "left_recently"}
    assert {row["reason"]["code"] for row in rows} <= codes | {"one_purchase_then_silence"}


def forbid_writing_scores(forbidden: bool) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            make = "CREATE TRIGGER no_scores BEFORE INSERT ON customers_score BEGIN SELECT RAISE(ABORT, 'no room'); END"
            cursor.execute(make if forbidden else "DROP TRIGGER no_scores")
        elif forbidden:
            raised = "BEGIN RAISE EXCEPTION 'no room'; END"
            cursor.execute(f"CREATE FUNCTION no_room() RETURNS trigger AS $$ {raised} $$ LANGUAGE plpgsql")
            cursor.execute("CREATE TRIGGER no_scores BEFORE INSERT ON customers_score EXECUTE FUNCTION no_room()")
        else:
            cursor.execute("DROP TRIGGER no_scores ON customers_score; DROP FUNCTION no_room()")


@pytest.mark.slow
def test_a_failed_run_leaves_yesterdays_scores_and_says_why(trading: None) -> None:
    done(as_of=YESTERDAY - timedelta(days=1))
    seen = everything()
    forbid_writing_scores(True)
    try:
        failed = actions.run(at=shop.NOW)
    finally:
        forbid_writing_scores(False)
    assert failed.status == Run.Status.FAILED
    assert failed.finished_at is not None
    assert "no room" in queries.why(failed)
    assert everything() == seen
    indexes = connection.introspection.get_constraints(connection.cursor(), "customers_score")
    assert {"score_by_stake", "score_by_year", "score_cell"} <= set(indexes)
    assert done().as_of == YESTERDAY


def another_process(step: str) -> "subprocess.Popen[str]":
    """A run in a process of its own that says when it has come to a step, and waits there."""
    script = (
        "import time, django; django.setup()\n"
        "from tests.measures import shop\nfrom querencia.measures import actions\n"
        "def heard(step, share):\n"
        f"    if (step, share > 0) == ({step!r}, True):\n"
        "        print('there', flush=True); time.sleep(60)\n"
        "actions.run(at=shop.NOW, progress=heard)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=shop.environment()
    )
    assert process.stdout
    assert process.stdout.readline().strip() == "there"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("step", ["score", "write"])
def test_a_run_killed_on_the_way_changes_nothing_and_is_taken_over(step: str, trading: None) -> None:
    done(as_of=YESTERDAY - timedelta(days=1))
    seen = everything()
    process = another_process(step)  # at "write", every score is written and nothing is committed
    process.kill()
    process.communicate()
    assert everything() == seen
    dead = queries.latest_run()
    assert dead is not None
    assert dead.status == Run.Status.RUNNING
    assert done().as_of == YESTERDAY
    dead.refresh_from_db()
    assert dead.status == Run.Status.FAILED
    assert queries.why(dead).startswith("The process that did it ended")


@pytest.mark.slow
def test_two_runs_at_once_are_one(trading: None) -> None:
    process = another_process("score")
    try:
        with pytest.raises(actions.AnotherRun) as refused:
            actions.run(at=shop.NOW)
        assert refused.value.run == queries.latest_run()
        assert actions.settle(at=shop.NOW) == 0
        assert Run.objects.count() == 1
    finally:
        process.kill()
        process.communicate()
    assert actions.settle(at=shop.NOW) == 1


@pytest.mark.slow
def test_the_worker_does_what_waits_and_the_night_once(trading: None) -> None:
    asked = actions.request_run(trigger=Run.Trigger.BUTTON, at=shop.NOW)
    assert actions.request_run(trigger=Run.Trigger.IMPORT, at=shop.NOW) == asked
    assert queries.is_running()
    tasks.attend.call_local()
    asked.refresh_from_db()
    assert asked.status == Run.Status.DONE
    assert tasks.heartbeat() is not None
    assert not queries.is_running()
    with pytest.raises(Run.DoesNotExist):
        actions.run(run_id=asked.pk, at=shop.NOW)


@pytest.mark.slow
def test_a_night_is_due_once_where_the_business_is(trading: None) -> None:
    night = shop.NOW.replace(hour=1, minute=30)  # half past two in Madrid
    assert not queries.is_due(night - timedelta(minutes=1))
    assert queries.is_due(night)
    Run.objects.create(status="failed", trigger="schedule", as_of=YESTERDAY, created_at=night, error="disk_full")
    assert not queries.is_due(night + timedelta(minutes=10))
    assert queries.is_due(night + timedelta(hours=2))
    Run.objects.create(status="done", trigger="schedule", as_of=YESTERDAY, created_at=night + timedelta(hours=2))
    assert not queries.is_due(night + timedelta(hours=20))
    assert queries.is_due(night + timedelta(days=1))


@pytest.mark.slow
def test_a_night_whose_work_was_done_otherwise_is_not_due(trading: None) -> None:
    night = shop.NOW.replace(hour=1, minute=30)

    def finished(trigger: str, as_of: date, hours: int, *, is_day_named: bool = False) -> Run:
        at = night + timedelta(hours=hours)
        return Run.objects.create(
            status="done", trigger=trigger, as_of=as_of, is_day_named=is_day_named, created_at=at, finished_at=at
        )

    finished("button", YESTERDAY - timedelta(days=1), -2)
    finished("command", YESTERDAY - timedelta(days=40), 1, is_day_named=True)
    assert queries.is_due(night + timedelta(hours=3))
    for trigger, as_of, is_day_named in (
        ("import", YESTERDAY, False),
        ("command", YESTERDAY, True),
        ("command", YESTERDAY - timedelta(days=40), False),  # of a log that ends there
    ):
        done_otherwise = finished(trigger, as_of, 2, is_day_named=is_day_named)
        assert not queries.is_due(night + timedelta(hours=3))
        assert queries.is_due(night + timedelta(days=1))
        done_otherwise.delete()


@pytest.mark.slow
def test_the_trend_compares_like_with_like() -> None:
    """A log of 16 months is judged by half years now, and could only be by quarters some months ago."""
    shop.open_business()
    first = date(2024, 11, 4)
    shop.sell([sale for number in range(40) for sale in shop.every(20, key=f"c{number}", start=first, times=24)])
    done()
    retention = queries.finding("retention")
    assert retention is not None
    assert retention["window_days"] == 182
    windows = {day_number(measure.day): measure.retention_window_days for measure in queries.trend(800)}
    assert set(windows.values()) > {91, 182}
    assert [row["day"] for row in retention["rows"]] == [day for day, window in windows.items() if window == 182]
    cohorts = queries.finding("cohorts")
    assert cohorts is not None
    assert cohorts["period"] == "month"
    assert {row["cohort"] for row in cohorts["rows"]} == {day_number(date(2024, 11, 1))}
    assert [row["period"] for row in cohorts["rows"]] == list(range(15))  # the last month is not over


@pytest.mark.slow
def test_a_run_whose_place_was_taken_leaves_its_result_out(trading: None) -> None:
    def taken(step: str, share: float) -> None:
        if step == "measure" and share == 1.0:
            Run.objects.filter(status=Run.Status.RUNNING).update(status=Run.Status.FAILED)

    run = actions.run(at=shop.NOW, progress=taken)
    assert run.status == Run.Status.FAILED
    assert queries.why(run).startswith("Another run took its place")
    assert not Score.objects.exists()


def test_pages_do_without_what_reckons() -> None:
    script = (
        "import sys, django; django.setup()\n"
        "import querencia.measures.queries, querencia.measures.actions, querencia.measures.tasks\n"
        "print(*sorted({'duckdb', 'scipy.stats', 'sklearn', 'pyarrow'} & set(sys.modules)))\n"
    )
    said = subprocess.check_output([sys.executable, "-c", script], text=True, env=shop.environment())
    assert said.strip() == ""


@pytest.mark.slow
def test_whoever_leaves_between_two_runs_is_told_of_once() -> None:
    shop.open_business()
    shop.sell([*shop.trade(60), *shop.every(10, key="gone", start=date(2025, 6, 1), times=26)])
    done(as_of=date(2026, 2, 10))
    done(as_of=date(2026, 2, 10))
    known = {kinds.CUSTOMER_LATE, kinds.CUSTOMER_LEFT, kinds.CUSTOMER_RETURNED}
    assert not Event.objects.filter(kind__in=known).exists(), "whoever had no score before has no change of stage"
    before = dict(Score.objects.values_list("customer_id", "cell__stage"))
    run = done()
    after = dict(Score.objects.values_list("customer_id", "cell__stage"))
    changed = {
        (owner, stage)
        for owner, stage in after.items()
        if stage != before[owner] and stage in ("late", "left", "returned")
    }
    told = list(Event.objects.filter(kind__in=known))
    assert {(event.customer_id, event.kind.removeprefix("customer.")) for event in told} == changed
    assert len(told) == len(changed) > 0
    assert all(event.properties["run"] == run.pk for event in told)
    assert all(event.properties["before"] == before[event.customer_id] for event in told)
    # A day of the past that somebody asks for, and the way back from it, tell of no silence twice.
    done(as_of=date(2026, 2, 10))
    done()
    assert Event.objects.filter(kind__in=known).count() == len(told)
    assert Event.objects.filter(kind=kinds.MEASURES_DONE).count() == Run.objects.count()
    assert Outbox.objects.count() == Event.objects.count()
