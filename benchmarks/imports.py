"""Files of purchases into the database, by the command that people use."""

import os
import re
import resource

from benchmarks import house
from benchmarks.registry import Measure, benchmark

PURCHASES_PER_CUSTOMER = 10
CUSTOMERS = {"100 k": 10_000, "1 M": 100_000, "10 M": 1_000_000}
WITHOUT_ARTICLES = ("--map", "category=,quantity=")
ENGINES = ("SQLite", "PostgreSQL")
CASES = [
    *(f"{engine}, 1 M purchases" for engine in ENGINES),
    *(f"{engine}, 1 M purchases, each with an article" for engine in ENGINES),
    *(f"{engine}, 1 M purchases, known already" for engine in ENGINES),
    *(f"{engine}, 10 M purchases" for engine in ENGINES),
    *(f"Django's bulk_create, {engine}, 1 M purchases" for engine in ENGINES),
    *(f"the bare database, {engine}, 1 M purchases" for engine in ENGINES),
]


QUICK = [
    "SQLite, 100 k purchases",
    "PostgreSQL, 100 k purchases, each with an article",
    "Django's bulk_create, SQLite, 100 k purchases",
    "the bare database, PostgreSQL, 100 k purchases",
]


@benchmark(cases=CASES, quick=QUICK)
def run(case: str, measure: Measure) -> None:
    """`querencia import` of a CSV file in the order of time: purchases with number, customer, moment, amount, cost,
    currency, channel, branch and refunds, by customers nobody knew before.

    The whole command is timed, its start included: the file is looked at, typed and checked to its end, sorted, and
    written in batches with new customers. `Each with an article`: besides, a line with category and quantity for each
    purchase. `Known already`: the same file a second time. Django's bulk_create is the usual loader: `csv.DictReader`,
    `Decimal`, `bulk_create` of 5,000 into the same tables; it checks nothing else and cannot go on where it stopped.
    The bare database loads the file's text into one table without checks or keys: `executemany`, and `COPY`. What
    PostgreSQL does in its own processes is not counted as memory or processor time.
    """
    size = re.findall(r"100 k|10 M|1 M", case)[0]
    file, rows = _simulated(CUSTOMERS[size])
    with house.for_this_run(measure.scratch, on_postgres="PostgreSQL" in case) as environment:
        if "known already" in case:
            _import(file, environment, *WITHOUT_ARTICLES)
        begin = _processor_seconds()
        with measure(rows=rows, unit="purchases"):
            if case.startswith("Django"):
                house.python(environment, "-c", USUAL_LOADER, file)
            elif case.startswith("the bare"):
                house.python(environment, "-c", BARE_LOADER, file)
            else:
                _import(file, environment, *(() if "article" in case else WITHOUT_ARTICLES))
        measure.note("processor", f"{_processor_seconds() - begin:,.1f} s")
        measure.note("stored", f"{int(house.python(environment, '-c', COUNT)):,}")


def _simulated(customers: int) -> tuple[str, int]:
    """The file and how many rows it has, from a process of its own: what making it needs is not the import's memory."""
    make = f"data.shop({customers}, purchases_per_customer={PURCHASES_PER_CUSTOMER}, csv=True)"
    say = "print(shop.purchase_count + shop.refund_count, shop.purchases_csv)"
    said = house.python({**os.environ}, "-c", f"from benchmarks import data; shop = {make}; {say}")
    rows, file = said.splitlines()[-1].split(" ", 1)  # making the file says other things before
    return file, int(rows)


def _import(file: str, environment: dict[str, str], *how: str) -> None:
    house.python(environment, "-m", "querencia", "import", file, "--yes", *how)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


DJANGO = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "querencia.config.settings"
import django
django.setup()
"""
COUNT = f"""{DJANGO}
from django.db import connection
from querencia.customers.models import Purchase
with connection.cursor() as cursor:
    tables = connection.introspection.table_names(cursor)
    cursor.execute("SELECT count(*) FROM bare" if "bare" in tables else "SELECT count(*) FROM customers_purchase")
    print(cursor.fetchone()[0])
"""
USUAL_LOADER = f"""{DJANGO}
import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import batched
from django.db import transaction
from querencia.customers.models import Customer, Purchase

now, epoch, known = datetime.now(UTC), date(1970, 1, 1).toordinal(), {{}}

def purchase(row):
    at = datetime.fromisoformat(row["at"]).replace(tzinfo=UTC)
    return Purchase(
        source="import", key=row["key"], customer_id=known[row["customer_id"]], at=at, day=at.toordinal() - epoch,
        amount=int(Decimal(row["amount"]) * 100), cost=int(Decimal(row["cost"]) * 100), currency=row["currency"],
        channel=row["channel"], branch=row["branch"], refund_of=row["refund_of"], recorded_at=now,
    )

with open(sys.argv[1], newline="") as file:
    for rows in batched(csv.DictReader(file), 5_000):
        with transaction.atomic():
            keys = {{row["customer_id"] for row in rows}} - known.keys()
            people = [Customer(key=key, created_from="import", created_at=now) for key in keys]
            known.update((one.key, one.pk) for one in Customer.objects.bulk_create(people))
            Purchase.objects.bulk_create([purchase(row) for row in rows], batch_size=5_000, ignore_conflicts=True)
"""
BARE_LOADER = f"""{DJANGO}
import csv
from django.db import connection, transaction

with open(sys.argv[1], newline="") as file, transaction.atomic(), connection.cursor() as cursor:
    header = next(csv.reader(file))
    cursor.execute(f"CREATE TABLE bare ({{', '.join(f'{{name}} text' for name in header)}})")
    if connection.vendor == "sqlite":
        places = ", ".join("?" * len(header))
        connection.connection.executemany(f"INSERT INTO bare VALUES ({{places}})", csv.reader(file))
    else:
        with cursor.copy("COPY bare FROM STDIN WITH (FORMAT csv)") as copy:
            while part := file.read(1 << 20):
                copy.write(part)
"""
