"""How good forecasts are: ``python -m benchmarks.accuracy [LOG ...] [--write]``, or ``make accuracy``.

On each log, on several days of its past, the forecast is made from what was known then and compared with what
followed; so are the rules of thumb, the models one by one, and those of the library lifetimes where it can be had.

A figure is held to the error that it answers (Gneiting 2011): squared errors and totals to the number expected, which
is a mean; absolute errors to the likely number, which is a median. Who states but one number is held to that by both.
"""

import datetime
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import logs, machine, peers
from querencia.insight import forecast, rfm, tables
from querencia.insight.forecast import within
from querencia.insight.forecast.accuracy import auc, captured
from querencia.insight.forecast.backtest import MODELS, SIMPLE, TIMED
from querencia.insight.forecast.candidates import Bench
from querencia.insight.forecast.histories import Histories
from querencia.insight.lifetime import log_gap_sum

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
HEADING = "## accuracy"
# Share of the log that is known, and share of it that is looked ahead.
CUTS = ((0.5, 0.5), (0.65, 0.25), (0.75, 0.25), (0.8, 0.1), (0.9, 0.1))
REFEREE = "the referee's pick"
DRAWS = 500
MEASURES = ("rmse", "mae", "mae of the mean", "total", "top tenth", "auc", "brier", "within")
type Vector = np.ndarray[Any, np.dtype[np.float64]]
screen, aside = Console(), Console(stderr=True)


@dataclass(frozen=True)
class Said:
    """What somebody said of each customer. ``ranks``: by what buyers are told apart; ``chance`` is None where only that
    is known, ``likely`` where but one number of purchases is stated, ``order`` where that number is the order too."""

    who: str
    kind: str
    expected: Vector
    chance: Vector | None
    ranks: Vector
    low: Vector | None = None
    high: Vector | None = None
    likely: Vector | None = None
    order: Vector | None = None


@dataclass(frozen=True)
class Row:
    log: str
    known_days: int
    ahead_days: int
    customers: int
    who: str
    kind: str
    values: Mapping[str, float | None]
    # Of the pick, where it did worse than the best of a pool by more than 1 %: within which that lies by chance.
    between: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which logs; all that are at hand if none is named.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the section of docs/benchmarks.md.")] = False,
    with_peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Install lifetimes aside and try it too.")
    ] = True,
) -> None:
    """Try the forecasts on logs whose future is known."""
    known = logs.found()
    if unknown := [name for name in names or () if name not in known]:
        aside.print(f"There is no log called {unknown[0]!r}. There are: {', '.join(known)}.", highlight=False)
        raise typer.Exit(2)
    python = _python() if with_peers else None
    rows: list[Row] = []
    for name in names or known:
        with aside.status(name):
            rows += _tried(name, known[name](), python)
    screen.print(_table(rows))
    if write:
        _write(rows)


def _tried(name: str, purchases: pl.DataFrame, python: Path | None) -> Iterator[Row]:
    first, last = int(purchases["day"].min()), int(purchases["day"].max())  # type: ignore[arg-type]
    span = last - first + 1
    for share, ahead in CUTS:
        cut, days = int(first + share * span), int(ahead * span)
        later = (
            tables.days(purchases, as_of=cut + days)
            .filter((pl.col("day") > cut) & pl.col("is_purchase"))
            .group_by("customer_id")
            .agg(actual=pl.len())
        )
        summary = rfm.summary(purchases, as_of=cut).join(later, on="customer_id", how="left").sort("customer_id")
        actual = summary["actual"].fill_null(0).to_numpy().astype(np.float64)
        everybody = [*_ours(purchases, summary, cut, days), *_theirs(summary, days, python)]
        values = [_measured(said, actual) for said in everybody]
        case = [
            Row(name, cut - first, days, len(actual), said.who, said.kind, known)
            for said, known in zip(everybody, values, strict=True)
        ]
        yield from (_with_chance(row, case, everybody, actual) if row.who == REFEREE else row for row in case)


def _with_chance(pick: Row, case: list[Row], everybody: list[Said], actual: Vector) -> Row:
    """The pick with intervals of what it did worse by more than 1 %."""
    by_name = {said.who: said for said in everybody}
    between = {}
    for pool in POOLS:
        for measure in NAMES:
            rival = _rival(pick, _pool(case, pool), measure)
            if rival and (_shortfall(pick, rival, measure) or 0.0) > _limit(measure):
                between[pool, measure] = _by_chance(by_name[pick.who], by_name[rival.who], actual, measure)
    return replace(pick, between=between)


