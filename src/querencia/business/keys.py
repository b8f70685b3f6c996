"""Keys of machines: how they are written, hashed, and what each kind opens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from querencia.business.models import ApiKey

INTAKE = "intake"
# What may be asked of a key, in words. Whoever writes facts may name people by identifiers, and so create them.
SCOPES_TOLD: dict[str, str | Promise] = {
    "customers:read": _("See customers, their names, addresses and identifiers"),
    "customers:write": _("Create and change customers, give them identifiers"),
    "consents:read": _("See what customers allowed and forbade"),
    "consents:write": _("Write down what customers allow and forbid"),
    "purchases:read": _("See purchases and refunds"),
    "purchases:write": _("Record purchases and refunds"),
    "events:read": _("See events"),
    "events:write": _("Record events"),
    "scores:read": _("See scores and segments of customers"),
    "measures:read": _("See the measures of the business"),
    "merges:read": _("See which customers were merged"),
    "merges:write": _("Merge customers and part them again"),
    "loyalty:read": _("See programmes, members and their points"),
    "loyalty:write": _("Enrol members, have purchases earn points, spend points"),
    INTAKE: _("Send events in Segment's format"),
}
# A write key stands in pages that anybody reads: it sends, and sees nothing.
SCOPES = {"write": (INTAKE,), "api": tuple(SCOPES_TOLD)}
# What a key may whose maker did not say: who is who is decided, and points are moved, by keys alone made for that.
NAMED_ALONE = ("merges:write", "loyalty:read", "loyalty:write", INTAKE)
DEFAULT_SCOPES = {
    "write": (INTAKE,),
    "api": tuple(scope for scope in SCOPES_TOLD if scope not in NAMED_ALONE),
}
PREFIXES = {"write": "qw_", "api": "qk_"}
REMEMBERED_FOR = timedelta(seconds=1)
REMEMBERED_MAX = 10_000
_remembered: dict[str, tuple[datetime, ApiKey]] = {}


def invent(kind: str) -> str:
    """A key nobody had before: 256 bits of chance behind letters that say what it is."""
    return PREFIXES[kind] + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What is kept of a key. Chance of 256 bits needs no salt and no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def remembered(digest: str, *, at: datetime) -> ApiKey | None:
    """A key that was looked up a moment ago."""
    since, key = _remembered.get(digest, (at, None))
    return key if timedelta(0) <= at - since < REMEMBERED_FOR else None


def remember(digest: str, key: ApiKey, *, at: datetime) -> None:
    if len(_remembered) >= REMEMBERED_MAX:
        _remembered.clear()
    _remembered[digest] = (at, key)


def forget() -> None:
    """Have every key looked up anew."""
    _remembered.clear()
