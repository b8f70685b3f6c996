"""The problems nobody reports: how many stand behind each complaint, and what they cost.

Most customers with a problem say nothing and buy less or leave: TARP (1979), "Consumer Complaint Handling in America";
Goodman & Newman (2003), "Understand Customer Behavior and Complaints", Quality Progress 36(1). How many they are, a
firm can tell in two ways:

- it asks a sample of customers whether they had a problem and whether they said so (:func:`asked`); - it has two lists
of customers with a problem that came about independently, say complaints and answers to a survey: the fewer are on
both, the more are on neither (:func:`captured`).

``answers`` is any table with one row per customer asked: ``had_problem``, ``complained`` and, for what it costs,
``stayed`` and perhaps ``satisfied`` (with what was done about the complaint), each true or false (1 or 0).
"""

from dataclasses import dataclass
from math import exp, sqrt
from statistics import NormalDist
from typing import Any

import narwhals as nw
import numpy as np

from querencia.insight import notebook
from querencia.insight.engine import Frame, beside, frame_of, rows, small, whole
from querencia.insight.errors import InputError
from querencia.insight.estimate import Estimate
from querencia.insight.gates import Gate, Gates
from querencia.insight.intervals import CONFIDENCE, wilson
from querencia.insight.language import gettext as _
from querencia.insight.reading import example_of
from querencia.insight.wording import money, number

__all__ = ["GROUPS", "Captured", "Iceberg", "asked", "captured", "chapman", "check", "damage", "said"]

ASKED_MIN = 100
PROBLEMS_MIN = 30
COMPLAINTS_MIN = 5
# From seven on both lists the estimate has hardly any bias: Robson & Regier (1964), Transactions of the American
# Fisheries Society 93.
BOTH_MIN = 7
DRAWS = 4_000

GROUPS = ("no_problem", "silent", "complained", "satisfied", "dissatisfied")
TYPES = {
    "group": nw.String,
    "asked": nw.Int64,
    "customers": nw.Int64,
    "customers_low": nw.Int64,
    "customers_high": nw.Int64,
    "stayed": nw.Float64,
    "stayed_low": nw.Float64,
    "stayed_high": nw.Float64,
    "amount": nw.Int64,
    "amount_low": nw.Int64,
    "amount_high": nw.Int64,
}


@dataclass(frozen=True)
class Iceberg:
    """Customers with a problem, those of them who said so, and those who did not; all of them in customers.

    ``per_complaint`` is how many customers with a problem stand behind each who complains, that one included (TARP's
    multiplier); None where nobody complained.

    >>> from querencia.insight import iceberg, samples
    >>> found = iceberg.asked(samples.problems(), customers=20_000)
    >>> found.problems.value, found.per_complaint.value
    (7000.0, 5.0)
    """

    customers: int
    asked: int
    problems: Estimate
    complaints: Estimate
    silent: Estimate
    per_complaint: Estimate | None

    def _repr_html_(self) -> str:
        named = {_("have a problem"): self.problems, _("say so"): self.complaints, _("say nothing"): self.silent}
        named |= {_("behind each complaint"): self.per_complaint} if self.per_complaint else {}
        return notebook.card("", said(self), rows=notebook.estimates(named))


@dataclass(frozen=True)
class Captured:
    """How many are on either list, on both, and, by estimate, there are in all and on neither.

    >>> found = chapman(100, 150, 20)
    >>> round(found.unseen.value, 2), round(found.unseen.low), round(found.unseen.high)
    (495.24, 304, 863)
    """

    first: int
    second: int
    both: int
    total: Estimate
    standard_error: float

    def _repr_html_(self) -> str:
        counted = [(_("on the first list"), self.first), (_("on the second list"), self.second)]
        rows = [(name, number(count), "") for name, count in [*counted, (_("on both"), self.both)]]
        rows += notebook.estimates({_("in all"): self.total, _("on neither"): self.unseen})
        return notebook.card("", rows=rows)

    @property
    def unseen(self) -> Estimate:
        """Those on neither list."""
        seen = self.first + self.second - self.both
        return Estimate(*(max(0.0, end - seen) for end in (self.total.value, self.total.low, self.total.high)))


