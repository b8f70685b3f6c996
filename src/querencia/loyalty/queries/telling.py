"""What entries of the ledger speak of, for whoever puts them into words: purchases, rules by name, reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from querencia.customers.models import Purchase
from querencia.loyalty.models import Entry, Programme, Redemption
from querencia.loyalty.models.rewards import OWN_HOLDS
from querencia.loyalty.queries import adjustments, rules
from querencia.loyalty.queries.history import Moved
from querencia.loyalty.rewards import read


@dataclass(frozen=True, slots=True)
class RuleTold:
    """What one rule gave. ``uncapped`` is what it would have given without its limit, where that was reached."""

    title: str
    points: int
    uncapped: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """``amount`` is of the purchase or the refund, in minor units; ``reason`` of a correction or a gift, as it was
    written; ``is_spent``: what was set aside here was captured since; ``reward``: what it was for, by language."""

    moved: Moved
    amount: int | None
    currency: str
    rules: tuple[RuleTold, ...]
    reason: str
    is_spent: bool = False
    reward: Mapping[str, str] = field(default_factory=dict)


def told(programme: Programme, moves: Sequence[Moved]) -> list[Told]:
    """In the order given; one statement for each kind of thing, however many there are."""
    wanted = {each.purchase_id for each in moves if each.purchase_id}
    bought = dict(Purchase.objects.filter(pk__in=wanted).values_list("pk", "amount"))
    named = [(str(rule.get("rule")), _version(rule)) for each in moves for rule in _rules(each)]
    titles = rules.titles(programme, named) if named else {}
    keys = [each.key.partition(":")[2] for each in moves if each.kind == "adjust"]
    reasons = adjustments.reasons({each.member_id for each in moves}, keys) if keys else {}
    taken = _rewards([each.key for each in moves])
    spent = _spent([each.pk for each in moves if each.kind == Entry.Kind.HOLD])
    return [
        Told(
            moved=each,
            amount=bought.get(each.purchase_id or 0),
            currency=programme.currency,
            rules=tuple(_told(rule, titles) for rule in _rules(each)),
            reason=reasons.get((each.member_id, each.key.partition(":")[2]), "") or str(each.why.get("why", "")),
            is_spent=each.pk in spent,
            reward=taken.get(each.key, {}),
        )
        for each in moves
    ]


def _rewards(keys: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """By key of an entry the reward whose points it moved, as it was called then."""
    of = {key: int(pk) for key in keys if (pk := key.partition(f":{OWN_HOLDS}")[2]).isdecimal()}
    if not of:
        return {}
    rows = Redemption.objects.filter(pk__in=of.values()).select_related("version")
    names = {row.pk: read(row.version.document).name for row in rows}
    return {key: names[pk] for key, pk in of.items() if pk in names}


def _spent(pks: Sequence[int]) -> set[int]:
    """Of entries that set points aside, those whose points were captured."""
    if not pks:
        return set()
    captured = Entry.objects.filter(kind=Entry.Kind.CAPTURE, hold__entries__in=pks)
    return set(captured.filter(hold__entries__kind=Entry.Kind.HOLD).values_list("hold__entries", flat=True)) & set(pks)


def _rules(moved: Moved) -> list[dict[str, Any]]:
    found = moved.why.get("rules", [])
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _version(rule: dict[str, Any]) -> int:
    return int(rule.get("version", 0))


def _told(rule: dict[str, Any], titles: dict[tuple[str, int], str]) -> RuleTold:
    key, points = str(rule.get("rule")), int(rule.get("points", 0))
    uncapped = int(rule.get("uncapped") or 0)
    return RuleTold(titles.get((key, _version(rule)), key), points, uncapped if uncapped > points else None)
