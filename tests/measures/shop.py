"""A small shop in the database, for tests."""

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

from django.db import connection

from querencia.business import actions as business
from querencia.common import time
from querencia.customers.models import Customer, Purchase

OPENED = date(2023, 1, 2)
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)

type Bought = tuple[str, date, int]


def open_business(currency: str = "EUR", time_zone: str = "Europe/Madrid") -> None:
    business.set_business(name="La Tienda", currency=currency, time_zone=time_zone)


def customer(key: str) -> Customer:
    return Customer.objects.get_or_create(key=key, defaults={"created_at": NOW})[0]


def sell(bought: Iterable[Bought], **fields: object) -> list[Purchase]:
    """Record purchases: (customer key, day, amount in minor units)."""
    bought = list(bought)
    first = Purchase.objects.count()
    keys = {key for key, _day, _amount in bought}
    Customer.objects.bulk_create([Customer(key=key, created_at=NOW) for key in sorted(keys)], ignore_conflicts=True)
    people = {one.key: one for one in Customer.objects.all() if one.key in keys}
    rows = [
        Purchase(
            **{
                "source": "till",
                "key": f"{key}-{day}-{first + number}",
                "customer": people[key],
                "at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
                "day": time.day_number(day),
                "amount": amount,
                "currency": "EUR",
                "recorded_at": NOW,
                **fields,
            }
        )
        for number, (key, day, amount) in enumerate(bought)
    ]
    return Purchase.objects.bulk_create(rows)


def every(days: int, *, key: str, start: date, times: int, amount: int = 2_500) -> list[Bought]:
    return [(key, start + timedelta(days=days * number), amount) for number in range(times)]


def trade(customers: int = 60, until: date = date(2026, 3, 1)) -> list[Bought]:
    """Three years of a shop whose customers come at rhythms of their own; every third stops coming on the way."""
    rows: list[Bought] = []
    for number in range(customers):
        start = OPENED + timedelta(days=(number * 17) % 700)
        rhythm = 12 + (number * 7) % 60
        last = start + timedelta(days=90 + (number * 37) % 700) if number % 3 == 0 else until
        times = ((min(last, until) - start).days // rhythm) + 1
        rows += every(rhythm, key=f"c{number}", start=start, times=times, amount=1_000 + 350 * (number % 20))
    return rows


def environment(**more: str) -> dict[str, str]:
    """For a second process on the test's own database."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return {**os.environ, "DATABASE_URL": url, **more}
