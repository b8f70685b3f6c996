"""What customers were like when they came, as numbers: columns of a summary become columns of a design.

Numbers stay numbers. Of text (and true or false) the commonest level is what the others are compared with, and levels
of too few customers count together. Customers alike in history and covariates are one group, counted in the engine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from querencia.insight.engine import frame_of, numbers
from querencia.insight.errors import InputError
from querencia.insight.gates import CUSTOMERS_MIN, REPEATERS_MIN, Gate, Gates
from querencia.insight.language import gettext as _
from querencia.insight.lifetime.groups import HISTORY, Array, Groups, Key, verify
from querencia.insight.reading import example_of
from querencia.insight.wording import number

LEVEL_CUSTOMERS_MIN = CUSTOMERS_MIN
# Of a level or for a column, who came back: Peduzzi et al. (1996), Journal of Clinical Epidemiology 49(12).
LEVEL_REPEATERS_MIN = 10
LEVELS_MAX = 50
OTHERS = "(others)"  # the name of the levels that count together
ALIAS = 1e-8  # of its own variance that a column must keep beside the others

type Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Told:
    """One covariate of each group: numbers, or where its level stands among ``levels``; ``read``: how a row has it."""

    values: Array
    levels: tuple[str, ...] | None
    read: nw.Expr = field(compare=False)

    def __getitem__(self, some: Any) -> "Told":
        return Told(self.values[some], self.levels, self.read)

    def plain(self) -> Any:
        """The values as the engine has them, to be joined to."""
        import pyarrow as pa

        return (
            self.values if self.levels is None else pa.array(self.levels).take(pa.array(self.values.astype(np.int64)))
        )


@dataclass(frozen=True)
class Described(Groups):
    """Histories with the covariates of those who have them (``told``, by name).

    >>> import polars as pl
    >>> from querencia.insight.lifetime import groups
    >>> table = pl.DataFrame({"frequency": [0, 0, 1], "recency": [0, 0, 9], "age": [30] * 3, "from": ["a", "b", "b"]})
    >>> made = groups(table, covariates=["from"])
    >>> len(made), made.told["from"].levels
    (3, ('a', 'b'))
    """

    told: Mapping[str, Told] = field(default_factory=dict)

    def part(self, some: Any, weight: Array | None = None) -> "Described":
        told = {name: one[some] for name, one in self.told.items()}
        return Described(**self._parts(some, weight), told=told)

    @property
    def keys(self) -> dict[str, Key]:
        return {name: (one.plain(), one.read) for name, one in self.told.items()}


def named(covariates: Any) -> tuple[str, ...]:
    """Names of covariates, each once."""
    if isinstance(covariates, str):
        raise InputError(f"Give covariates as a list: [{covariates!r}].", example=covariates)
    return tuple(dict.fromkeys(covariates))


def described(summary: Any, covariates: Sequence[str]) -> Described:
    """Counted inside the engine; see :func:`querencia.insight.lifetime.groups`."""
    frame = frame_of(summary)
    schema = frame.collect_schema()
    reads = {name: _read(name, _kind(name, schema)) for name in covariates}
    columns = {f"x{place}": reads[name] for place, name in enumerate(covariates)}
    number_of = nw.col("weight").cast(nw.Float64()) if "weight" in schema.names() else nw.lit(1.0)
    counted = (
        frame.select(*HISTORY, weight=number_of, **columns)
        .group_by(*HISTORY, *columns)
        .agg(nw.col("weight").sum())
        .sort(*HISTORY, *columns)
        .collect()
    )
    found = {name: numbers(counted[name]).astype(np.float64) for name in (*HISTORY, "weight")}
    told = {}
    for place, name in enumerate(covariates):
        values = counted[f"x{place}"]
        told[name] = _told(values, reads[name])
    made = Described(**found, told=told)
    verify(made)
    _verify(made)
    return made


def _kind(name: str, schema: nw.Schema) -> nw.dtypes.DType:
    names = schema.names()
    for needed in HISTORY:
        if needed not in names:
            raise InputError(f"There is no column {needed!r}: give what insight.rfm.summary gives.", column=needed)
    if name not in names or name in (*HISTORY, "weight", "customer_id"):
        others = [each for each in names if each not in (*HISTORY, "weight", "customer_id")]
        raise InputError(
            f"{name!r} is no column that could explain buying: there are {', '.join(others) or 'none'}.", column=name
        )
    kind = schema[name]
    if not (kind.is_numeric() or kind in (nw.Boolean, nw.String, nw.Categorical, nw.Enum)):
        raise InputError(
            f"Column {name!r} holds {kind}: a covariate is a number, a text, or true or false.", column=name
        )
    return kind


def _read(name: str, kind: nw.dtypes.DType) -> nw.Expr:
    """A number, or text of one kind: engines have several, which some do not join to each other."""
    column = nw.col(name)
    if kind == nw.Boolean:
        return nw.when(column).then(nw.lit("true")).otherwise(nw.when(~column).then(nw.lit("false")))
    return column.cast(nw.Float64()) if kind.is_numeric() else column.cast(nw.String())


def _told(values: nw.Series[Any], read: nw.Expr) -> Told:
    if values.dtype.is_numeric():
        return Told(numbers(values).astype(np.float64), None, read)
    given = values.to_list()
    levels = sorted({value for value in given if value is not None and value == value})
    places = {level: float(place) for place, level in enumerate(levels)}
    return Told(np.array([places.get(value, np.nan) for value in given], dtype=np.float64), tuple(levels), read)


def _verify(made: Described) -> None:
    for name, one in made.told.items():
        bad = ~np.isfinite(one.values)
        if bad.any():
            count = int(made.weight[bad].sum())
            raise InputError(
                f"Column {name!r}: {count:,} customers have no value. Leave them out, or name what is missing in a "
                "word.",
                column=name,
                count=count,
            )


@dataclass(frozen=True)
class Column:
    """A column of the design: a number as it is, or 1 where the covariate has one of ``levels``."""

    name: str
    covariate: str
    levels: tuple[Any, ...] | None = None
    centre: float = 0.0
    scale: float = 1.0
    takes_unknown: bool = False  # levels that were not there when the model was fitted

    def of(self, told: Told, known: Sequence[Any]) -> Array:
        if self.levels is None or told.levels is None:
            return told.values
        is_mine = [level in self.levels or (self.takes_unknown and level not in known) for level in told.levels]
        return np.array(is_mine, dtype=np.float64)[told.values.astype(np.int64)]


@dataclass(frozen=True)
class Design:
    """``columns`` of all covariates; ``sides``: which of them each of several lists of covariates uses. ``references``:
    the level that others are compared with; ``known``: all levels seen; ``joined``: those of too few customers;
    ``aliased``: columns left out of a side because they say nothing new there."""

    columns: tuple[Column, ...]
    sides: tuple[tuple[int, ...], ...]
    references: Mapping[str, Any]
    known: Mapping[str, tuple[Any, ...]]
    joined: Mapping[str, tuple[Any, ...]]
    aliased: tuple[str, ...]

    @classmethod
    def of(cls, made: Described, *sides: Sequence[str]) -> "Design":
        """The design that a model is fitted with, of the groups it is fitted on."""
        columns: list[Column] = []
        references, known, joined = {}, {}, {}
        for name, told in made.told.items():
            if told.levels is None:
                columns.append(Column(name, name))
                continue
            sizes = _sizes(told, made)
            largest = int(np.argmax(sizes[0])) if told.levels else 0
            rare = {level for level, *size in zip(told.levels, *sizes, strict=True) if _is_rare(*size)}
            references[name] = told.levels[largest] if told.levels else None
            known[name] = told.levels
            joined[name] = tuple(level for level in told.levels if level in rare - {references[name]})
            columns += _of_levels(name, told, made, references[name], joined[name])
        standard = tuple(_standard(column, made, known) for column in columns)
        asked = [[place for place, column in enumerate(standard) if column.covariate in side] for side in sides]
        kept = tuple(_independent(places, standard, made, known) for places in asked)
        left_out = {place for places, some in zip(asked, kept, strict=True) for place in places if place not in some}
        aliased = tuple(column.name for place, column in enumerate(standard) if place in left_out)
        return cls(standard, kept, references, known, joined, aliased)

    def matrix(self, made: Described) -> Array:
        """A row per group, as the columns were given. Raises InputError for a level that the model does not know."""
        for name, known in self.known.items():
            if name not in made.told or any(column.takes_unknown for column in self.of_covariate(name)):
                continue
            levels = made.told[name].levels or ()
            present = np.unique(made.told[name].values).astype(np.int64)
            if new := [levels[place] for place in present if levels[place] not in known]:
                raise InputError(
                    f"Column {name!r} holds {example_of(new[0])}, which was not there when the model was fitted: there "
                    f"were {', '.join(map(str, known))}.",
                    column=name,
                    count=len(new),
                    example=new[0],
                )
        made_of = [c.of(made.told[c.covariate], self.known.get(c.covariate, ())) for c in self.columns]
        return np.stack(made_of, axis=1) if made_of else np.zeros((len(made), 0))

    def of_covariate(self, name: str) -> Iterator[Column]:
        return (column for column in self.columns if column.covariate == name)


def _sizes(told: Told, made: Groups) -> tuple[Array, Array]:
    """Customers of each level, and those of them who came back."""
    place, levels = told.values.astype(np.int64), len(told.levels or ())
    repeat = made.weight * (made.frequency > 0)
    return np.bincount(place, made.weight, levels), np.bincount(place, repeat, levels)


def _is_rare(customers: float, repeaters: float) -> bool:
    return customers < LEVEL_CUSTOMERS_MIN or repeaters < LEVEL_REPEATERS_MIN


def _of_levels(name: str, told: Told, made: Groups, base: Any, joined: tuple[Any, ...]) -> list[Column]:
    """A column per level with customers enough; one for the rest together where these are enough, else they count as
    the commonest."""
    assert told.levels is not None
    single = [level for level in told.levels if level != base and level not in joined]
    if len(single) > LEVELS_MAX:
        raise InputError(
            f"Column {name!r} has {len(single) + 1:,} levels, for example {example_of(base)}: beyond {LEVELS_MAX}, put "
            "them into groups.",
            column=name,
            count=len(single) + 1,
            example=base,
        )
    columns = [Column(f"{name}={level}", name, (level,)) for level in single]
    inside = Column(f"{name}={OTHERS}", name, joined, takes_unknown=True)
    share = inside.of(told, told.levels)
    if not _is_rare(float(made.weight @ share), float((made.weight * (made.frequency > 0)) @ share)):
        columns.append(inside)
    return columns


def _standard(column: Column, made: Described, known: Mapping[str, tuple[Any, ...]]) -> Column:
    """Centred; numbers also in units of their spread, so that a step in any direction is a step of like size (Gelman,
    Jakulin, Pittau & Su 2008, Annals of Applied Statistics 2(4))."""
    raw, total = column.of(made.told[column.covariate], known.get(column.covariate, ())), made.weight.sum()
    centre = float(made.weight @ raw / total)
    spread = float(np.sqrt(made.weight @ (raw - centre) ** 2 / total)) if column.levels is None else 1.0
    return Column(column.name, column.covariate, column.levels, centre, spread or 1.0, column.takes_unknown)


def _independent(
    places: Sequence[int], columns: Sequence[Column], made: Described, known: Mapping[str, tuple[Any, ...]]
) -> tuple[int, ...]:
    """The columns without those that are sums of others or never change; earlier ones are kept (Gram–Schmidt)."""
    kept: list[int] = []
    basis: list[Array] = []
    root = np.sqrt(made.weight)
    for place in places:
        column = columns[place]
        raw = column.of(made.told[column.covariate], known.get(column.covariate, ()))
        rest = root * (raw - column.centre)
        size = float(rest @ rest)
        for before in basis:
            rest = rest - (before @ rest) * before
        left = float(rest @ rest)
        # A number that never changes leaves the noise of its mean.
        if left > ALIAS * size and size > 1e-20 * made.customers * (1 + column.centre**2):
            kept.append(place)
            basis.append(rest / np.sqrt(left))
    return tuple(kept)


def check(summary: Any, *, covariates: Sequence[str]) -> Gates:
    """The gates ``repeaters`` and ``levels`` (one per covariate) for a model of buying with covariates.

    A closed gate of levels names those that count together because each alone has too few customers.

    >>> import polars as pl
    >>> histories = {"frequency": [1, 0] * 40, "recency": [9, 0] * 40, "age": [30] * 80}
    >>> table = pl.DataFrame(histories | {"from": ["a"] * 75 + ["b"] * 5})
    >>> [gate.reason for gate in check(table, covariates=["from"]) if not gate.is_open][-1]
    'from: too few customers for an effect of their own (at least 30, of whom 10 came back): b. They count as a.'
    """
    made = described(summary, named(covariates))
    design = Design.of(made, tuple(made.told))
    repeaters = round(float(made.weight @ (made.frequency > 0)))
    least = max(REPEATERS_MIN, 2 * LEVEL_REPEATERS_MIN * len(design.sides[0]))
    facts = {"count": repeaters, "least": least}
    if repeaters >= least:
        reason = _("Customers who have come back: %(count)s, enough for so many covariates (at least %(least)s).")
    else:
        reason = _("Customers who have come back: %(count)s. For so many covariates %(least)s are needed.")
    said = {name: number(value) for name, value in facts.items()}
    gates = [Gate("repeaters", repeaters >= least, reason % said, facts)]
    return Gates([*gates, *(_levels_gate(name, made, design) for name in made.told)])


def _levels_gate(name: str, made: Described, design: Design) -> Gate:
    joined = design.joined.get(name, ())
    facts = {"joined": len(joined), "customers": LEVEL_CUSTOMERS_MIN, "repeaters": LEVEL_REPEATERS_MIN}
    said: dict[str, Any] = {"name": name} | {key: number(value) for key, value in facts.items()}
    columns = [design.columns[place] for place in design.sides[0] if design.columns[place].covariate == name]
    if joined:
        is_column = any(column.takes_unknown for column in columns)
        said |= {"levels": ", ".join(map(str, joined)), "reference": design.references[name]}
        start = _(
            "%(name)s: too few customers for an effect of their own (at least %(customers)s, of whom %(repeaters)s "
            "came back): %(levels)s."
        )
        end = _("They count together.") if is_column else _("They count as %(reference)s.")
        return Gate("levels", False, f"{start % said} {end % said}", facts)
    if not columns:
        return Gate("levels", False, _("%(name)s: it tells no customers apart that others do not.") % said, facts)
    if name not in design.references:
        return Gate("levels", True, _("%(name)s: a number, with one effect for each unit more.") % said, facts)
    reason = _("%(name)s: each level has at least %(customers)s customers, of whom %(repeaters)s came back.")
    return Gate("levels", True, reason % said, facts)
