"""The simulated shop: the same for the same seed, and true to what it says about itself."""

import datetime
import hashlib
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import phonenumbers
import polars as pl
import pyarrow.parquet as pq
import pytest

from querencia.insight import rfm, simulate, tables
from querencia.insight.simulate.seasons import Seasons

ENDS = datetime.date(2026, 6, 30)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> simulate.Shop:
    return simulate.shop(tmp_path_factory.mktemp("shop"), customers=6_000, ends=ENDS, seed=11)


@pytest.fixture(scope="module")
def log(shop: simulate.Shop) -> pl.DataFrame:
    return pl.read_parquet(shop.purchases)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_files_whatever_the_machine(
    tmp_path: Path, shop: simulate.Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.process_cpu_count", lambda: 5)
    again = simulate.shop(tmp_path / "again", customers=6_000, ends=ENDS, seed=11)
    for name in ("customers", "purchases", "truth"):
        assert digest(getattr(again, name)) == digest(getattr(shop, name)), name
    other = simulate.shop(tmp_path / "other", customers=6_000, ends=ENDS, seed=12)
    assert digest(other.purchases) != digest(shop.purchases)


def test_a_known_seed_gives_known_purchases(tmp_path: Path) -> None:
    """What the simulator makes of a seed is changed knowingly only: figures measured before cannot be compared then."""
    shop = simulate.shop(tmp_path, customers=100, ends=ENDS, seed=3)
    assert (shop.purchase_count, shop.refund_count, shop.revenue) == (574, 6, 2_535_289)


def test_many_blocks_join_without_a_seam(tmp_path: Path) -> None:
    shop = simulate.shop(tmp_path, customers=1_500, ends=ENDS, seed=5, purchases_per_customer=300)
    assert pq.ParquetFile(shop.purchases).num_row_groups > 3
    log = pl.read_parquet(shop.purchases)
    assert log["key"].to_list() == list(range(1, len(log) + 1))
    assert pl.read_parquet(shop.customers)["key"].to_list() == list(range(1, 1_501))
    bought = log.filter(pl.col("refund_of").is_null())
    assert bought.select(pl.col("customer_id").n_unique()).item() == 1_500


def test_totals_are_those_of_the_files(shop: simulate.Shop, log: pl.DataFrame) -> None:
    assert shop.purchase_count == log["refund_of"].null_count()
    assert shop.refund_count == len(log) - shop.purchase_count
    assert shop.revenue == int(log["amount"].sum() * 100)
    assert shop.customer_count == len(pl.read_parquet(shop.customers)) == len(pl.read_parquet(shop.truth)) == 6_000
    assert (shop.ends, (ENDS - shop.starts).days + 1) == (ENDS, 1_096)
    assert log["at"].dt.date().min() >= shop.starts
    assert log["at"].dt.date().max() <= ENDS


def test_refunds_name_an_earlier_purchase_of_the_same_customer(shop: simulate.Shop, log: pl.DataFrame) -> None:
    bought = log.filter(pl.col("refund_of").is_null())
    refunds = log.filter(pl.col("refund_of").is_not_null())
    pairs = refunds.join(bought, left_on="refund_of", right_on="key", suffix="_bought")
    assert len(pairs) == len(refunds)
    assert 0.01 < len(refunds) / len(bought) < 0.03
    assert pairs["refund_of"].is_unique().all()
    assert (pairs["customer_id"] == pairs["customer_id_bought"]).all()
    assert (pairs["at"].dt.date() > pairs["at_bought"].dt.date()).all()
    assert (pairs["amount"] < 0).all()
    assert (-pairs["amount"] <= pairs["amount_bought"]).all()
    assert (-pairs["cost"] <= pairs["cost_bought"]).all()
    assert (-pairs["units"] <= pairs["units_bought"]).all()
    assert (-pairs["amount"] < pairs["amount_bought"]).any()
    assert (bought["amount"] > 0).all()


def test_nobody_buys_before_the_first_day_or_after_leaving(shop: simulate.Shop, log: pl.DataFrame) -> None:
    truth = pl.read_parquet(shop.truth)
    bought = log.filter(pl.col("refund_of").is_null()).join(truth, on="customer_id")
    day = bought["at"].dt.date()
    assert (day <= bought["left_day"]).all()
    first = bought.group_by("customer_id").agg(pl.col("at").dt.date().min(), pl.col("first_day").first())
    assert (first["at"] == first["first_day"]).all()
    people = pl.read_parquet(shop.customers).sort("key")
    assert (people["created"].dt.date() == truth.sort("customer_id")["first_day"]).all()


def test_december_and_saturday_stand_out_and_august_is_quiet(log: pl.DataFrame) -> None:
    bought = log.filter(pl.col("refund_of").is_null(), pl.col("at").dt.year().is_in([2024, 2025]))
    months = dict(bought.group_by(pl.col("at").dt.month()).len().iter_rows())
    assert months[12] == max(months.values())
    assert months[12] > 1.5 * months[11]
    assert months[8] < 0.9 * (months[6] + months[10]) / 2
    weekdays = dict(bought.group_by(pl.col("at").dt.weekday()).len().iter_rows())
    assert weekdays[6] > 1.6 * weekdays[1]


def test_more_customers_are_won_each_year(shop: simulate.Shop) -> None:
    first = pl.read_parquet(shop.truth)["first_day"]
    years = [
        ((first >= a) & (first < a.replace(year=a.year + 1))).sum()
        for a in (datetime.date(y, 7, 1) for y in (2023, 2024, 2025))
    ]
    assert years[0] < years[1] < years[2]


def test_places_follow_the_channel(shop: simulate.Shop, log: pl.DataFrame) -> None:
    assert (log["branch"].is_not_null() == (log["channel"] == "store")).all()
    shares = dict(log["channel"].value_counts(normalize=True).iter_rows())
    assert shares["store"] > shares["web"] > shares["phone"] > 0.01
    assert log["branch"].drop_nulls().n_unique() == 3
    homes = pl.read_parquet(shop.customers).select(pl.col("key").alias("customer_id"), pl.col("branch").alias("home"))
    visits = log.filter(pl.col("channel") == "store").join(homes, on="customer_id")
    assert (visits["branch"] == visits["home"]).mean() == pytest.approx(0.9, abs=0.03)
    assert log["at"].dt.hour().min() >= 8
    margin = 1 - log["cost"].sum() / log["amount"].sum()
    assert 0.3 < float(margin) < 0.45


def test_the_plain_process_has_the_moments_it_claims(tmp_path: Path) -> None:
    """Without seasons: mean purchases by the formula of Pareto/NBD, spend around each customer's own mean."""
    process = simulate.Process(season=0, week=0, growth_per_year=1, refund_share=0, dropout_shape=2)
    shop = simulate.shop(tmp_path, customers=20_000, ends=ENDS, process=process, purchases_per_customer=8)
    assert shop.purchase_count / 20_000 == pytest.approx(8, rel=0.04)
    truth = pl.read_parquet(shop.truth)
    stays = (truth["left_day"] - truth["first_day"]).dt.total_days().to_numpy()
    for days in (100, 400, 1_600):
        expected = (400 / (400 + days)) ** 2
        assert (stays >= days).mean() == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 20_000) ** 0.5)
    assert truth["amount_mean"].mean() == pytest.approx(4_000, rel=0.03)
    log = pl.read_parquet(shop.purchases).join(truth, on="customer_id")
    relative = (log["amount"].cast(pl.Float64) * 100 / log["amount_mean"]).to_numpy()
    assert relative.mean() == pytest.approx(1, abs=0.01)
    assert relative.var() == pytest.approx(1 / 4, rel=0.05)
    end = np.minimum(truth["left_day"].to_numpy(), np.datetime64(ENDS))
    exposure = (end - truth["first_day"].to_numpy()).astype("timedelta64[D]").astype(float)
    counts = log.group_by("customer_id").len().sort("customer_id")["len"].to_numpy() - 1
    expected = truth["purchases_per_day"].to_numpy() * exposure
    assert ((counts - expected) ** 2).sum() == pytest.approx(expected.sum(), rel=0.1)


