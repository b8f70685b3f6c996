"""How often a link may be asked for: enough for people and their mail services, too little for guessing."""

import hashlib

from django.core.cache import cache

ASKED_MAX = 30
SECONDS = 60


def may_try(who: str, *, times: int, seconds: int) -> bool:
    """Take one of so many tries. Each is a row of its own, so that two who ask at once never take the same."""
    key = hashlib.sha256(who.encode()).hexdigest()[:32]
    return any(cache.add(f"portal-try:{key}:{n}", 1, seconds) for n in range(times))


def is_patient(who: str) -> bool:
    """Count that somebody asks; whether they may go on."""
    # Whoever reads the table of counts does not learn the link.
    key = f"portal:{hashlib.sha256(who.encode()).hexdigest()[:32]}"
    if cache.add(key, 1, SECONDS):
        return True
    try:
        return bool(cache.incr(key) <= ASKED_MAX)
    except ValueError:  # it ran out between the two
        return True
