"""Who is one with whom, beside the columnar copy: the facts in it stay with whom they named, and a run reckons with the
persons that merges make of them."""

from datetime import datetime

import pyarrow as pa

from querencia.customers.actions import merging, scores
from querencia.measures import source
from querencia.measures.engine import Desk

SCHEMA = pa.schema([("customer_id", pa.int64()), ("person_id", pa.int64())])
SELECT = (
    "SELECT CAST(id AS BIGINT) AS customer_id, CAST(person_id AS BIGINT) AS person_id FROM customers_customer "
    "WHERE person_id IS NOT NULL AND person_id <> id"
)
# All of the persons that changed: each customer with whoever stood for them then and whoever does now.
CHANGED = """
WITH changed AS (
  SELECT customer_id, was.person_id AS before, now.person_id AS after
  FROM merged was FULL JOIN merged_now now USING (customer_id) WHERE was.person_id IS DISTINCT FROM now.person_id
), heads AS (
  SELECT DISTINCT unnest([customer_id, coalesce(before, customer_id), coalesce(after, customer_id)]) AS id FROM changed
), nodes AS (
  SELECT id FROM heads UNION SELECT customer_id FROM merged WHERE person_id IN (FROM heads)
  UNION SELECT customer_id FROM merged_now WHERE person_id IN (FROM heads)
)
SELECT id, coalesce(was.person_id, id), coalesce(now.person_id, id) FROM nodes
LEFT JOIN merged was ON was.customer_id = id LEFT JOIN merged_now now ON now.customer_id = id
"""


def lay(desk: Desk, name: str = "merged") -> None:
    """Lay on the desk who is merged: ``customer_id`` and the ``person_id`` of whoever stands for them."""
    with source.connect() as rows:
        found = rows.table(SELECT, SCHEMA)
    desk.connection.register(f"{name}_read", found)
    desk.execute(f"CREATE TABLE {name} AS FROM {name}_read")
    desk.connection.unregister(f"{name}_read")


def catch_up(desk: Desk, *, at: datetime) -> None:
    """Let the scores that this transaction wrote follow what was merged and parted since the run began."""
    merging.take_turns()
    lay(desk, "merged_now")
    found = desk.execute(CHANGED).fetchall()
    if found:
        scores.follow({pk: was for pk, was, _now in found}, {pk: now for pk, _was, now in found}, at=at)
