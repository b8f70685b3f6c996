"""`querencia forecast`: one row per customer, looking at nothing after the day given."""

import datetime
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.commands import Done, Run, apart
from tests.insight.logs import CDNOW, cdnow

REQUIRED = [
    "customer_id",
    "expected_purchases",
    "chance_of_purchase",
    "expected_spend",
    "model",
    "likely_purchases",
    "rank",
]
DAY = datetime.date(1997, 9, 30)
WHEN = ("--as-of", DAY.isoformat(), "--horizon-days", "90")


def forecast(done: Done, out: Path) -> pl.DataFrame:
    assert done.code == 0, done.err
    assert done.out == b""
    return pl.read_csv(out, schema_overrides={"customer_id": pl.String})


def sample(keep: int) -> pl.DataFrame:
    """Every so many-th customer of CDNOW, by the column that its authors number them with."""
    return cdnow().filter(pl.col("id").cast(pl.Int64) % keep == 0).select("id", "date", "amt")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("forecast")
    out = folder / "ahead.csv"
    found = forecast(apart("forecast", CDNOW, *WHEN, "--currency", "USD", "--out", out, folder=folder), out)
    assert not (folder / "home").exists()
    return found


def test_everybody_who_had_bought_has_a_row(whole: pl.DataFrame) -> None:
    seen = cdnow().filter(pl.col("date") <= 19_970_930)["id"].unique().sort()
    assert whole.columns == REQUIRED
    assert whole["customer_id"].to_list() == seen.to_list()


def test_the_figures_are_sound(whole: pl.DataFrame) -> None:
    assert whole.null_count().sum_horizontal()[0] == 0
    assert whole["chance_of_purchase"].is_between(0, 1).all()
    assert (whole["expected_purchases"] >= whole["chance_of_purchase"] - 1e-6).all()
    assert (whole["expected_spend"] >= 0).all()
    assert whole["expected_spend"].is_finite().all()
    assert whole["model"].n_unique() == 1
    assert whole["likely_purchases"].dtype == whole["rank"].dtype == pl.Int64
    assert (whole["rank"].min(), whole["rank"].max()) == (1, pytest.approx(len(whole), rel=0.2))
    assert ((whole["likely_purchases"] > 0) == (whole["chance_of_purchase"] > 0.5)).all()


def test_the_forecast_is_near_what_happened(whole: pl.DataFrame) -> None:
    after = cdnow().filter(pl.col("date").is_between(19_971_001, 19_971_229))
    bought = after.group_by(customer_id="id").agg(pl.col("date").n_unique().alias("bought"))
    joined = whole.join(bought, on="customer_id", how="left").with_columns(pl.col("bought").fill_null(0))
    assert joined["expected_purchases"].sum() == pytest.approx(joined["bought"].sum(), rel=0.25)
    errors = joined.select(
        said=(pl.col("expected_purchases") - pl.col("bought")).abs().mean(),
        none=pl.col("bought").mean(),
        rank=pl.corr("expected_purchases", "bought", method="spearman"),
    ).row(0, named=True)
    assert errors["said"] < 1.6 * errors["none"]
    assert errors["rank"] > 0.3
    spent = after.filter(pl.col("id").is_in(whole["customer_id"].implode()))["amt"].sum()
    assert whole["expected_spend"].sum() == pytest.approx(spent, rel=0.35)


@pytest.mark.slow
def test_later_rows_change_nothing_byte_for_byte(run: Run, tmp_path: Path) -> None:
    log = sample(8)
    early, late = log.filter(pl.col("date") <= 19_970_930), log.filter(pl.col("date") > 19_970_930)
    other = late.select(pl.format("X{}", "id").alias("id"), "date", pl.lit("gift; 1.234,56 €").alias("amt"))
    written = early.with_columns(pl.col("amt").cast(pl.String))
    shuffled = pl.concat([written, other]).sample(fraction=1, shuffle=True, seed=7)
    many = pl.concat([log] + [late.with_columns(pl.col("date") + 10_000 * n) for n in range(1, 60)])
    logs = {
        "as it is": log,
        "cut off": early,
        "later rows are other customers' and no money": pl.concat([written, other]),
        "many more later rows": many,
        "later rows first": pl.concat([late, early]),
    }
    answers = {}
    for name, rows in logs.items():
        path, out = tmp_path / f"{name}.csv", tmp_path / f"{name}.out.csv"
        rows.write_csv(path)
        forecast(run("forecast", path, *WHEN, "--out", out), out)
        answers[name] = out.read_bytes()
    assert len(set(answers.values())) == 1, [name for name in answers if answers[name] != answers["as it is"]]
    (tmp_path / "mixed.csv").write_text(shuffled.write_csv())
    forecast(run("forecast", "mixed.csv", *WHEN, "--out", "mixed.out.csv"), tmp_path / "mixed.out.csv")
    assert (tmp_path / "mixed.out.csv").read_bytes() == answers["as it is"]


