"""What this room knows of a person, and how it forgets them (see ``customers/privacy.py``)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Never

from django.conf import settings

from querencia.common.database import alone
from querencia.customers.privacy import Section

PERIODS: Sequence[Never] = ()
HOLDS: Mapping[str, tuple[str, ...]] = {}
FREE: Mapping[str, str] = {
    "Run": "of the whole business",
    "Measure": "of the whole business",
    "Finding": "figures of the whole business, and customers by number",
}


class Busy(Exception):
    """A run reads the columnar copy: it is rewritten when that is over."""


def facts_of(customer_ids: Sequence[int]) -> Iterator[Section]:
    """Nothing of its own: the columnar copy holds what purchases say, and scores are with the customers."""
    yield from ()


def erase(customer_ids: Sequence[int], *, at: datetime) -> None:
    """Have the columnar copy hold what the database holds of these customers now. Raises Busy."""
    with alone("run") as is_alone:
        if not is_alone:
            raise Busy
        # What reads columns weighs a hundred megabytes: pages do without.
        from querencia.measures import columns

        columns.reread(settings.COLUMNS_FOLDER, customer_ids)
