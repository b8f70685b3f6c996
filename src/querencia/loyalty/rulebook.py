# ruff: noqa: S608  (the statement is put together from names of our own)
"""Which versions of which rules, and of the tiers, are in force when. Versions are never changed: what they say is made
sense of once a process, and only asked whether it is still all there is."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from querencia.loyalty import tiers
from querencia.loyalty.earning import Rule, read
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import Programme, RuleVersion, TierScheme

COLUMNS = "id, version, in_force_from, document"
VERSIONS = f"""
    SELECT key, {COLUMNS} FROM {reading.table(RuleVersion)} WHERE programme_id = %s
    UNION ALL SELECT '', {COLUMNS} FROM {reading.table(TierScheme)} WHERE programme_id = %s"""


class Version(NamedTuple):
    """What one version of a rule says, or of the tiers (which have no key)."""

    key: str
    pk: int
    version: int
    in_force_from: datetime
    document: dict[str, Any]


@lru_cache(maxsize=2_000)
def _read(document: str, key: str, version: int, pk: int) -> Rule:
    return read(json.loads(document), key=key, version=version, pk=pk)


def _rule_of(version: Version) -> Rule:
    return _read(json.dumps(version.document, sort_keys=True), version.key, version.version, version.pk)


class Rulebook:
    """Versions of one programme's rules, in the order in which they were published, and of its tiers."""

    def __init__(self, versions: Sequence[Version], schemes: Sequence[Version] = ()) -> None:
        self.versions = sorted(versions, key=lambda version: version.pk)
        self.schemes = [
            (each, tiers.read(each.document)) for each in sorted(schemes, key=lambda each: each.version, reverse=True)
        ]
        self.mark = max((version.pk for version in self.versions), default=0)
        self._starts = sorted({version.in_force_from for version in self.versions})
        self._kept: dict[tuple[int, int], tuple[Rule, ...]] = {}

    @property
    def has_partners(self) -> bool:
        """Whether a partner pays, or paid, for what some rule gives."""
        return any(version.document.get("partner") for version in self.versions)

    @property
    def has_audiences(self) -> bool:
        """Whether some rule is, or was, for some members only."""
        return any(version.document.get("audience") for version in self.versions)

    @property
    def of_a_budget(self) -> list[Rule]:
        """Every version that has a budget."""
        return [_rule_of(each) for each in self.versions if each.document.get("budget")]

    def read(self) -> list[tuple[Version, Rule]]:
        """Every version with what it says, in the order in which they count; ends of rules say nothing."""
        order = sorted(self.versions, key=lambda each: (each.in_force_from, each.pk))
        return [(each, _rule_of(each)) for each in order if each.document]

    @classmethod
    def of(cls, programme: Programme | int) -> "Rulebook":
        """Of a programme, or of the one with that id."""
        pk = programme if isinstance(programme, int) else programme.pk
        return _made(tuple(sorted(reading.select(VERSIONS, [pk] * 2))))

    def in_force(self, moment: datetime, *, mark: int | None = None) -> tuple[Rule, ...]:
        """The rules of a moment, by key. ``mark``: as they were known when the newest version had that id."""
        mark = self.mark if mark is None else mark
        place = bisect_right(self._starts, moment)
        kept = self._kept.get((place, mark))
        if kept is None:
            latest = self._latest(moment, mark)
            kept = tuple(_rule_of(each) for _key, each in sorted(latest.items()) if each.document)
            self._kept[place, mark] = kept
        return kept

    def newest_scheme(self) -> tiers.Scheme | None:
        """The tiers as they were published last, be they in force yet or not."""
        return self.schemes[0][1] if self.schemes else None

    def scheme(self, moment: datetime) -> tuple[int, tiers.Scheme] | None:
        """The tiers in force, with the id of their version."""
        return next(((each.pk, scheme) for each, scheme in self.schemes if each.in_force_from <= moment), None)

    def _latest(self, moment: datetime, mark: int) -> dict[str, Version]:
        found: dict[str, Version] = {}
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


@lru_cache(maxsize=100)
def _made(rows: tuple[reading.Row, ...]) -> Rulebook:
    """Of the rows as the database gives them: others make another book."""
    said = [
        Version(key, pk, version, reading.moment(start), reading.document(document))
        for key, pk, version, start, document in rows
    ]
    return Rulebook([each for each in said if each.key], [each for each in said if not each.key])
