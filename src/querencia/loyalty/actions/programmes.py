"""Programmes, and the versions of their rules and tiers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from querencia.business.models import Business, Staff
from querencia.loyalty import tiers
from querencia.loyalty.actions.audiences import draw
from querencia.loyalty.earning import BadRule, Rule, read
from querencia.loyalty.earning.rules import agree
from querencia.loyalty.models import Programme, RuleVersion, TierScheme
from querencia.loyalty.queries import audiences, partners
from querencia.loyalty.rulebook import Rulebook


def create_programme(*, business: Business, name: str, at: datetime, **policy: Any) -> Programme:
    """A programme in the business's currency and time zone. ``policy``: fields of `Programme`.

    Raises ValidationError.
    """
    made = Programme(
        name=name.strip(), currency=business.currency, time_zone=business.time_zone, created_at=at, **policy
    )
    made.full_clean()
    made.save(force_insert=True)
    return made


@transaction.atomic
def publish_rules(
    *,
    programme: Programme,
    documents: Mapping[str, Mapping[str, Any]],
    at: datetime,
    in_force_from: datetime | None = None,
    staff: Staff | None = None,
) -> list[RuleVersion]:
    """New versions of rules, by key; an empty document ends a rule. What stands already as it is said gets none.

    Purchases before ``in_force_from`` (now, if unsaid) are judged by what was in force then, and purchases that were
    judged are never judged anew. Raises ValidationError, by rule, when one is no rule or rules contradict each other.
    """
    Programme.objects.select_for_update().get(pk=programme.pk)
    known, frozen = Rulebook.of(programme), audiences.begun(programme, at=at)
    start = in_force_from or at
    problems: dict[str, str] = {}
    rules = {rule.key: rule for rule in known.in_force(start) if rule.key not in documents}
    for key, document in documents.items():
        try:
            if document:
                rules[key] = read(document, key=key)
                _fits(programme, rules[key], frozen)
        except BadRule as fault:
            problems[key] = _("%(rule)s: %(fault)s") % {"rule": key, "fault": fault}
    try:
        agree(rules.values())
    except BadRule as fault:
        problems.setdefault(next(iter(documents)), str(fault))
    if problems:
        raise ValidationError(problems)
    new = [
        RuleVersion(
            programme=programme,
            key=key,
            version=known.latest_version(key) + 1,
            document=dict(document),
            in_force_from=start,
            published_at=at,
            published_by=staff,
        )
        for key, document in documents.items()
        if known.document(key, start) != dict(document)
    ]
    for each in new:
        each.full_clean(exclude=["document"])
    made = RuleVersion.objects.bulk_create(new)
    draw(programme=programme, keys={each.key for each in made} - frozen.keys(), frozen=frozen, at=at)
    return made


def _fits(programme: Programme, rule: Rule, frozen: Mapping[str, Rule]) -> None:
    """Raises BadRule for a rule that names what is not there, or changes for whom a campaign is that has begun."""
    if rule.partner and rule.partner not in partners.by_key(programme):
        raise BadRule("partner", f"no partner is called {rule.partner}")
    if rule.audience and rule.audience.tiers:
        scheme = Rulebook.of(programme).newest_scheme()
        if unknown := set(rule.audience.tiers) - set(scheme.names if scheme else ()):
            raise BadRule("audience", f"no tier is called {min(unknown)}")
    if rule.key in frozen and rule.audience != frozen[rule.key].audience:
        raise BadRule("audience", _("what has begun keeps its audience and its hold-out: end it, and begin another"))


@transaction.atomic
def publish_tiers(
    *, programme: Programme, document: Mapping[str, Any], at: datetime, staff: Staff | None = None
) -> TierScheme:
    """A new version of the tiers. It judges nobody: `judge_tiers` does. Raises ValidationError."""
    try:
        tiers.read(document)
    except tiers.BadScheme as fault:
        raise ValidationError({"document": str(fault)}) from None
    Programme.objects.select_for_update().get(pk=programme.pk)
    before = TierScheme.objects.filter(programme=programme).order_by("-version").first()
    if before and before.document == dict(document):
        return before
    return TierScheme.objects.create(
        programme=programme,
        version=before.version + 1 if before else 1,
        document=dict(document),
        in_force_from=at,
        published_at=at,
        published_by=staff,
    )


def end_rules(*, programme: Programme, keys: Sequence[str], at: datetime, staff: Staff | None = None) -> int:
    """Rules that are no more from now on; how many were."""
    return len(publish_rules(programme=programme, documents={key: {} for key in keys}, at=at, staff=staff))
