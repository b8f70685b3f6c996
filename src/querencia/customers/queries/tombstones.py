"""Whether somebody was erased: identifiers are known again by their marks, and by nothing else."""

import hmac
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import batched, product

from django.conf import settings

from querencia.customers.models import Tombstone

ASKED = 5_000
# A number is the same number, whichever way it is reached.
SAME = {"whatsapp": "phone"}

# Stands beside the others: by it the key itself is known again.
OF_THE_KEY = ("", "key")
# As what a text may name somebody.
NAMED_BY = ("customer_key", "email", "phone", "card", "external", "device", "order")

type Pair = tuple[str, str]


def mark(kind: str, value: str) -> str:
    """What is kept of an identifier or an address whose owner was erased."""
    said = f"{SAME.get(kind, kind)}\x1f{value}"
    return hmac.digest(str(settings.ERASURE_KEY).encode(), said.encode("utf-8", "surrogatepass"), "sha256").hex()


def are_any() -> bool:
    """Whether anybody was ever erased: the doors need not reckon marks before that."""
    return Tombstone.objects.exists()


def is_key_the_same() -> bool:
    """Whether those who were erased can still be known again."""
    return not are_any() or Tombstone.objects.filter(mark=mark(*OF_THE_KEY)).exists()


def erased(pairs: Collection[Pair]) -> set[Pair]:
    """Which of these identifiers (kind, value), in the notation in which they are stored, are an erased person's."""
    if not pairs or not are_any():
        return set()
    marks = {(kind, value): mark(kind, value) for kind, value in pairs}
    standing = _standing(marks.values())
    return {pair for pair, known in marks.items() if known in standing}


def are_erased(texts: Iterable[str], *, country: str = "") -> set[str]:
    """Which of these, written as people write them, name somebody who was erased."""
    from querencia.customers.identity import cleaned

    # Many ways of writing may be one identifier.
    asked: defaultdict[Pair, set[str]] = defaultdict(set)
    for text, kind in product(texts, NAMED_BY):
        for pair in cleaned(((kind, text),), country):
            asked[pair].add(text)
    return set[str]().union(*(asked[pair] for pair in erased(asked)))


def _standing(marks: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for some in batched(set(marks), ASKED, strict=False):
        found |= set(Tombstone.objects.filter(mark__in=some).values_list("mark", flat=True))
    return found
