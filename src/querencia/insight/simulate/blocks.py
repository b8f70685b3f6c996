"""A block of customers made into columns, from a random stream of its own: in which order blocks are made, and by how
many processors, changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from querencia.insight.reading import exponent
from querencia.insight.simulate import buying, names
from querencia.insight.simulate.process import Integers, Process
from querencia.insight.simulate.seasons import Seasons

BLOCK_ROWS = 1 << 17  # wanted in one row group: enough for readers, few enough for the processor's cache
BLOCK_CUSTOMERS_MAX = 1 << 16
WHEN = pa.timestamp("ms")
LABEL = pa.dictionary(pa.int8(), pa.string())

CUSTOMERS = pa.schema(
    {
        "key": pa.int64(),
        **{name: names.SCHEMA.field(name).type for name in names.SCHEMA.names[:7]},
        "branch": LABEL,
        "city": pa.string(),
        "postcode": pa.string(),
        "created": WHEN,
    }
)
TRUTH = pa.schema(
    {
        "customer_id": pa.int64(),
        "first_day": pa.date32(),
        "left_day": pa.date32(),
        "purchases_per_day": pa.float64(),
        "amount_mean": pa.float64(),
    }
)


@dataclass(frozen=True)
class Block:
    """The tables of a block, purchases still without their keys: these count on from the block before."""

    bought: dict[str, Any]
    refunds: dict[str, Any]
    refund_of: Integers
    """The rows of ``bought`` that the refunds refund."""
    revenue: int
    people: Any
    truth: Any

    def purchases(self, schema: Any, before: int) -> Any:
        """The purchases, then the refunds, numbered after the ``before`` rows of earlier blocks."""
        nothing = pa.nulls(len(self.bought["at"]), pa.int64())
        bought = _numbered(self.bought, nothing, schema, before)
        refund_of = pa.array(self.refund_of + (before + 1))
        return pa.concat_tables([bought, _numbered(self.refunds, refund_of, schema, before + bought.num_rows)])


class Plan:
    """What every block of the shop needs to be made on its own: the order in which blocks are made changes nothing."""

    def __init__(
        self,
        customers: int,
        seed: int,
        process: Process,
        seasons: Seasons,
        population: names.Population,
        currency: str,
        purchases_per_customer: float,
    ):
        self.customers, self.seed = customers, seed
        self.process, self.seasons, self.population = process, seasons, population
        self.currency, self.decimals = currency, exponent(currency)
        self.block = min(max(round(BLOCK_ROWS / purchases_per_customer), 16), BLOCK_CUSTOMERS_MAX)
        self.money = pa.decimal64(18, self.decimals)

    @property
    def blocks(self) -> int:
        return -(-self.customers // self.block)

    def make(self, block: int) -> Block:
        """Everything about the customers of one block, from a random stream of its own."""
        first = block * self.block
        count = min(self.block, self.customers - first)
        random = np.random.Generator(np.random.SFC64(np.random.SeedSequence(self.seed, spawn_key=(0, block))))
        buyers = buying.draw_buyers(random, count, self.seasons, self.process, 10**self.decimals)
        bought, returned = buying.draw_purchases(random, buyers, self.seasons, self.process)
        refunds, refund_of = buying.draw_refunds(random, bought, returned, self.seasons)
        key = np.arange(first + 1, first + count + 1)
        begin = np.searchsorted(bought.owner, np.arange(count))
        return Block(
            bought=self._rows(bought, first),
            refunds=self._rows(refunds, first),
            refund_of=refund_of,
            revenue=int(bought.amount.sum() + refunds.amount.sum()),
            people=self._people(random, key, buyers, bought.at[begin]),
            truth=self._truth(key, buyers),
        )

    def _rows(self, rows: buying.Rows, first: int) -> dict[str, Any]:
        place = buying.CHANNELS.index("store")
        return {
            "customer_id": pa.array(rows.owner + (first + 1)),
            "at": _when(rows.at),
            "amount": _money(rows.amount, self.money),
            "cost": _money(rows.cost, self.money),
            "currency": _labels(np.zeros(len(rows.at), np.int8), (self.currency,)),
            "channel": _labels(rows.channel, buying.CHANNELS),
            "branch": _labels(rows.branch, buying.BRANCHES, missing=rows.channel != place),
            "category": _labels(rows.category, buying.CATEGORIES),
            "units": pa.array(rows.units),
        }

    def _people(self, random: np.random.Generator, key: Integers, buyers: buying.Buyers, created: Integers) -> Any:
        drawn = self.population.draw(random, int(key[0]) - 1, len(key))
        columns = {
            "key": pa.array(key),
            **dict(zip(drawn.schema.names, drawn.columns, strict=True)),
            "branch": _labels(buyers.branch, buying.BRANCHES),
            "created": _when(created),
        }
        return pa.table({name: columns[name] for name in CUSTOMERS.names}, schema=CUSTOMERS)

    def _truth(self, key: Integers, buyers: buying.Buyers) -> Any:
        starts = self.seasons.starts
        return pa.table(
            {
                "customer_id": pa.array(key),
                "first_day": pa.array((starts + buyers.first_day).astype(np.int32)).cast(pa.date32()),
                "left_day": pa.array((starts + buyers.left_day).astype(np.int32)).cast(pa.date32()),
                "purchases_per_day": pa.array(buyers.rate),
                "amount_mean": pa.array(buyers.amount_mean),
            },
            schema=TRUTH,
        )

    def purchases_schema(self) -> Any:
        kinds = {"key": pa.int64(), "customer_id": pa.int64(), "at": WHEN, "amount": self.money, "cost": self.money}
        labels = dict.fromkeys(("currency", "channel", "branch", "category"), LABEL)
        return pa.schema({**kinds, **labels, "units": pa.int16(), "refund_of": pa.int64()})


def _numbered(rows: dict[str, Any], refund_of: Any, schema: Any, before: int) -> Any:
    key = pa.array(np.arange(before + 1, before + 1 + len(refund_of)))
    return pa.table({"key": key, **rows, "refund_of": refund_of}, schema=schema)


def _when(seconds: Integers) -> Any:
    return pa.array(seconds * 1_000).view(WHEN)


def _money(minor: Integers, kind: Any) -> Any:
    return pa.Array.from_buffers(kind, len(minor), [None, pa.py_buffer(np.ascontiguousarray(minor))])


def _labels(codes: buying.Codes, values: Sequence[str], missing: buying.Flags | None = None) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), pa.array(values))
