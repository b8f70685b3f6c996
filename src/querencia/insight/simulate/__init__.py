"""A simulated business of any size: seed in, Parquet out.

For benchmarks, property tests and demonstrations that say they are simulated. Nothing here is taken from a real
person: names and towns come from Faker, e-mail addresses end in domains reserved by RFC 2606, telephone numbers are
reserved for fiction or lie in ranges that no operator holds.
"""

from querencia.insight.simulate.names import people
from querencia.insight.simulate.process import Process
from querencia.insight.simulate.writing import Shop, shop

__all__ = ["Process", "Shop", "people", "shop"]
