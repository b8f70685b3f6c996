"""Each customer's own rhythm, and how long a silence must be before it is more than a pause.

A customer's gaps are spread on the log scale around an own mean, and the own means around the population's. With n gaps
behind them whose logarithms add up to S, a customer's rhythm is the usual empirical-Bayes compromise (Efron & Morris
1975; Bühlmann & Straub 1970 for the moments)::

    rhythm = exp(m),  m = (k µ + S) / (k + n),  k = σ² / τ²

with µ the population's mean, σ² the variance of log gaps around the own mean and τ² that of the own means: k gaps'
worth of everybody else. The next gap is expected within σ √(1 + 1/(k + n)) of it, so silences are compared as

    z = (log gap - m) / √(1 + 1/(k + n))

where m knows the gaps *before* this one only. The limit is the 95 % quantile of z among silences that ended. Of the
long ones many had not the time to end before the log did; the distribution is therefore corrected for right truncation
(Lynden-Bell 1971; Lagakos, Barraj & De Gruttola 1988): each silence is compared only with those that would have been
seen at that length.

Customers with one purchase have no gap: for them the limit is the same quantile of everybody's first gap.

A log knows no pause longer than itself: limits learned from half a year are short, and grow as the log does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, exp, log, sqrt

import narwhals as nw
import numpy as np

from querencia.insight import notebook
from querencia.insight.engine import Frame, edge, rows, whole
from querencia.insight.language import gettext as _
from querencia.insight.wording import number

LATE_QUANTILE = 0.80
LEFT_QUANTILE = 0.95
GAPS_MIN = 30  # completed gaps below which nobody's silence can be judged
CUSTOMERS_MIN = 10  # customers with two gaps below which their differences cannot be told from chance
PRIOR_GAPS = 2.0  # k then
PRIOR_GAPS_RANGE = (0.1, 1e6)
LOG_SD_EXPONENTIAL = 1.2825  # π/√6: spread of log gaps of a customer without memory
STEPS = 16  # bins to one unit of z: 6 % of a day count
LIMIT_MAX = 36_500
TOLERANCE = 1e-6  # engines differ in the last digit of a logarithm; no bin and no day may hang on it
NEVER = 1e9  # a limit that no silence reaches; a number, because engines disagree on comparing with null

# Of ended silences: bin of their z, bin of the longest z at which they would have been seen to end, their number.
Bin = tuple[int, int, int]


@dataclass(frozen=True)
class Population:
    """What the log says about everybody's rhythm; limits are None where it says too little."""

    gaps: int
    log_mean: float
    log_sd: float
    prior_gaps: float
    late: float | None
    left: float | None
    first_late: int | None
    first_left: int | None

    def _repr_html_(self) -> str:
        rows = {
            _("gaps between purchases"): number(self.gaps),
            _("typical gap in days"): number(exp(self.log_mean)),
            _("days after which a single purchase stays one"): notebook.figure(self.first_left),
        }
        return notebook.card("", rows=rows.items())


def gaps(days: Frame) -> Frame:
    """A row per purchase day with the gap that ended on it: ``customer_id, day, gap`` (0 at the first), ``log_gap``."""
    bought = days.filter(nw.col("is_purchase")).select("customer_id", "day")
    seen = bought.with_columns(nw.col("day").shift(1).over("customer_id", order_by="day").alias("previous"))
    gap = nw.when(nw.col("previous").is_null()).then(nw.lit(0)).otherwise(nw.col("day") - nw.col("previous"))
    # The logarithm of no gap counts as none: 0, like that of one day.
    log_gap = nw.when(nw.col("gap") > 0).then(nw.col("gap")).otherwise(nw.lit(1)).cast(nw.Float64()).log()
    return seen.with_columns(gap.alias("gap")).select("customer_id", "day", "gap", log_gap.alias("log_gap"))


def silences(days: Frame) -> Frame:
    """:func:`gaps` as the days on which silences begin, with all that is known of the customer that day.

    Besides: ``gaps`` (number completed), ``log_sum`` (of all of them), ``until`` (the next purchase day, null while the
    silence lasts).
    """
    return (
        gaps(days)
        .with_columns(nw.lit(1).alias("one"))
        .with_columns(
            nw.col("log_gap").cum_sum().over("customer_id", order_by="day").alias("log_sum"),
            nw.col("one").cum_sum().over("customer_id", order_by="day").alias("place"),
            nw.col("day").shift(-1).over("customer_id", order_by="day").alias("until"),
        )
        .with_columns((nw.col("place") - 1).cast(nw.Float64()).alias("gaps"))
        .select("customer_id", "day", "until", "gap", "log_gap", "log_sum", "gaps")
    )


