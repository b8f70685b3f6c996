"""Requests that may be sent again: claimed before the work, answered from what is kept after it.

The claim is a transaction of its own, so that others see that somebody is at it; the answer is kept in the transaction
of what it tells of, so that there is never one without the other. Who dies in between leaves a claim that lapses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from querencia.business.models import KeptAnswer

KEPT_FOR = timedelta(hours=24)
# Longer than any request takes.
LEASE = timedelta(seconds=60)


class InProgress(Exception):
    """Another request of that name is still being worked at."""


class OtherRequest(Exception):
    """The name belongs to a request that said something else."""


@dataclass(frozen=True)
class Claim:
    pk: int
    at: datetime


def claim(*, api_key_id: int, name: str, fingerprint: str, at: datetime) -> Claim | KeptAnswer:
    """The right to do the work, or the answer of when it was done. Raises InProgress, OtherRequest."""
    new = KeptAnswer(api_key_id=api_key_id, name=name, fingerprint=fingerprint, claimed_at=at)
    try:
        with transaction.atomic():
            new.save(force_insert=True)
    except IntegrityError:
        return _of_before(new)
    return Claim(new.pk, at)


def _of_before(new: KeptAnswer) -> Claim | KeptAnswer:
    known = KeptAnswer.objects.filter(api_key=new.api_key_id, name=new.name).first()
    if known is None:  # let go at this moment
        raise InProgress
    age = new.claimed_at - known.claimed_at
    if age < KEPT_FOR:
        if known.fingerprint != new.fingerprint:
            raise OtherRequest
        if known.status is not None:
            return known
        if age < LEASE:
            raise InProgress
    # Whoever had it is dead or forgotten: of those who come for it one gets it.
    mine = KeptAnswer.objects.filter(pk=known.pk, claimed_at=known.claimed_at)
    if not mine.update(claimed_at=new.claimed_at, fingerprint=new.fingerprint, status=None, headers={}, body=b""):
        raise InProgress
    return Claim(known.pk, new.claimed_at)


def keep(claimed: Claim, *, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Keep the answer; call in the transaction of the work. Raises InProgress when the claim lapsed meanwhile."""
    if not _held(claimed).update(status=status, headers=dict(headers), body=body):
        raise InProgress


def release(claimed: Claim) -> None:
    """Nothing was done: the name is free again."""
    _held(claimed).delete()


def forget(*, at: datetime) -> int:
    """Let go of what was kept for long enough; how many."""
    return KeptAnswer.objects.filter(claimed_at__lte=at - KEPT_FOR).delete()[0]


def _held(claimed: Claim) -> QuerySet[KeptAnswer]:
    return KeptAnswer.objects.filter(pk=claimed.pk, claimed_at=claimed.at, status=None)
