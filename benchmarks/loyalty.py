"""Points: a till's requests, purchases in batches, the sweep of what lapsed; beside the bare database."""

import json
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import batched
from urllib.parse import urlsplit

import numpy as np

from benchmarks import house, speaking
from benchmarks.registry import Measure, benchmark

# Members, lots, requests of the mix, purchases in batches, lots that lapse.
SIZES = {
    "1 M members": (1_000_000, 20_000_000, 60_000, 500_000, 1_000_000),
    "2 k members": (2_000, 40_000, 2_000, 10_000, 2_000),
}
WORKLOADS = ("mix", "batches", "sweep", "the bare UPDATE")
CASES = [f"{size}: {work}" for size in SIZES for work in WORKLOADS]
TILLS = 32  # connections of the client; each waits for its answer before it asks again
MIX = {"earn": 0.70, "spend": 0.10, "refund": 0.05, "balance": 0.15}
LOTS_MAX = 400  # of one member: a purchase a day for a year and more
TOGETHER = 1_000
POINTS = 10


@benchmark(cases=CASES[: len(WORKLOADS)], quick=CASES[len(WORKLOADS) :])
def run(case: str, measure: Measure) -> None:
    """The points of a programme on PostgreSQL, over REST from 32 connections of a client on the same machine.
    Members are chosen by Zipf's law (exponent 1), and have lots by it (400 at most beside an equal share).

    *mix*: 70 % earn for a purchase (three rules, one with a condition, one with a limit a month), 10 % hold and then
    capture, 5 % take back for a refund, 15 % a member's balance; as fast as it goes, and then at half that speed,
    where a request's time counts from when it was due. *batches*: `POST /loyalty/earn/bulk`, a thousand purchases
    each. *sweep*: the bookkeeping of lots that lapsed. After each, `querencia check` reckons every balance anew from
    the entries; a single difference fails the run.

    *The bare UPDATE* is what no ledger can be quicker than: `UPDATE … SET points = points + n` of one row a transaction
    with its row lock, by the driver itself, the same members from as many connections: no request, rule, entry or lot.
    """
    name, _, work = case.partition(": ")
    members, lots, requests, purchases, lapsing = SIZES[name]
    if work == "the bare UPDATE":
        _bare(measure, members, requests)
        return
    kept = _installation(measure, members, lots, lapsing)
    with _copied(kept) as environment:
        if work == "sweep":
            _sweep(measure, environment, lapsing)
        else:
            environment["QUERENCIA_API_RATE"] = "0"
            key = house.shell(environment, KEY).strip().splitlines()[-1]
            if work == "mix":
                _mix(measure, environment, key, members, requests)
            else:
                _batches(measure, environment, key, members, purchases)
        if not measure.preparing:
            house.querencia(environment, "check")
            measure.note("check", "all agree")


# -- the installation --------------------------------------------------------------------------------------------------

