"""Whether chance alone decided who was contacted: only then does what came of it tell what the contact did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from scipy.special import chdtrc

from querencia.insight import notebook
from querencia.insight.engine import Frame, frame_of, rows, small, whole
from querencia.insight.gates import Gate, Gates
from querencia.insight.language import gettext as _
from querencia.insight.uplift import covariates as columns_of
from querencia.insight.uplift.covariates import Column
from querencia.insight.uplift.experiment import CONTROL, arms

ARM_MIN = 100
P_MIN = 0.001  # a fair draw looks as uneven as that once in a thousand experiments
FLAT = 1e-9

TYPES = {
    "arm": nw.String,
    "covariate": nw.String,
    "contacted": nw.Float64,
    "control": nw.Float64,
    "difference": nw.Float64,
}


@dataclass(frozen=True)
class Balance:
    """How like an arm and control were before the contact, over all covariates at once.

    ``chi_square`` has ``degrees_of_freedom`` when chance decided; ``worst`` is the covariate that differs most, in
    standard units.

    >>> from querencia.insight import samples, uplift
    >>> tested = uplift.experiment(samples.mailing())
    >>> model = uplift.UpliftModel(base="linear", folds=2).fit(tested, covariates=["recency"])
    >>> model.balance_.worst, model.balance_.degrees_of_freedom
    ('recency', 1)
    """

    arm: str
    customers: int
    controls: int
    chi_square: float
    degrees_of_freedom: int
    p_value: float
    worst: str | None
    worst_difference: float

    def _repr_html_(self) -> str:
        rows = [(self.worst, notebook.figure(self.worst_difference))] if self.worst else []
        return notebook.card(self.arm, notebook.by_chance(self.p_value), rows=rows)


def balance(experiment: Any, *, covariates: Sequence[str] | None = None) -> Any:
    """Means before the contact, by arm: a small table ``arm, covariate, contacted, control, difference``.

    Numbers are in standard units, levels are shares; ``difference`` is in standard units of the covariate. Where chance
    decided, differences beyond 0.1 are rare in arms of a thousand customers (Austin 2009, Statistics in Medicine 28).

    >>> from querencia.insight import samples, uplift
    >>> tested = uplift.experiment(samples.mailing())
    >>> found = uplift.balance(tested, covariates=["recency"])
    >>> round(found["difference"][0], 3)
    -0.014
    """
    frame = frame_of(experiment)
    others = arms(frame)
    made = columns_of.columns(frame, columns_of.chosen(frame, covariates))
    table: list[tuple[Any, ...]] = []
    for arm in others:
        moments = _moments(frame, arm, made)
        if moments is not None:
            spread = np.sqrt(np.maximum(moments.variance, FLAT))
            for place, column in enumerate(made):
                pair = (float(moments.contacted[place]), float(moments.control[place]))
                table.append((arm, column.name, *pair, (pair[0] - pair[1]) / float(spread[place])))
    return small({name: [row[place] for row in table] for place, name in enumerate(TYPES)}, TYPES, experiment)


@dataclass(frozen=True)
class _Moments:
    """Means of an arm and of control (weighed by the inverse of the chance), variances, and the score of chance."""

    customers: int
    controls: int
    contacted: Any
    control: Any
    variance: Any
    score: Any
    covariance: Any


def _moments(frame: Frame, arm: str, made: Sequence[Column]) -> _Moments | None:
    """None where the arm or control is empty. One row of sums leaves the engine."""
    pair = frame.filter((nw.col("arm") == arm) | (nw.col("arm") == CONTROL))
    is_arm = nw.when(nw.col("arm") == arm).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    named = {f"x{place}": column.of(frame) for place, column in enumerate(made)}
    known = "propensity" in frame.collect_schema().names()
    given = rows(pair.select(is_arm.sum().alias("contacted"), nw.len().alias("customers")))[0]
    customers = whole(given["contacted"])
    controls = whole(given["customers"]) - customers
    if not customers or not controls:
        return None
    chance = nw.col("propensity").cast(nw.Float64()) if known else nw.lit(customers / (customers + controls))
    table = pair.select(w=is_arm, e=chance, **named)
    # Contact less its chance, in units that make the sums those of two weighed arms.
    pull = nw.col("w") / nw.col("e") - (1 - nw.col("w")) / (1 - nw.col("e"))
    table = table.with_columns(v=pull)
    v, w = nw.col("v"), nw.col("w")
    asked = {"v": v.sum(), "wv": (w * v).sum(), "vv": (v * v).sum()}
    for place in range(len(made)):
        x = nw.col(f"x{place}")
        asked |= {
            f"x{place}": x.sum(),
            f"xx{place}": (x * x).sum(),
            f"vx{place}": (v * x).sum(),
            f"wvx{place}": (w * v * x).sum(),
            f"vvx{place}": (v * v * x).sum(),
        }
        asked |= {f"vvxx{place}_{other}": (v * v * x * nw.col(f"x{other}")).sum() for other in range(place + 1)}
    sums = {name: float(value or 0.0) for name, value in rows(table.select(**asked))[0].items()}
    return _from_sums(sums, len(made), customers, controls)


def _from_sums(sums: dict[str, float], size: int, customers: int, controls: int) -> _Moments:
    total = customers + controls

    def vector(name: str) -> Any:
        return np.array([sums[f"{name}{place}"] for place in range(size)])

    mean = vector("x") / total
    squares = np.zeros((size, size))
    for place in range(size):
        for other in range(place + 1):
            squares[place, other] = squares[other, place] = sums[f"vvxx{place}_{other}"]
    crossed = np.outer(vector("vvx"), mean)
    covariance = (squares - crossed - crossed.T + np.outer(mean, mean) * sums["vv"]) / total**2
    return _Moments(
        customers,
        controls,
        contacted=vector("wvx") / sums["wv"],
        control=(vector("wvx") - vector("vx")) / (sums["wv"] - sums["v"]),
        variance=vector("xx") / total - mean**2,
        score=(vector("vx") - mean * sums["v"]) / total,
        covariance=covariance,
    )


def tests(frame: Frame, others: Sequence[str], made: Sequence[Column]) -> list[Balance]:
    """For each arm the test that all covariates had the means of control: the score of a constant (or known) chance.

    As Hansen & Bowers (2008), "Covariate Balance in Simple, Stratified and Clustered Comparative Studies", Statistical
    Science 23(2), with each customer weighed by the inverse of their chance where it is known.
    """
    found = []
    for arm in others:
        moments = _moments(frame, arm, made)
        if moments is None:
            continue
        scale = np.sqrt(np.maximum(np.diag(moments.covariance), FLAT**2)) if len(made) else np.zeros(0)
        score = moments.score / scale if len(made) else moments.score
        correlation = moments.covariance / np.outer(scale, scale) if len(made) else moments.covariance
        values, vectors = np.linalg.eigh(correlation) if len(made) else (np.zeros(0), np.zeros((0, 0)))
        kept = values > 1e-8
        statistic = float((((vectors.T @ score)[kept] ** 2) / values[kept]).sum())
        freedom = int(kept.sum())
        spread = np.sqrt(np.maximum(moments.variance, FLAT))
        apart = (moments.contacted - moments.control) / spread
        worst = int(np.argmax(np.abs(apart))) if len(made) else None
        found.append(
            Balance(
                arm,
                moments.customers,
                moments.controls,
                statistic,
                freedom,
                float(chdtrc(freedom, statistic)) if freedom else 1.0,
                made[worst].name if worst is not None else None,
                float(apart[worst]) if worst is not None else 0.0,
            )
        )
    return found


def check(experiment: Any, *, covariates: Sequence[str] | None = None) -> Gates:
    """The gates ``arms`` (somebody was contacted and somebody was not), ``customers`` and ``randomised``.

    ``randomised`` is open when, before the contact, every arm was as like control as chance makes arms. A chance that
    was the same for all, or that ``propensity`` holds, is what is tested; a good result does not prove that nobody
    chose, a bad one proves that somebody did.

    >>> from querencia.insight import samples, uplift
    >>> tested = uplift.experiment(samples.mailing())
    >>> [(gate.name, gate.is_open) for gate in uplift.check(tested, covariates=["recency", "history"])]
    [('arms', True), ('customers', True), ('randomised', True)]
    """
    frame = frame_of(experiment)
    others = arms(frame)
    made = columns_of.columns(frame, columns_of.chosen(frame, covariates))
    counted = rows(frame.group_by("arm").agg(nw.len().alias("customers")))
    sizes = {str(row["arm"]): whole(row["customers"]) for row in counted}
    return Gates([_arms(sizes), _customers(sizes), _randomised(tests(frame, others, made), made)])


def enough(sizes: Mapping[str, int]) -> Gates:
    """The gates ``arms`` and ``customers`` of a lot that we drew ourselves, by the number of customers of each arm.

    >>> [gate.is_open for gate in enough({"control": 80, "contacted": 720})]
    [True, False]
    """
    return Gates([_arms(sizes), _customers(sizes)])


def _arms(sizes: Mapping[str, int]) -> Gate:
    facts = {
        "contacted": sum(count for arm, count in sizes.items() if arm != CONTROL),
        "control": sizes.get(CONTROL, 0),
    }
    if all(facts.values()):
        reason = _("Contacted: %(contacted)s; left alone to compare with: %(control)s.")
    else:
        reason = _(
            "Contacted: %(contacted)s; left alone to compare with: %(control)s. What contact changes shows only "
            "against customers who were left alone."
        )
    return Gate("arms", all(facts.values()), reason % facts, facts)


def _customers(sizes: Mapping[str, int]) -> Gate:
    facts = {"count": min(sizes.values(), default=0), "least": ARM_MIN}
    if facts["count"] >= ARM_MIN:
        reason = _("Customers in the smallest arm: %(count)s, enough to compare (at least %(least)s).")
    else:
        reason = _("Customers in the smallest arm: %(count)s. Below %(least)s, chance hides what contact does.")
    return Gate("customers", facts["count"] >= ARM_MIN, reason % facts, facts)


def _randomised(tested: Sequence[Balance], made: Sequence[Column]) -> Gate:
    if not made:
        reason = _(
            "Nothing that was known before the contact is given: whether chance decided who was contacted cannot be "
            "checked."
        )
        return Gate("randomised", False, reason)
    if not tested:
        return Gate("randomised", False, _("There are no two arms to compare."))
    worst = min(tested, key=lambda one: one.p_value)
    is_open = worst.p_value >= P_MIN
    if is_open:
        reason = _(
            "Before the contact the arms were as alike as chance makes them: what differs after it, contact did."
        )
    else:
        reason = _(
            "Before the contact, %(arm)s already differed from those left alone, most in %(covariate)s: chance does "
            "not make arms so uneven, somebody chose. What came after cannot be told from the reason for choosing. "
            "Leave a part of the customers alone by lot next time, or give the chance each had."
        )
    words = {"arm": worst.arm, "covariate": worst.worst}
    return Gate("randomised", is_open, reason % words, {"degrees_of_freedom": worst.degrees_of_freedom})
