"""What the economics of a firm rest on: some dozen sums of its purchases, taken inside the engine, kept as JSON.

A customer's windows begin with their first purchase and are all of one length; window 0 holds that purchase. Who bought
in every window so far and buys in the next has *renewed*; who does not has left. Where no contract ends this is an
assumption ("lost for good", Dwyer 1997, Journal of Direct Marketing 11(4)): who skips a window and comes back later is
counted as lost, so that worth is understated rather than overstated. Only windows that are over are looked at.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import narwhals as nw
import numpy as np

from querencia.insight import notebook
from querencia.insight.defection import WINDOWS
from querencia.insight.economics.shares import long_standing, steady, top
from querencia.insight.engine import Frame, frame_of, rows, whole, windowed
from querencia.insight.errors import InputError
from querencia.insight.estimate import Estimate
from querencia.insight.intervals import wilson
from querencia.insight.language import gettext as _
from querencia.insight.lifetime import ShiftedBetaGeoModel
from querencia.insight.reading import quotient
from querencia.insight.tables import Day, as_days, day_number
from querencia.insight.wording import number

YEAR_DAYS = 365
TENURES_MAX = 60
CHANNELS_MAX = 30
# The shifted-beta-geometric has two parameters: rates of three renewals, each known to about ±18 points or better.
RENEWALS_MIN = 3
AT_RISK_MIN = 30
LEAVERS_MIN = 10


@dataclass(frozen=True)
class Kept:
    """Sums of one log of purchases, kept by :meth:`to_json` and :meth:`of_json`. Money in minor units.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> kept.could, kept.renewed, kept.base
    ([2357, 6], [584, 4], 582)
    """

    as_of: int
    window_days: int | None
    customers: int
    # By renewal 1, 2, …: customers who could renew, and who did.
    could: list[int] = field(default_factory=list)
    renewed: list[int] = field(default_factory=list)
    # By window 0, 1, …: customers who bought in it and all before, what they spent, and the squares of that.
    buyers: list[int] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)
    spent_squared: list[float] = field(default_factory=list)
    # By renewals behind them: customers who have not left, including those still in their first window.
    present: list[int] = field(default_factory=list)
    # Customers counted as left, and those of them who bought again later.
    left: int = 0
    returned: int = 0
    # Spending per window over all windows: windows, sum, and for the error the squares and products by customer.
    windows: int = 0
    windows_squared: float = 0.0
    spend: int = 0
    spend_squared: float = 0.0
    spend_by_windows: float = 0.0
    # Customers who renewed at least once: what they spent in their first and in their second window, with the squares.
    second: dict[str, float] = field(default_factory=dict)
    # Share of revenue (or margin, where known) of the last year from customers older than two years; of the best fifth.
    long_standing: Estimate | None = None
    long_standing_of: str = "revenue"
    top_20: Estimate | None = None
    # Margin as a share of revenue, where purchases tell.
    margin_share: float | None = None
    # Customers new in the last year, by the channel of their first purchase.
    new_by_channel: dict[str, int] = field(default_factory=dict)
    # The shifted-beta-geometric, where customers differ and there is enough to tell: logarithms and their covariance.
    curve: list[float] = field(default_factory=list)
    curve_covariance: list[list[float]] = field(default_factory=list)

    @property
    def base(self) -> int:
        """Customers who have not left."""
        return sum(self.present)

    @property
    def renewal(self) -> Estimate | None:
        """Of those who could renew, the share who did (Wilson); None where nobody could yet."""
        could, renewed = sum(self.could), sum(self.renewed)
        if not could:
            return None
        low, high = wilson(renewed, could)
        return Estimate(renewed / could, low, high)

    @property
    def spend_mean(self) -> tuple[float, float] | None:
        """What a customer spends per window, and the standard error: a ratio of sums, customers being independent."""
        if not self.windows:
            return None
        mean = self.spend / self.windows
        squares = self.spend_squared - 2 * mean * self.spend_by_windows + mean**2 * self.windows_squared
        return mean, max(0.0, squares) ** 0.5 / self.windows

    def _repr_html_(self) -> str:
        rows = [(_("Customers"), number(self.customers), ""), (_("have not left"), number(self.base), "")]
        rows += [] if self.window_days is None else [(_("days of a window"), number(self.window_days), "")]
        shares = {_("renew"): self.renewal, _("revenue of the best fifth"): self.top_20}
        return notebook.card("", rows=rows + notebook.estimates({n: one for n, one in shares.items() if one}))

    def to_json(self) -> dict[str, Any]:
        """Numbers, lists and names alone."""
        return asdict(self)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> "Kept":
        """What :meth:`to_json` gave, in whatever version of it: names that are not known are passed over."""
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        for name in ("long_standing", "top_20"):
            if known.get(name) is not None:
                known[name] = Estimate(**known[name])
        return cls(**known)


def keep(purchases: Any, *, as_of: Day, window_days: int | None = None, days: Any = None) -> Kept:
    """The sums, of a table of purchases or of days. ``margin`` and ``channel`` are used where the table has them.

    Without ``window_days``, windows are the longest of a year, half a year, a quarter, four weeks and a week of which
    half of the customers have had two: renewals are then those of many, not of the few who were there at the beginning.
    Where no window is so short, the longest of which the log covers two. ``days``: :func:`tables.days` of the same
    purchases, where they are at hand.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> kept.customers, round(kept.renewal.value, 3)
    (2357, 0.249)
    """
    if window_days is not None and window_days < 1:
        raise InputError(f"A window has at least one day, not {window_days}.", example=window_days)
    today = day_number(as_of)
    frame = windowed(frame_of(purchases))
    days = as_days(frame if days is None else windowed(frame_of(days)), as_of=today)
    bought = days.filter(nw.col("is_purchase")).group_by("customer_id")
    firsts = bought.agg(nw.col("day").min().alias("first"), nw.col("day").max().alias("last"))
    found = rows(firsts.select(nw.len().alias("customers"), nw.col("first").min().alias("first")))[0]
    customers = whole(found["customers"])
    if not customers:
        return Kept(today, window_days, 0)
    window = window_days or _window(firsts, today=today, customers=customers)
    oldest, of = long_standing(frame, days, firsts, first_day=whole(found["first"]), today=today)
    shares: dict[str, Any] = {
        "long_standing": oldest,
        "long_standing_of": of,
        "top_20": top(days),
        "margin_share": _margin_share(frame, today),
        "new_by_channel": _channels(frame, firsts, today),
    }
    if window is None:
        return Kept(today, None, customers, **shares)
    runs = _runs(days, firsts, today=today, window=window)
    people = _people(runs)
    new = firsts.filter(nw.col("first") > today - window + 1)
    newest = whole(rows(new.select(nw.len().alias("customers")))[0]["customers"])
    shares |= _renewals(people, newest) | _spending(people) | _by_window(runs)
    return Kept(today, window, customers, **shares)


def _window(firsts: Frame, *, today: int, customers: int) -> int | None:
    """The length of windows that suits a log; None where it covers two of none."""
    had_two = {
        f"w{length}": nw.when(nw.col("first") <= today + 1 - 2 * length).then(nw.lit(1)).otherwise(nw.lit(0)).sum()
        for length in WINDOWS
    }
    counted = {int(name[1:]): whole(count) for name, count in rows(firsts.select(**had_two))[0].items()}
    covered = [length for length in WINDOWS if counted[length]]
    return next((length for length in covered if 2 * counted[length] >= customers), covered[0] if covered else None)


def _runs(days: Frame, firsts: Frame, *, today: int, window: int) -> Frame:
    """Windows of each customer up to the first without a purchase: ``index``, ``amount``, ``complete`` (how many)."""
    first, index = nw.col("first"), nw.col("index")
    placed = days.join(firsts, on="customer_id", how="inner").select(
        "customer_id",
        "amount",
        "first",
        "last",
        # Engines divide whole numbers differently below zero: refunds before the first purchase are left out first.
        quotient((nw.col("day") - first).cast(nw.Float64()), window).cast(nw.Int64()).alias("index"),
        quotient((nw.lit(today) - first + 1).cast(nw.Float64()), window).cast(nw.Int64()).alias("complete"),
        nw.col("is_purchase").cast(nw.Int64()).alias("occasion"),
    )
    grouped = (
        placed.filter((index >= 0) & (index < nw.col("complete")))
        .group_by("customer_id", "index", "complete", "first", "last")
        .agg(nw.col("amount").sum(), nw.col("occasion").max())
        .filter(nw.col("occasion") == 1)
        .with_columns(nw.col("amount").cast(nw.Int64()), nw.lit(1).alias("one"), nw.lit(window).alias("window"))
    )
    placed = grouped.with_columns(nw.col("one").cum_sum().over("customer_id", order_by="index").alias("place"))
    return placed.filter(nw.col("place") == index + 1)


def _people(runs: Frame) -> list[dict[str, Any]]:
    """Customers by the windows they bought in without a gap and the windows that are over, with sums of their spending.

    ``x`` and ``y`` are spent in the first and in the second window.
    """
    amount, index = nw.col("amount").cast(nw.Float64()), nw.col("index")
    in_window = {
        name: nw.when(index == place).then(amount).otherwise(nw.lit(0.0)) for place, name in enumerate(("x", "y"))
    }
    per_customer = (
        runs.with_columns(amount.alias("money"), **in_window)
        .group_by("customer_id")
        .agg(
            nw.col("one").sum().alias("length"),
            *(nw.col(name).max() for name in ("complete", "first", "last", "window")),
            *(nw.col(name).sum() for name in ("money", "x", "y")),
        )
    )
    money, x, y, length = (nw.col(name) for name in ("money", "x", "y", "length"))
    alike = per_customer.with_columns(
        (money * money).alias("mm"),
        (x * x).alias("xx"),
        (y * y).alias("yy"),
        (x * y).alias("xy"),
        # Bought again after the window that they missed.
        (nw.col("last") >= nw.col("first") + (length + 1) * nw.col("window")).cast(nw.Int64()).alias("returned"),
    )
    names = ("money", "x", "y", "mm", "xx", "yy", "xy", "returned")
    return rows(
        alike.group_by("length", "complete").agg(nw.len().alias("customers"), *(nw.col(name).sum() for name in names))
    )


def _renewals(people: list[dict[str, Any]], new: int) -> dict[str, Any]:
    """Who could renew, who did, who is present; and the curve of renewals where there is enough to draw it."""
    alike = [tuple(whole(row[name]) for name in ("length", "complete", "customers")) for row in people]
    last = max((complete for _, complete, _ in alike), default=1)
    could, renewed, present = ([0] * last for _ in range(3))
    present[0] += new
    tenure: dict[tuple[int, int], int] = {}
    for bought, complete, customers in alike:
        for renewal in range(1, min(bought, complete - 1) + 1):
            could[renewal - 1] += customers
            renewed[renewal - 1] += customers if renewal < bought else 0
        has_left = int(bought < complete)
        if not has_left:
            present[complete - 1] += customers
        at = (bought if has_left else complete - 1, has_left)
        tenure[at] = tenure.get(at, 0) + customers
    observed = [(could[n], renewed[n]) for n in range(last - 1)][:TENURES_MAX]
    gone = [row for row in people if whole(row["length"]) < whole(row["complete"])]
    return {
        "could": [pair[0] for pair in observed],
        "renewed": [pair[1] for pair in observed],
        "present": [*present[:TENURES_MAX], *([sum(present[TENURES_MAX:])] if last > TENURES_MAX else [])],
        "left": sum(whole(row["customers"]) for row in gone),
        "returned": sum(whole(row["returned"]) for row in gone),
        **_curve(tenure, observed),
    }


def _curve(tenure: Mapping[tuple[int, int], int], observed: list[tuple[int, int]]) -> dict[str, Any]:
    known = [could for could, _ in observed if could >= AT_RISK_MIN]
    left = sum(could - renewed for could, renewed in observed)
    if len(known) < RENEWALS_MIN or left < LEAVERS_MIN or left == sum(could for could, _ in observed):
        return {}
    import pyarrow as pa

    names, weights = list(tenure), list(tenure.values())
    table = pa.table({"tenure": [t for t, _ in names], "left": [gone for _, gone in names], "weight": weights})
    model = ShiftedBetaGeoModel().fit(table)
    if not (model.converged_ and model.identified_ and np.isfinite(model.covariance_).all()):
        return {}
    return {"curve": model.log_params_.tolist(), "curve_covariance": model.covariance_.tolist()}


def _spending(people: list[dict[str, Any]]) -> dict[str, Any]:
    """Sums for the mean spent per window, and for what those who renewed spent in their second window."""

    def summed(name: str, power: int = 0, *, least: int = 1) -> float:
        known = [(float(row[name] or 0), whole(row["length"])) for row in people]
        return steady(sum((value * length**power for value, length in known if length >= least), 0.0))

    pairs = {name: summed(name, least=2) for name in ("customers", "x", "y", "xx", "yy", "xy")}
    return {
        "windows": round(summed("customers", 1)),
        "windows_squared": summed("customers", 2),
        "spend": round(summed("money")),
        "spend_squared": summed("mm"),
        "spend_by_windows": summed("money", 1),
        "second": pairs,
    }


def _by_window(runs: Frame) -> dict[str, Any]:
    amount = nw.col("amount").cast(nw.Float64())
    by_window = runs.with_columns(squared=amount * amount).group_by("index")
    summed = by_window.agg(nw.len().alias("buyers"), nw.col("amount").sum().alias("spent"), nw.col("squared").sum())
    found = sorted(rows(summed), key=lambda row: whole(row["index"]))[:TENURES_MAX]
    return {
        "buyers": [whole(row["buyers"]) for row in found],
        "spent": [whole(row["spent"]) for row in found],
        "spent_squared": [steady(row["squared"]) for row in found],
    }


def _margin_share(frame: Frame, today: int) -> float | None:
    """Margin as a share of revenue over purchases that tell their margin; None where none does or nothing came in."""
    if "margin" not in frame.collect_schema().names():
        return None
    known = frame.filter((nw.col("day") <= today) & ~nw.col("margin").is_null())
    found = rows(known.select(margin=nw.col("margin").sum(), amount=nw.col("amount").sum()))[0]
    margin, amount = whole(found["margin"]), whole(found["amount"])
    return steady(margin / amount) if amount > 0 else None


def _channels(frame: Frame, firsts: Frame, today: int) -> dict[str, int]:
    """Customers whose first purchase was in the last year, by the channel of that purchase, the commonest first."""
    if "channel" not in frame.collect_schema().names():
        return {}
    new = firsts.filter(nw.col("first") > today - YEAR_DAYS)
    channel = nw.col("channel").cast(nw.String()).fill_null("")
    came = (
        frame.filter(nw.col("amount") >= 0)
        .select("customer_id", "day", channel=channel)
        .join(new, on="customer_id", how="inner")
        .filter(nw.col("day") == nw.col("first"))
        .group_by("customer_id")
        # Of several purchases on that day any will do, but always the same one.
        .agg(nw.col("channel").min())
    )
    counted = rows(came.group_by("channel").agg(nw.len().alias("customers")))
    found = sorted(
        ((str(row["channel"]), whole(row["customers"])) for row in counted), key=lambda one: (-one[1], one[0])
    )
    return dict(found[:CHANNELS_MAX])
