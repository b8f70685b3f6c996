"""Points on real logs, lived through day by day in an installation that exists for this alone:

    QUERENCIA_SHARED_DATA=… python -m benchmarks.lived airline|retail [--postgres]

*airline*: the members and monthly flights of an airline (`airline_members.csv`, `airline_activity.csv`). Its rules were
read off the file: a point for each ten kilometres, and in February, March and April 2018 eight, twenty-five or fifty
per cent more by card. *retail*: the invoices and cancelled invoices of a gift shop (`uci_online_retail.parquet`): they
earn and are given back, points lapse every night, prizes are taken, every month is closed and has to tie.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any

import polars as pl

TOGETHER = 1_000
CAMPAIGN = {"Star": 8, "Nova": 25, "Aurora": 50}
TIERS = {
    "metric": "points",
    "months": 12,
    "tiers": [{"key": "silver", "reach": 1_500}, {"key": "gold", "reach": 3_000}],
}
PRIZE = 500
SHIPPING = ("POST", "DOT", "C2")


@dataclass
class Lived:
    """What became of a log: points by what moved them, months that were closed, and whatever else is worth saying."""

    points: Counter[str] = field(default_factory=Counter)
    closed: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


# -- the airline -------------------------------------------------------------------------------------------------------


def airline(folder: Path, *, members: int | None = None) -> Lived:
    """All members, or as many of them; every month: flights earn, points are redeemed, and its books are closed."""
    from querencia.loyalty import actions

    people = pl.read_csv(folder / "airline_members.csv").sort("Loyalty Number").head(members or 10**9)
    # A row that stands in the file twice is one flight; another row of the same month is another.
    rows = pl.read_csv(folder / "airline_activity.csv").unique(maintain_order=True)
    rows = rows.join(people.select("Loyalty Number", "Loyalty Card"), on="Loyalty Number")
    programme = _programme("JPY", _airline_rules(), datetime(2012, 1, 1, tzinfo=UTC))  # a unit without decimals
    actions.publish_tiers(programme=programme, document=TIERS, at=programme.starts_at)
    enrolled = _enrolled(programme, people)
    leaving = defaultdict(list)
    for row in people.filter(pl.col("Cancellation Year").is_not_null()).iter_rows(named=True):
        gone = date(int(row["Cancellation Year"]), int(row["Cancellation Month"]), 1)
        leaving[max(gone, date(2017, 1, 1))].append(enrolled[row["Loyalty Number"]])
    lived, book = Lived(), Counter[str]()
    for (year, month), some in sorted(rows.group_by("Year", "Month")):
        _airline_month(programme, date(year, month, 1), some, enrolled, lived, book)
        actions.leave(members=leaving.pop(date(year, month, 1), []), at=_end(date(year, month, 1)))
    lived.notes |= book
    lived.notes["file"] = round(float(rows["Points Accumulated"].sum()), 2)
    return _finished(programme, lived)


def _airline_rules() -> dict[str, Any]:
    """Purchases are flights: the amount is the distance, the channel the card."""
    rules: dict[str, Any] = {"distance": {"then": {"points": 1, "per": 10}}}
    for card, per_cent in CAMPAIGN.items():
        rules[card.lower()] = {
            "then": {"points": per_cent, "per": 1_000},
            "if": f"channel == '{card}'",
            "from": "2018-02-01",
            "until": "2018-05-01",
        }
    return rules


def _enrolled(programme: Any, people: pl.DataFrame) -> dict[int, Any]:
    from querencia.customers.models import Customer
    from querencia.loyalty import actions

    keys = [str(number) for number in people["Loyalty Number"]]
    Customer.objects.bulk_create([Customer(key=key, created_at=programme.starts_at) for key in keys], batch_size=500)
    pks = dict(Customer.objects.values_list("key", "pk"))
    new = [
        actions.NewMember(
            pks[str(row["Loyalty Number"])],
            str(row["Loyalty Number"]),
            datetime(row["Enrollment Year"], row["Enrollment Month"], 1, tzinfo=UTC),
            is_live=False,
        )
        for row in people.iter_rows(named=True)
    ]
    made = [
        each
        for some in batched(new, TOGETHER, strict=False)
        for each in actions.enrol(programme=programme, members=some, at=programme.starts_at)
    ]
    return {int(each.card_number): each for each in made}


def _airline_month(
    programme: Any, first: date, rows: pl.DataFrame, enrolled: dict[int, Any], lived: Lived, book: Counter[str]
) -> None:
    """``book``: the file's own points, in hundredths, by what became of them here."""
    from querencia.loyalty import actions

    at = _end(first)
    flown = rows.filter(pl.col("Distance") > 0).sort("Loyalty Number", "Distance")
    purchases = [
        _purchase(
            f"{row['Loyalty Number']}:{first}:{number}",
            enrolled[row["Loyalty Number"]].customer_id,
            datetime(first.year, first.month, 15, 12, tzinfo=UTC),
            row["Distance"],
            channel=row["Loyalty Card"],
            currency="JPY",
        )
        for number, row in enumerate(flown.iter_rows(named=True))
    ]
    theirs = {each.key: row for each, row in zip(purchases, flown["Points Accumulated"], strict=True)}
    for each, points in _earned(programme, purchases, at):
        said = round(theirs[each.key] * 100)
        if points is None:
            book["before_enrolment_hundredths"] += said
        else:
            book["hundredths"] += said
            book["largest_difference_hundredths"] = max(book["largest_difference_hundredths"], abs(said - 100 * points))
    wanted = rows.filter(pl.col("Points Redeemed") > 0).group_by("Loyalty Number").agg(pl.col("Points Redeemed").sum())
    wishes = [
        (enrolled[number].pk, f"{number}:{first}", points)
        for number, points in wanted.sort("Loyalty Number").iter_rows()
    ]
    book["refused"] += len(wishes) - _redeemed(programme, wishes, at)
    actions.judge_tiers(programme=programme, at=at)
    _close(programme, first, lived)