def test_what_is_later_does_not_decide_how_dates_are_read(run: Run, tmp_path: Path) -> None:
    """Up to the day every date could be read in two ways; only later ones show which is meant."""
    early = [f"c{n % 9},{n % 12 + 1:02d}/{n % 7 + 1:02d}/2025,{n}.5" for n in range(80)]
    for name, later in {
        "alone": [],
        "with": ["c1,25/12/2026,9", "c2,28/12/2026,9"],
        "against": ["c1,12/25/2026,9"],
    }.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,date,amount", *early, *later]) + "\n")
        done = run(
            "forecast", f"{name}.csv", "--as-of", "2025-12-31", "--horizon-days", "30", "--out", f"{name}.out.csv"
        )
        assert done.code == 0
        assert "could be read in two ways" in done.said
    answers = {(tmp_path / f"{name}.out.csv").read_bytes() for name in ("alone", "with", "against")}
    assert len(answers) == 1


LATER = st.lists(
    st.tuples(
        st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters='",;\t|'), max_size=8),
        st.integers(1, 2_000),
        st.one_of(st.just("no money"), st.just(""), st.floats(-1e6, 1e6).map(lambda value: f"{value:.2f}")),
    ),
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(later=LATER, seed=st.integers(0, 1_000))
def test_a_log_opened_from_a_day_is_the_log_of_that_day(
    later: list[tuple[str, int, str]], seed: int, tmp_path: Path
) -> None:
    from querencia.cli import logs, understanding
    from querencia.cli.screen import Screen

    chance = random.Random(seed)
    day = datetime.date(2026, 3, 15)
    rows = [
        f"k{chance.randrange(9)},{day - datetime.timedelta(days=chance.randrange(400)):%d/%m/%Y},{n},5"
        for n in range(60)
    ]
    more = [f"{own},{day + datetime.timedelta(days=ahead):%d/%m/%Y},{amount or '7'},5" for own, ahead, amount in later]
    found = []
    for lines in (rows, chance.sample(rows + more, len(rows + more))):
        path = tmp_path / "log.csv"
        path.write_text("\n".join(["client,day,total,pieces", *lines]) + "\n", encoding="utf-8")
        asked = understanding.Asked({}, {}, as_of=day)
        with logs.opened([str(path)], asked, screen=Screen(quiet=True)) as log:
            purchases = log.desk.sql(
                "SELECT id, day, amount FROM purchases JOIN customers USING (customer_id) ORDER BY ALL"
            )
            found.append((purchases.fetchall(), log.rows - log.later, log.rejected))
    assert found[0] == found[1]
    assert len(found[0][0]) == 60


