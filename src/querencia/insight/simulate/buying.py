"""Who comes, how often, for how long, and what they buy: one block of customers at a time, all in whole columns."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from querencia.insight.simulate.process import Floats, Integers, Process
from querencia.insight.simulate.seasons import TICK_BITS, TICKS, Seasons

Codes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

CHANNELS = ("store", "web", "phone")
BRANCHES = ("Pamplona", "Bilbao", "Porto")
CATEGORIES = ("clothing", "home", "books", "beauty", "sports", "gifts")

BRANCH_SHARES = (0.5, 0.3, 0.2)
HOME_SHARE = 0.9  # of store visits are made at the customer's own branch
CATEGORY_SHARES = (0.30, 0.22, 0.14, 0.15, 0.11, 0.08)
# What a category's sales cost: goods, and the value-added tax that the amounts contain (21 % on top is 17.4 % of them).
COST_SHARES = np.array([0.62, 0.66, 0.71, 0.55, 0.68, 0.50])
TASTE_SHARES = (0.52, 0.28, 0.20)
TASTES = ((0.90, 0.07, 0.03), (0.10, 0.87, 0.03), (0.48, 0.42, 0.10))  # share of each channel by taste
UNIT_SHARES = (0.56, 0.24, 0.11, 0.06, 0.03)
# Share of a day's business by the hour it begins with. No purchase falls into the hour that daylight saving skips.
HOURS = {
    "store": {9: 4, 10: 8, 11: 10, 12: 11, 13: 9, 14: 3, 15: 2, 16: 5, 17: 10, 18: 14, 19: 15, 20: 9},
    "web": {8: 5, 9: 4, 10: 5, 11: 5, 12: 5, 13: 6, 14: 6, 15: 6, 16: 5, 17: 5, 18: 6, 19: 7, 20: 8, 21: 9, 22: 9},
    "phone": {9: 12, 10: 18, 11: 17, 12: 14, 13: 8, 15: 6, 16: 11, 17: 10, 18: 4},
}  # fmt: skip
LIFETIME_DAYS_MAX = 36_500
REFUND_DELAY_DAYS = 9.0
REFUND_WHOLE_SHARE = 0.7

OWNER_BIT = 40  # a purchase while it is sorted: the customer of the block above, the position on the clock below
# One draw of 64 bits decides everything about a purchase but its day.
SPEND_BITS, PLACE_BITS, TIME_BITS, CATEGORY_BITS, UNIT_BITS, REFUND_BITS = 16, 10, 14, 7, 5, 12
TABLE_BITS = 12


@dataclass(frozen=True)
class Buyers:
    """The truth about a block of customers. Days are counted from the first day of the window."""

    first_day: Integers
    left_day: Integers
    """The last day on which the customer might have bought; often after the window."""
    rate: Floats
    """Purchases a day while the customer stays, over a year of seasons."""
    amount_mean: Floats
    """Mean purchase in minor units."""
    branch: Codes
    taste: Codes


@dataclass(frozen=True)
class Rows:
    """Purchases by customer and day, or refunds. Amounts and costs are minor units."""

    owner: Integers
    """The customer's place in the block."""
    at: Integers
    """Seconds since 1970-01-01, by the clock on the wall."""
    amount: Integers
    cost: Integers
    channel: Codes
    branch: Codes
    """Without meaning where the channel is not the store."""
    category: Codes
    units: npt.NDArray[np.int16]


def draw_buyers(random: np.random.Generator, count: int, seasons: Seasons, process: Process, minor: int) -> Buyers:
    """Customers with all that is true about them; ``minor`` is the minor units in one unit of the currency."""
    first_day = np.searchsorted(seasons.first_purchases, random.random(count), side="right")
    first_day = np.minimum(first_day, seasons.days - 1)
    rate = random.standard_gamma(process.rate_shape, count) / process.rate_scale_days
    dropout = random.standard_gamma(process.dropout_shape, count) / process.dropout_scale_days
    stays = random.standard_exponential(count) / np.maximum(dropout, 1e-300)
    spread = process.amount_spread
    mean = np.exp(spread * random.standard_normal(count) - spread**2 / 2) * process.amount_mean * minor
    return Buyers(
        first_day=first_day,
        left_day=first_day + np.minimum(stays, LIFETIME_DAYS_MAX).astype(np.int64),
        rate=rate,
        amount_mean=mean,
        branch=_table(BRANCH_SHARES, TABLE_BITS)[random.integers(0, 1 << TABLE_BITS, count)],
        taste=_table(TASTE_SHARES, TABLE_BITS)[random.integers(0, 1 << TABLE_BITS, count)],
    )


def draw_purchases(
    random: np.random.Generator, buyers: Buyers, seasons: Seasons, process: Process
) -> tuple[Rows, Integers]:
    """All that the customers of a block bought within the window, and which of these rows were brought back later."""
    owner, ticks = _visits(random, buyers, seasons)
    draw = random.integers(0, 1 << 64, len(owner), dtype=np.uint64)
    spend, place, time, kind, unit, refund = (_field(draw, bits, shift) for bits, shift in _LAYOUT)
    place += ((buyers.taste.astype(np.int64) * len(BRANCHES) + buyers.branch) << PLACE_BITS)[owner]
    where = _places()[place]
    channel = np.maximum(where - (len(BRANCHES) - 1), 0)
    time += channel.astype(np.int64) << TIME_BITS
    at = seasons.day(ticks)
    at += seasons.starts
    at *= 86_400
    at += _opening()[time]
    exact = buyers.amount_mean[owner]
    exact *= _spending(process.amount_shape)[spend]
    amount = np.maximum(np.rint(exact, out=exact).astype(np.int64), 1)
    category = _table(CATEGORY_SHARES, CATEGORY_BITS)[kind]
    rows = Rows(
        owner=owner,
        at=at,
        amount=amount,
        cost=_cost(amount, category),
        channel=channel,
        branch=np.minimum(where, len(BRANCHES) - 1),
        category=category,
        units=(_table(UNIT_SHARES, UNIT_BITS) + 1).astype(np.int16)[unit],
    )
    return rows, np.flatnonzero(refund < round(process.refund_share * (1 << REFUND_BITS)))


