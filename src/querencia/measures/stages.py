# ruff: noqa: S608  (the statements are put together from names of our own)
"""Whoever became late, left or came back since the scores before: told once for each silence, all at once."""

from datetime import datetime

from django.db import connection

from querencia.customers import events, kinds
from querencia.customers.models import Customer, Score, ScoreCell
from querencia.customers.models.scores import Stage

SOURCE = "measures"
TOLD = {
    Stage.LATE: kinds.CUSTOMER_LATE,
    Stage.LEFT: kinds.CUSTOMER_LEFT,
    Stage.RETURNED: kinds.CUSTOMER_RETURNED,
}
SCORES, CELLS, CUSTOMERS = Score._meta.db_table, ScoreCell._meta.db_table, Customer._meta.db_table


def remember() -> None:
    """Before scores are replaced, in the same transaction: at which stage everybody stands. Whoever was merged or
    parted since stood nowhere: what changes with them is who they are, and not what they do."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS stages_before")
        cursor.execute(
            "CREATE TEMP TABLE stages_before AS SELECT s.customer_id, s.as_of, c.stage "
            f"FROM {SCORES} s JOIN {CELLS} c ON c.id = s.cell_id WHERE s.regrouped_at IS NULL"
        )


def tell(*, run_id: int, is_day_named: bool, at: datetime) -> int:
    """After: record who changed to a stage that is told; how many. Whoever had no score has no change either, and a day
    of the past that a person named is no news."""
    new = 0 if is_day_named else events.record_selected(*_changes(run_id, at))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE stages_before")
    return new


def _changes(run_id: int, at: datetime) -> tuple[str, list[object]]:
    kind = " ".join(f"WHEN '{stage}' THEN '{name}'" for stage, name in TOLD.items())
    properties = f"""'{{"run": {run_id}, "before": "' || b.stage || '", "as_of": "' || s.as_of || '"}}'"""
    if connection.vendor == "postgresql":
        properties = f"({properties})::jsonb"
    moment = connection.ops.adapt_datetimefield_value(at)
    # One silence ends in one leaving: its key is the last purchase, whichever runs find it.
    select = (
        f"SELECT CASE c.stage {kind} END, s.customer_id, %s, %s, '{SOURCE}', '', "
        f"s.customer_id || ':' || c.stage || ':' || s.last_on, {properties} "
        f"FROM {SCORES} s JOIN {CELLS} c ON c.id = s.cell_id JOIN stages_before b ON b.customer_id = s.customer_id "
        # Of whoever was erased there is nobody left to tell of.
        f"JOIN {CUSTOMERS} k ON k.id = s.customer_id AND k.erased_at IS NULL "
        f"WHERE c.stage IN ({', '.join(f"'{stage}'" for stage in TOLD)}) AND c.stage <> b.stage "
        "AND s.as_of >= b.as_of ORDER BY s.customer_id"
    )
    return select, [moment, moment]