def chapman(first: int, second: int, both: int) -> Captured:
    """How many there are, from two independent lists: Chapman's estimator (1951) with its standard error.

    (n₁ + 1)(n₂ + 1) / (m + 1) - 1, variance by Seber (1970), Biometrics 26; the interval is that of Sadinle (2009),
    "Transformed Logit Confidence Intervals for Small Populations in Single Capture-Recapture Estimation",
    Communications in Statistics 38: it never goes below those who are known, and reaches further up than down. Lists
    that share a cause (who writes the survey also complains) make the estimate too low; lists that avoid each other,
    too high.

    >>> found = chapman(100, 150, 20)
    >>> round(found.total.value, 2), round(found.standard_error, 2)
    (725.24, 127.86)
    """
    if not 0 <= both <= min(first, second):
        raise InputError(
            f"On both lists there cannot be {both:,}: the lists have {first:,} and {second:,}.",
            count=both,
            example=both,
        )
    only_first, only_second = first - both, second - both
    total = (first + 1) * (second + 1) / (both + 1) - 1
    variance = (first + 1) * (second + 1) * only_first * only_second / ((both + 1) ** 2 * (both + 2))
    b, f, s = both + 0.5, only_first + 0.5, only_second + 0.5
    spread = sqrt(1 / b + 1 / f + 1 / s + b / (f * s))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    known = first + second - both
    low, high = (known - 0.5 + f * s / b * exp(sign * z * spread) for sign in (-1, 1))
    return Captured(first, second, both, Estimate(total, max(known, min(low, total)), max(high, total)), sqrt(variance))


def captured(first: Any, second: Any) -> Captured:
    """:func:`chapman` of two tables with ``customer_id``; a customer counts once per list, however often on it.

    Three numbers leave the engine; of two engines, or two connections, the customers of the second list go to the
    first.

    >>> import polars as pl
    >>> first, second = pl.DataFrame({"customer_id": range(100)}), pl.DataFrame({"customer_id": range(80, 230)})
    >>> round(captured(first, second).total.value, 2)
    725.24
    """
    one, other = (_customers(table) for table in (first, second))
    kinds = [frame.collect_schema()["customer_id"] for frame in (one, other)]
    if kinds[0].is_integer() != kinds[1].is_integer():
        raise InputError(
            f"Column 'customer_id' holds {kinds[0]} on one list and {kinds[1]} on the other: give both alike.",
            column="customer_id",
        )
    if one.implementation != other.implementation or one.implementation.is_duckdb():
        other = beside({"customer_id": [row["customer_id"] for row in rows(other)]}, one)
        one, other = (frame.with_columns(nw.col("customer_id").cast(nw.String())) for frame in (one, other))
    on_both = one.join(other, on="customer_id", how="semi")
    return chapman(*(_count(frame) for frame in (one, other, on_both)))


def _customers(table: Any) -> Frame:
    frame = frame_of(table)
    names = frame.collect_schema().names()
    if "customer_id" not in names:
        raise InputError(f"There is no column 'customer_id': the table has {', '.join(names)}.", column="customer_id")
    missing = nw.col("customer_id").is_null()
    if count := whole(rows(frame.select(missing.cast(nw.Int64()).sum().alias("count")))[0]["count"]):
        raise InputError(f"Column 'customer_id': {count:,} rows have no customer.", column="customer_id", count=count)
    return frame.select("customer_id").unique()


def _count(frame: Frame) -> int:
    return whole(rows(frame.select(nw.len().alias("count")))[0]["count"])


def asked(answers: Any, *, customers: int) -> Iceberg:
    """The iceberg of so many ``customers``, from the answers of those who were asked (a fair sample of them).

    All ends are Wilson's of a share, at 95 %. Raises :class:`InputError` for an answer that is neither yes nor no.

    >>> from querencia.insight import iceberg, samples
    >>> iceberg.asked(samples.problems(), customers=20_000).silent.value
    5600.0
    """
    if customers < 0:
        raise InputError(f"There cannot be {customers:,} customers.", example=customers)
    counts = _answers(answers)
    everybody = sum(sum(stayed) for stayed in counts.values())
    problems = everybody - sum(counts.get("no_problem", (0, 0)))
    silent = sum(counts.get("silent", (0, 0)))
    complaints = problems - silent
    low, high = wilson(complaints, problems)
    behind = Estimate(problems / complaints, 1 / high, 1 / low) if complaints else None
    found = [_of(customers, count, everybody) for count in (problems, complaints, silent)]
    return Iceberg(customers, everybody, found[0], found[1], found[2], behind)


def _of(customers: int, count: int, everybody: int) -> Estimate:
    low, high = wilson(count, everybody)
    return Estimate(customers * count / everybody if everybody else 0.0, customers * low, customers * high)