def latest(days: Frame) -> Frame:
    """The silence that each customer is in: the last row of :func:`silences`, by grouping, which costs half as much."""
    completed, _day, gap = edge(gaps(days), "gap", by="day", of="customer_id", last=True)
    return (
        completed.with_columns(nw.lit(1).alias("one"))
        .group_by("customer_id")
        .agg(
            nw.col("day").max().alias("last_day"),
            gap.alias("gap"),
            nw.col("log_gap").sum().alias("log_sum"),
            nw.col("one").sum().alias("place"),
        )
        .with_columns((nw.col("place").cast(nw.Float64()) - 1).alias("gaps"))
        .select("customer_id", nw.col("last_day").alias("day"), "gap", "log_sum", "gaps")
        .with_columns(
            nw.when(nw.col("gap") > 0)
            .then(nw.col("gap"))
            .otherwise(nw.lit(1))
            .cast(nw.Float64())
            .log()
            .alias("log_gap")
        )
    )


def population(days: Frame, *, today: int) -> Population:
    """Learn everybody's rhythm from days (of an engine with windows); only grouped counts leave the engine."""
    counts = _moments(gaps(days))
    completed = int(sum(n * customers for n, customers, *_ in counts))
    log_mean, log_sd, prior_gaps = _credibility(counts)
    learned = Population(completed, log_mean, log_sd, prior_gaps, None, None, None, None)
    if completed < GAPS_MIN:
        return learned
    ended = (
        silences(days)
        .filter(nw.col("gap") > 0)
        .with_columns(
            (nw.col("gaps") - 1).alias("before"),
            (nw.col("log_sum") - nw.col("log_gap")).alias("log_sum_before"),
            # The longest that this silence could have lasted and still be seen to end.
            (nw.lit(today) - nw.col("day") + nw.col("gap")).cast(nw.Float64()).log().alias("log_seen"),
        )
    )
    first_bins, later_bins = _bins(ended, learned)
    late, left = (quantile(later_bins, share) for share in (LATE_QUANTILE, LEFT_QUANTILE))
    first_late, first_left = (quantile(first_bins, share) for share in (LATE_QUANTILE, LEFT_QUANTILE))
    # Where too few came a third time the first gaps have to do for all, and the other way round.
    unsure = sqrt(1 + 1 / prior_gaps)
    if (late is None or left is None) and first_late is not None and first_left is not None:
        late, left = (first_late - log_mean) / unsure, (first_left - log_mean) / unsure
    if (first_late is None or first_left is None) and late is not None and left is not None:
        first_late, first_left = log_mean + unsure * late, log_mean + unsure * left
    firsts = [None if q is None else ceil(exp(min(max(q, 0.0), log(LIMIT_MAX)))) for q in (first_late, first_left)]
    return Population(completed, log_mean, log_sd, prior_gaps, late, left, firsts[0], firsts[1])


def _moments(measured: Frame) -> list[tuple[float, ...]]:
    """By number of gaps n: (n, customers, ΣS, ΣS², ΣQ); S adds up a customer's log gaps, Q their squares."""
    per_customer = (
        measured.with_columns((nw.col("log_gap") * nw.col("log_gap")).alias("square"), nw.lit(1).alias("one"))
        .group_by("customer_id")
        .agg(nw.col("one").sum().alias("days"), nw.col("log_gap").sum().alias("s"), nw.col("square").sum().alias("q"))
        .with_columns((nw.col("s") * nw.col("s")).alias("ss"), (nw.col("days") - 1).alias("gaps"))
    )
    grouped = per_customer.group_by("gaps").agg(
        nw.len().alias("customers"), nw.col("s").sum(), nw.col("ss").sum(), nw.col("q").sum()
    )
    found = [tuple(float(row[name]) for name in ("gaps", "customers", "s", "ss", "q")) for row in rows(grouped)]
    return sorted(row for row in found if row[0] > 0)