def _by_chance(mine: Said, theirs: Said, actual: Vector, measure: str) -> tuple[float, float]:
    """Within which 95 % of such comparisons lie, by drawing customers anew, the same for both."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        weight = np.bincount(random.integers(0, len(actual), len(actual)), minlength=len(actual)).astype(np.float64)
        worse = _worse(*(_measure(measure, said, actual, weight) for said in (mine, theirs)), measure)
        found += [] if worse is None else [worse]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def _ours(purchases: pl.DataFrame, summary: pl.DataFrame, cut: int, days: int) -> Iterator[Said]:
    made = forecast.predict(purchases, as_of=cut, horizon_days=days).sort("customer_id")
    names = ("expected_purchases", "chance_of_purchase", "expected_purchases_low", "expected_purchases_high")
    expected, chance, low, high = (made[name].to_numpy() for name in names)
    likely = made["likely_purchases"].to_numpy().astype(np.float64)
    order = -made["rank"].to_numpy().astype(np.float64)
    yield Said(REFEREE, "ours", expected, chance, chance, low, high, likely, order)
    history = Histories(
        **{name: summary[name].to_numpy().astype(np.float64) for name in ("frequency", "recency", "age")},
        weight=np.ones(len(summary)),
        origin=cut,
        days=days,
        gaps=lambda: log_gap_sum(purchases, as_of=cut),
    )
    bench = Bench(history)
    for kind in (*SIMPLE, *MODELS, *TIMED):
        candidate = bench.candidate(kind)
        count, chance = candidate.expected(history, days), candidate.chance(history, days)
        if kind.is_simple:
            yield Said(kind.name, "rule of thumb", count, chance, chance)
        else:
            likely = within.likely(count, np.clip(chance, 0.0, np.minimum(count, 1.0)), candidate.spread(history))
            yield Said(kind.name, "model", count, chance, chance, likely=likely)


def _theirs(summary: pl.DataFrame, days: int, python: Path | None) -> Iterator[Said]:
    if python is None:
        return
    given = {name: summary[name].to_list() for name in ("frequency", "recency", "age")} | {"days": days}
    script = ROOT / "benchmarks" / "peers" / "lifetimes_models.py"
    done = subprocess.run([python, script], input=json.dumps(given), capture_output=True, text=True, check=False)
    for name, answer in (json.loads(done.stdout) if done.returncode == 0 else {}).items():
        if "failed" in answer:
            aside.print(f"lifetimes, {name}: {answer['failed']}", highlight=False)
            continue
        expected, alive = (np.array(answer[key], dtype=np.float64) for key in ("expected", "alive"))
        bad = ~np.isfinite(expected)
        if bad.any():
            aside.print(f"lifetimes, {name}: no number for {int(bad.sum())} customers, taken as none.", highlight=False)
        yield Said(f"{name} of lifetimes", "peer", np.where(bad, 0.0, expected), None, np.nan_to_num(alive))


def _measured(said: Said, actual: Vector) -> dict[str, float | None]:
    weight = np.ones(len(actual))
    return {measure: _measure(measure, said, actual, weight) for measure in MEASURES}


def _measure(measure: str, said: Said, actual: Vector, weight: Vector) -> float | None:
    """One figure, customers counting by their weight; None where nothing was said to hold it to."""
    bought = (actual > 0).astype(np.float64)
    match measure:
        case "total":
            return float(weight @ said.expected / max(float(weight @ actual), 1.0) - 1)
        case "top tenth":
            return captured(said.expected if said.order is None else said.order, actual, weight)
        case "auc":
            return auc(said.ranks, bought, weight)
        case "rmse":
            return float(np.sqrt(np.average((said.expected - actual) ** 2, weights=weight)))
        case "mae" | "mae of the mean":
            likely = said.expected if said.likely is None or measure != "mae" else said.likely
            each = np.abs(likely - actual)
        case "brier" if said.chance is not None:
            each = (said.chance - bought) ** 2
        case "within" if said.low is not None and said.high is not None:
            each = (actual >= np.floor(said.low)) & (actual <= said.high)
        case _:
            return None
    return float(np.average(each, weights=weight))


def _python() -> Path | None:
    try:
        return peers.python_with("lifetimes")
    except peers.Unavailable as reason:
        aside.print(f"{reason}: going on without it.", highlight=False)
        return None


def _cases(rows: list[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """The referee's row of each case, with all rows of it."""
    for row in rows:
        if row.who == REFEREE:
            case = (row.log, row.known_days, row.ahead_days)
            yield row, [each for each in rows if (each.log, each.known_days, each.ahead_days) == case]