def _answers(answers: Any) -> dict[str, tuple[int, int]]:
    """Customers asked by group: how many did not stay, how many stayed (all stayed where nothing says so)."""
    frame = frame_of(answers)
    schema = frame.collect_schema()
    known = [name for name in ("had_problem", "complained", "satisfied", "stayed") if name in schema.names()]
    for name in ("had_problem", "complained"):
        if name not in known:
            raise InputError(f"There is no column {name!r}: the table has {', '.join(schema.names())}.", column=name)
    for name in known:
        if not (schema[name].is_numeric() or schema[name] == nw.Boolean):
            some = rows(frame.filter(~nw.col(name).is_null()).select(name).head(1))
            if some:
                raise InputError(
                    f"Column {name!r} holds {schema[name]}, for example {example_of(some[0][name])}: give true and "
                    "false, or 1 and 0.",
                    column=name,
                    example=some[0][name],
                )
    columns = {name: nw.col(name).cast(nw.Float64()) for name in known}
    made: dict[str, list[int]] = {}
    for row in rows(frame.select(**columns).group_by(*known).agg(nw.len().alias("count"))):
        group, stayed = _group(row)
        made.setdefault(group, [0, 0])[stayed] += whole(row["count"])
    return {group: (counts[0], counts[1]) for group, counts in made.items()}


def _group(row: dict[str, Any]) -> tuple[str, int]:
    """Which group a kind of answer is of, and whether its customers stayed. Who had no problem reports nothing."""

    def said(name: str, *, may_be_missing: bool = False) -> int | None:
        value = row.get(name, 1.0 if name == "stayed" else None)
        if value is None or value != value:
            if may_be_missing:
                return None
            raise InputError(
                f"Column {name!r}: {whole(row['count']):,} rows have no answer: leave them out, or give each its own.",
                column=name,
                count=whole(row["count"]),
            )
        if value not in (0, 1):
            raise InputError(
                f"Column {name!r}: {whole(row['count']):,} rows say neither yes (1) nor no (0). For example {value:g}.",
                column=name,
                count=whole(row["count"]),
                example=value,
            )
        return int(value)

    stayed = said("stayed") or 0
    if not said("had_problem"):
        return "no_problem", stayed
    if not said("complained"):
        return "silent", stayed
    satisfied = said("satisfied", may_be_missing=True)
    if satisfied is None:
        return "complained", stayed
    return ("satisfied" if satisfied else "dissatisfied"), stayed


