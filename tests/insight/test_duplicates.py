"""Records that may be one person: found without anybody having judged a pair, and refused in a sentence."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from benchmarks.identity import FAKE, FEBRL, measured
from querencia.insight import InputError, duplicates, simulate
from tests.insight.logs import spark

GIVEN = ("Ana", "Bruno", "Carla", "Diego", "Elena", "Fabio", "Gloria", "Hugo", "Irene", "Jaime", "Karen", "Luis")
FAMILY = ("Alba", "Braga", "Costa", "Díaz", "Esteve", "Faro", "Gil", "Haro", "Ibáñez", "Jara", "Lara", "Matos", "Neves")


def town(people: int = 240, twins: int = 40) -> pl.DataFrame:
    """Invented people, some of whom were written down twice, the second time with a slip of the pen."""
    draw = random.Random(5)
    rows = [
        {
            "id": number,
            "given_name": draw.choice(GIVEN),
            "family_name": draw.choice(FAMILY),
            "birthday": f"{draw.randint(1940, 2005)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
            "city": draw.choice(["Vigo", "Braga", "Lugo", "Oporto"]),
            "email": f"someone{number}@example.com",
        }
        for number in range(1, people + 1)
    ]
    for number in range(1, twins + 1):
        row = dict(rows[number - 1], id=1_000 + number)
        slip = number % 4
        if slip == 0:
            row["family_name"] = row["family_name"].upper() + "s"
        elif slip == 1:
            row["birthday"] = f"{int(row['birthday'][:4]) + 1}{row['birthday'][4:]}"
        elif slip == 2:
            row["given_name"], row["family_name"] = row["family_name"], row["given_name"]
        row["email"] = "" if number % 3 else row["email"]
        rows.append(row)
    return pl.DataFrame(rows)


def found(table: Any, **how: Any) -> dict[tuple[int, int], float]:
    return {(first, second): sure for first, second, sure in duplicates.propose(table, **how).fetchall()}


@pytest.mark.slow
def test_who_was_written_down_twice_is_found_and_hardly_anybody_else() -> None:
    pairs = found(town(), probability_min=0.5)
    right = {(number, 1_000 + number) for number in range(1, 41)}
    assert len(right & pairs.keys()) >= 36
    assert len(pairs.keys() - right) <= 5
    assert list(pairs.values()) == sorted(pairs.values(), reverse=True)
    assert all(0.5 <= sure <= 1 for sure in pairs.values())


@pytest.mark.slow
def test_namesakes_are_no_pairs_where_nobody_was_written_down_twice() -> None:
    shares = {"en": 0.5, "es": 0.3, "pt": 0.2}
    people = simulate.people(2_357, seed=1997, languages=shares, adults_on=date(2026, 1, 1))
    table = pl.DataFrame(people).with_row_index("id").with_columns(city="town " + (pl.col("id") % 40).cast(pl.String))
    names = table.group_by("given_name", "family_name").len().filter(pl.col("len") > 1)
    assert len(names) >= 5  # there are namesakes
    assert not found(table, probability_min=0.5)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"id": []}, "tells nothing of them"),
        ({"id": [], "given_name": [], "city": []}, "0 of the records tell at least two"),
        ({"id": [1], "given_name": ["Ana"], "city": ["Vigo"]}, "1 of the records"),
        ({"id": [1, 2], "given_name": ["Ana", "Eve"], "city": [None, "  "]}, "0 of the records"),
        ({"id": [1, 2, 3], "given_name": ["Ana"] * 3, "family_name": ["Ruiz"] * 3}, "nothing differs between them"),
        ({"id": [1, 2], "given_name": ["Ana", "Eve"], "family_name": ["Ruiz"] * 2}, "only given_name differs"),
        ({"id": [1, 2], "given_name": ["Ana"] * 2, "birthday": ["1990-01-02", "1990-01-03"]}, "only birthday differs"),
        ({"given_name": ["Ana"], "city": ["Vigo"]}, "no column id"),
        ({"id": [1, 1], "given_name": ["Ana", "Eve"], "city": ["Vigo", "Lugo"]}, "share one with others"),
    ],
)
def test_where_there_is_nothing_to_compare_a_sentence_says_why(table: dict[str, list[Any]], said: str) -> None:
    types = {name: pl.Int64 if name == "id" else pl.String for name in table}
    with pytest.raises(InputError, match=said):
        duplicates.propose(pl.DataFrame(table, schema=types))


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(InputError, match="not a table"):
        duplicates.propose("people.csv")


@pytest.mark.parametrize(
    "rows",
    [
        [("Ana", "Ruiz", "1990-01-02"), ("Eve", "Gil", "1980-03-04")],
        [("Ana", "Ruiz", "1990-01-02"), ("Anna", "Ruiz", "1990-01-03"), ("Ana", "Ruis", "1990-01-02")],
        [("Ana", "Ruiz", "1990-01-02")] * 3 + [("Eve", "Gil", None)],
        [("Ana", "Ruiz", "1990-01-02"), ("Ruiz", "Ana", "1990-01-02"), ("Ana", None, "1990-01-02")],
    ],
)
def test_a_handful_of_records_is_compared_too(rows: list[tuple[str | None, ...]]) -> None:
    table = pl.DataFrame(
        [(number, *row) for number, row in enumerate(rows)],
        schema={"id": pl.Int64, "given_name": pl.String, "family_name": pl.String, "birthday": pl.String},
        orient="row",
    )
    assert all(0 <= sure <= 1 for sure in found(table, probability_min=0.01).values())


def test_a_value_that_very_many_share_makes_no_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK_MAX", 20)
    # Two hundred who were written down without a birthday, as forms do, in one place.
    born = pl.lit("1900-01-01").alias("birthday")
    crowd = town(200, 0).with_columns(born, pl.lit("Vigo").alias("city"))
    assert len(found(crowd, probability_min=0.01)) < 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "query", "precision", "recall"), [("febrl1", FEBRL, 0.99, 0.98), ("fake_1000", FAKE, 0.99, 0.7)]
)
def test_people_who_are_known_are_found_again(
    shared_data: Any, name: str, query: str, precision: float, recall: float
) -> None:
    _records, _pairs, _seconds, rows = measured(shared_data / "people" / f"{name}.csv", query)
    at_half = next(row for row in rows if row[0] == 0.5)
    assert at_half[2] >= precision
    assert at_half[3] >= recall


def test_a_desk_of_ones_own_is_left_with_what_was_on_it() -> None:
    desk = duckdb.connect()
    desk.register("people", town(60, 10).to_arrow())
    assert len(found((desk, desk.table("people")), probability_min=0.5)) >= 8
    assert desk.execute("SELECT count(*) FROM people").fetchall() == [(70,)]


@pytest.mark.engines
def test_spark_finds_whom_duckdb_finds(tmp_path: Path) -> None:
    table = town(60, 10)
    compared = duplicates.propose(table, probability_min=0.5, spark=duplicates.Spark(spark(), tmp_path)).fetchall()
    # What may differ is which pairs are drawn to see what agrees by chance.
    assert {(first, second) for first, second, _sure in compared} == found(table, probability_min=0.5).keys()