KEY = """
from querencia.business import actions
from querencia.common.time import now
print(actions.create_key(kind="api", name="benchmark", at=now(), scopes=["loyalty:read", "loyalty:write"])[1])
"""
PROGRAMME = """
from datetime import UTC, datetime
from querencia.business.queries import business
from querencia.loyalty import actions
at = datetime(2024, 1, 1, tzinfo=UTC)
made = actions.create_programme(business=business(), name="Club", at=at, starts_at=at, expiry_count=24)
actions.publish_rules(programme=made, at=at, documents={
    "base": {"then": {"points": 1, "per": 100}},
    "weekend": {"if": "weekday > 5", "then": {"points": 1, "per": 200}},
    "large": {"if": "amount >= 5000", "then": {"points": 20}, "cap": {"points": 200, "per": "month"}},
})
"""
# Members and lots out of thin air: a million members who come in by a file take most of an hour, which another
# benchmark measures. Entries that grant the lots come first, so that the books agree.
LOTS = """
from django.db import connection
from querencia.loyalty.models.ledger import ACCOUNTS
others = [name for name in ACCOUNTS if name not in ("active", "issued")]
with connection.cursor() as cursor:
    # What is made here refers to what is there: to ask that for every row takes as long as all the rest.
    cursor.execute("SET session_replication_role = replica")
    cursor.execute('''
        INSERT INTO customers_customer (key, given_name, family_name, language, time_zone, country, city, branch,
            value_answers, created_from, created_at, is_invented)
        SELECT 'M' || n, '', '', '', '', '', '', '', '{}', 'members', timestamptz '2024-01-02', false
        FROM generate_series(0, MEMBERS - 1) n
    ''')
    cursor.execute('''
        INSERT INTO customers_identifier (kind, value, customer_id)
        SELECT 'customer_key', key, id FROM customers_customer
    ''')
    cursor.execute('''
        INSERT INTO loyalty_member (programme_id, customer_id, card_number, joined_at, pending, active, held, deficit)
        SELECT p.id, c.id, 'C' || substr(c.key, 2), timestamptz '2024-01-02', 0, 0, 0, 0
        FROM loyalty_programme p, customers_customer c ORDER BY c.id
    ''')
    cursor.execute(f'''
        INSERT INTO loyalty_entry (programme_id, member_id, kind, key, at, recorded_at, detail, active, issued,
            {", ".join(others)})
        SELECT m.programme_id, m.id, 'grant', 'give:bench-' || m.id || '-' || g, m.joined_at, m.joined_at, '{{}}',
            POINTS, -POINTS, {", ".join("0" for _ in others)}
        FROM (SELECT *, row_number() OVER (ORDER BY id) AS rank FROM loyalty_member) m,
            generate_series(1, (SHARE + least(LOTS_MAX, FACTOR / m.rank))::int) g
    ''')
    # Their indexes are made afterwards, and rows are written in the order in which they are read: by far the longest
    # part of it was to find the place of each in every index. Those that lapse first are spread evenly.
    cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'loyalty_lot'")
    indexes = [row for row in cursor.fetchall() if not row[0].endswith("_pkey")]
    for name, _said in indexes:
        cursor.execute(f'DROP INDEX "{name}"')
    cursor.execute('''
        INSERT INTO loyalty_lot (member_id, entry_id, amount, available_at, expires_at, remaining, is_active, turns,
            cost_per_thousand, lines)
        SELECT member_id, id, POINTS, at, CASE WHEN n * LAPSING / whole > (n - 1) * LAPSING / whole
            THEN timestamptz '2040-01-01' ELSE timestamptz '2041-01-01' END, POINTS, true, 0, 0, '{}'
        FROM (SELECT *, row_number() OVER (ORDER BY id) AS n, (SELECT count(*) FROM loyalty_entry) AS whole
            FROM loyalty_entry) e ORDER BY id
    ''')
    for _name, said in indexes:
        cursor.execute(said)
    cursor.execute('''
        UPDATE loyalty_member m SET active = s.points
        FROM (SELECT member_id, sum(active) AS points FROM loyalty_entry GROUP BY member_id) s WHERE s.member_id = m.id
    ''')
    cursor.execute("VACUUM ANALYZE")
"""


def _installation(measure: Measure, members: int, lots: int, lapsing: int) -> house.Environment:
    """Members with lots, made once."""
    factor = bisect_left(range(lots), lots / 2, key=lambda each: _lots_by(members, each))
    share = (lots - _lots_by(members, factor)) / members
    names = {
        "MEMBERS": members,
        "LOTS_MAX": LOTS_MAX,
        "POINTS": POINTS,
        "LAPSING": lapsing,
        "FACTOR": factor,
        "SHARE": f"{share:.6f}",
    }
    filled = re.sub(r"\b(MEMBERS|LOTS_MAX|POINTS|LAPSING|FACTOR|SHARE)\b", lambda found: str(names[found[0]]), LOTS)

    shell = ["manage", "shell", "-v", "0", "-c"]
    steps = ([*shell, PROGRAMME], [*shell, filled])
    return house.kept(f"club_{lots}", members, *steps, on_postgres=True)


