# ruff: noqa: S608  (the queries are put together from names and integers of our own)
"""Every person scored: insight's answers about the same facts, joined into one table.

What is at stake with a customer, in minor units a year::

    at_stake = value_year x (1 - chance of buying within the horizon)

for whoever is *late*, and for whoever *left* within the last quarter of the horizon; zero for everybody else: a
customer on time risks nothing yet, and one who left longer ago is lost, not at risk. ``value_year`` is what they
brought in the 365 days up to their last purchase. ``at_stake_low`` and ``at_stake_high`` use the ends of the interval.

Risk is the chance of *not* buying within the horizon: ``low`` below a third, ``high`` above two thirds, ``medium``
between, ``unknown`` where insight abstains from a forecast. Without a forecast nothing is at stake that could be told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from querencia.customers.models.scores import BOUNDED
from querencia.insight import defection, pareto, rfm, tables
from querencia.insight.engine import frame_of
from querencia.measures import outlook as outlooks
from querencia.measures.engine import Desk
from querencia.measures.outlook import Outlook
from querencia.measures.reasons import NothingYet
from querencia.measures.writing import BATCH_ROWS

PLACES = ("branch", "channel")


@dataclass(frozen=True)
class Facts:
    """What a run is about: the day, the log up to it, and how much of it counts. Days are day numbers."""

    as_of: int
    currency: str
    first_day: int | None = None
    customers: int = 0
    purchases: int = 0
    # Rows in other currencies: they cannot be added to the rest.
    left_out: int = 0

    @property
    def history_days(self) -> int:
        return 0 if self.first_day is None else self.as_of - self.first_day + 1


def load(desk: Desk, copied: duckdb.DuckDBPyRelation, *, currency: str, upto: int, is_fixed: bool = False) -> Facts:
    """Lay the facts up to a day on the desk: tables ``bought``, ``days`` and ``summary``, of persons: the copy names
    customers, and who of them is one with whom the table ``merged`` says.

    The day is ``upto``, or, unless ``is_fixed``, the last one with a purchase when that is earlier: a log that was
    handed over some weeks ago says nothing about the weeks since. Purchases in other currencies than ``currency`` (by
    default the commonest) are left out and counted. Raises NothingYet.
    """
    _persons(desk, copied)
    found = desk.execute(
        "SELECT currency, count(*), min(day), max(day) FROM copied WHERE day <= ? GROUP BY currency ORDER BY 2 DESC, 1",
        [upto],
    ).fetchall()
    if is_fixed and not found and _count(desk, "copied"):
        raise NothingYet
    currency = currency or (found[0][0] if found else "")
    counted = next((row for row in found if row[0] == currency), None)
    facts = Facts(upto, currency, left_out=sum(row[1] for row in found if row[0] != currency))
    if counted:
        as_of = upto if is_fixed else min(upto, counted[3])
        facts = replace(facts, as_of=as_of, first_day=counted[2], purchases=counted[1])
    _bought(desk, facts)
    bought = frame_of(desk.given("bought")).select(*_door(desk))
    desk.keep("days", tables.days(bought, as_of=facts.as_of))
    desk.keep("summary", rfm.summary(desk.given("days"), as_of=facts.as_of))
    return replace(facts, customers=_count(desk, "summary"))


def _persons(desk: Desk, copied: duckdb.DuckDBPyRelation) -> None:
    """The copy, under whoever stands for each person. Where nobody was merged nothing is joined."""
    if not _count(desk, "merged"):
        copied.create_view("copied")
        return
    copied.create_view("recorded")
    desk.execute(
        "CREATE VIEW copied AS SELECT recorded.* REPLACE (coalesce(person_id, recorded.customer_id) AS customer_id) "
        "FROM recorded LEFT JOIN merged ON merged.customer_id = recorded.customer_id"
    )


def _bought(desk: Desk, facts: Facts) -> None:
    """The purchases that count. A refund that names its purchase is joined to it by number, not by text."""
    # The code comes from the database, where only three capital letters pass.
    inside = f"day <= {facts.as_of} AND currency = '{facts.currency}'" if facts.currency.isalpha() else "false"
    named = "SELECT id, customer_id, source, refund_of FROM copied WHERE refund_of <> ''"
    desk.execute(
        "CREATE TABLE refunds AS SELECT r.id, min(p.id) AS refunded "
        f"FROM ({named}) r JOIN copied p ON p.key = r.refund_of AND p.source = r.source AND p.id <> r.id GROUP BY r.id"
    )
    columns = "customer_id, CAST(day AS BIGINT) AS day, amount, cost, branch, channel"
    if _count(desk, "refunds"):
        columns += ", id AS key, refunded AS refund_of"
        desk.execute(f"CREATE VIEW bought AS SELECT {columns} FROM copied LEFT JOIN refunds USING (id) WHERE {inside}")
    else:
        desk.execute(f"CREATE VIEW bought AS SELECT {columns} FROM copied WHERE {inside}")


def _door(desk: Desk) -> list[str]:
    """What insight needs of a purchase; keys only where a refund names one, since they cost joins."""
    present = desk.table("bought").columns
    return [name for name in ("customer_id", "day", "amount", "key", "refund_of") if name in present]


def _count(desk: Desk, table: str) -> int:
    return int(desk.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def score(desk: Desk, facts: Facts) -> None:
    """Recency, frequency, money, class, stage and usual place: tables ``rfm``, ``classes``, ``stages``, ``places``."""
    summary, days = desk.given("summary"), desk.given("days")
    desk.keep("rfm", rfm.score(summary))
    desk.keep("classes", pareto.classify(summary))
    desk.keep("stages", defection.status(days, as_of=facts.as_of))
    for name in PLACES:
        # Where they bought most often; of equals, the one of the latest purchase.
        desk.execute(
            f"CREATE TABLE usual_{name} AS SELECT customer_id, arg_max({name}, (times, latest, {name})) AS {name} "
            f"FROM (SELECT customer_id, {name}, count(*) AS times, max(day) AS latest FROM bought "
            f"WHERE amount >= 0 AND {name} <> '' GROUP BY ALL) GROUP BY customer_id"
        )


def forecast(desk: Desk, facts: Facts) -> Outlook:
    """What insight expects of each customer within the horizon: table ``expected``, empty where it abstains."""
    return outlooks.predict(desk, as_of=facts.as_of, history_days=facts.history_days)


def join(desk: Desk, facts: Facts, outlook: Outlook) -> None:
    """One row per person in the table ``scores``, with the columns of Score, and its ``cells`` counted."""
    desk.execute(f"CREATE TABLE joined AS {_staked(facts, outlook)}")
    cell = "abc, segment, stage, risk, branch, channel"
    bounds = ", ".join(f"{end}(scored.{name}) AS {name}_{end}" for name in BOUNDED for end in ("min", "max"))
    desk.execute(
        f"CREATE TABLE cells AS SELECT row_number() OVER (ORDER BY {cell}) AS id, {cell}, count(*) AS customers, "
        "CAST(sum(scored.amount_year) AS BIGINT) AS amount_year, CAST(sum(scored.at_stake) AS BIGINT) AS at_stake, "
        f"{bounds} FROM joined AS scored GROUP BY {cell}"
    )
    desk.execute(f"CREATE TABLE scores AS SELECT joined.*, cells.id AS cell_id FROM joined JOIN cells USING ({cell})")
    desk.execute("DROP TABLE joined")


def _staked(facts: Facts, outlook: Outlook) -> str:
    chances = {"at_stake": "chance_of_purchase", "at_stake_low": "chance_high", "at_stake_high": "chance_low"}
    stakes = ", ".join(
        f"CAST(CASE WHEN is_at_stake THEN round(greatest(value_year, 0) * (1 - {chance})) ELSE 0 END AS BIGINT) {name}"
        for name, chance in chances.items()
    )
    lately = f"{facts.as_of} - {outlook.horizon_days} / 4"
    return (
        f"SELECT * EXCLUDE (left_day, is_at_stake), {stakes} FROM (SELECT *, chance_of_purchase IS NOT NULL AND "
        f"(stage = 'late' OR (stage = 'left' AND left_day > {lately})) AS is_at_stake, "
        "CASE WHEN chance_of_purchase IS NULL THEN 'unknown' WHEN chance_of_purchase > 2 / 3 THEN 'low' "
        f"WHEN chance_of_purchase < 1 / 3 THEN 'high' ELSE 'medium' END AS risk FROM ({_joined(facts, outlook)}))"
    )


def _joined(facts: Facts, outlook: Outlook) -> str:
    spend = ", ".join(
        f"CAST(round({name}) AS BIGINT) AS {name}"
        for name in ("expected_spend", "expected_spend_low", "expected_spend_high")
    )
    return (
        f"SELECT customer_id, {_date(str(facts.as_of))} AS as_of, {_date('first_day')} AS first_on, "
        f"{_date('last_day')} AS last_on, purchases, amount, amount_year, value_year, "
        "recency_score, frequency_score, monetary_score, rhythm_days, rhythm_low, rhythm_high, silent_days, "
        f"CAST(limit_days AS DOUBLE) AS limit_days, left_day, {_date('left_day')} AS left_on, "
        f"{outlook.horizon_days} AS horizon_days, expected_purchases, expected_purchases_low, expected_purchases_high, "
        f"chance_of_purchase, chance_low, chance_high, {spend}, coalesce(model, '') AS model, "
        "CAST(NULL AS VARCHAR) AS regrouped_at, "
        "coalesce(abc, '') AS abc, coalesce(segment, '') AS segment, coalesce(status, '') AS stage, "
        "coalesce(branch, '') AS branch, coalesce(channel, '') AS channel FROM summary "
        "LEFT JOIN rfm USING (customer_id) LEFT JOIN classes USING (customer_id) LEFT JOIN stages USING (customer_id) "
        "LEFT JOIN expected USING (customer_id) LEFT JOIN usual_branch USING (customer_id) "
        "LEFT JOIN usual_channel USING (customer_id)"
    )


def _date(day: str) -> str:
    # Text, because both databases read it and neither driver has to turn a million dates around.
    return f"strftime(DATE '1970-01-01' + CAST({day} AS INTEGER), '%Y-%m-%d')"


def batches(desk: Desk, table: str) -> Iterator[pa.RecordBatch]:
    """The rows of a table, in order of its key, as Arrow batches."""
    key = "customer_id" if table == "scores" else "id"
    yield from desk.sql(f"FROM {table} ORDER BY {key}").to_arrow_reader(BATCH_ROWS)
