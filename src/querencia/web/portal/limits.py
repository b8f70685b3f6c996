"""How often a link may be asked for: enough for people and their mail services, too little for guessing."""

from django.core.cache import cache

ASKED_MAX = 30
SECONDS = 60


def is_patient(who: str) -> bool:
    """Count that somebody asks; whether they may go on."""
    key = f"portal:{who}"
    if cache.add(key, 1, SECONDS):
        return True
    try:
        return bool(cache.incr(key) <= ASKED_MAX)
    except ValueError:  # it ran out between the two
        return True