def _lots_by(members: int, factor: int) -> int:
    ranks = np.arange(1, members + 1)
    return int(np.minimum(LOTS_MAX, factor / ranks).sum())


@contextmanager
def _copied(kept: house.Environment) -> Iterator[house.Environment]:
    """A copy for this run alone: what is measured changes what there is."""
    url = urlsplit(kept["DATABASE_URL"])
    name = f"{url.path[1:]}_run"
    house.server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    house.server(f'CREATE DATABASE "{name}" TEMPLATE "{url.path[1:]}"')
    try:
        yield {**kept, "DATABASE_URL": url._replace(path=f"/{name}").geturl()}
    finally:
        house.server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


# Purchases and refunds as if they had been recorded before, without the house being told: points wait for the request.
RECORD = """
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from querencia.customers.actions.purchases import NewPurchase, record_purchases
from querencia.customers.models import Customer, Outbox
said = json.loads(Path(FILE).read_text())
ids = dict(Customer.objects.values_list("key", "pk"))
at = datetime(2026, 5, 1, 10, tzinfo=UTC)
rows = [
    NewPurchase(key=f"{kind}{n}", source="api", customer_id=ids[f"M{member}"], at=at + timedelta(minutes=n % 500_000),
        amount=amount, currency="EUR", refund_of=f"O{n}" if kind == "R" else "")
    for kind, n, member, amount in said
]
for start in range(0, len(rows), 10_000):
    record_purchases(rows[start : start + 10_000], zone="Europe/Madrid", at=at)
Outbox.objects.all().delete()
"""


def _record(measure: Measure, environment: house.Environment, purchases: Sequence[tuple[str, int, int, int]]) -> None:
    file = measure.scratch / "purchases.json"
    file.write_text(json.dumps(purchases))
    house.shell(environment, RECORD.replace("FILE", repr(str(file))))


def _chosen(members: int, number: int, seed: int) -> list[int]:
    """Members by Zipf's law with exponent 1."""
    weights = np.cumsum(1 / np.arange(1, members + 1))
    drawn = np.random.default_rng(seed).random(number) * weights[-1]
    return [int(each) for each in np.searchsorted(weights, drawn)]


# -- what is measured --------------------------------------------------------------------------------------------------


