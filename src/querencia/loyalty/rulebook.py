"""Which versions of which rules are in force when. Versions are never changed, so a rule is read once a process."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from querencia.loyalty.earning import Rule, read
from querencia.loyalty.models import Programme, RuleVersion


@lru_cache(maxsize=2_000)
def _read(document: str, key: str, version: int, pk: int) -> Rule:
    return read(json.loads(document), key=key, version=version, pk=pk)


class Rulebook:
    """Versions of one programme's rules, in the order in which they were published."""

    def __init__(self, versions: Sequence[RuleVersion]) -> None:
        self.versions = sorted(versions, key=lambda version: version.pk)
        self.mark = max((version.pk for version in self.versions), default=0)
        self._starts = sorted({version.in_force_from for version in self.versions})
        self._kept: dict[tuple[int, int], tuple[Rule, ...]] = {}

    @property
    def has_partners(self) -> bool:
        """Whether a partner pays, or paid, for what some rule gives."""
        return any(version.document.get("partner") for version in self.versions)

    @property
    def of_a_budget(self) -> list[Rule]:
        """Every version that has a budget."""
        some = [each for each in self.versions if each.document.get("budget")]
        return [_read(json.dumps(each.document, sort_keys=True), each.key, each.version, each.pk) for each in some]

    @classmethod
    def of(cls, programme: Programme) -> "Rulebook":
        return cls(list(RuleVersion.objects.filter(programme=programme).order_by("pk")))

    def in_force(self, moment: datetime, *, mark: int | None = None) -> tuple[Rule, ...]:
        """The rules of a moment, by key. ``mark``: as they were known when the newest version had that id."""
        mark = self.mark if mark is None else mark
        place = bisect_right(self._starts, moment)
        kept = self._kept.get((place, mark))
        if kept is None:
            latest = self._latest(moment, mark)
            kept = tuple(
                _read(json.dumps(each.document, sort_keys=True), each.key, each.version, each.pk)
                for _key, each in sorted(latest.items())
                if each.document
            )
            self._kept[place, mark] = kept
        return kept

    def _latest(self, moment: datetime, mark: int) -> dict[str, RuleVersion]:
        found: dict[str, RuleVersion] = {}
        for each in self.versions:
            if each.in_force_from <= moment and each.pk <= mark:
                before = found.get(each.key)
                if before is None or (before.in_force_from, before.pk) <= (each.in_force_from, each.pk):
                    found[each.key] = each
        return found

    def latest_version(self, key: str) -> int:
        return max((each.version for each in self.versions if each.key == key), default=0)

    def document(self, key: str, moment: datetime) -> dict[str, Any]:
        """What a rule says at a moment; nothing, when there is none."""
        found = self._latest(moment, self.mark).get(key)
        return dict(found.document) if found else {}