def damage(answers: Any, *, customers: int, value: float | Estimate, seed: int = 0) -> Any:
    """What problems cost: a small table, one row per group of customers asked.

    ``group``: ``no_problem``, ``silent``, ``complained`` (or, where ``satisfied`` tells, ``satisfied`` and
    ``dissatisfied``). ``asked``; ``customers`` of all ``customers`` with their interval; ``stayed``: the share that
    did; ``amount``: what is lost with the group, in minor units: its customers × (the share of those without a problem
    who stay, less its own) × ``value`` (minor units a customer, perhaps with an interval). Negative where a problem
    that was put right keeps more customers than none at all.

    The market-damage model of TARP (Goodman 2019, Strategic Customer Service, chapter 3), without what they tell
    others. Intervals: shares and stays drawn from what the answers leave open (Jeffreys' priors), 95 % of the draws.

    >>> from querencia.insight import iceberg, samples
    >>> iceberg.damage(samples.problems(), customers=20_000, value=9_000).select("group", "asked", "amount").rows()
    [('no_problem', 650, 0), ('silent', 280, 12710769), ('complained', 70, 2727692)]
    """
    if customers < 0:
        raise InputError(f"There cannot be {customers:,} customers.", example=customers)
    frame = frame_of(answers)
    if "stayed" not in (names := frame.collect_schema().names()):
        raise InputError(f"There is no column 'stayed': the table has {', '.join(names)}.", column="stayed")
    counts = _answers(answers)
    groups = [group for group in GROUPS if group in counts]
    everybody = sum(sum(counts[group]) for group in groups)
    base = counts.get("no_problem", (0, 0))
    lost = _drawn(counts, groups, customers, value, seed)
    worth = value.value if isinstance(value, Estimate) else value
    table: list[tuple[Any, ...]] = []
    for place, group in enumerate(groups):
        left, stayed = counts[group]
        found = _of(customers, left + stayed, everybody)
        share, (low, high) = stayed / (left + stayed), wilson(stayed, left + stayed)
        amounts: tuple[int | None, ...] = (0, 0, 0) if group == "no_problem" else (None, None, None)
        if sum(base) and group != "no_problem":
            amount = found.value * (base[1] / sum(base) - share) * worth
            ends = np.quantile(lost[place], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
            amounts = (round(amount), round(min(ends[0], amount)), round(max(ends[1], amount)))
        many = (round(found.value), round(found.low), round(found.high))
        table.append((group, left + stayed, *many, share, low, high, *amounts))
    return small({name: [row[place] for row in table] for place, name in enumerate(TYPES)}, TYPES, answers)


def _drawn(
    counts: dict[str, tuple[int, int]], groups: list[str], customers: int, value: float | Estimate, seed: int
) -> Any:
    """Draws of what is lost with each group: a row per group."""
    random = np.random.default_rng(seed)
    sizes = np.array([sum(counts[group]) for group in groups], dtype=np.float64)
    shares = random.dirichlet(sizes + 0.5, size=DRAWS).T if groups else np.zeros((0, DRAWS))
    stays = [random.beta(counts[group][1] + 0.5, counts[group][0] + 0.5, size=DRAWS) for group in groups]
    base = stays[groups.index("no_problem")] if "no_problem" in groups else np.zeros(DRAWS)
    worth: Any = value
    if isinstance(value, Estimate):
        z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
        worth = random.normal(value.value, max(0.0, value.high - value.low) / (2 * z), size=DRAWS)
    return np.array([customers * share * (base - stay) * worth for share, stay in zip(shares, stays, strict=True)])


def check(answers: Any) -> Gates:
    """The gates ``asked``, ``problems`` and ``complaints``: whether enough were asked, had a problem, and said so.

    >>> from querencia.insight import iceberg, samples
    >>> [(gate.name, gate.is_open) for gate in iceberg.check(samples.problems())]
    [('asked', True), ('problems', True), ('complaints', True)]
    """
    counts = {group: sum(stayed) for group, stayed in _answers(answers).items()}
    everybody = sum(counts.values())
    problems = everybody - counts.get("no_problem", 0)
    complaints = problems - counts.get("silent", 0)
    found = Gates()
    for name, count, least, enough, too_few in (
        (
            "asked",
            everybody,
            ASKED_MIN,
            _("Customers asked: %(count)s, enough (at least %(least)s)."),
            _("Customers asked: %(count)s. At least %(least)s are needed to speak of all."),
        ),
        (
            "problems",
            problems,
            PROBLEMS_MIN,
            _("Customers asked who had a problem: %(count)s, enough (at least %(least)s)."),
            _("Customers asked who had a problem: %(count)s. Below %(least)s, chance moves every share too far."),
        ),
        (
            "complaints",
            complaints,
            COMPLAINTS_MIN,
            _("Customers asked who complained: %(count)s, enough (at least %(least)s)."),
            _("Customers asked who complained: %(count)s. How many stand behind each takes %(least)s to tell."),
        ),
    ):
        facts = {"count": count, "least": least}
        found.append(Gate(name, count >= least, (enough if count >= least else too_few) % facts, facts))
    return found


def said(found: Iceberg, *, lost: Estimate | None = None, currency: str = "") -> str:
    """The iceberg in one sentence or two, in the current language. ``lost``: what the silent ones cost, minor units.

    >>> from querencia.insight import iceberg, samples
    >>> iceberg.said(iceberg.asked(samples.problems(), customers=20_000))  # doctest: +ELLIPSIS
    'For each customer who complains, 4.0 others have a problem and say nothing (between 3.1 and 5.2): 5,600 ...'
    """
    facts = {
        "silent": number(found.silent.value),
        "silent_low": number(found.silent.low),
        "silent_high": number(found.silent.high),
    }
    if not found.problems.value:
        return _("None of the customers asked had a problem.")
    if found.per_complaint is None:
        sentence = _(
            "Nobody who had a problem said so: %(silent)s customers (between %(silent_low)s and %(silent_high)s)."
        )
    else:
        digits = 0 if found.per_complaint.value >= 10 else 1
        facts |= {name: number(getattr(found.per_complaint, name) - 1, digits) for name in ("value", "low", "high")}
        sentence = _(
            "For each customer who complains, %(value)s others have a problem and say nothing (between %(low)s and "
            "%(high)s): %(silent)s customers in all (between %(silent_low)s and %(silent_high)s)."
        )
    sentence %= facts
    if lost is not None and currency:
        amounts = {name: money(getattr(lost, name), currency) for name in ("value", "low", "high")}
        sentence += " " + _("What leaves with them: %(value)s (between %(low)s and %(high)s).") % amounts
    return sentence