def _mix(measure: Measure, environment: house.Environment, key: str, members: int, requests: int) -> None:
    kinds = np.random.default_rng(1).choice(list(MIX), size=2 * requests, p=list(MIX.values()))
    who = _chosen(members, 2 * requests, 2)
    amounts = np.random.default_rng(3).integers(100, 9_000, size=2 * requests)
    bought = [("P", n, who[n], int(amounts[n])) for n in range(2 * requests) if kinds[n] == "earn"]
    back = [n for n in range(2 * requests) if kinds[n] == "refund"]
    orders = [("O", n, who[n], int(amounts[n])) for n in back]
    if not measure.preparing:
        _record(measure, environment, bought + orders + [("R", n, who[n], -int(amounts[n]) // 2) for n in back])
    work = [_asked(kind, n, who[n], key) for n, kind in enumerate(kinds)]
    with house.served(environment) as port:
        if not measure.preparing:
            together = [[_earn_many([f"O{n}" for n in some], key)] for some in batched(back, TOGETHER, strict=False)]
            _all_well(speaking.say(port, together))
        first, second = work[:requests], work[requests:]
        number = sum(map(len, first))
        with measure(rows=number, unit="requests"):
            said = speaking.say(port, first, connections=TILLS)
        _all_well(said)
        measure.note("p99", f"{said.quantile(0.99) * 1e3:,.0f} ms")
        half = number / measure.seconds / 2
        calm = speaking.say(port, second[: max(200, requests // 2)], a_second=half, connections=TILLS)
        _all_well(calm)
        measure.note(
            f"at {half:,.0f} a second",
            f"p50 {calm.quantile(0.5) * 1e3:,.1f} ms, p99 {calm.quantile(0.99) * 1e3:,.1f} ms",
        )


def _asked(kind: str, number: int, member: int, key: str) -> list[bytes]:
    root = "/api/v1/loyalty"
    match kind:
        case "earn":
            return [speaking.request("POST", f"{root}/earn", key, {"key": f"P{number}"})]
        case "refund":
            return [speaking.request("POST", f"{root}/refunds", key, {"key": f"R{number}"})]
        case "balance":
            return [speaking.request("GET", f"{root}/members/by-card/C{member}", key)]
        case _:
            held = {"key": f"H{number}", "member": {"card_number": f"C{member}"}, "points": POINTS // 2}
            spent = {"key": f"H{number}"}
            return [
                speaking.request("POST", f"{root}/holds", key, held),
                speaking.request("POST", f"{root}/captures", key, spent),
            ]


def _all_well(said: speaking.Said) -> None:
    """Whoever has spent all may be refused; nothing else may."""
    wrong = {status: number for status, number in said.statuses.items() if status not in (200, 201, 409)}
    refused = sum(said.statuses.get(status, 0) for status in (409,))
    if wrong or refused > len(said.seconds) / 50:
        raise RuntimeError(f"answered with {said.statuses}")


def _earn_many(keys: Sequence[str], key: str) -> bytes:
    return speaking.request("POST", "/api/v1/loyalty/earn/bulk", key, {"items": [{"key": each} for each in keys]})


def _batches(measure: Measure, environment: house.Environment, key: str, members: int, purchases: int) -> None:
    who = _chosen(members, purchases, 4)
    if not measure.preparing:
        _record(measure, environment, [("P", n, who[n], 100 + n % 8_900) for n in range(purchases)])
    batches = [[_earn_many([f"P{n}" for n in some], key)] for some in batched(range(purchases), TOGETHER, strict=False)]
    with house.served(environment) as port:
        with measure(rows=purchases, unit="purchases"):
            said = speaking.say(port, batches, connections=2)
        _all_well(said)
        measure.note("p95 of a thousand", f"{said.quantile(0.95) * 1e3:,.0f} ms")


SWEEP = """
import time
from datetime import UTC, datetime
from querencia.loyalty import actions
from querencia.loyalty.models import Programme
begin = time.perf_counter()
done = actions.expire(programme=Programme.objects.get(), at=datetime(2040, 6, 1, tzinfo=UTC))
print(done.lapsed, time.perf_counter() - begin)
"""


def _sweep(measure: Measure, environment: house.Environment, lapsing: int) -> None:
    with measure(rows=lapsing, unit="lots"):
        lapsed, seconds = house.shell(environment, SWEEP).split()[-2:]
    if int(lapsed) != lapsing:
        raise RuntimeError(f"{lapsed} lots lapsed, not {lapsing}")
    measure.note("the sweep alone", f"{float(seconds):.1f} s")


def _bare(measure: Measure, members: int, requests: int) -> None:
    import psycopg

    who = iter(_chosen(members, requests, 2))
    table, lock = "querencia_bench_bare", threading.Lock()
    house.server(f"DROP TABLE IF EXISTS {table}")
    house.server(f"CREATE TABLE {table} (id bigint PRIMARY KEY, points bigint NOT NULL)")
    house.server(f"INSERT INTO {table} SELECT n, 0 FROM generate_series(0, {members}) n")
    times: list[float] = []

    def work() -> None:
        with psycopg.connect(house.POSTGRES, autocommit=True) as connection:
            while True:
                with lock:
                    member = next(who, None)
                if member is None:
                    return
                begin = time.perf_counter()
                connection.execute(f"UPDATE {table} SET points = points + 10 WHERE id = %s", [member])
                times.append(time.perf_counter() - begin)

    try:
        threads = [threading.Thread(target=work) for _ in range(TILLS)]
        with measure(rows=requests, unit="updates"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        times.sort()
        measure.note("p99", f"{times[int(len(times) * 0.99)] * 1e3:,.1f} ms")
    finally:
        house.server(f"DROP TABLE IF EXISTS {table}")