def draw_refunds(
    random: np.random.Generator, bought: Rows, returned: Integers, seasons: Seasons
) -> tuple[Rows, Integers]:
    """The refunds of the ``returned`` rows, as far as they fall into the window, and the rows they refund."""
    delay = 1 + (random.standard_exponential(len(returned)) * REFUND_DELAY_DAYS).astype(np.int64)
    whole = (random.random(len(returned)) < REFUND_WHOLE_SHARE) | (bought.units[returned] == 1)
    time = random.integers(0, 1 << TIME_BITS, len(returned))
    day = bought.at[returned] // 86_400 + delay
    seen = day < seasons.starts + seasons.days  # what comes back later is not known yet
    of, whole, time, day = returned[seen], whole[seen], time[seen], day[seen]
    amount = np.where(whole, bought.amount[of], np.maximum(bought.amount[of] // 2, 1))
    channel = bought.channel[of]
    rows = Rows(
        owner=bought.owner[of],
        at=day * 86_400 + _opening()[(channel.astype(np.int64) << TIME_BITS) + time],
        amount=-amount,
        cost=-_cost(amount, bought.category[of]),
        channel=channel,
        branch=bought.branch[of],
        category=bought.category[of],
        units=-np.where(whole, bought.units[of], bought.units[of] // 2),
    )
    return rows, of


def _visits(random: np.random.Generator, buyers: Buyers, seasons: Seasons) -> tuple[Integers, Integers]:
    """Customer and position on the clock of each purchase, in that order."""
    begin = seasons.edges[buyers.first_day + 1]
    span = seasons.edges[np.minimum(buyers.left_day, seasons.days - 1) + 1] - begin
    counts = 1 + random.poisson(buyers.rate * span / TICKS)
    owner = np.repeat(np.arange(len(counts)), counts)
    place = random.random(len(owner))
    place *= np.repeat(span.astype(np.float64), counts)
    ticks = place.astype(np.int64)
    ticks += np.repeat(begin, counts)
    # The first purchase is what makes a customer: on the first day for certain.
    first = seasons.edges[buyers.first_day]
    ticks[np.cumsum(counts) - counts] = first + (random.random(len(first)) * (begin - first)).astype(np.int64)
    ticks |= owner << OWNER_BIT
    ticks.sort()
    ticks &= (1 << OWNER_BIT) - 1
    return owner, ticks


def _cost(amount: Integers, category: Codes) -> Integers:
    cost = COST_SHARES[category]
    cost *= amount
    return np.rint(cost, out=cost).astype(np.int64)


def _layout(*widths: int) -> tuple[tuple[int, int], ...]:
    return tuple((bits, sum(widths[:place])) for place, bits in enumerate(widths))


_LAYOUT = _layout(SPEND_BITS, PLACE_BITS, TIME_BITS, CATEGORY_BITS, UNIT_BITS, REFUND_BITS)
assert OWNER_BIT >= TICK_BITS + 15  # forty years of days


def _field(draw: npt.NDArray[np.uint64], bits: int, shift: int) -> Integers:
    return ((draw >> np.uint64(shift)) & np.uint64((1 << bits) - 1)).view(np.int64)


# Tables instead of formulas for each row: a random number of a few bits becomes a value by one look, and the same value
# on every machine.


@lru_cache
def _table(shares: tuple[float, ...], bits: int) -> Codes:
    edges = np.cumsum(shares)
    return np.searchsorted(edges / edges[-1], (np.arange(1 << bits) + 0.5) / (1 << bits)).astype(np.int8)


@lru_cache
def _places() -> Codes:
    """Where a purchase is made, by the customer's taste and branch: one of the branches, then web and phone."""
    away = (1 - HOME_SHARE) / (len(BRANCHES) - 1)
    return np.concatenate(
        [
            _table(
                (*(store * (HOME_SHARE if each == home else away) for each in range(len(BRANCHES))), *others),
                PLACE_BITS,
            )
            for store, *others in TASTES
            for home in range(len(BRANCHES))
        ]
    )


@lru_cache
def _spending(shape: float) -> Floats:
    """Quantiles of a gamma distribution of mean 1."""
    count = 1 << SPEND_BITS
    quantiles: Floats = gammaincinv(shape, (np.arange(count) + 0.5) / count) / shape
    return quantiles


@lru_cache
def _opening() -> Integers:
    """The second of the day, by channel and share of the day's business done."""
    done = (np.arange(1 << TIME_BITS) + 0.5) / (1 << TIME_BITS)
    tables = []
    for channel in CHANNELS:
        shares = np.array([HOURS[channel].get(hour, 0) for hour in range(24)], float)
        edges = np.concatenate([np.zeros(1), np.cumsum(shares / shares.sum())])
        hour = np.minimum(np.searchsorted(edges, done, side="right") - 1, 23)
        tables.append(((hour + (done - edges[hour]) / np.diff(edges)[hour]) * 3600).astype(np.int64))
    return np.concatenate(tables)
