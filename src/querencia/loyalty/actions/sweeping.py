# ruff: noqa: S608  (the statements are put together from names of our own)
"""Book what time has done: points that can be spent now, holds that lapsed, points that lapsed. What is usable is
decided when it is read; this only keeps the books, once for each lot, however late it comes."""

from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from querencia.common.database import is_postgresql, listed, within
from querencia.customers import kinds
from querencia.loyalty.actions.notices import put_off
from querencia.loyalty.ledger import Book, dating
from querencia.loyalty.ledger.telling import tell
from querencia.loyalty.models import Allocation, Entry, Hold, Lot, Member, Programme
from querencia.loyalty.models.ledger import ACCOUNTS

LOTS, FOUND = 50_000, 2_000_000
PEOPLE = 1_000
ENTRY, LOT, MEMBER, ALLOCATION = (model._meta.db_table for model in (Entry, Lot, Member, Allocation))
DUE = "loyalty_due"


@dataclass(frozen=True)
class Swept:
    """How many lots became usable, how many holds and how many lots lapsed."""

    activated: int = 0
    released: int = 0
    lapsed: int = 0


def expire(*, programme: Programme, at: datetime) -> Swept:
    """Book it all, in pieces that are each whole: whoever is killed is followed by whoever comes next."""
    activated = _in_pieces(programme, at, _ACTIVATE)
    released = _release(programme, at)
    put_off(programme=programme, at=at, by=at)
    lapsed = _in_pieces(programme, at, _EXPIRE)
    _repay(programme, at)
    return Swept(activated, released, lapsed)


@dataclass(frozen=True)
class _Step:
    """Which lots are due, and what is written of each."""

    kind: str
    due_sql: str
    key: str
    accounts: str  # columns of an entry, and what goes into them
    values: str
    takes: bool
    lot: str
    member: str


_ACTIVATE = _Step(
    kind="activate",
    due_sql="NOT l.is_active AND l.available_at <= %s",
    key="'activate:' || d.lot_id",
    accounts="pending, active",
    values="-d.remaining, d.remaining",
    takes=False,
    lot="is_active = (1 = 1)",
    member="pending = m.pending - s.pending, active = m.active + s.pending",
)
_EXPIRE = _Step(
    kind="expire",
    due_sql="l.remaining > 0 AND l.expires_at <= %s",
    key="'expire:' || d.lot_id || ':' || d.turns",
    accounts="pending, active, expired",
    values="CASE WHEN d.is_active THEN 0 ELSE -d.remaining END, CASE WHEN d.is_active THEN -d.remaining ELSE 0 END, "
    "d.remaining",
    takes=True,
    lot="remaining = 0",
    member="pending = m.pending - s.pending, active = m.active - s.active",
)


def _in_pieces(programme: Programme, at: datetime, step: _Step) -> int:
    """What is due is looked for once, and each piece of it anew under the members' locks."""
    total = 0
    while True:
        lots, members = _look_for(programme, at, step)
        for start in range(0, len(lots), LOTS):
            with transaction.atomic():
                _lock(set(members[start : start + LOTS]))
                total += _book(programme, at, step, lots[start : start + LOTS].tolist())
        if len(lots) < FOUND:
            return total


def _look_for(programme: Programme, at: datetime, step: _Step) -> "tuple[array[int], array[int]]":
    """Lots that are due and whose they are, by member: the rows of one lie close to each other."""
    lots, members = array("q"), array("q")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT l.id, l.member_id FROM {LOT} l JOIN {MEMBER} m ON m.id = l.member_id "
            f"WHERE m.programme_id = %s AND {step.due_sql} ORDER BY l.member_id, l.id LIMIT {FOUND}",
            [programme.pk, connection.ops.adapt_datetimefield_value(at)],
        )
        while rows := cursor.fetchmany(LOTS):
            lots.extend(pk for pk, _member in rows)
            members.extend(member for _pk, member in rows)
    return lots, members


