# ruff: noqa: S608  (the statements are put together from names of our own)
"""Records that may be one person: pairs that look alike, with how sure it is.

Fellegi & Sunter (1969), "A theory for record linkage", JASA 64: for each trait the chance that it agrees where two
records are one person (m) against where they are not (u); the weights of all traits add up to the odds. No pairs that
somebody judged are needed: u is seen in pairs drawn at random, m is found by expectation maximisation (Winkler 1988)
among pairs that agree in something else. `Splink <https://moj-analytical-services.github.io/splink/>`_ reckons it, on
DuckDB; it is an extra (``pip install 'querencia[duplicates]'``).

Only pairs that share a block (a name, a birthday, an address) are compared. A value that more than ``BLOCK_MAX``
records have says little and would cost much: it makes no block.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from querencia.insight.engine import frame_of
from querencia.insight.errors import InputError

TRAITS = ("given_name", "family_name", "birthday", "city", "postcode", "address", "email", "phone")
BLOCK_MAX = 50
# What makes two records worth comparing: expressions of traits that both have.
BLOCKS: Mapping[str, tuple[str, ...]] = {
    "names": ("least(given_name, family_name)", "greatest(given_name, family_name)"),
    "birthday": ("birthday",),
    "email": ("email",),
    "mailbox": ("nullif(split_part(email, '@', 1), '')",),
    "phone": ("phone",),
    "address": ("address",),
    "given_and_year": ("given_name", "birthday[:4]"),
    "family_and_year": ("family_name", "birthday[:4]"),
    "given_and_postcode": ("given_name", "postcode"),
    "family_and_postcode": ("family_name", "postcode"),
    "given_and_city": ("given_name", "city"),
    "family_and_city": ("family_name", "city"),
}
# Two records that share a block and agree in this are taken for one person, to see how common that is.
CERTAIN = {"names": "one.birthday = other.birthday", "email": "true", "phone": "true"}
CERTAIN_FIND = 0.6  # of all pairs that are one person, about so many agree so
# With fewer, what expectation maximisation would call pairs are namesakes, and it would learn to be sure of them.
CERTAIN_MIN = 20
PAIRS_DRAWN = 1_000_000
TRAINED_ON = ("birthday", "names", "email", "given_and_city")
SEED = 7
MISSING = "Looking for duplicates needs Splink, which is not installed: pip install 'querencia[duplicates]'"


@dataclass(frozen=True)
class Spark:
    """A session of Spark that is to compare, and a folder that it and this process see under the same path. It has to
    have been started with the jars of `spark_jars`.

    >>> Spark(session, Path("compared"))  # doctest: +SKIP
    """

    session: Any
    room: Path


def spark_jars() -> str:
    """What Spark has to load to compare texts: ``spark.jars``.

    >>> SparkSession.builder.config("spark.jars", spark_jars()).getOrCreate()  # doctest: +SKIP
    """
    try:
        from splink.backends.spark import similarity_jar_location
    except ImportError:
        raise InputError(MISSING) from None
    return str(similarity_jar_location())


def propose(people: Any, *, probability_min: float = 0.5, spark: Spark | None = None) -> Any:
    """Pairs of records that may be one person, the surest first.

    ``people``: a table with ``id`` (whole numbers, each once) and any of ``given_name``, ``family_name``, ``birthday``
    (as text, year first), ``city``, ``postcode``, ``address``, ``email``, ``phone``; nothing and empty text are
    unknown. A pair of a DuckDB connection and its relation is worked on there, any other table in a DuckDB of its own;
    with ``spark`` the comparing, which is nearly all of the work, is done by it. Gives a DuckDB relation of
    ``first_id`` < ``second_id`` and ``probability``, from ``probability_min`` on.
    Raises :class:`InputError` where there is nothing to compare, and says why.

    >>> import polars as pl
    >>> names = [("Ana", "Gil"), ("Ana", "Gil"), ("Bea", "Sanz"), ("Carla", "Vega"), ("Diego", "Ruiz"), ("Eva", "Rey")]
    >>> people = pl.DataFrame(
    ...     [(place, *name, f"{place}@example.com") for place, name in enumerate(names)],
    ...     schema=["id", "given_name", "family_name", "email"],
    ...     orient="row",
    ... ).with_columns(email=pl.col("email").replace("1@example.com", "0@example.com"))
    >>> propose(people).select("first_id, second_id").fetchall()
    [(0, 1)]
    """
    desk, given = _laid(people)
    traits = _traits(desk, given)
    desk.execute(f"CREATE OR REPLACE TEMP TABLE duplicates_cleaned AS {_cleaned(given, traits)}")
    count = _one(desk, "SELECT count(*) FROM duplicates_cleaned")
    if count < 2:
        raise InputError(
            f"There is nothing to compare: {count} of the records tell at least two of {', '.join(TRAITS)}. Two are "
            "needed; bring in names, birthdays or addresses first.",
            count=count,
        )
    telling = _telling(desk, traits)
    if len(telling) < 2:
        raise InputError(
            "Nothing tells these records apart: only "
            f"{' and '.join(telling) or 'nothing'} differs between them. At least two of {', '.join(TRAITS)} have to.",
            count=count,
        )
    blocks = _blocked(desk, telling)
    if not blocks:
        return desk.sql("SELECT 0::BIGINT AS first_id, 0::BIGINT AS second_id, 0.0::DOUBLE AS probability LIMIT 0")
    return _linked(desk, telling, blocks, probability_min, spark)


def _laid(people: Any) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation]:
    """A DuckDB with the table in it: its own, or a fresh one for tables of other kinds."""
    if isinstance(people, tuple):
        desk, relation = people
        return desk, relation
    desk = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    return desk, desk.from_arrow(frame_of(people).collect("pyarrow").to_native())


def _one(desk: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(desk.execute(query).fetchall()[0][0])


def _traits(desk: duckdb.DuckDBPyConnection, given: duckdb.DuckDBPyRelation) -> list[str]:
    if "id" not in given.columns:
        raise InputError("The table of people has no column id, which tells its records apart.", column="id")
    traits = [name for name in TRAITS if name in given.columns]
    if not traits:
        raise InputError(f"The table of people tells nothing of them: it needs at least two of {', '.join(TRAITS)}.")
    given.create_view("duplicates_given", replace=True)
    rows, ids = desk.execute("SELECT count(*), count(DISTINCT id) FROM duplicates_given").fetchall()[0]
    if rows != ids:
        raise InputError(f"{rows - ids} of the records have no id or share one with others.", column="id")
    return traits


def _cleaned(given: duckdb.DuckDBPyRelation, traits: list[str]) -> str:
    """Small letters without accents and signs; only records of which at least two traits are known."""
    cleaned = ", ".join(f"{_clean(name)} AS {name}" for name in traits)
    known = " + ".join(f"({name} IS NOT NULL)::INTEGER" for name in traits)
    return f"SELECT * FROM (SELECT CAST(id AS BIGINT) AS id, {cleaned} FROM duplicates_given) WHERE {known} >= 2"


def _clean(name: str) -> str:
    text = f"trim(CAST({name} AS VARCHAR))"
    if name == "birthday":
        return f"nullif(regexp_replace({text}, '[^0-9]', '', 'g'), '')"
    if name in ("email", "phone", "postcode"):
        return f"nullif(lower({text}), '')"
    return f"nullif(trim(regexp_replace(lower(strip_accents({text})), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')), '')"


def _telling(desk: duckdb.DuckDBPyConnection, traits: list[str]) -> list[str]:
    """The traits that at least two records have, and not all the same."""
    asked = ", ".join(f"count({name}) >= 2 AND count(DISTINCT {name}) >= 2" for name in traits)
    found = desk.execute(f"SELECT {asked} FROM duplicates_cleaned").fetchall()[0]
    return [name for name, tells in zip(traits, found, strict=True) if tells]


def _blocked(desk: duckdb.DuckDBPyConnection, traits: list[str]) -> list[str]:
    """The table ``duplicates_people`` with the blocks of each record; the names of the blocks that hold any pair."""
    usable = {
        name: parts
        for name, parts in BLOCKS.items()
        if all(trait in traits for trait in TRAITS if any(trait in part for part in parts))
    }
    keys = {name: " || '|' || ".join(parts) for name, parts in usable.items()}
    columns = ", ".join(
        f"CASE WHEN count(*) OVER (PARTITION BY {key}) BETWEEN 2 AND {BLOCK_MAX} THEN {key} END AS block_{name}"
        for name, key in keys.items()
    )
    if not columns:
        return []
    kept = ", ".join(["id", *traits])
    desk.execute(f"CREATE OR REPLACE TEMP TABLE duplicates_people AS SELECT {kept}, {columns} FROM duplicates_cleaned")
    filled = desk.execute(f"SELECT {', '.join(f'count(block_{name})' for name in keys)} FROM duplicates_people")
    return [name for name, count in zip(keys, filled.fetchall()[0], strict=True) if count]


def _linked(
    desk: duckdb.DuckDBPyConnection, traits: list[str], blocks: list[str], probability_min: float, spark: Spark | None
) -> Any:
    try:
        from splink import Linker, SettingsCreator, block_on
    except ImportError:
        raise InputError(MISSING) from None
    certain = _certain(desk, traits, blocks)
    records = _one(desk, "SELECT count(*) FROM duplicates_people")
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="id",
        comparisons=_comparisons(traits),
        blocking_rules_to_generate_predictions=[block_on(f"block_{name}") for name in blocks],
        # Never nought: then nothing could prove it.
        probability_two_random_records_match=min(0.5, (certain / CERTAIN_FIND + 1) / (records * (records - 1) / 2)),
        retain_matching_columns=False,
    )
    linker = Linker(_registered(desk, spark), settings, log_level=logging.ERROR)
    _train(linker, blocks if certain >= CERTAIN_MIN else [])
    found = linker.inference.predict(threshold_match_probability=probability_min, warning_mode="never")
    return desk.sql(
        "SELECT least(id_l, id_r) AS first_id, greatest(id_l, id_r) AS second_id, "
        f"match_probability AS probability FROM {_handed_back(found, spark)} "
        "ORDER BY probability DESC, first_id, second_id"
    )


def _registered(desk: duckdb.DuckDBPyConnection, spark: Spark | None) -> Any:
    """The table of people where it is to be compared."""
    if spark is None:
        from splink.backends.duckdb import DuckDBAPI

        return DuckDBAPI(desk).register("duplicates_people")
    import splink.backends.spark as backend

    desk.execute(f"COPY duplicates_people TO '{_quoted(spark.room / 'people.parquet')}' (FORMAT parquet)")
    people = spark.session.read.parquet((spark.room / "people.parquet").as_uri())
    spark.session.sparkContext.setCheckpointDir((spark.room / "between").as_uri())
    api: Any = backend.SparkAPI
    return api(spark_session=spark.session, break_lineage_method="checkpoint").register(people)


def _handed_back(found: Any, spark: Spark | None) -> str:
    if spark is None:
        return str(found.physical_name)
    pairs = found.as_spark_dataframe().select("id_l", "id_r", "match_probability")
    pairs.write.parquet((spark.room / "pairs").as_uri())
    return f"read_parquet('{_quoted(spark.room / 'pairs' / '*.parquet')}')"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _certain(desk: duckdb.DuckDBPyConnection, traits: list[str], blocks: list[str]) -> int:
    """How many pairs agree in what hardly anybody shares with somebody else."""
    rules = [
        f"SELECT one.id, other.id FROM duplicates_people one JOIN duplicates_people other "
        f"ON one.block_{name} = other.block_{name} AND one.id < other.id AND {rule}"
        for name, rule in CERTAIN.items()
        if name in blocks and (name != "names" or "birthday" in traits)
    ]
    return _one(desk, f"SELECT count(*) FROM ({' UNION '.join(rules)})") if rules else 0


def _comparisons(traits: list[str]) -> list[Any]:
    import splink.comparison_library as compare

    left = list(traits)
    made: list[Any] = []
    if "given_name" in left and "family_name" in left:
        # Together, since forms swap them.
        made.append(compare.ForenameSurnameComparison("given_name", "family_name"))
        left = [name for name in left if name not in ("given_name", "family_name")]
    for name in left:
        if name == "email":
            made.append(compare.EmailComparison(name))
        elif name in ("birthday", "postcode", "phone"):
            made.append(compare.DamerauLevenshteinAtThresholds(name, [1, 2] if name == "birthday" else [1]))
        else:
            near = compare.JaroWinklerAtThresholds(name, [0.92, 0.8])
            made.append(near.configure(term_frequency_adjustments=name != "address"))
    return made


def _train(linker: Any, blocks: list[str]) -> None:
    """What the records themselves tell of m and u; where they are too few, Splink's own priors stand."""
    from splink import block_on
    from splink.internals.exceptions import EMTrainingException

    linker.training.estimate_u_using_random_sampling(max_pairs=PAIRS_DRAWN, seed=SEED)
    for name in [name for name in TRAINED_ON if name in blocks][:2]:
        # The others where nothing in the block is a pair, or all of it is: there is nothing to learn either.
        with suppress(EMTrainingException, ValueError, ZeroDivisionError):
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(f"block_{name}"))