def _credibility(counts: Iterable[tuple[float, ...]]) -> tuple[float, float, float]:
    """(µ, σ, k) by the moments of Bühlmann & Straub; the memoryless customer's where too few came back twice."""
    table = np.array(list(counts), dtype=float).reshape(-1, 5)
    n, customers, s, ss, q = table.T
    total = float(n @ customers)
    if not total:
        return 0.0, LOG_SD_EXPONENTIAL, PRIOR_GAPS
    mean = float(s.sum() / total)
    freedom = float(customers @ (n - 1))
    if customers[n > 1].sum() < CUSTOMERS_MIN:
        return mean, LOG_SD_EXPONENTIAL, PRIOR_GAPS
    within = max(float((q - ss / n).sum()) / freedom, 0.0)
    between = float((ss / n).sum() - 2 * mean * s.sum() + mean**2 * total) - (customers.sum() - 1) * within
    between /= max(total - float(n**2 @ customers) / total, 1e-9)
    low, high = PRIOR_GAPS_RANGE
    k = min(max(float(within / between), low), high) if between > 0 else high
    weights = n / (n + k)
    return float((weights * s / n).sum() / (weights * customers).sum()), sqrt(within), k


def expected(number: nw.Expr, log_sum: nw.Expr, known: Population) -> tuple[nw.Expr, nw.Expr]:
    """(m, √(1 + 1/(k + n))) of a customer with n gaps whose logarithms add up to S."""
    weight = number + known.prior_gaps
    return (log_sum + known.prior_gaps * known.log_mean) / weight, (1 / weight + 1).sqrt()


def limit(number: nw.Expr, log_sum: nw.Expr, known: Population, *, late: bool = False) -> nw.Expr:
    """Days of silence that are still usual (``late``) or still a pause, rounded up; NEVER where nobody can say."""
    z, first = (known.late, known.first_late) if late else (known.left, known.first_left)
    mean, spread = expected(number, log_sum, known)
    own = nw.lit(NEVER) if z is None else ((mean + spread * z).clip(0.0, log(LIMIT_MAX)).exp() - TOLERANCE).ceil()
    return nw.when(number == 0).then(nw.lit(NEVER if first is None else float(first))).otherwise(own)


def _bins(ended: Frame, known: Population) -> tuple[list[Bin], list[Bin]]:
    """First gaps by their logarithm, later ones by z; only the counts of the bins leave the engine."""
    is_first = nw.col("before") == 0
    own_mean, own_spread = expected(nw.col("before"), nw.col("log_sum_before"), known)
    mean = nw.when(is_first).then(nw.lit(0.0)).otherwise(own_mean)
    spread = nw.when(is_first).then(nw.lit(1.0)).otherwise(own_spread)
    binned = ended.select(
        is_first.cast(nw.Int64()).alias("first"),
        ((nw.col("log_gap") - mean) / spread * STEPS + TOLERANCE).floor().cast(nw.Int64()).alias("z"),
        ((nw.col("log_seen") - mean) / spread * STEPS + TOLERANCE).floor().cast(nw.Int64()).alias("seen"),
    )
    bins: tuple[list[Bin], list[Bin]] = ([], [])
    for row in rows(binned.group_by("first", "z", "seen").agg(nw.len().alias("count"))):
        bins[0 if whole(row["first"]) else 1].append((whole(row["z"]), whole(row["seen"]), whole(row["count"])))
    return bins


def quantile(bins: Iterable[Bin], share: float, least: int = GAPS_MIN) -> float | None:
    """Quantile of z corrected for right truncation, by the reversed product limit; None of fewer than ``least``.

    Downward from the longest: F(z) = Π over longer u of (1 - d_u / R_u), with d_u the silences of length u and R_u
    those no longer than u that would have been seen had they lasted u. Where fewer than ``least`` stand for a length,
    nothing is taken off for it: a single long gap must not move everybody's limit.
    """
    table = np.array(list(bins), dtype=np.int64).reshape(-1, 3)
    z, seen, count = table.T
    if count.sum() < least:
        return None
    above = 1.0
    for value in sorted(set(z.tolist()), reverse=True):
        at_risk = int(count[(z <= value) & (seen >= value)].sum())
        ended = int(count[z == value].sum())
        below = above * (1 - ended / at_risk) if at_risk >= least else above
        if below < share:
            # F grows from below to above within this bin, and passes the share there.
            part = (share - below) / (above - below)
            return float(value + min(part, 1.0)) / STEPS
        above = below
    return float(z.min()) / STEPS