# -- the gift shop -----------------------------------------------------------------------------------------------------


def retail(folder: Path, *, customers: int | None = None, days: int | None = None) -> Lived:
    """Every customer is a member from the first day on. Each night what the day brought earns or is taken back, what
    lapsed is booked, and members with enough take a prize; each month is closed."""
    from querencia.customers.models import Customer
    from querencia.loyalty import actions

    log = pl.read_parquet(folder / "uci_online_retail.parquet")
    log = log.filter(pl.col("CustomerID").is_not_null() & (pl.col("UnitPrice") > 0) & (pl.col("Quantity") != 0))
    if customers:
        log = log.filter(pl.col("CustomerID").is_in(log["CustomerID"].unique().sort().head(customers).implode()))
    began = datetime(2010, 12, 1, tzinfo=UTC)
    rules = {"base": {"then": {"points": 1, "per": 100}}}
    programme = _programme(
        "GBP", rules, began, expiry_count=3, expiry_rounding="month", deficit="owe", deficit_max=10**6
    )
    names = [str(number) for number in log["CustomerID"].unique().sort()]
    Customer.objects.bulk_create([Customer(key=name, created_at=began) for name in names], batch_size=500)
    pks = dict(Customer.objects.values_list("key", "pk"))
    for some in batched(pks.values(), TOGETHER, strict=False):
        new = [actions.NewMember(pk, is_live=False) for pk in some]
        actions.enrol(programme=programme, members=new, at=began)
    lived, shop = Lived(), _Shop(pks)
    last = date(2010, 12, 1) + timedelta(days=days - 1) if days else date(2011, 12, 31)
    by_day = {
        day: some for (day,), some in log.sort("InvoiceDate", "InvoiceNo").group_by(pl.col("InvoiceDate").dt.date())
    }
    day = date(2010, 12, 1)
    while day <= last:
        night = datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)
        if day in by_day:
            bought, back = shop.day(by_day[day])
            list(_earned(programme, bought, night))
            _taken_back(programme, back, night)
        actions.expire(programme=programme, at=night)
        _prizes(programme, day, night)
        if (day + timedelta(days=1)).day == 1:
            _close(programme, day.replace(day=1), lived)
        day += timedelta(days=1)
    lived.notes |= shop.counted
    return _finished(programme, lived)


