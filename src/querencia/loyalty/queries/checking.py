# ruff: noqa: S608  (the statements are put together from names of our own)
"""Whether the books are right: every balance is reckoned anew from the entries, every lot from its allocations."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from querencia.loyalty.models import Allocation, Entry, Lot, Member, Programme, RuleVersion
from querencia.loyalty.models.ledger import ACCOUNTS, OF_MEMBER
from querencia.loyalty.queries import closing, months

MEMBER, LOT, ENTRY, ALLOCATION, RULE = (model._meta.db_table for model in (Member, Lot, Entry, Allocation, RuleVersion))

ZERO = [0] * len(months.ACCOUNTS)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two figures that ought to be one. ``of`` says of what (programme, member, lot), ``pk`` of which."""

    of: str
    pk: int
    what: str
    is_said: int
    is_reckoned: int


def check(programme: Programme) -> Iterator[Difference]:
    """Everything that does not agree; nothing, when all is well."""
    yield from _sums(programme)
    yield from _months(programme)
    yield from (
        Difference("closed month", pk, what, told, found) for what, pk, told, found in closing.untrue(programme)
    )
    sums = ", ".join(f"coalesce(sum(e.{name}), 0) AS {name}" for name in OF_MEMBER)
    yield from _compared(
        "member",
        OF_MEMBER,
        f"SELECT m.id, {', '.join(f'm.{name}' for name in OF_MEMBER)}, {', '.join(f'r.{name}' for name in OF_MEMBER)} "
        f"FROM {MEMBER} m JOIN (SELECT m.id, {sums} FROM {MEMBER} m LEFT JOIN {ENTRY} e ON e.member_id = m.id "
        "WHERE m.programme_id = %s GROUP BY m.id) r ON r.id = m.id",
        programme.pk,
    )
    yield from _compared(
        "lot",
        ("remaining", "held", "redeemed"),
        "SELECT l.id, l.remaining, l.held, l.redeemed, l.amount + l.changed, "
        "CASE WHEN l.held < 0 THEN 0 ELSE l.held END, CASE WHEN l.redeemed < 0 THEN 0 ELSE l.redeemed END FROM "
        "(SELECT l.id, l.remaining, l.amount, coalesce(sum(a.amount), 0) AS changed, coalesce(sum(a.held), 0) AS held, "
        f"coalesce(sum(a.redeemed), 0) AS redeemed FROM {LOT} l JOIN {MEMBER} m ON m.id = l.member_id "
        f"LEFT JOIN {ALLOCATION} a ON a.lot_id = l.id WHERE m.programme_id = %s GROUP BY l.id) l",
        programme.pk,
    )
    yield from _belongings(programme)
    yield from _compared(
        "lots of member",
        ("pending", "active", "held"),
        "SELECT m.id, m.pending, m.active, m.held, coalesce(r.pending, 0), coalesce(r.active, 0), coalesce(h.held, 0) "
        f"FROM {MEMBER} m LEFT JOIN (SELECT member_id, sum(CASE WHEN is_active THEN 0 ELSE remaining END) AS pending, "
        f"sum(CASE WHEN is_active THEN remaining ELSE 0 END) AS active FROM {LOT} WHERE remaining > 0 "
        "GROUP BY member_id) r ON r.member_id = m.id LEFT JOIN (SELECT l.member_id, sum(a.held) AS held "
        f"FROM {ALLOCATION} a JOIN {LOT} l ON l.id = a.lot_id WHERE a.held <> 0 GROUP BY l.member_id) h "
        "ON h.member_id = m.id WHERE m.programme_id = %s",
        programme.pk,
    )


def _belongings(programme: Programme) -> Iterator[Difference]:
    """What the database does not look for whenever a row is written (see ``models/ledger.py``)."""
    yield from _compared(
        "entry",
        ("programme",),
        f"SELECT e.id, e.programme_id, coalesce(m.programme_id, 0) FROM {ENTRY} e "
        f"LEFT JOIN {MEMBER} m ON m.id = e.member_id WHERE e.programme_id = %s",
        programme.pk,
    )
    yield from _compared(
        "lot",
        ("member", "rule"),
        "SELECT l.id, l.member_id, coalesce(l.rule_id, 0), coalesce(e.member_id, 0), coalesce(r.id, 0) "
        f"FROM {MEMBER} m JOIN {LOT} l ON l.member_id = m.id LEFT JOIN {ENTRY} e ON e.id = l.entry_id "
        f"LEFT JOIN {RULE} r ON r.id = l.rule_id WHERE m.programme_id = %s",
        programme.pk,
    )
    yield from _compared(
        "allocation",
        ("member",),
        f"SELECT a.id, coalesce(l.member_id, 0), e.member_id FROM {ENTRY} e JOIN {ALLOCATION} a ON a.entry_id = e.id "
        f"LEFT JOIN {LOT} l ON l.id = a.lot_id WHERE e.programme_id = %s",
        programme.pk,
    )


def _months(programme: Programme) -> Iterator[Difference]:
    """What months that are over were summed up to."""
    known = months.summed(programme)
    if not known:
        return
    bounds = [known[0].starts_at, *(each.ends_at for each in known)]
    [_before, *reckoned, _after] = months.sums(programme, bounds=bounds)
    for each, sums in zip(known, reckoned, strict=True):
        for kind in sorted({*each.sums, *sums}):
            figures = (some.get(kind, ZERO) for some in (each.sums, sums))
            for name, said, found in zip(months.ACCOUNTS, *figures, strict=True):
                if said != found:
                    yield Difference("month", each.pk, f"{each} {kind} {name}", said, found)


def _sums(programme: Programme) -> Iterator[Difference]:
    names = ", ".join(f"coalesce(sum({name}), 0)" for name in ACCOUNTS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {ENTRY} WHERE programme_id = %s", [programme.pk])
        accounts = dict(zip(ACCOUNTS, map(int, cursor.fetchone()), strict=True))
    if whole := sum(accounts.values()):
        yield Difference("programme", programme.pk, "all accounts", whole, 0)
    if accounts["transferred"]:
        yield Difference("programme", programme.pk, "transferred", accounts["transferred"], 0)


def _compared(of: str, names: tuple[str, ...], statement: str, programme_id: int) -> Iterator[Difference]:
    """Rows of an id, what is said, and what is reckoned: those that differ, found by the database."""
    width = len(names)
    aliases = [f"c{n}" for n in range(2 * width + 1)]
    differs = " OR ".join(f"{aliases[1 + n]} <> {aliases[1 + width + n]}" for n in range(width))
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH found ({', '.join(aliases)}) AS ({statement}) SELECT * FROM found WHERE {differs} ORDER BY c0",
            [programme_id],
        )
        while rows := cursor.fetchmany(1_000):
            for pk, *figures in rows:
                for place, name in enumerate(names):
                    if figures[place] != figures[width + place]:
                        yield Difference(of, pk, name, int(figures[place]), int(figures[width + place]))
