"""What earns points: the rules in force, and how each came to say what it says."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from querencia.loyalty.earning import Rule, read
from querencia.loyalty.models import Programme, RuleVersion, TierScheme


def in_force(programme: Programme, *, at: datetime) -> list[RuleVersion]:
    """The version of each rule that counts at a moment, by key; rules that ended are left out."""
    found: dict[str, RuleVersion] = {}
    rows = RuleVersion.objects.filter(programme=programme, in_force_from__lte=at)
    for each in rows.order_by("in_force_from", "pk"):
        found[each.key] = each
    return [each for _key, each in sorted(found.items()) if each.document]


def versions(programme: Programme, key: str) -> list[RuleVersion]:
    """Every version of one rule, the newest first."""
    rows = RuleVersion.objects.filter(programme=programme, key=key).select_related("published_by")
    return list(rows.order_by("-version"))


def keys(programme: Programme) -> set[str]:
    """Every name that a rule has or had."""
    return set(RuleVersion.objects.filter(programme=programme).values_list("key", flat=True))


def titles(programme: Programme, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """By rule and version what it was called."""
    rows = RuleVersion.objects.filter(programme=programme, key__in={key for key, _version in wanted})
    return {(row.key, row.version): str(row.document.get("title", row.key)) for row in rows.order_by("pk")}


def schemes(programme: Programme) -> list[TierScheme]:
    """Every version of the tiers, the newest first."""
    return list(TierScheme.objects.filter(programme=programme).select_related("published_by").order_by("-version"))


def rule_of(document: Mapping[str, Any], *, key: str) -> Rule:
    """What a document says, before it is published. Raises ValueError with what is wrong where."""
    return read(document, key=key)


def mark(programme: Programme) -> str:
    """What changes whenever a version of a rule or of the tiers is published."""
    newest = (model.objects.filter(programme=programme).order_by("-pk").first() for model in (RuleVersion, TierScheme))
    return ".".join(str(each.pk if each else 0) for each in newest)
