"""Online matching, by exact values alone: nobody found is created, one is attached to, many are merged within limits.

Knows no database: it is given a board of who is who, and writes down on it what is to be done.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from querencia.customers.identity.known import Pair
from querencia.customers.models import Identifier

# How many identifiers of a kind one person may have.
LIMITS = {str(Identifier.Kind.CUSTOMER_KEY): 1}
LIMIT = 5
# So many customers may be merged into one person within a day; what goes beyond waits for somebody to decide.
JOINED_A_DAY_MAX = 5


@dataclass
class Person:
    """Nodes that are one, and what they have."""

    nodes: set[int]
    values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    joined_today: int = 0


@dataclass
class Board:
    """Who is who, and what is to be done. Nodes below zero are yet to be created."""

    owners: dict[Pair, int] = field(default_factory=dict)
    people: dict[int, Person] = field(default_factory=dict)
    # Pairs that somebody parted, or is still to decide on.
    apart: set[tuple[int, int]] = field(default_factory=set)
    created: dict[int, Pair] = field(default_factory=dict)
    attached: dict[Pair, int] = field(default_factory=dict)
    merged: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    quarantined: dict[tuple[int, int], list[str]] = field(default_factory=dict)


def place(board: Board, identifiers: Sequence[Pair]) -> int:
    """The node that the strongest identifier points at, once the others are attached, merged or dropped. 0: nobody."""
    left = list(identifiers)
    while left:
        found = _found(board, left)
        if _holds(board, left, found):
            return _settled(board, left, found)
        left.pop()
    return 0


def _found(board: Board, identifiers: Iterable[Pair]) -> dict[int, list[Pair]]:
    """Identifiers by the node that they point at, one node for each person, the strongest first."""
    nodes: dict[int, list[Pair]] = {}
    seen: dict[int, int] = {}
    for pair in identifiers:
        owner = board.owners.get(pair)
        if owner is not None:
            node = seen.setdefault(id(board.people[owner]), owner)
            nodes.setdefault(node, []).append(pair)
    return nodes


def _holds(board: Board, identifiers: Sequence[Pair], found: dict[int, list[Pair]]) -> bool:
    if len(identifiers) == 1:
        return True
    people = [board.people[node] for node in found]
    given: dict[str, set[str]] = defaultdict(set)
    for kind, value in identifiers:
        given[kind].add(value)
    for kind in {*given, *(kind for person in people for kind in person.values)}:
        parts = [person.values.get(kind, set()) for person in people]
        # Who was merged by hand may have more than the limit, but not yet more.
        most = max([LIMITS.get(kind, LIMIT), *map(len, parts)])
        if len(given.get(kind, set()).union(*parts)) > most:
            return False
    if len(people) > 1:
        if _are_apart(board, people):
            return False
        if sum(person.joined_today for person in people) + len(people) - 1 > JOINED_A_DAY_MAX:
            board.quarantined |= _edges(found)
            return False
    return True


def _are_apart(board: Board, people: list[Person]) -> bool:
    group = {node: place for place, person in enumerate(people) for node in person.nodes}
    return any(group.get(one, -1) != group.get(other, -1) for one, other in board.apart if {one, other} <= group.keys())


def _edges(found: dict[int, list[Pair]]) -> dict[tuple[int, int], list[str]]:
    first, *others = found
    told = {node: sorted({kind for kind, _value in found[first] + found[node]}) for node in others}
    return {(first, node): kinds for node, kinds in told.items()}


def _settled(board: Board, identifiers: Sequence[Pair], found: dict[int, list[Pair]]) -> int:
    if not found:
        node = -len(board.created) - 1
        board.created[node] = identifiers[0]
        board.people[node] = Person({node})
    else:
        node = next(iter(found))
        if len(found) > 1:
            board.merged |= _edges(found)
            _join(board, list(found))
    person = board.people[node]
    for pair in identifiers:
        if pair not in board.owners:
            board.owners[pair] = board.attached[pair] = node
            person.values[pair[0]].add(pair[1])
    return board.owners[identifiers[0]]


def _join(board: Board, nodes: list[int]) -> None:
    one, *others = (board.people[node] for node in nodes)
    for other in others:
        one.nodes |= other.nodes
        one.joined_today += other.joined_today + 1
        for kind, values in other.values.items():
            one.values[kind] |= values
        for node in other.nodes:
            board.people[node] = one
