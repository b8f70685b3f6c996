"""A customer looked up by any identifier, over HTTP from a running installation."""

import http.client
import json
import random
import re
import statistics
import time
from urllib.parse import quote

from benchmarks import data, house
from benchmarks.registry import Measure, benchmark

CUSTOMERS = {"1 M": 1_000_000, "20 k": 20_000}
LOOKUPS = 3_000
WARMING = 200
KINDS = ("customer_key", "email", "phone")
OURS = ("SQLite, 1 M customers", "PostgreSQL, 1 M customers")
PEERS = ("the bare SELECT on SQLite, 1 M customers", "the bare SELECT on PostgreSQL, 1 M customers")
KEY = """
from querencia.business import actions
from querencia.common.time import now
print(actions.create_key(kind="api", name="benchmark", at=now(), scopes=["customers:read"])[1])
"""
SOME = """
import json
from querencia.customers.models import Identifier
last = Identifier.objects.order_by("-pk").values_list("pk", flat=True)[0]
rows = Identifier.objects.filter(pk__in=range(1, last, max(1, last // 5_000))).values_list("kind", "value")
print(json.dumps(list(rows)))
"""


@benchmark(cases=[*OURS, *PEERS], quick=["SQLite, 20 k customers", "the bare SELECT on SQLite, 20 k customers"])
def run(case: str, measure: Measure) -> None:
    """`GET /api/v1/customers/by/{kind}/{value}`: keys, e-mail addresses and phones by chance, one after the other over
    one connection; whole answers with names, addresses and identifiers, key and scope looked at.

    The peer is what no answer can be quicker than: one SELECT of the customer by the same identifier, over its index,
    by the database's own driver in one process.
    """
    environment = _installation(CUSTOMERS[re.findall(r"1 M|20 k", case)[0]], on_postgres="PostgreSQL" in case)
    identifiers = [pair for pair in json.loads(house.shell(environment, SOME)) if pair[0] in KINDS]
    chosen = random.Random(1).choices(identifiers, k=LOOKUPS + WARMING)
    if case.startswith("the bare"):
        times = _selected(environment, chosen, measure)
    else:
        key = house.shell(environment, KEY).strip().splitlines()[-1]
        with house.served({**environment, "QUERENCIA_API_RATE": "0"}) as port:
            times = _asked(port, key, chosen, measure)
    times.sort()
    measure.note("median", f"{statistics.median(times) * 1e3:,.2f} ms")
    measure.note("p95", f"{times[int(len(times) * 0.95)] * 1e3:,.2f} ms")
    measure.note("longest", f"{times[-1] * 1e3:,.1f} ms")


def _installation(customers: int, *, on_postgres: bool) -> house.Environment:
    """An installation that holds so many customers with keys, e-mail addresses and phones."""
    shop = data.shop(customers, purchases_per_customer=3)
    command = ["import", str(shop.customers), "--kind", "customers", "--yes"]
    return house.kept("people", customers, command, on_postgres=on_postgres)


def _asked(port: int, key: str, chosen: list[tuple[str, str]], measure: Measure) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}"}

    def ask(kind: str, value: str) -> float:
        begin = time.perf_counter()
        connection.request("GET", f"/api/v1/customers/by/{kind}/{quote(value, safe='')}", headers=headers)
        answer = connection.getresponse()
        said = answer.read()
        took = time.perf_counter() - begin
        if answer.status != 200 or not any(each["value"] == value for each in json.loads(said)["identifiers"]):
            raise RuntimeError(f"{kind} {answer.status}: {said[:200]!r}")
        return took

    for kind, value in chosen[LOOKUPS:]:
        ask(kind, value)
    with measure(rows=LOOKUPS, unit="look-ups"):
        times = [ask(kind, value) for kind, value in chosen[:LOOKUPS]]
    return times


def _selected(environment: house.Environment, chosen: list[tuple[str, str]], measure: Measure) -> list[float]:
    select = (
        "SELECT c.id, c.key, c.given_name, c.family_name FROM customers_identifier i "
        "JOIN customers_customer c ON c.id = i.customer_id WHERE i.value = {0} AND i.kind = {0}"
    )
    database = _database(environment)

    def ask(kind: str, value: str) -> float:
        begin = time.perf_counter()
        rows = database.execute(select.format("%s" if "DATABASE_URL" in environment else "?"), (value, kind)).fetchall()
        took = time.perf_counter() - begin
        if len(rows) != 1:
            raise RuntimeError(f"{kind}: {len(rows)} customers")
        return took

    for kind, value in chosen[LOOKUPS:]:
        ask(kind, value)
    with measure(rows=LOOKUPS, unit="look-ups"):
        times = [ask(kind, value) for kind, value in chosen[:LOOKUPS]]
    return times


def _database(environment: house.Environment):
    if "DATABASE_URL" in environment:
        import psycopg

        return psycopg.connect(environment["DATABASE_URL"], autocommit=True)
    import sqlite3

    return sqlite3.connect(f"{environment['QUERENCIA_HOME']}/querencia.sqlite3")
