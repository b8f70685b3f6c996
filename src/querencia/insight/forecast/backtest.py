"""The referee: trials inside the given history.

The last days are held out, every candidate says what will happen there, and the one that erred least answers for the
future; one for how many, one for whether at all, two together for who comes first. Nothing after ``as_of`` is looked
at, and no candidate sees the days that it is tried on. Two trials are held where the history allows, two thirds of a
trial apart.

Each answer is judged by the score that it fits (Gneiting 2011, "Making and evaluating point forecasts", JASA 106): the
number expected is a mean and judged by squared error, the chance by the Brier score and by how it tells buyers apart.

A trial says two things: who told customers apart, and who met the level of those very days. The level is the season's
as much as a candidate's merit, so each error is taken twice, as it was and with everybody's level set right, and the
mean of both counts.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from querencia.insight import explain, notebook
from querencia.insight.forecast import ranking, within
from querencia.insight.forecast.accuracy import auc, calibration, captured, captured_at, miscalibration
from querencia.insight.forecast.candidates import (
    Bench,
    BetaGeo,
    Candidate,
    Hiatus,
    ModelBlend,
    ModifiedBetaGeo,
    ParetoNBD,
    PastRate,
    RegularTiming,
    SameAgain,
)
from querencia.insight.forecast.histories import Histories, Past
from querencia.insight.forecast.learned import LearnedBlend, Regression, Trees, WholeBlend, has_lessons
from querencia.insight.forecast.levels import Season, season, shifted_to
from querencia.insight.intervals import wilson
from querencia.insight.language import gettext as _
from querencia.insight.lifetime.groups import Array

CUSTOMERS_MIN, REPEATERS_MIN, BUYERS_MIN = 50, 20, 10  # below them a trial says nothing
HELD_OUT_MAX = 1 / 3  # of the history
TRIALS = (3, 5)  # thirds of the days held out, counted back: the days just past, and those two thirds earlier
LESSONS_MAX = 5
LIFT_STEPS = 20
LESSON_DAYS_MIN = 14
# Who won a trial won in part by luck: a rule of thumb, which knows no doubt, must win by more than that, and so must
# who learned everything from a few earlier days.
SIMPLE_MARGIN, LEARNED_MARGIN = 1.03, 1.01
TIMED_GROUPS_MAX = 400_000  # distinct histories; beyond it integrals cost minutes and BG/NBD says much the same
TINY = 1e-6

SIMPLE: tuple[type[Candidate], ...] = (SameAgain, PastRate, Hiatus)
MODELS: tuple[type[Candidate], ...] = (BetaGeo, ModifiedBetaGeo)
TIMED: tuple[type[Candidate], ...] = (ParetoNBD, RegularTiming, ModelBlend)
LEARNERS_ALONE: tuple[type[Candidate], ...] = (Regression, Trees, LearnedBlend)
LEARNERS = (*LEARNERS_ALONE, WholeBlend)
CANDIDATES = SIMPLE + MODELS + TIMED + LEARNERS


@dataclass(frozen=True)
class Trial:
    """How one candidate did on the days held out last.

    ``rmse`` of the number expected and ``mae`` of the likely number (a rule of thumb knows but one), in purchases;
    ``total_error`` as a share of what was bought, ``auc`` and ``brier`` of the chance of buying, ``top_tenth`` the
    share of purchases made by the tenth it ranked highest. ``loss`` (how many) and ``chance_loss`` (whether at all) are
    means over all trials of what the referee compares, each against the best simple rule: RMSE for how many; for
    whether at all the Brier score and the inverse of the AUC, weighted 2 to 1.

    >>> Trial("same again", True, 0.31, 0.70, 0.2, 0.79, 0.12, 0.47).is_simple
    True
    """

    name: str
    is_simple: bool
    mae: float
    rmse: float
    total_error: float
    auc: float
    brier: float
    top_tenth: float
    loss: float = 1.0
    chance_loss: float = 1.0


@dataclass(frozen=True)
class Backtest:
    """Who won. ``chosen`` and ``simple`` (the best rule of thumb) for how many, ``chance_chosen`` for whether at all.

    ``beats_simple_by``: 1 - loss of the winner against that of the best simple rule (0: a simple rule won).
    ``miscalibration``: typical distance of chances said from shares seen, in log-odds, beyond chance itself.
    ``origins``: the days before which everything was known, the latest first. ``calibration``: by tenths of customers,
    least chance first, ``customers``, ``said`` and ``seen`` (shares who buy) with Wilson's 95 % ``low``, ``high``.
    ``rank_chosen``: who rank the customers together; ``lift``: share of purchases made by the best so many twentieths
    in their order, ``customer_share``, ``purchase_share``.

    >>> from querencia.insight import forecast, samples
    >>> chosen = forecast.prepare(samples.cdnow().head(400), as_of=samples.CDNOW_END, horizon_days=60)
    >>> tried = chosen.backtest
    >>> tried.held_out_days, tried.customers, len(tried.origins), 0 <= tried.beats_simple_by < 1
    (60, 147, 2, True)
    """

    cut_day: int
    held_out_days: int
    customers: int
    trials: tuple[Trial, ...]
    chosen: str
    simple: str
    beats_simple_by: float
    miscalibration: float
    chance_chosen: str = ""
    chance_beats_simple_by: float = 0.0
    origins: tuple[int, ...] = ()
    calibration: tuple[dict[str, float], ...] = ()
    lift: tuple[dict[str, float], ...] = ()
    rank_chosen: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        columns = (_("Candidate"), _("Mean error"), _("Root mean square"), _("Buyers told apart (AUC)"))
        rows = [
            (explain.model_name(row["name"]), *(notebook.figure(row[name]) for name in ("mae", "rmse", "auc")))
            for row in self.table()
        ]
        said = explain.model(self.chosen, beats_simple_by=self.beats_simple_by, simple=self.simple)
        return notebook.card("", said, columns=columns, rows=rows)

    def table(self) -> list[dict[str, Any]]:
        """One row per candidate, the winner first."""
        ranked = sorted(self.trials, key=lambda trial: (trial.name != self.chosen, trial.loss))
        return [asdict(trial) | {"is_chosen": trial.name == self.chosen} for trial in ranked]


@dataclass(frozen=True)
class Heard:
    """What every candidate said about the days held out in one trial, and what happened."""

    bench: Bench
    season: Season
    said: dict[type[Candidate], tuple[Array, Array]]

    @property
    def history(self) -> Histories:
        return self.bench.history

    def standing(self, kind: type[Candidate]) -> type[Candidate]:
        """The candidate, or who answers where it cannot stand: the best model that there was time for."""
        return kind if kind in self.said else stand_in(self.said)


def stand_in(able: Collection[type[Candidate]]) -> type[Candidate]:
    """The best model of those that could stand."""
    return ModelBlend if ModelBlend in able else ModifiedBetaGeo


@dataclass(frozen=True)
class Verdict:
    """The back-test with the kinds of candidate chosen, all of which can answer for the days ahead, and the trials
    held, the latest first: intervals are measured on that one. ``rank``: who rank together; ``rule``: the best simple
    rule for how many."""

    backtest: Backtest
    count: type[Candidate]
    chance: type[Candidate]
    rank: tuple[type[Candidate], ...]
    rule: type[Candidate]
    heard: tuple[Heard, ...]

    @property
    def latest(self) -> Heard:
        return self.heard[0]


class Benches:
    """Benches of one log, made once for each day of the past: what is a lesson for one trial is one for others too.

    ``as_of``: the day from which days of the past are counted back, in thirds of the days looked ahead.
    """

    def __init__(self, past: Past, *, as_of: int) -> None:
        self.past, self.as_of = past, as_of
        self._known: dict[tuple[int, int], Bench] = {}

    def day(self, thirds: int, days: int) -> int:
        """So many thirds of ``days`` (of three days at least) ago."""
        return self.as_of - max(round(thirds * days / 3), 3 * thirds)

    def at(self, thirds: int, days: int) -> Bench:
        """The bench of a day of the past, without lessons."""
        key = (self.day(thirds, days), days)
        if key not in self._known:
            self._known[key] = Bench(self.past.at(*key))
        return self._known[key]

    def with_lessons(self, bench: Bench, thirds: int) -> Bench:
        """The bench of so many thirds ago, with the lessons that were known by then."""
        days = bench.history.days
        if bench.history.features is not None:
            ago = range(thirds + 3, thirds + 3 + LESSONS_MAX)
            least = self.past.first_day + max(days / 2, LESSON_DAYS_MIN)
            bench.lessons = [self.at(place, days) for place in ago if self.day(place, days) >= least]
        return bench


def invited(bench: Bench) -> tuple[type[Candidate], ...]:
    """The candidates that this many histories leave time for, and that have lessons to learn from."""
    kinds = SIMPLE + MODELS
    if len(bench.history.core[0]) <= TIMED_GROUPS_MAX:
        kinds += TIMED + (LEARNERS if has_lessons(bench) else ())
    return kinds


def seasoned(past: Past, bench: Bench) -> Season:
    """The season of the days ahead of a bench, by the best models it has time for."""
    kind = stand_in(invited(bench))
    return season(past, lambda: bench.candidate(kind), origin=bench.history.origin, days=bench.history.days)


def judge(benches: Benches, today: Bench) -> Verdict | None:
    """Hold the trials and choose for the days ahead of a bench, which is given its lessons if a learner may answer.

    None when the history is too short or too thin to try anything on.
    """
    past = benches.past
    held = min(today.history.days, int((benches.as_of - past.first_day) * HELD_OUT_MAX))
    if held < 1:
        return None
    heard = []
    for thirds in TRIALS:
        if benches.day(thirds, held) < past.first_day:
            break
        bench = benches.at(thirds, held)
        if not _has_enough(bench.history):
            break
        heard.append(_hear(past, benches.with_lessons(bench, thirds)))
    return _verdict(heard, lambda kind: _can_answer(benches, today, kind)) if heard else None


def _can_answer(benches: Benches, today: Bench, kind: type[Candidate]) -> bool:
    """Many histories leave no time for some, and a horizon longer than the trials no lessons for others."""
    if kind in LEARNERS and not today.lessons:
        benches.with_lessons(today, 0)
    return kind in invited(today)


def _has_enough(history: Histories) -> bool:
    weight = history.weight
    return bool(
        weight.sum() >= CUSTOMERS_MIN
        and weight[history.frequency > 0].sum() >= REPEATERS_MIN
        and weight @ history.bought >= BUYERS_MIN
    )


def _hear(past: Past, bench: Bench) -> Heard:
    history = bench.history
    level = seasoned(past, bench)
    said: dict[type[Candidate], tuple[Array, Array]] = {}
    for kind in invited(bench):
        candidate = bench.candidate(kind)
        count, chance = candidate.expected(history, history.days), candidate.chance(history, history.days)
        said[kind] = (count, chance) if kind.is_simple else (level.expected(count), level.chance(chance))
    return Heard(bench, level, said)


def _verdict(heard: Sequence[Heard], can_answer: Callable[[type[Candidate]], bool]) -> Verdict:
    latest = heard[0]
    kinds = list(latest.said)
    losses = {"count": _mean_losses(heard, _count_errors), "chance": _mean_losses(heard, _chance_errors)}
    chosen = {question: _least(found, can_answer) for question, found in losses.items()}
    together = ranking.best(_merits(heard), losses["count"], can_answer)
    rules = {question: min(SIMPLE, key=lambda kind: found[kind]) for question, found in losses.items()}
    trials = [_trial(latest, kind, losses["count"][kind], losses["chance"][kind]) for kind in kinds]
    beaten = {q: max(0.0, 1 - losses[q][chosen[q]] / max(losses[q][rules[q]], TINY)) for q in losses}
    history = latest.history
    backtest = Backtest(
        cut_day=history.origin,
        held_out_days=history.days,
        customers=round(history.customers),
        trials=tuple(trials),
        chosen=chosen["count"].name,
        simple=rules["count"].name,
        beats_simple_by=0.0 if chosen["count"].is_simple else beaten["count"],
        miscalibration=miscalibration(latest.said[chosen["chance"]][1], history.bought, history.weight),
        chance_chosen=chosen["chance"].name,
        chance_beats_simple_by=0.0 if chosen["chance"].is_simple else beaten["chance"],
        origins=tuple(trial.history.origin for trial in heard),
        calibration=tuple(_calibration(latest.said[chosen["chance"]][1], history)),
        lift=tuple(_lift([latest.said[kind][0] for kind in together], history)),
        rank_chosen=tuple(kind.name for kind in together),
    )
    return Verdict(backtest, chosen["count"], chosen["chance"], together, rules["count"], tuple(heard))


def _calibration(chance: Array, history: Histories) -> Iterator[dict[str, float]]:
    for customers, said, seen in zip(*calibration(chance, history.bought, history.weight), strict=True):
        if customers > 0:
            low, high = wilson(seen, customers)
            shares = {"said": said / customers, "seen": seen / customers, "low": low, "high": high}
            yield {"customers": float(customers), **{name: float(value) for name, value in shares.items()}}


def _lift(scores: Sequence[Array], history: Histories) -> Iterator[dict[str, float]]:
    shares = [step / LIFT_STEPS for step in range(LIFT_STEPS + 1)]
    ranks = ranking.ranks(scores, history.weight)
    for share, made in zip(shares, captured_at(-ranks, history.held_out, history.weight, tops=shares), strict=True):
        yield {"customer_share": share, "purchase_share": float(made)}


def _merits(heard: Sequence[Heard]) -> dict[type[Candidate], float]:
    """How well each ranked, over all trials; a learner without lessons in one of them as its stand-in did there."""
    found = [{kind: ranking.merit(said[0], trial.history) for kind, said in trial.said.items()} for trial in heard]
    return {kind: sum(one[trial.standing(kind)] for trial, one in zip(heard, found, strict=True)) for kind in found[0]}


def _least(losses: dict[type[Candidate], float], can_answer: Callable[[type[Candidate]], bool]) -> type[Candidate]:
    def judged(kind: type[Candidate]) -> float:
        margin = SIMPLE_MARGIN if kind.is_simple else LEARNED_MARGIN if kind in LEARNERS_ALONE else 1.0
        return losses[kind] * margin

    return next(kind for kind in sorted(losses, key=judged) if can_answer(kind))


type Weighted = tuple[tuple[float, float], ...]


def _mean_losses(
    heard: Sequence[Heard], errors: Callable[[Heard, type[Candidate], bool], Weighted]
) -> dict[type[Candidate], float]:
    """Over all trials, as it was and with the level set right: errors against those of the best simple rule.

    A learner may stand in the latest trial and have had no lessons in an earlier one. There it is taken to have erred
    as its stand-in did: what it won in one trial counts for less than what others won in two.
    """
    made = dict.fromkeys(heard[0].said, 0.0)
    for trial in heard:
        for is_level_right in (False, True):
            found = {kind: errors(trial, kind, is_level_right) for kind in trial.said}
            best = [min(found[kind][place][0] for kind in SIMPLE) for place in range(len(found[SIMPLE[0]]))]
            for kind in made:
                shares = zip(found[trial.standing(kind)], best, strict=True)
                loss = sum(weight * (error / least if least > 0 else 1.0) for (error, weight), least in shares)
                made[kind] += loss / len(heard) / 2
    return made


def _count_errors(trial: Heard, kind: type[Candidate], is_level_right: bool) -> Weighted:
    weight, actual, said = trial.history.weight, trial.history.held_out, trial.said[kind][0]
    if is_level_right:
        said = said * float(weight @ actual) / max(float(weight @ said), TINY)
    return ((float(np.sqrt(weight @ (said - actual) ** 2 / weight.sum())), 1.0),)


def _chance_errors(trial: Heard, kind: type[Candidate], is_level_right: bool) -> Weighted:
    weight, bought, said = trial.history.weight, trial.history.bought, trial.said[kind][1]
    told_apart = auc(said, bought, weight)
    if is_level_right:
        shift = shifted_to(said, weight, float(weight @ bought))
        said = expit(logit(np.clip(said, TINY, 1 - TINY)) + shift)
    brier = float(weight @ (said - bought) ** 2 / weight.sum())
    return (brier, 2 / 3), (1 / max(told_apart, TINY), 1 / 3)


def _trial(heard: Heard, kind: type[Candidate], loss: float, chance_loss: float) -> Trial:
    weight, actual, bought = heard.history.weight, heard.history.held_out, heard.history.bought
    expected, chance = heard.said[kind]
    total = weight.sum()
    likely = expected
    if not kind.is_simple:
        shape = heard.bench.candidate(kind).spread(heard.history)
        likely = within.likely(expected, np.minimum(np.clip(chance, 0.0, 1.0), expected), shape)
    return Trial(
        name=kind.name,
        is_simple=kind.is_simple,
        mae=float(weight @ np.abs(likely - actual) / total),
        rmse=float(np.sqrt(weight @ (expected - actual) ** 2 / total)),
        total_error=float(weight @ expected / (weight @ actual) - 1),
        auc=auc(chance, bought, weight),
        brier=float(weight @ (chance - bought) ** 2 / total),
        top_tenth=captured(expected, actual, weight),
        loss=loss,
        chance_loss=chance_loss,
    )