class _Shop:
    """Invoices as they come, and what is left of each, so that a cancelled article finds what it gives back."""

    def __init__(self, pks: dict[str, int]) -> None:
        self.pks = pks
        self.left: dict[tuple[int, str], list[list[Any]]] = defaultdict(list)
        self.counted: Counter[str] = Counter()

    def day(self, rows: pl.DataFrame) -> tuple[list[Any], list[Any]]:
        """Purchases and refunds. An article that is cancelled gives back the latest that was bought, at its price."""
        bought: dict[str, list[dict[str, Any]]] = defaultdict(list)
        back: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows.iter_rows(named=True):
            (back if row["InvoiceNo"].startswith("C") else bought)[row["InvoiceNo"]].append(row)
        purchases = [self._bought(invoice, lines) for invoice, lines in bought.items()]
        refunds = [each for invoice, lines in back.items() for each in self._back(invoice, lines)]
        self.counted["purchases"] += len(purchases)
        self.counted["refunds"] += len(refunds)
        return purchases, refunds

    def _bought(self, invoice: str, rows: Sequence[dict[str, Any]]) -> Any:
        lines = [(row["StockCode"], round(row["UnitPrice"] * 100) * int(row["Quantity"])) for row in rows]
        customer, at = rows[0]["CustomerID"], rows[0]["InvoiceDate"].replace(tzinfo=UTC)
        for row in rows:
            kept = [invoice, int(row["Quantity"]), round(row["UnitPrice"] * 100)]
            self.left[customer, row["StockCode"]].append(kept)
        return _purchase(invoice, self.pks[str(customer)], at, sum(amount for _sku, amount in lines), lines=lines)

    def _back(self, invoice: str, rows: Sequence[dict[str, Any]]) -> Iterator[Any]:
        customer, at = rows[0]["CustomerID"], rows[0]["InvoiceDate"].replace(tzinfo=UTC)
        of: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for row in rows:
            count = -int(row["Quantity"])
            for kept in reversed(self.left[customer, row["StockCode"]]):
                part = min(count, kept[1])
                if part:
                    kept[1] -= part
                    count -= part
                    of[kept[0]].append((row["StockCode"], -part * kept[2]))
            self.counted["articles_given_back_of_before_the_log"] += count
        for original, lines in of.items():
            amount = sum(value for _sku, value in lines)
            key = f"{invoice}:{original}"
            yield _purchase(key, self.pks[str(customer)], at, amount, lines=lines, refund_of=original)


def _taken_back(programme: Any, refunds: Sequence[Any], at: datetime) -> None:
    from querencia.loyalty import actions

    ids = _written(refunds, at)
    for some in batched(ids.values(), TOGETHER, strict=False):
        results = {each.result for each in actions.refund(programme=programme, refunds=some, at=at)}
        assert results == {"created"}, results


