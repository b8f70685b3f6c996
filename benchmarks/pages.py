"""The list of customers, its search and a customer's page, over HTTP from a running installation."""

import http.client
import os
import re
import statistics
import time
from urllib.parse import quote, urlencode

from benchmarks import data, house
from benchmarks.registry import Measure, benchmark

CUSTOMERS = {"1 M": 1_000_000, "20 k": 20_000}
PURCHASES_PER_CUSTOMER = 3
OURS = ("SQLite, 1 M customers", "PostgreSQL, 1 M customers")
PEER = "Django's Paginator on SQLite, 1 M customers"
FILTERS = (
    {},
    {"abc": "A"},
    {"abc": "C"},
    {"stage": "late"},
    {"stage": "left", "abc": "A"},
    {"risk": "high", "stage": "active"},
    {"segment": "cannot_lose"},
    {"segment": "hibernating", "risk": "high"},
    {"abc": "B", "stage": "late", "risk": "medium"},
)
SORTS = ("at_stake", "amount_year", "amount", "last", "purchases", "name")
PAGES = 3  # of each list, by the link to the next


@benchmark(cases=[*OURS, PEER], quick=["SQLite, 20 k customers", "Django's Paginator on SQLite, 20 k customers"])
def run(case: str, measure: Measure) -> None:
    """Pages of the list of customers: nine combinations of filters in six orders, three pages each, searches by name,
    e-mail, phone and order, and customers' own pages, one after the other.

    Ours are whole pages over HTTP from `querencia up`, counts beside every filter included. The peer makes no page: it
    is the database work alone of Django's own Paginator (a count and an offset) for the same lists.
    """
    customers = CUSTOMERS[re.findall(r"1 M|20 k", case)[0]]
    environment = with_a_shop(customers, on_postgres="PostgreSQL" in case)
    if case.startswith("Django"):
        times = _paginated(environment, measure)
    else:
        with house.served(environment) as port:
            times = _visited(_Visitor(port), measure)
    times.sort()
    measure.note("median", f"{statistics.median(times) * 1e3:,.0f} ms")
    measure.note("p95", f"{times[int(len(times) * 0.95)] * 1e3:,.0f} ms")
    measure.note("longest", f"{times[-1] * 1e3:,.0f} ms")


def with_a_shop(customers: int, *, on_postgres: bool) -> house.Environment:
    """An installation with a simulated shop, imported and measured by its own commands."""
    shop = data.shop(customers, purchases_per_customer=PURCHASES_PER_CUSTOMER)
    commands = (
        ["import", str(shop.customers), "--kind", "customers", "--yes"],
        ["import", str(shop.purchases), "--kind", "purchases", "--yes"],
        ["measure", "--quiet"],
    )
    return house.kept("house", customers, *commands, on_postgres=on_postgres)


# -- ours, over HTTP ---------------------------------------------------------------------------------------------------


class _Visitor:
    """A browser's connection: logged in, kept open."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        form = self.get("/accounts/login/")
        token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[0]
        body = urlencode({"csrfmiddlewaretoken": token, "login": house.OWNER[0], "password": house.OWNER[1]})
        self.get("/accounts/login/", body, expected=302)

    def get(self, path: str, body: str | None = None, *, expected: int = 200) -> str:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request("POST" if body else "GET", path, body, headers)
        answer = self.connection.getresponse()
        page = answer.read().decode()
        if answer.status != expected:
            raise RuntimeError(f"{path}: {answer.status}")
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return page


def _visited(visitor: _Visitor, measure: Measure) -> list[float]:
    times: list[float] = []

    def timed(path: str) -> str:
        begin = time.perf_counter()
        page = visitor.get(path)
        times.append(time.perf_counter() - begin)
        return page

    people = _people(visitor.get("/customers/?sort=name"))
    visits = len(FILTERS) * len(SORTS) * PAGES
    with measure(rows=visits, unit="pages"):
        for filters in FILTERS:
            for sort in SORTS:
                path = f"/customers/?{urlencode({**filters, 'sort': sort})}"
                for _ in range(PAGES):
                    found = re.findall(r'href="(\?[^"]*after=[^"]+)"', timed(path))
                    if not found:
                        break
                    path = "/customers/" + found[-1].replace("&amp;", "&")
        for number, name in people:
            page = timed(f"/customers/{number}/")
            for text in [name[:5], *re.findall(r'href="(?:mailto|tel):([^"]+)"', page)[:2]]:
                timed(f"/customers/?q={quote(text)}")
    measure.rows = len(times)
    return times


def _people(page: str) -> list[tuple[str, str]]:
    return re.findall(r'<th scope="row"><a href="/customers/(\d+)/">([^<]+)</a>', page)[:40]


# -- the peer ----------------------------------------------------------------------------------------------------------


def _paginated(environment: dict[str, str], measure: Measure) -> list[float]:
    os.environ.update(environment)
    os.environ.pop("DATABASE_URL", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "querencia.config.settings"
    import django

    django.setup()
    from django.core.paginator import Paginator

    from querencia.customers.models import Score

    orders = {"last": "-last_on", "name": "customer__family_name"}
    times: list[float] = []
    with measure(rows=len(FILTERS) * len(SORTS) * PAGES, unit="pages"):
        for filters in FILTERS:
            for sort in SORTS:
                scores = Score.objects.select_related("customer", "cell").order_by(orders.get(sort, f"-{sort}"), "pk")
                scores = scores.filter(**{f"cell__{name}": value for name, value in filters.items()})
                for number in range(1, PAGES + 1):
                    begin = time.perf_counter()
                    list(Paginator(scores, 50).get_page(number))
                    times.append(time.perf_counter() - begin)
    return times
