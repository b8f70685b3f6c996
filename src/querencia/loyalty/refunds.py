"""What is taken back when a purchase is given back in part or whole.

Cumulative: the target is what the order would have earned as it stands now, under the rules of its day. It depends on
the net order alone, not on how it was given back: in one piece, in many, in which order.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ToTake:
    """``points`` to take back now; below zero, so many come back, because an earlier step took more than is due."""

    points: int
    target: int


def to_take(*, granted: int, taken: int, target: int) -> ToTake:
    """How many points to take back of a grant, after ``taken`` have been already.

    Nobody gains by giving back: the target is never more than was granted, nor less than nothing.
    """
    target = max(0, min(target, granted))
    return ToTake(granted - taken - target, target)


def net_lines(lines: Mapping[int, int], given_back: Mapping[int, int]) -> dict[int, int]:
    """What is left of each line, by number; a line cannot be given back beyond itself."""
    return {number: max(0, amount - given_back.get(number, 0)) for number, amount in lines.items()}