def _pool(others: list[Row], pool: str) -> list[Row]:
    if pool == "rules":
        return [each for each in others if each.kind == "rule of thumb"]
    return [each for each in others if each.who in PUBLISHED or each.kind == "peer"]


def _against(row: Row, others: list[Row], measure: str) -> float | None:
    """The referee's figure beside the best of the others', above one where it did worse; of totals by how many points
    more it was off."""
    rival = _rival(row, others, measure)
    return _shortfall(row, rival, measure) if rival else None


def _rival(row: Row, others: list[Row], measure: str) -> Row | None:
    """Who did best of the others."""
    known = [each for each in others if _shortfall(row, each, measure) is not None]
    return max(known, key=lambda each: _shortfall(row, each, measure) or 0.0, default=None)


def _shortfall(row: Row, other: Row, measure: str) -> float | None:
    return _worse(row.values[measure], other.values[measure], measure)


def _worse(mine: float | None, theirs: float | None, measure: str) -> float | None:
    if mine is None or theirs is None:
        return None
    if measure == "total":
        return abs(mine) - abs(theirs)
    more, less = (theirs, mine) if measure in MORE_IS_BETTER else (mine, theirs)
    return more / less if less > 0 else None


def _limit(measure: str) -> float:
    return 0.01 if measure == "total" else 1.01


def _table(rows: list[Row]) -> Table:
    made = Table(box=None, header_style="bold", pad_edge=False)
    for column in COLUMNS:
        made.add_column(column, justify="left" if column in ("log", "pick of") else "right")
    for cells in _lines(rows):
        made.add_row(*cells)
    return made


COLUMNS = ("log", "known", "ahead", "customers", "RMSE", "MAE", "total", "top tenth", "AUC", "Brier", "within 80 %",
           "RMSE / rule", "MAE / rule", "Brier / rule", "RMSE / model", "MAE / model", "Brier / model")  # fmt: skip
PUBLISHED = ("BG/NBD", "MBG/NBD", "Pareto/NBD")
POOLS = {"rules": "best rule of thumb", "published": "best published model"}
MORE_IS_BETTER = ("top tenth", "auc")
NAMES = {
    "rmse": "RMSE",
    "mae": "MAE",
    "total": "total, in points",
    "top tenth": "top tenth, inverse",
    "auc": "AUC, inverse",
    "brier": "Brier",
}


def _lines(rows: list[Row]) -> Iterator[tuple[str, ...]]:
    for row, others in _cases(rows):
        values = row.values
        shown = [f"{values[name]:.3f}" for name in ("rmse", "mae")]
        shown += [f"{values['total']:+.1%}", f"{values['top tenth']:.1%}", f"{values['auc']:.3f}"]
        shown += [f"{values['brier']:.4f}", f"{values['within']:.1%}"]
        ratios = []
        for pool in POOLS:
            for measure in ("rmse", "mae", "brier"):
                ratio = _against(row, _pool(others, pool), measure)
                ratios.append("" if ratio is None else f"{ratio:.3f}")
        yield (row.log, f"{row.known_days} d", f"{row.ahead_days} d", f"{row.customers:,}", *shown, *ratios)


def _write(rows: list[Row]) -> None:
    """Put the section in place of the one that is there."""
    page = PAGE.read_text() if PAGE.exists() else "# Benchmarks\n"
    before, _, rest = page.partition(f"\n{HEADING}\n")
    after = rest[rest.index("\n## ") :] if "\n## " in rest else ""
    lines = ["", HEADING, "", *_words(), "", *_summary(rows), "", *_exceptions(rows), ""]
    lines += [_row(COLUMNS), "|---|" + "---:|" * (len(COLUMNS) - 1)]
    lines += [_row(cells) for cells in _lines(rows)]
    lines += ["", *_details(rows)]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(before.rstrip("\n") + "\n" + "\n".join(lines) + "\n" + after)
    aside.print(f"{PAGE.relative_to(ROOT)} is written.", highlight=False)


