"""When a message that was not taken is sent again: the schedule of Standard Webhooks, with jitter."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

RETRIES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
# Up to so much of each wait is added by chance, so that a receiver that comes back is not met by everybody at once.
JITTER = 0.2
WAIT_MAX = timedelta(days=1)
ASK_LATER = (429, 503)


def next_try(tries: int, *, at: datetime, status: int | None, headers: Mapping[str, str]) -> datetime | None:
    """The moment of the next try after so many; None when there is none. An answer may ask for more patience."""
    if tries > len(RETRIES):
        return None
    wait = RETRIES[tries - 1] * (1 + JITTER * secrets.randbelow(1000) / 1000)
    if status in ASK_LATER:
        wait = max(wait, asked_for(headers.get("retry-after", ""), at))
    return at + wait


def asked_for(text: str, at: datetime) -> timedelta:
    """What Retry-After asks for, in seconds or as a date, at most a day."""
    wait = timedelta()
    if text.strip().isdecimal():
        wait = timedelta(seconds=min(int(text.strip()[:9]), WAIT_MAX.total_seconds()))
    elif text:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return wait
        wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - at
    return min(max(wait, timedelta()), WAIT_MAX)