def _book(programme: Programme, at: datetime, step: _Step, lot_ids: Sequence[int]) -> int:
    moment = connection.ops.adapt_datetimefield_value(at)
    recorded = connection.ops.adapt_datetimefield_value(dating.recorded_at(programme.pk, at))
    _list_due(step, lot_ids, moment)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ENTRY} (id, programme_id, member_id, kind, key, at, recorded_at, detail, {step.accounts}, "
            f"{', '.join(_others(step.accounts))}) "
            f"SELECT d.entry_id, %s, d.member_id, '{step.kind}', {step.key}, %s, %s, '{{}}', {step.values}, "
            f"{', '.join('0' for _ in _others(step.accounts))} FROM {DUE} d WHERE d.remaining > 0",
            [programme.pk, moment, recorded],
        )
        if step.takes:
            cursor.execute(
                f"INSERT INTO {ALLOCATION} (entry_id, lot_id, amount, held, redeemed) "
                f"SELECT d.entry_id, d.lot_id, -d.remaining, 0, 0 FROM {DUE} d"
            )
        cursor.execute(f"UPDATE {LOT} SET {step.lot} FROM {DUE} d WHERE {LOT}.id = d.lot_id")
        number = cursor.rowcount
        sums = (
            "SELECT member_id, sum(CASE WHEN is_active THEN 0 ELSE remaining END) pending, "
            f"sum(CASE WHEN is_active THEN remaining ELSE 0 END) active FROM {DUE} GROUP BY member_id"
        )
        cursor.execute(f"UPDATE {MEMBER} AS m SET {step.member} FROM ({sums}) s WHERE m.id = s.member_id")
        if step.takes:
            cursor.execute(f"SELECT member_id, sum(remaining), min(entry_id) FROM {DUE} GROUP BY member_id ORDER BY 1")
            lapsed = [(row[0], int(row[1]), row[2]) for row in cursor.fetchall()]
            first = min((entry for _member, _points, entry in lapsed), default=0)
            tell(programme, kinds.POINTS_EXPIRED, [(member, points) for member, points, _e in lapsed], first, at=at)
        cursor.execute(f"DROP TABLE {DUE}")
    return int(number)


def _others(accounts: str) -> list[str]:
    return [name for name in ACCOUNTS if name not in accounts.split(", ")]


def _lock(member_ids: Collection[int]) -> None:
    """In the order in which everybody takes them. SQLite has one writer anyway."""
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM {MEMBER} WHERE {within('id')} ORDER BY id FOR NO KEY UPDATE", [sorted(member_ids)]
            )


def _list_due(step: _Step, lot_ids: Sequence[int], moment: Any) -> None:
    """What is due of these lots, now that they are locked, each with the id of its entry to be."""
    on_postgresql = is_postgresql()
    entry = (
        f"nextval(pg_get_serial_sequence('{ENTRY}', 'id'))"
        if on_postgresql
        else f"(SELECT coalesce(max(id), 0) FROM {ENTRY}) + row_number() OVER (ORDER BY l.id)"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {DUE}")
        cursor.execute(
            f"CREATE TEMP TABLE {DUE} {'ON COMMIT DROP' if on_postgresql else ''} AS "
            "SELECT l.id AS lot_id, l.member_id, l.remaining, l.is_active, l.turns, "
            f"{entry} AS entry_id FROM {LOT} l WHERE {within('l.id')} AND {step.due_sql}",
            [listed(lot_ids), moment],
        )
        if on_postgresql:
            cursor.execute(f"ANALYZE {DUE}")


def _release(programme: Programme, at: datetime) -> int:
    """Holds whose time is over, a thousand members at a time."""
    total = 0
    while True:
        with transaction.atomic():
            lapsed = Hold.objects.filter(programme=programme, closed_at=None, expires_at__lte=at)
            some = list(lapsed.order_by("expires_at", "pk").values_list("member_id", flat=True)[:PEOPLE])
            if not some:
                return total
            book = Book(programme, at=at).open(member_ids=some)
            before = lapsed.filter(member__in=book.purses).count()
            book.bring_up_to_date(book.purses)
            book.close()
            total += before


def _repay(programme: Programme, at: datetime) -> None:
    """Members who owe and have something: a hold that lapsed gave them something back."""
    owing = Member.objects.filter(programme=programme, deficit__lt=0).filter(Q(active__gt=0) | Q(pending__gt=0))
    ids = list(owing.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), PEOPLE):
        with transaction.atomic():
            book = Book(programme, at=at).open(member_ids=ids[start : start + PEOPLE])
            book.bring_up_to_date(book.purses)
            book.close()
