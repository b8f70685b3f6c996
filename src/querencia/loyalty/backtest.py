"""Rules tried on real history before anybody is promised anything: points, cost, what would be owed, tiers, who wins
and who loses. Pure: a table of purchases in, tables and sums out.

The very function that judges live purchases judges these (`earning.evaluate`), once for each set of facts that rules
can tell apart: ten million purchases are a few hundred thousand of those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import batched
from typing import Any

import polars as pl

from querencia.loyalty import expiry
from querencia.loyalty.earning import Facts, Line, Rule, Snapshot, evaluate
from querencia.loyalty.tiers import Scheme, rolling_period

# What a table of purchases has to hold, and what it may (see `backtest`).
NEEDED: dict[str, type[pl.DataType] | pl.DataType] = {
    "member": pl.Int64,
    "local": pl.Datetime("us"),
    "amount": pl.Int64,
}
MAY: dict[str, type[pl.DataType] | pl.DataType] = {
    "channel": pl.String,
    "branch": pl.String,
    "tier": pl.String,
    "tenure_days": pl.Int64,
    # Keys of the campaigns whose audience the member is in, with spaces between.
    "campaigns": pl.String,
}
LEFT_OUT = frozenset({"skus", "categories", "is_birthday", "is_birth_month"})
TOGETHER = 100_000


class CannotTell(ValueError):
    """The table does not hold what a rule asks about, or rules depend on each other over time: says which and why."""


@dataclass(frozen=True)
class Outcome:
    """``points`` by member (member, points, left: those that have not lapsed on the day), ``by_rule`` (rule, points,
    purchases). ``cost`` in minor units; ``owed`` are the points that would be left if nobody spent any."""

    points: int
    cost: int
    owed: int
    purchases: int
    members: pl.DataFrame
    by_rule: pl.DataFrame


def backtest(
    purchases: pl.DataFrame,
    rules: Sequence[Rule],
    *,
    policy: expiry.Policy,
    cost_per_thousand: int,
    as_of: date,
    zone: str,
) -> Outcome:
    """What these purchases would have earned by the rules, up to and with a day.

    ``purchases``: member, local (when, by the clock of the place; or the day), amount (minor units, what refunds left
    of it), and where rules ask about them channel, branch, tier, tenure_days, and campaigns (keys of rules
    whose audience the member is in, with spaces between). Raises CannotTell.
    """
    _can_tell(purchases, rules)
    rows = _prepared(purchases, as_of)
    names = _told_apart(rules)
    if "hour" in names:
        rows = rows.with_columns(hour=pl.col("local").dt.hour())
    facts = rows.select(names).unique(maintain_order=True)
    earned = _judged(facts, rules)
    found = rows.join(earned, on=names, how="inner", nulls_equal=True)
    found = _within_limits(found.sort("local", maintain_order=True), rules)
    found = found.filter(pl.col("points") > 0)
    lapses = _lapses(found, policy, zone)
    end = expiry.day_ends(as_of, zone=zone)
    found = found.join(lapses, on="on", how="left").with_columns(
        left=pl.when(pl.col("lapses").is_null() | (pl.col("lapses") > end)).then(pl.col("points")).otherwise(0)
    )
    members = found.group_by("member").agg(pl.col("points").sum(), pl.col("left").sum()).sort("member")
    by_rule = found.group_by("rule").agg(pl.col("points").sum(), purchases=pl.len()).sort("rule")
    points = int(members["points"].sum())
    return Outcome(
        points=points,
        cost=points * cost_per_thousand // 1_000,
        owed=int(members["left"].sum()),
        purchases=rows.height,
        members=members,
        by_rule=by_rule,
    )


def winners_and_losers(before: Outcome, after: Outcome) -> pl.DataFrame:
    """By member the points that they had by one set of rules and would have by another, the greatest gain first."""
    one = before.members.select("member", before="points")
    other = after.members.select("member", after="points")
    both = one.join(other, on="member", how="full", coalesce=True).fill_null(0)
    return both.with_columns(gain=pl.col("after") - pl.col("before")).sort(["gain", "member"], descending=[True, False])


def tiers_on(purchases: pl.DataFrame, scheme: Scheme, *, as_of: date) -> pl.DataFrame:
    """How many members would stand where on a day, by what the scheme's months up to it brought (tier, members; those
    in none have an empty tier). Of spend and visits: points and tenure are not in the table. Raises CannotTell."""
    if scheme.metric not in ("spend", "visits"):
        raise CannotTell(f"{scheme.metric}: only spend and visits can be told from purchases")
    start, end = rolling_period(scheme, as_of)
    rows = _prepared(purchases, as_of).filter(pl.col("on").is_between(start, end, closed="left"))
    metric = pl.col("amount").sum() if scheme.metric == "spend" else pl.col("on").n_unique()
    by_member = rows.group_by("member").agg(metric=metric)
    tier = pl.lit("")
    for each in scheme.tiers:
        tier = pl.when(pl.col("metric") >= each.reach).then(pl.lit(each.key)).otherwise(tier)
    return by_member.with_columns(tier=tier).group_by("tier").agg(members=pl.len()).sort("tier")


def _can_tell(purchases: pl.DataFrame, rules: Sequence[Rule]) -> None:
    if missing := NEEDED.keys() - set(purchases.columns):
        raise CannotTell(f"the table has no {', '.join(sorted(missing))}")
    for rule in rules:
        asked = set(rule.condition.fields) if rule.condition else set()
        if rule.lines is not None or asked & LEFT_OUT:
            raise CannotTell(f"{rule.key}: asks about lines or birthdays, which the table does not hold")
        if "hour" in asked and purchases.schema["local"] == pl.Date:
            raise CannotTell(f"{rule.key}: asks about hours, and the table holds days")
        if rule.audience is not None and "campaigns" not in purchases.columns:
            raise CannotTell(f"{rule.key}: is for some members only, and the table does not say for whom (campaigns)")
        if missing := (asked & MAY.keys()) - set(purchases.columns):
            raise CannotTell(f"{rule.key}: the table has no {', '.join(sorted(missing))}")
        if _has_limit(rule) and (rule.stacking != "sum" or any(other.stacking == "exclusive" for other in rules)):
            raise CannotTell(f"{rule.key}: a limit over time decides which rule counts; that has to be tried live")


def _has_limit(rule: Rule) -> bool:
    return bool(rule.budget) or _is_capped(rule)


def _is_capped(rule: Rule) -> bool:
    return rule.cap is not None and rule.cap.per != "purchase"


def _prepared(purchases: pl.DataFrame, as_of: date) -> pl.DataFrame:
    known = {name: kind for name, kind in {**NEEDED, **MAY}.items() if name in purchases.columns}
    rows = purchases.select(pl.col(name).cast(kind) for name, kind in known.items())
    rows = rows.with_columns(on=pl.col("local").dt.date()).filter(pl.col("on") <= as_of, pl.col("amount") > 0)
    text = [name for name in ("channel", "branch", "tier", "campaigns") if name in known]
    return rows.with_columns(pl.col(text).fill_null("")) if text else rows


def _told_apart(rules: Sequence[Rule]) -> list[str]:
    """The columns by which the rules can tell two purchases apart."""
    asked = {name for rule in rules if rule.condition for name in rule.condition.fields}
    names = ["amount", *sorted(asked & MAY.keys())]
    if any(rule.starts_on or rule.ends_on for rule in rules) or asked & {"day", "month", "weekday"}:
        names.append("on")
    if "hour" in asked:
        names.append("hour")
    if any(rule.audience is not None for rule in rules):
        names.append("campaigns")
    return names


def _judged(facts: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """By what can be told apart, the points of each rule."""
    parts = [facts.clear().with_columns(rule=pl.lit("", pl.String), points=pl.lit(0, pl.Int64))]
    for some in batched(facts.iter_rows(named=True), TOGETHER, strict=False):
        place: list[int] = []
        keys: list[str] = []
        points: list[int] = []
        for number, row in enumerate(some):
            for effect in evaluate(_facts(row), _member(row), rules).effects:
                place.append(number)
                keys.append(effect.rule.key)
                points.append(effect.points)
        here = pl.DataFrame(list(some), schema=facts.schema)
        given = {"rule": pl.Series(keys, dtype=pl.String), "points": pl.Series(points, dtype=pl.Int64)}
        parts.append(here[place].with_columns(**given))
    return pl.concat(parts)


def _facts(row: dict[str, Any]) -> Facts:
    local = datetime.combine(row.get("on", date(2000, 1, 1)), time(row.get("hour", 0)))
    return Facts(local, (Line(0, row["amount"]),), 0, row.get("channel", ""), row.get("branch", ""))


def _member(row: dict[str, Any]) -> Snapshot:
    places = tuple(row.get("campaigns", "").split())
    return Snapshot(row.get("tier", ""), row.get("tenure_days", 0), campaigns=places)


def _within_limits(found: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """Limits over time, in the order in which it was bought: of a running sum what its limit lets through."""
    limited = {rule.key: rule.cap for rule in rules if rule.cap and _is_capped(rule)}
    parts = [found.filter(~pl.col("rule").is_in(list(limited)))]
    for key, cap in limited.items():
        mine = found.filter(pl.col("rule") == key)
        days = mine.select("on").unique()
        starts = [expiry.period_starts(datetime.combine(day, time(12), UTC), cap.per, zone="UTC") for day in days["on"]]
        mine = mine.join(days.with_columns(begins=pl.Series(starts, dtype=pl.Date)), on="on", maintain_order="left")
        summed = pl.col("points").cum_sum().over("member", "begins")
        given = summed.clip(upper_bound=cap.points) - (summed - pl.col("points")).clip(upper_bound=cap.points)
        parts.append(mine.with_columns(points=given).drop("begins"))
    return _within_budgets(pl.concat(parts).sort("local", maintain_order=True), rules)


def _within_budgets(found: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """Budgets, in the order in which it was bought, whoever bought."""
    parts = [found.filter(~pl.col("rule").is_in([rule.key for rule in rules if rule.budget]))]
    for rule in rules:
        if rule.budget:
            mine, summed = found.filter(pl.col("rule") == rule.key), pl.col("points").cum_sum()
            before = (summed - pl.col("points")).clip(upper_bound=rule.budget)
            parts.append(mine.with_columns(points=summed.clip(upper_bound=rule.budget) - before))
    return pl.concat(parts)


def _lapses(found: pl.DataFrame, policy: expiry.Policy, zone: str) -> pl.DataFrame:
    """By day of purchase, when its points lapse."""
    days = found.select("on").unique()
    moments = [expiry.expires_at(datetime.combine(day, time(12), UTC), policy, zone=zone) for day in days["on"]]
    return days.with_columns(lapses=pl.Series(moments, dtype=pl.Datetime("us", "UTC")))