def _prizes(programme: Any, day: date, at: datetime) -> None:
    """On Fridays every third member who has enough takes a prize."""
    from querencia.loyalty import queries
    from querencia.loyalty.models import Member

    if day.isoweekday() != 5:
        return
    rich = list(
        Member.objects.filter(programme=programme, active__gte=PRIZE, deficit=0)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    has = queries.balances(rich[day.day % 3 :: 3], at=at)
    _redeemed(programme, [(pk, f"{pk}:{day}", PRIZE) for pk, each in has.items() if each.available >= PRIZE], at)


# -- for both ----------------------------------------------------------------------------------------------------------


def _programme(currency: str, rules: dict[str, Any], at: datetime, **policy: Any) -> Any:
    from querencia.business import actions as business
    from querencia.business.queries import business as the_business
    from querencia.loyalty import actions
    from querencia.loyalty.models import Programme

    business.set_business(name="Real", currency=currency, time_zone="UTC", language="en", country="GB")
    made = actions.set_up(business=the_business(), name="Club", rules=rules, at=at, **policy)
    actions.start(programme=made, at=at)
    return Programme.objects.get(pk=made.pk)


def _purchase(
    key: str,
    customer: int,
    at: datetime,
    amount: int,
    *,
    lines: Sequence[tuple[str, int]] = (),
    channel: str = "",
    currency: str = "GBP",
    refund_of: str = "",
) -> Any:
    from querencia.customers.actions.purchases import NewLine, NewPurchase

    told = [NewLine(value, sku, category="shipping" if sku in SHIPPING else "") for sku, value in lines]
    return NewPurchase(
        key, "log", customer, at, amount, currency, told, channel=channel, refund_of=refund_of, is_live=False
    )


def _written(purchases: Sequence[Any], at: datetime) -> dict[str, int]:
    """Their ids by key, in the order in which they were given."""
    from querencia.customers.actions.purchases import record_purchases
    from querencia.customers.models import Purchase

    found: dict[str, int] = {}
    for some in batched(purchases, TOGETHER, strict=False):
        record_purchases(some, zone="UTC", at=at)
        known = dict(Purchase.objects.filter(key__in=[each.key for each in some]).values_list("key", "pk"))
        found |= {each.key: known[each.key] for each in some}
    return found


def _earned(programme: Any, purchases: Sequence[Any], at: datetime) -> Iterator[tuple[Any, int | None]]:
    """Each with its points; None for whoever was no member then."""
    from querencia.loyalty import actions

    ids = _written(purchases, at)
    for some in batched(purchases, TOGETHER, strict=False):
        done = actions.earn(programme=programme, purchases=[ids[each.key] for each in some], at=at)
        for each, earned in zip(some, done, strict=True):
            assert earned.result in ("created", "no_member"), earned
            yield each, earned.points if earned.result == "created" else None


def _redeemed(programme: Any, wishes: Sequence[tuple[int, str, int]], at: datetime) -> int:
    """How many of (member, key, points) got what they wanted."""
    from querencia.loyalty import actions

    done = 0
    for some in batched(wishes, TOGETHER, strict=False):
        held = actions.hold(programme=programme, holds=[actions.NewHold(*each) for each in some], at=at)
        got = [key for (_pk, key, _points), each in zip(some, held, strict=True) if each.result == "created"]
        spent = actions.capture(programme=programme, captures=[actions.Capture(key) for key in got], at=at)
        done += sum(each.result == "created" for each in spent)
    return done


def _end(first: date) -> datetime:
    """The last quarter of an hour of a month."""
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return datetime(following.year, following.month, 1, tzinfo=UTC) - timedelta(minutes=15)


def _close(programme: Any, first: date, lived: Lived) -> None:
    """Close a month: by its own reckoning, and by ours from the entries, to the point."""
    from django.db.models import Sum

    from querencia.loyalty import actions, queries
    from querencia.loyalty.models import Entry

    after = _end(first) + timedelta(minutes=16)
    [done] = actions.close(programme=programme, months=[first], at=after)
    assert done.result == "created", done
    ends = _end(first) + timedelta(minutes=15)
    names = ("issued", "redeemed", "expired", "clawed_back", "adjusted")
    rows = Entry.objects.filter(programme=programme, recorded_at__gte=datetime(first.year, first.month, 1, tzinfo=UTC))
    moved = rows.filter(recorded_at__lt=ends).aggregate(**{name: Sum(name) for name in names})
    opening = queries.liability(programme, before=datetime(first.year, first.month, 1, tzinfo=UTC)).points
    closing = queries.liability(programme, before=ends).points
    assert opening - sum(moved[name] or 0 for name in names) == closing, (first, moved)
    for name in names:
        lived.points[name] += moved[name] or 0
    lived.closed.append(f"{first:%Y-%m}")


def _finished(programme: Any, lived: Lived) -> Lived:
    """The books agree with themselves; what stands at the end."""
    from querencia.loyalty import queries
    from querencia.loyalty.models import Entry, Member
    from querencia.loyalty.queries import standings

    assert list(queries.check(programme)) == []
    lived.points["owed"] = queries.liability(programme).points
    latest = standings.latest(Member.objects.values_list("pk", flat=True))
    tiers = Counter(row.tier for row in latest.values() if row.tier)
    lived.notes |= {"members": Member.objects.count(), "entries": Entry.objects.count(), "tiers": dict(tiers)}
    return lived


LOGS = {"airline": airline, "retail": retail}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = Path(os.environ.get("QUERENCIA_SHARED_DATA", "")) / "purchases"
    if name not in LOGS or not folder.is_dir():
        sys.exit(__doc__)
    if "--inside" in sys.argv:
        import django

        django.setup()
        begin = time.perf_counter()
        lived = LOGS[name](folder)
        lived.notes["seconds"] = round(time.perf_counter() - begin, 1)
        print(json.dumps({"points": lived.points, "months closed": len(lived.closed), **lived.notes}, indent=1))
        return
    from benchmarks import house

    with (
        tempfile.TemporaryDirectory() as scratch,
        house.for_this_run(Path(scratch), on_postgres="--postgres" in sys.argv) as environment,
    ):
        inside = {**environment, "DJANGO_SETTINGS_MODULE": "querencia.config.settings"}
        subprocess.run([sys.executable, "-m", "benchmarks.lived", name, "--inside"], env=inside, check=True)


if __name__ == "__main__":
    main()