def test_the_bent_clock_finds_the_day_at_every_edge() -> None:
    seasons = Seasons(datetime.date(2023, 1, 1), 1_096, simulate.Process())
    for shift, expected in ((0, 0), (-1, -1)):
        inner = seasons.edges[1:-1] + shift
        assert (seasons.day(inner) == np.arange(1, seasons.days) + expected).all()
    assert seasons.day(seasons.edges[[0, -1]] - [0, 1]).tolist() == [0, seasons.days - 1]
    assert seasons.weights.mean() == pytest.approx(1)


def test_days_of_custom_agree_with_adding_them_up() -> None:
    process = simulate.Process()
    seasons = Seasons(datetime.date(2023, 1, 1), 60, process)
    won = np.diff(seasons.first_purchases, prepend=0)
    slow = sum(
        won[first] * seasons.weights[day] * process.staying_share(np.array(float(day - first)))
        for first in range(60)
        for day in range(first + 1, 60)
    )
    assert seasons.days_of_custom() == pytest.approx(slow)


def test_insight_reads_what_the_simulator_wrote(shop: simulate.Shop) -> None:
    with duckdb.connect() as database:
        purchases = tables.purchases(database.read_parquet(str(shop.purchases)), currency="EUR", as_of=ENDS)
        summary = rfm.summary(purchases, as_of=ENDS)
        count, amount = summary.aggregate("count(*), sum(amount)").fetchall()[0]
    assert amount == shop.revenue
    assert 5_900 < count < 6_000, "some brought back all that they ever bought"


