"""Members out of another system's file: who they are, their cards, and the points that they bring along.

A file is written a thousand rows at a time, each thousand whole or not at all. Said again, what was written changes
nothing: so a file that was cut off is simply brought in again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as N_

from querencia.business.queries import business
from querencia.customers.actions import identify
from querencia.customers.identity import Known
from querencia.customers.imports import Unreadable, dates, formats, readers, values
from querencia.customers.imports.formats import FileFormat
from querencia.customers.imports.mapping import folded
from querencia.loyalty import expiry
from querencia.loyalty.actions.joining import Joined, join
from querencia.loyalty.actions.members import NewMember
from querencia.loyalty.actions.opening import Opening, open_balances
from querencia.loyalty.models import Programme

SOURCE = "members"
ROWS = 1_000
CARD_MAX, KEY_MAX = 40, 120
IDENTIFIERS = ("customer_key", "email", "phone", "external")
# What columns are called, in three languages, as `folded` writes them.
CALLED = {
    "customer_key": "customer key, customer id, customer, client id, client, id cliente, cliente, codigo cliente",
    "email": "email, e mail, mail, correo, correo electronico",
    "phone": "phone, mobile, telefono, movil, celular, telefone, telemovel",
    "external": "external, external id, id externo",
    "card_number": "card number, card, numero de tarjeta, tarjeta, numero do cartao, cartao",
    "points": "points, balance, puntos, saldo, pontos",
    "expires": "expires, expires at, expires on, expiry, expiry date, caduca, caducidad, vence, vencimiento, "
    "vencimento, validade, expira",
    "joined": "joined, joined at, joined on, member since, since, fecha de alta, alta, desde, adesao, data de adesao",
    "key": "key, lot, lot id, lote, id",
}
REASONS = {
    "broken": N_("The row is no row of this table."),
    "nobody": N_("Nothing in the row names a customer."),
    "erased": N_("The customer cannot be told, or was erased."),
    "bad_points": N_("The points are no whole number from 0 on."),
    "bad_expires": N_("The day on which the points lapse cannot be read."),
    "lapsed": N_("The points have lapsed: the member joins without them."),
    "bad_joined": N_("The day of joining cannot be read, or lies ahead."),
    "bad_card": N_("The card number is longer than 40 characters."),
    "bad_key": N_("The key is longer than 120 characters."),
    "differs": N_("The customer is a member with another card."),
    "card_taken": N_("The card is another member's."),
    "doubled": N_("The file names these points twice: give each row a key."),
    "other_points": N_("Other points were brought in under this key before."),
}
type Progress = Callable[[float], None]


@dataclass(frozen=True)
class Rejected:
    """A row that was left out: its number in the file, why (see ``REASONS``), and what stood in it."""

    row: int
    code: str
    cells: dict[str, str]

    @property
    def reason(self) -> str:
        return _(REASONS[self.code])


@dataclass
class Brought:
    """What became of a file. ``columns``: which column told what."""

    columns: dict[str, str]
    read: int = 0
    joined: int = 0
    known: int = 0
    points: int = 0
    balances: int = 0
    balances_known: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    identifiers: tuple[tuple[str, str], ...]
    card: str
    points: int
    expires_at: datetime | None
    joined_at: datetime | None
    key: str
    cells: dict[str, str]


def bring_in(
    path: Path,
    *,
    programme: Programme,
    at: datetime,
    source: str = "members",
    mapping: dict[str, str] | None = None,
    file_format: dict[str, Any] | None = None,
    is_dry: bool = False,
    reject: Callable[[Rejected], None] = lambda rejected: None,
    progress: Progress = lambda share: None,
) -> Brought:
    """Bring a file in; what became of it. ``reject`` is told each row that is left out.

    ``source``: where it comes from: points are named by it, their member, and the row's key or the day they lapse.
    ``is_dry``: everything is done and nothing kept. Raises Unreadable.
    """
    form = formats.container_of(path, file_format or {})
    reading = _Reading(programme, form, at, mapping or {}, order=(file_format or {}).get("date_order", ""))
    with transaction.atomic() if is_dry else nullcontext():
        for rows, share in reading.batches(path, reject):
            for some in batched(rows, ROWS, strict=False):
                with transaction.atomic():
                    left_out = _write(programme, some, reading.brought, source, at)
                for row, code in left_out:
                    reading.leave_out(reject, Rejected(row.number, code, row.cells))
            progress(share)
        if is_dry:
            transaction.set_rollback(True)
    return reading.brought


# -- reading -----------------------------------------------------------------------------------------------------------


class _Reading:
    """A file on its way from cells to rows that can be written."""

    def __init__(self, programme: Programme, form: FileFormat, at: datetime, mapping: dict[str, str], *, order: str):
        self.programme, self.form, self.at = programme, form, at
        self.mapping, self.order = mapping, order
        self.brought = Brought({})
        self._seen: set[tuple[Any, ...]] = set()

    def batches(self, path: Path, reject: Callable[[Rejected], None]) -> Iterator[tuple[list[_Row], float]]:
        for batch in readers.read(path, self.form):
            if not self.brought.columns:
                self._settle(batch)
            for broken in batch.broken:
                self.brought.read += 1
                cells = dict.fromkeys(self.brought.columns.values(), "")
                cells[next(iter(cells))] = broken.text
                self.leave_out(reject, Rejected(broken.row, "broken", cells))
            rows = []
            for row in self._rows(batch):
                self.brought.read += 1
                if isinstance(row, Rejected):
                    self.leave_out(reject, row)
                else:
                    rows.append(row)
            yield rows, batch.share

    def leave_out(self, reject: Callable[[Rejected], None], row: Rejected) -> None:
        self.brought.rejected[row.code] += 1
        reject(row)

    def _settle(self, batch: readers.Batch) -> None:
        """Which column tells what, and in which order days are written."""
        columns = batch.frame.columns
        said = {folded(name): name for name in columns}
        found: dict[str, str] = {}
        for name, called in CALLED.items():
            column = next((said[word] for word in called.split(", ") if word in said), None)
            if column is not None and column not in found.values():
                found[name] = column
        for name, column in self.mapping.items():
            if name not in CALLED:
                raise Unreadable("unknown_field", name=name, fields=", ".join(CALLED))
            if column and column not in columns:
                raise Unreadable("unknown_column", name=column, columns=", ".join(columns))
            found[name] = column
        self.brought.columns = {name: column for name, column in found.items() if column}
        if not any(name in self.brought.columns for name in IDENTIFIERS):
            raise Unreadable("no_customers", missing=", ".join(IDENTIFIERS), columns=", ".join(columns))
        if not self.order:
            self.order = self._order_of(batch)

    def _order_of(self, batch: readers.Batch) -> str:
        told = [name for name in ("expires", "joined") if name in self.brought.columns]
        written = [
            value for name in told for value in values.text(batch.frame[self.brought.columns[name]]).drop_nulls()
        ]
        order, is_shown = dates.order_of(written)
        known = business()
        if is_shown or known is None:
            return order
        return dates.assumed_order(known.language, known.country, known.currency)

    def _rows(self, batch: readers.Batch) -> Iterator[_Row | Rejected]:
        columns = self.brought.columns
        empty: list[str | None] = [None] * len(batch.frame)
        told = {
            name: values.text(batch.frame[columns[name]]).to_list() if name in columns else empty for name in CALLED
        }
        if "customer_key" in columns:
            told["customer_key"] = values.customer_key(batch.frame[columns["customer_key"]]).to_list()
        days = {name: self._days(batch, name) for name in ("expires", "joined")}
        filled = [any(row) for row in zip(*map(values.text, batch.frame.get_columns()), strict=True)]
        for place, number in enumerate(batch.rows.to_list()):
            if not filled[place]:
                continue
            cells = {columns[name]: told[name][place] or "" for name in columns}
            one = {name: (cell[place] or "").strip() for name, cell in told.items()}
            yield self._row(number, one, {name: each[place] for name, each in days.items()}, cells)

    def _days(self, batch: readers.Batch, name: str) -> list[int | None]:
        if name not in self.brought.columns:
            return [None] * len(batch.frame)
        read = dates.read(batch.frame[self.brought.columns[name]], order=self.order, zone=self.programme.time_zone)
        return list(read["day"].to_list())

    def _row(
        self, number: int, one: dict[str, str], days: dict[str, int | None], cells: dict[str, str]
    ) -> _Row | Rejected:
        zone = self.programme.time_zone
        day_of = {name: date(1970, 1, 1) + timedelta(days=day) for name, day in days.items() if day is not None}
        expires = expiry.day_ends(day_of["expires"], zone=zone) if "expires" in day_of else None
        # They had joined by the beginning of that day.
        joined = expiry.day_ends(day_of["joined"] - timedelta(days=1), zone=zone) if "joined" in day_of else None
        identifiers = tuple((kind, one[kind]) for kind in IDENTIFIERS if one[kind])
        points = _points(one["points"])
        code = ""
        if not identifiers:
            code = "nobody"
        elif points is None:
            code = "bad_points"
        elif one["expires"] and expires is None:
            code = "bad_expires"
        elif one["joined"] and (joined is None or joined > self.at):
            code = "bad_joined"
        elif len(one["card_number"]) > CARD_MAX:
            code = "bad_card"
        elif len(one["key"]) > KEY_MAX:
            code = "bad_key"
        elif points and self._is_doubled(identifiers, one["key"] or expires):
            code = "doubled"
        if code:
            return Rejected(number, code, cells)
        key = one["key"] or (f"{day_of['expires']}" if expires else "balance")
        return _Row(number, identifiers, one["card_number"], points or 0, expires, joined, key, cells)

    def _is_doubled(self, identifiers: Sequence[tuple[str, str]], key: Any) -> bool:
        place = (identifiers[0], key)
        if place in self._seen:
            return True
        self._seen.add(place)
        return False


def _points(written: str) -> int | None:
    """A whole number from 0 on; without one, none are brought along."""
    bare, _sign, rest = written.replace(",", ".").partition(".")
    if not written:
        return 0
    if not bare.isascii() or not bare.isdecimal() or len(bare) > 15 or rest.strip("0"):
        return None
    return int(bare)


# -- writing -----------------------------------------------------------------------------------------------------------


def _write(
    programme: Programme, rows: Sequence[_Row], brought: Brought, source: str, at: datetime
) -> list[tuple[_Row, str]]:
    """A thousand rows at most, in one transaction; those that were left out, each with why."""
    known = [Known(row.identifiers) for row in rows]
    owners = identify(known, at=at, source=SOURCE)
    named = [(row, owner) for row, owner in zip(rows, owners, strict=True) if owner]
    left_out = [(row, "erased") for row, owner in zip(rows, owners, strict=True) if not owner]
    new = [NewMember(owner, row.card, row.joined_at, is_live=False) for row, owner in named]
    members: list[tuple[_Row, Joined]] = []
    for (row, _owner), each in zip(named, join(programme=programme, members=new, at=at), strict=True):
        if each.result in ("created", "updated", "unchanged"):
            members.append((row, each))
            brought.joined += each.result != "unchanged"
            brought.known += each.result == "unchanged"
        else:
            left_out.append((row, each.result))
    paid = [(row, each) for row, each in members if row.points]
    openings = [Opening(each.member_id, f"{source}:{row.key}", row.points, row.expires_at) for row, each in paid]
    done = open_balances(programme=programme, openings=openings, at=at)
    for (row, _member), one in zip(paid, done, strict=True):
        if one.is_done:
            brought.balances += one.result == "created"
            brought.balances_known += one.result == "unchanged"
            brought.points += one.points if one.result == "created" else 0
        else:
            left_out.append((row, "other_points" if one.result == "differs" else one.result))
    return left_out
