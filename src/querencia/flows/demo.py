"""A shop to look at: real purchases under invented names, or one that does not exist at all. Built by the real path:
files imported, a run done. Call with an empty, migrated database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from querencia.business import actions as business
from querencia.business.models import Business
from querencia.business.queries import business as the_business
from querencia.common.time import local_day
from querencia.customers import actions as customers
from querencia.customers import imports
from querencia.customers.models import Import
from querencia.customers.queries import imports as imported
from querencia.flows import demo_programme
from querencia.insight import simulate
from querencia.measures import actions as measuring
from querencia.measures import queries as measured
from querencia.measures.models import Run

# 2,357 of the customers who first bought at the online record shop CDNOW in the first quarter of 1997, and all they
# bought until the end of June 1998 (Fader & Hardie 2001).
SAMPLE = Path(__file__).parent / "data" / "cdnow_sample.csv"
SEED = 1997
TIME_ZONE = "UTC"
LANGUAGES = {"en": 0.5, "es": 0.3, "pt": 0.2}
SIMULATED_CUSTOMERS, SIMULATED_YEARS = 20_000, 3
EMAIL = "demo@example.com"
EMAIL_ANSWERS = {"yes": 0.55, "no": 0.15, "": 0.30}
PHONE_ANSWERS = {"yes": 0.30, "no": 0.15, "": 0.55}

# In every area of North America the numbers 555-0100 to 555-0199 are kept free for fiction.
FICTION = 100
AREAS = {
    201: "Jersey City", 203: "New Haven", 206: "Seattle", 210: "San Antonio", 212: "New York", 213: "Los Angeles",
    214: "Dallas", 215: "Philadelphia", 216: "Cleveland", 303: "Denver", 305: "Miami", 312: "Chicago", 313: "Detroit",
    317: "Indianapolis", 401: "Providence", 404: "Atlanta", 405: "Oklahoma City", 408: "San Jose", 412: "Pittsburgh",
    414: "Milwaukee", 415: "San Francisco", 503: "Portland", 504: "New Orleans", 505: "Albuquerque", 512: "Austin",
    520: "Tucson", 602: "Phoenix", 612: "Minneapolis", 615: "Nashville", 617: "Boston", 619: "San Diego",
    702: "Las Vegas", 713: "Houston", 813: "Tampa", 901: "Memphis", 904: "Jacksonville", 915: "El Paso",
    916: "Sacramento", 973: "Newark",
}  # fmt: skip

type Heard = Callable[[str], None]


@dataclass(frozen=True)
class Files:
    """What is imported of a shop, with the column of each field, and phones that no import would take."""

    people: Path
    people_mapping: dict[str, str]
    purchases: Path
    purchases_mapping: dict[str, str]
    phones: dict[str, str] | None = None


class NotBuilt(Exception):
    """A step of building did not come to its end; says why."""


def last_day(at: datetime) -> date:
    """The day on which the log of a demo built now ends."""
    return local_day(at, TIME_ZONE) - timedelta(days=1)


def build(*, is_simulated: bool, password: str, at: datetime, folder: Path, heard: Heard) -> None:
    """Fill the database, and score everybody. ``heard`` is told of each step: making, people, purchases, programme,
    measuring.

    ``folder`` takes the files that are made on the way. Names, addresses and moved dates are the same every time.
    Raises NotBuilt.
    """
    _open(is_simulated, password)
    heard("making")
    folder.mkdir(parents=True, exist_ok=True)
    files = (simulated if is_simulated else sample)(folder, ends=last_day(at))
    heard("people")
    _import(files.people, imports.CUSTOMERS, files.people_mapping, at)
    customers.mark_invented(phones=files.phones)
    heard("purchases")
    _import(files.purchases, imports.PURCHASES, files.purchases_mapping, at)
    heard("programme")
    demo_programme.build(at=at)
    heard("measuring")
    run = measuring.run(at=at)
    if run.status != Run.Status.DONE:
        raise NotBuilt(measured.why(run))
    demo_programme.win_back(at=at)


def _open(is_simulated: bool, password: str) -> None:
    shop = {"name": "CDNOW", "currency": "USD", "country": "US", "notice": Business.Notice.DEMO.value}
    if is_simulated:
        shop = {"name": "Tres Puertas", "currency": "EUR", "country": "ES", "notice": Business.Notice.SIMULATED.value}
    owner = {"email": EMAIL, "password": password, "name": "Demo"}
    business.set_up(business={**shop, "time_zone": TIME_ZONE, "language": "en"}, owner=owner)


def sample(folder: Path, *, ends: date) -> Files:
    """The CDNOW sample, moved by whole days so that it ends on a day, and a file of invented people for it."""
    log = pl.read_csv(SAMPLE, schema_overrides={"id": pl.String, "date": pl.String, "amt": pl.String})
    day = pl.col("date").str.to_date("%Y%m%d")
    log = log.with_row_index("row", 1).with_columns(day + (ends - log.select(day.max()).item()))
    purchases = log.select(
        pl.format("CDNOW-{}", pl.col("row").cast(pl.String).str.zfill(5)).alias("number"),
        pl.col("id").alias("customer"),
        "date",
        pl.col("amt").alias("amount"),
        pl.lit("web").alias("channel"),
        pl.col("cds").alias("quantity"),
        pl.lit("CD").alias("article"),
    )
    since = log.group_by(pl.col("id").alias("key")).agg(pl.col("date").min().alias("since")).sort("key")
    people = _people(since, ends)
    people.write_csv(folder / "invented_people.csv")
    purchases.write_csv(folder / SAMPLE.name)
    return Files(
        people=folder / "invented_people.csv",
        people_mapping={name: name for name in people.columns if name != "since"} | {"created_at": "since"},
        purchases=folder / SAMPLE.name,
        purchases_mapping={
            "key": "number", "customer_key": "customer", "at": "date", "amount": "amount", "channel": "channel",
            "quantity": "quantity", "name": "article",
        },
    )  # fmt: skip


def _people(since: pl.DataFrame, ends: date) -> pl.DataFrame:
    """Somebody invented for every key: a name in one of three languages, a town with a number kept free for fiction."""
    count = len(since)
    invented = pl.DataFrame(simulate.people(count, seed=SEED, languages=LANGUAGES, adults_on=_years_before(ends)))
    random = np.random.default_rng(SEED)
    places = random.permutation(len(AREAS) * FICTION)[:count]
    areas = np.array(list(AREAS))[places // FICTION]
    numbers = pl.Series(1_000_000 * 10**4 + areas * 10**7 + 555_0100 + places % FICTION).cast(pl.String)
    made = invented.select(
        since["key"],
        since["since"],
        "given_name",
        "family_name",
        "language",
        "email",
        pl.when(pl.col("phone").is_not_null()).then("+" + numbers).alias("phone"),
        "birthday",
        pl.lit("US").alias("country"),
        pl.Series("city", [AREAS[area] for area in areas.tolist()]),
    )
    return made.with_columns(_answers(random, count))


def _years_before(day: date) -> date:
    return day - timedelta(days=3 * 365)


def _answers(random: np.random.Generator, count: int) -> list[pl.Expr]:
    """Who agreed to be written to and rung, who refused, who was never asked; nobody without the address."""
    made = []
    for channel, answers in (("email", EMAIL_ANSWERS), ("phone", PHONE_ANSWERS)):
        said = random.choice(list(answers), count, p=list(answers.values()))
        answer = pl.when(pl.col(channel).is_not_null()).then(pl.Series(said))
        made.append(answer.alias(f"consent_{channel}"))
    return made


def simulated(folder: Path, *, ends: date) -> Files:
    """A shop with three branches, a web shop and a telephone, over three years, none of which exists."""
    shop = simulate.shop(folder, ends=ends, customers=SIMULATED_CUSTOMERS, years=SIMULATED_YEARS, seed=SEED)
    drawn = pl.read_parquet(shop.customers)
    people = drawn.with_columns(_answers(np.random.default_rng(SEED), len(drawn)))
    people.drop("phone", "postcode").write_parquet(folder / "invented_people.parquet")
    reached = people.filter(pl.col("phone").is_not_null())
    named = ("key", "given_name", "family_name", "language", "country", "email", "birthday", "branch", "city")
    bought = ("key", "at", "amount", "currency", "cost", "channel", "branch", "category", "refund_of")
    return Files(
        people=folder / "invented_people.parquet",
        people_mapping={name: name for name in (*named, "consent_email", "consent_phone")} | {"created_at": "created"},
        purchases=shop.purchases,
        purchases_mapping={name: name for name in bought} | {"customer_key": "customer_id", "quantity": "units"},
        phones=dict(zip(reached["key"].cast(pl.String).to_list(), reached["phone"].to_list(), strict=True)),
    )


def _import(path: Path, kind: str, mapping: dict[str, str], at: datetime) -> None:
    seen = imports.inspect(
        path, file_name=path.name, business=imports.facts_of(the_business()), at=at, kind=kind, mapping=mapping
    )
    if not seen.is_ready:
        raise NotBuilt(f"{path.name}: {seen.problem}")
    registered = customers.register_import(
        path=path,
        file_name=path.name,
        kind=kind,
        mapping=mapping,
        file_format=seen.file_format,
        at=at,
        source="demo",
        reject_limit=0.0,
        rows_estimated=seen.rows_estimated,
        move=True,
    )
    done = customers.run_import(registered.pk, at=at)
    if done.status != Import.Status.DONE:
        raise NotBuilt(f"{path.name}: {imported.why(done)}")