def test_by_time_and_as_csv_hold_the_same_rows(tmp_path: Path) -> None:
    by_customer = simulate.shop(tmp_path / "a", customers=300, ends=ENDS, csv=True)
    by_time = simulate.shop(tmp_path / "b", customers=300, ends=ENDS, order="time")
    one, two = pl.read_parquet(by_customer.purchases), pl.read_parquet(by_time.purchases)
    assert two["at"].is_sorted()
    assert two.sort("key").equals(one)
    assert by_time.purchases_csv is None
    assert sorted(path.name for path in by_time.folder.iterdir()) == [
        "customers.parquet",
        "purchases.parquet",
        "truth.parquet",
    ]
    for csv, parquet in (
        (by_customer.purchases_csv, by_customer.purchases),
        (by_customer.customers_csv, by_customer.customers),
    ):
        assert csv is not None
        written, wanted = pl.read_csv(csv, infer_schema=False), pl.read_parquet(parquet)
        assert written.columns == wanted.columns
        assert len(written) == len(wanted)
    log = pl.read_csv(by_customer.purchases_csv or "", schema_overrides={"amount": pl.String})
    assert log["amount"].to_list() == [str(value) for value in one["amount"]]


def test_files_say_that_they_are_simulated(shop: simulate.Shop) -> None:
    said = pq.ParquetFile(shop.customers).metadata.metadata[b"querencia"].decode()
    assert said == "Simulated. Nobody in it exists. Seed 11."


@pytest.mark.parametrize(("currency", "decimals"), [("JPY", 0), ("KWD", 3)])
def test_amounts_have_the_currency_s_own_decimals(tmp_path: Path, currency: str, decimals: int) -> None:
    shop = simulate.shop(tmp_path, customers=50, ends=ENDS, currency=currency)
    log = pl.read_parquet(shop.purchases)
    assert log.schema["amount"] == pl.Decimal(18, decimals)
    assert int(log["amount"].sum() * 10**decimals) == shop.revenue


def test_a_small_shop_is_a_shop(tmp_path: Path) -> None:
    shop = simulate.shop(tmp_path, customers=1, years=1 / 365, ends=ENDS, purchases_per_customer=1)
    assert (shop.purchase_count, shop.starts) == (1, ENDS)


