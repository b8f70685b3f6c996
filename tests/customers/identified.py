"""One of many processes that identify overlapping identifiers at the same time.

``python -m tests.customers.identified SEED``: says it is ready, waits for a line on its input, and tells of everybody
in an order of its own.
"""

import random
import sys
from datetime import UTC, datetime
from itertools import pairwise

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PEOPLE = 30
BATCH = 7


def told() -> list[tuple[tuple[str, str], ...]]:
    """What is known of each person, in pieces that only together say that they are one: a chain of identifiers."""
    pieces: list[tuple[tuple[str, str], ...]] = []
    for number in range(PEOPLE):
        chain = [
            ("device", f"d{number}"),
            ("email", f"e{number}@example.com"),
            ("card", f"c{number}"),
            ("external", f"x{number}"),
            ("customer_key", f"k{number}"),
        ]
        pieces += [(each,) for each in chain]
        pieces += [(one, other) for one, other in pairwise(chain)]
    return pieces


def main(seed: str) -> None:
    import django

    django.setup()
    from querencia.customers import actions, events
    from querencia.customers.identity import Known

    mine = told()
    random.Random(seed).shuffle(mine)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for start in range(0, len(mine), BATCH):
        some = mine[start : start + BATCH]
        ids = actions.identify([Known(piece) for piece in some], at=AT, source="web")
        events.record(
            [events.NewEvent("Seen", f"{seed}:{start + place}", "web", customer_id=pk) for place, pk in enumerate(ids)],
            at=AT,
        )


if __name__ == "__main__":
    main(sys.argv[1])
