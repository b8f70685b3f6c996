"""The catalogue of rewards: terms by versions that are never changed, how many are left, and codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from querencia.business.models import Staff
from querencia.loyalty import codes, rewards
from querencia.loyalty.models import Programme, Reward, RewardVersion, Voucher

CODE_MAX = 80
ROWS = 1_000
Origin = Voucher.Origin


@transaction.atomic
def publish_rewards(
    *, programme: Programme, documents: Mapping[str, Mapping[str, Any]], at: datetime, staff: Staff | None = None
) -> list[RewardVersion]:
    """New versions of rewards, by key; an empty document takes one off the shelf. What stands already as it is said
    gets none. Whoever redeemed before keeps the terms of then. Raises ValidationError, by reward."""
    Programme.objects.select_for_update().get(pk=programme.pk)
    problems, new = {}, []
    known = {row.key: row for row in Reward.objects.filter(programme=programme, key__in=list(documents))}
    latest: dict[int, RewardVersion] = {}
    for row in RewardVersion.objects.filter(reward__in=known.values()).order_by("version"):
        latest[row.reward_id] = row
    for key, document in documents.items():
        before = latest.get(known[key].pk) if key in known else None
        try:
            if document:
                rewards.read(document)
        except rewards.BadReward as fault:
            problems[key] = _("%(reward)s: %(fault)s") % {"reward": key, "fault": fault}
            continue
        if (before.document if before else {}) != dict(document):
            new.append((key, document, before))
    if problems:
        raise ValidationError(problems)
    made = []
    for key, document, before in new:
        if key not in known:
            known[key] = Reward(programme=programme, key=key, created_at=at)
            known[key].full_clean()
            known[key].save(force_insert=True)
        version = before.version + 1 if before else 1
        told = {"document": dict(document), "in_force_from": at, "published_at": at, "published_by": staff}
        made.append(RewardVersion(reward=known[key], version=version, **told))
    return RewardVersion.objects.bulk_create(made)


def change_stock(*, reward: Reward, left: int | None, was: int | None) -> bool:
    """So many are left from now on (None: as many as are wanted), where there were ``was``; False, if it changed
    meanwhile and nothing was done. Raises ValidationError."""
    if left is not None and not 0 <= left <= rewards.POINTS_MAX:
        raise ValidationError(_("A whole number from 0 on is meant."))
    return bool(Reward.objects.filter(pk=reward.pk, stock=was).update(stock=left))


@dataclass(frozen=True, slots=True)
class Imported:
    """``created``; ``unchanged``: it is here already, for this reward; ``taken``: for another; ``bad_code``."""

    code: str
    result: str


@transaction.atomic
def import_codes(*, reward: Reward, given: Sequence[str], at: datetime) -> list[Imported]:
    """Bring in codes that others made, each for one member; what became of each, in order."""
    Reward.objects.select_for_update().get(pk=reward.pk)
    normal = [codes.normal(code) for code in given]
    known: dict[str, tuple[int, str]] = {}
    wanted = sorted(set(normal))
    for start in range(0, len(wanted), ROWS):
        rows = Voucher.objects.filter(programme=reward.programme_id, code__in=wanted[start : start + ROWS])
        known |= {code: (pk, origin) for code, pk, origin in rows.values_list("code", "reward_id", "origin")}
    found, new = [], []
    for code, written in zip(normal, given, strict=True):
        if not code or max(len(code), len(written.strip())) > CODE_MAX:
            found.append(Imported(written, "bad_code"))
        elif code in known:
            is_ours = known[code] == (reward.pk, Origin.IMPORTED)
            found.append(Imported(written, "unchanged" if is_ours else "taken"))
        else:
            known[code] = (reward.pk, Origin.IMPORTED)
            found.append(Imported(written, "created"))
            new.append(_voucher(reward, Origin.IMPORTED, code, written.strip(), at))
    Voucher.objects.bulk_create(new, batch_size=ROWS)
    return found


@transaction.atomic
def share_code(*, reward: Reward, code: str, uses_max: int | None, at: datetime) -> Voucher:
    """One code for everybody, so many times (None: as often as is wanted); the one before, if another, is void. Raises
    ValidationError."""
    normal = codes.normal(code)
    if not normal or max(len(normal), len(code.strip())) > CODE_MAX:
        raise ValidationError(_("A code has letters or digits, %(most)s at most.") % {"most": CODE_MAX})
    Reward.objects.select_for_update().get(pk=reward.pk)
    version = RewardVersion.objects.filter(reward=reward).exclude(document={}).order_by("-version").first()
    mine = Voucher.objects.filter(reward=reward, origin=Origin.SHARED, voided_at=None)
    known = Voucher.objects.filter(programme=reward.programme_id, code=normal).first()
    if known is not None and (known.reward_id != reward.pk or known.origin != Origin.SHARED or known.voided_at):
        raise ValidationError(_("This code is taken."))
    if known is not None and uses_max is not None and known.uses > uses_max:
        raise ValidationError(_("It was used %(uses)s times already.") % {"uses": known.uses})
    mine.exclude(code=normal).update(voided_at=at)
    if known is None:
        known = _voucher(reward, Origin.SHARED, normal, code.strip(), at)
    known.version, known.issued_at, known.uses_max = version, known.issued_at or at, uses_max
    known.save()
    return known


def _voucher(reward: Reward, origin: str, code: str, written: str, at: datetime) -> Voucher:
    return Voucher(
        programme_id=reward.programme_id, reward=reward, origin=origin, code=code, written=written, created_at=at
    )