def _words() -> list[str]:
    facts = ", ".join(f"{what} {value}" for what, value in machine.facts().items())
    return [
        f"Measured on {datetime.date.today().isoformat()} with `make accuracy` ({facts}).",
        "On each day of the past only what was known then is given; the pick is compared with what followed.",
        "Each figure is held to the error it answers ([why](decisions/0009-a-forecast-is-a-mean-and-a-median.md)):",
        "the number expected, a mean, to RMSE and totals; the likely number, a median, to MAE; the rank to what the",
        "top tenth captured. A rule of thumb, or a model of lifetimes, states one number and is held to it by all",
        "three; *MAE of the mean* is there to compare.",
        "*Within 80 %*: share of customers whose purchases fell within the interval that states 80 % (whole numbers",
        "hold more where most buy nothing). *Rule*: the best of the rules of thumb on the very days to be foretold;",
        "*model*: the best published model there (BG/NBD, MBG/NBD, Pareto/NBD, ours and those of lifetimes). Below 1",
        "the pick erred less. The best in hindsight is a stern judge: nobody could have known which it would be.",
    ]


def _summary(rows: list[Row]) -> Iterator[str]:
    """For each measure how the pick did beside the best rule and the best published model, over all days."""
    yield "The pick beside the best in hindsight of each day; below 1 (totals: 0) it did better. *Beyond chance*:"
    yield "worse by more than 1 % even at the low end of the interval (95 %, customers drawn anew, the same for both):"
    yield ""
    columns = ("mean", "worst", "worse by > 1 %", "beyond chance")
    heads = [f"{name}: {what}" for name in POOLS.values() for what in columns]
    yield _row(("measure", "days", *heads))
    yield "|---|" + "---:|" * (1 + len(heads))
    cases = list(_cases(rows))
    for measure, name in NAMES.items():
        cells = [name, str(len(cases))]
        for pool in POOLS:
            found = [_against(row, _pool(others, pool), measure) for row, others in cases]
            values = np.array([value for value in found if value is not None])
            lows = [row.between[pool, measure][0] for row, _ in cases if (pool, measure) in row.between]
            beyond = sum(low > _limit(measure) for low in lows)
            cells += _summed(values, measure, beyond) if len(values) else ("", "", "", "")
        yield _row(tuple(cells))


def _summed(values: Vector, measure: str, beyond: int) -> tuple[str, str, str, str]:
    worse, beyond_chance = (f"{count} of {len(values)}" for count in (int((values > _limit(measure)).sum()), beyond))
    if measure == "total":
        return f"{values.mean():+.1%}", f"{values.max():+.1%}", worse, beyond_chance
    return f"{np.exp(np.log(values).mean()):.3f}", f"{values.max():.3f}", worse, beyond_chance


def _exceptions(rows: list[Row]) -> Iterator[str]:
    """Each day on which the pick did worse than the best in hindsight by more than 1 %."""
    yield "Each day on which it did worse by more than 1 %, with the interval of by how much:"
    yield ""
    yield _row(("log", "known", "ahead", "measure", "better", "by", "interval"))
    yield "|---|---:|---:|---|---|---:|---:|"
    for row, others in _cases(rows):
        for (pool, measure), ends in row.between.items():
            rival = _rival(row, _pool(others, pool), measure)
            if rival is None or (worse := _shortfall(row, rival, measure)) is None:
                continue
            by, low, high = (f"{x:+.1%}" if measure == "total" else f"{x:.3f}" for x in (worse, *ends))
            days = (f"{row.known_days} d", f"{row.ahead_days} d")
            yield _row((row.log, *days, NAMES[measure], rival.who, by, f"{low} to {high}"))


def _details(rows: list[Row]) -> Iterator[str]:
    yield "Everybody, mean over the days of each log:"
    yield ""
    yield _row(("log", "who", *MEASURES))
    yield "|---|---|" + "---:|" * len(MEASURES)
    for log in dict.fromkeys(row.log for row in rows):
        for who in dict.fromkeys(row.who for row in rows if row.log == log):
            values = [row.values for row in rows if row.log == log and row.who == who]
            cells = []
            for name in MEASURES:
                numbers = [value for each in values if (value := each[name]) is not None]
                cells.append(f"{np.mean(numbers):.4f}" if numbers else "")
            yield _row((log, who, *cells))


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    typer.run(main)
