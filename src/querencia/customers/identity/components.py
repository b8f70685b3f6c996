"""Which nodes are one person: the connected components of what is joined. Knows no database."""

from collections.abc import Iterable, Mapping


def components(nodes: Iterable[int], edges: Iterable[tuple[int, int]]) -> list[set[int]]:
    """The nodes, grouped by what the edges join, in order of their smallest."""
    group = {node: {node} for node in nodes}
    for one, other in edges:
        larger, smaller = group[one], group[other]
        if larger is smaller:
            continue
        if len(larger) < len(smaller):
            larger, smaller = smaller, larger
        larger |= smaller
        for node in smaller:
            group[node] = larger
    once = {id(each): each for each in group.values()}
    return sorted(once.values(), key=min)


def head(nodes: Iterable[int], has_key: Mapping[int, bool]) -> int:
    """Who stands for a person: whom the business gave a key, then whom it has known for longest."""
    return min(nodes, key=lambda node: (not has_key.get(node, False), node))