def test_people_are_the_same_for_the_same_seed_and_reach_nobody() -> None:
    people = pl.from_arrow(simulate.people(2_357, seed=7))
    assert isinstance(people, pl.DataFrame)
    assert people.equals(pl.from_arrow(simulate.people(2_357, seed=7)))
    assert not people.equals(pl.from_arrow(simulate.people(2_357, seed=8)))
    emails, phones = people["email"].drop_nulls(), people["phone"].drop_nulls()
    assert emails.is_unique().all()
    assert emails.str.contains(r"^[a-z]+\.[a-z]+\.\d+@example\.(com|org|net)$").all()
    assert len(emails) > 0.9 * len(people)
    assert phones.is_unique().all()
    assert phones.str.contains(r"^\+[1-9]\d{9,13}$").all()
    ages = pl.Series([datetime.date(2025, 1, 1)]).dt.year() - people["birthday"].drop_nulls().dt.year()
    assert ages.min() >= 18
    assert ages.max() <= 91


def test_phones_are_reserved_for_drama_or_assigned_to_nobody() -> None:
    phones = pl.from_arrow(simulate.people(30_000, seed=7, languages=["es", "pt", "en"])).drop_nulls("phone")
    for language, phone in phones.select("language", "phone").sample(2_000, seed=1).iter_rows():
        number = phonenumbers.parse(phone)
        assert phonenumbers.is_possible_number(number)
        drama = any(phone.startswith(f"+{prefix}") for prefix in simulate.names.DRAMA)
        assert drama or not phonenumbers.is_valid_number(number), (language, phone)


def test_people_speak_the_wanted_languages_in_the_wanted_shares() -> None:
    shares = pl.from_arrow(simulate.people(10_000, seed=1, languages={"pt": 3, "en": 1}))["language"].value_counts()
    counts = dict(shares.cast({"language": pl.String}).iter_rows())
    assert set(counts) == {"pt", "en"}
    assert counts["pt"] == pytest.approx(7_500, abs=200)
    spanish = pl.from_arrow(simulate.people(100, seed=1, languages="es"))
    assert set(spanish["country"]) == {"ES"}
    assert (spanish["family_name"].str.split(" ").list.len() >= 2).all()
    assert simulate.people(0, seed=1).num_rows == 0


BAD: list[tuple[dict[str, Any], str]] = [
    ({"customers": 0}, r"customers is 0, outside of 1 to"),
    ({"customers": 2.5}, r"customers is 2\.5: give a whole number"),
    ({"years": 100}, r"years is 100, outside of .* to 40: choose"),
    ({"years": float("nan")}, r"years is nan: give a number"),
    ({"seed": -1}, r"seed is -1"),
    ({"ends": datetime.datetime(2026, 6, 30)}, r"ends is .* as a date"),
    ({"currency": "Euro"}, r"currency is 'Euro': give an ISO 4217 code"),
    ({"order": "size"}, r"order is 'size': choose 'customer' or 'time'"),
    ({"purchases_per_customer": 0.5}, r"purchases_per_customer is 0\.5, outside of 1 to"),
    ({"purchases_per_customer": 9_000, "years": 0.02}, r"is 9000, which needs .* purchases a year"),
    ({"purchases_per_customer": 2, "years": 1 / 365}, r"one day leaves no time to come back: raise years"),
    ({"languages": ["es", "fr"]}, r"'fr', for which there are no names: choose from es, pt, en"),
    ({"languages": {"es": -1}}, r"with a share above zero"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), BAD, ids=[" ".join(map(str, change)) for change, _ in BAD])
def test_bad_parameters_are_named_with_what_to_do(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        simulate.shop(tmp_path / "shop", **{"customers": 10, "ends": ENDS, **change})
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("change", [{"season": 1.5}, {"rate_shape": 0}, {"refund_share": "2 %"}, {"amount_mean": -1}])
def test_a_process_refuses_what_cannot_be(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        simulate.Process(**change)