@pytest.mark.parametrize(
    ("code", "said"),
    [("en", "nothing is claimed for it"), ("es", "no se promete nada de él"), ("pt", "nada se promete dele")],
)
def test_a_forecast_explains_itself_on_a_page(code: str, said: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("id,date,amount\na,2026-01-05,5\na,2026-01-15,7\nb,2026-01-20,3\n")
    when = ("--as-of", "2026-01-31", "--horizon-days", "30")
    done = run("forecast", "log.csv", *when, "--out", "a.csv", "--explain", "why.html", "--language", code)
    assert done.code == 0, done.err
    assert "why.html" in done.said
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert f'lang="{code}"' in page
    assert said in page
    assert "log.csv" in page


def test_a_page_that_cannot_be_written_is_refused_before_the_work(run: Run, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("id,date,amount\na,2026-01-05,5\n")
    (tmp_path / "pages").mkdir()
    when = ("--as-of", "2026-01-31", "--horizon-days", "9", "--out", "o.csv")
    assert "is a folder" in run("forecast", "log.csv", *when, "--explain", "pages").refused
    assert not (tmp_path / "o.csv").exists()


def test_ids_come_out_as_they_went_in(run: Run, tmp_path: Path) -> None:
    ids = ["007", "12", "Ana, Ltd.", 'the "best"', "ñandú", "1e5", "=1+1"]
    table = pl.DataFrame({"id": ids * 3, "date": ["2026-01-05", "2026-02-06", "2026-03-07"] * 7, "amount": [5.5] * 21})
    table.write_csv(tmp_path / "log.csv")
    out = tmp_path / "ahead.csv"
    found = forecast(run("forecast", "log.csv", "--as-of", "2026-06-30", "--horizon-days", "30", "--out", out), out)
    assert sorted(found["customer_id"]) == sorted(ids)


def test_parquet_keeps_numbers_numbers_and_adds_intervals_when_asked(run: Run, tmp_path: Path) -> None:
    log = sample(8).with_columns(pl.col("id").cast(pl.Int64), pl.col("date").cast(pl.String).str.to_date("%Y%m%d"))
    log.write_parquet(tmp_path / "log.parquet")
    done = run("forecast", "log.parquet", *WHEN, "--out", "ahead.parquet", "--intervals")
    assert done.code == 0, done.err
    found = pl.read_parquet(tmp_path / "ahead.parquet")
    assert found.columns[: len(REQUIRED)] == REQUIRED
    assert found["customer_id"].dtype == pl.Int64
    assert found["customer_id"].is_sorted()
    for name in ("expected_purchases", "expected_spend"):
        assert (found[f"{name}_low"] <= found[name] + 0.01).all()
        assert (found[f"{name}_high"] >= found[name] - 0.01).all()
    assert (found["chance_low"] <= found["chance_of_purchase"] + 1e-6).all()
    assert (found["chance_high"] >= found["chance_of_purchase"] - 1e-6).all()


def test_who_gave_everything_back_is_expected_to_buy_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("id,date,amount\na,2026-01-05,5\nb,2026-01-05,5\nb,2026-01-05,-5\n")
    out = tmp_path / "ahead.csv"
    done = run("forecast", "log.csv", "--as-of", "2026-01-31", "--horizon-days", "30", "--out", out)
    rows = {row["customer_id"]: row for row in forecast(done, out).to_dicts()}
    assert rows["a"]["expected_purchases"] > 0
    nothing = dict.fromkeys(REQUIRED[1:4], 0.0) | {"model": "nothing kept", "likely_purchases": 0, "rank": 2}
    assert rows["b"] == {"customer_id": "b", **nothing}
    assert "gave back all they bought: 1" in done.said


@pytest.mark.parametrize("horizon", [1, 3_650])
def test_a_thin_log_gives_a_plain_rate_and_says_so(horizon: int, run: Run, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("id,date,amount\na,2026-01-05,5\na,2026-01-15,7\nb,2026-01-20,3\n")
    out = tmp_path / "ahead.csv"
    done = run("forecast", "log.csv", "--as-of", "2026-01-31", "--horizon-days", str(horizon), "--out", out)
    found = forecast(done, out)
    assert found["model"].unique().to_list() == ["pooled rate"]
    assert found.select(pl.col(REQUIRED[1:4]).is_finite().all()).row(0) == (True, True, True)
    assert "Too little history" in done.said


def test_a_horizon_beyond_the_history_is_warned_of(run: Run, tmp_path: Path) -> None:
    sample(8).write_csv(tmp_path / "log.csv")
    when = ("--as-of", "1997-09-30", "--horizon-days", "273")
    done = run("forecast", "log.csv", *when, "--out", "ahead.csv", "--language", "es")
    assert done.code == 0
    assert "546" in done.said


REFUSALS: dict[str, tuple[list[str], str]] = {
    "no day": (["--horizon-days", "30", "--out", "o.csv"], "--as-of"),
    "no horizon": (["--as-of", "2026-01-31", "--out", "o.csv"], "--horizon-days"),
    "no horizon at all": (["--as-of", "2026-01-31", "--horizon-days", "0", "--out", "o.csv"], "--horizon-days"),
    "the past": (["--as-of", "2026-01-31", "--horizon-days", "-1", "--out", "o.csv"], "--horizon-days"),
    "the end of time": (["--as-of", "2026-01-31", "--horizon-days", "999999", "--out", "o.csv"], "3650"),
    "half a day": (["--as-of", "2026-01-31", "--horizon-days", "0.5", "--out", "o.csv"], "--horizon-days"),
    "before the first purchase": (["--as-of", "2025-01-31", "--horizon-days", "9", "--out", "o.csv"], "2025-01-31"),
    "another kind of file": (["--as-of", "2026-01-31", "--horizon-days", "9", "--out", "o.xlsx"], ".csv or .parquet"),
    "no folder": (["--as-of", "2026-01-31", "--horizon-days", "9", "--out", "no/o.csv"], "there is no folder no"),
    "over its source": (["--as-of", "2026-01-31", "--horizon-days", "9", "--out", "log.csv"], "would be lost"),
    "no folder for the page": (
        ["--as-of", "2026-01-31", "--horizon-days", "9", "--out", "o.csv", "--explain", "no/why.html"],
        "--explain: there is no folder no",
    ),
    "page over its source": (
        ["--as-of", "2026-01-31", "--horizon-days", "9", "--out", "o.csv", "--explain", "log.csv"],
        "would be lost",
    ),
    "page and forecast in one": (
        ["--as-of", "2026-01-31", "--horizon-days", "9", "--out", "o.csv", "--explain", "o.csv"],
        "give each a file of its own",
    ),
    "no such column": (
        ["--as-of", "2026-01-31", "--horizon-days", "9", "--out", "o.csv", "--columns", "at=when"],
        "There is no column when",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_bad_input_is_refused_in_a_sentence(refusal: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("id,date,amount\na,2026-01-05,5\n")
    arguments, sentence = REFUSALS[refusal]
    assert sentence in run("forecast", "log.csv", *arguments).refused
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv"]
