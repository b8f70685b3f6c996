"""How much a key may send. Each process that serves counts for itself: the door must not wait for another one."""

import math
import threading


class Allowance:
    """So many a second for each key, with so many seconds' worth saved up at most."""

    KEYS_MAX = 10_000

    def __init__(self, per_second: float, saved_seconds: float = 2.0) -> None:
        self.per_second = per_second
        self.most = per_second * saved_seconds
        self.least = min(1.0, self.most)
        self._left: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key: int, events: int, *, now: float) -> int:
        """Take so many events off what the key may send; 0, or the seconds to wait before trying again.

        ``now``: seconds of a clock that never goes back. A batch larger than what is left is let in whole once anything
        is left: what it took too much is waited for after it.
        """
        if self.per_second <= 0:
            return 0
        with self._lock:
            left = self._now_left(key, now)
            if left < self.least:
                return max(1, math.ceil((self.least - left) / self.per_second))
            if len(self._left) >= self.KEYS_MAX and key not in self._left:
                self._left.clear()
            self._left[key] = (left - events, now)
        return 0

    def left(self, key: int, *, now: float) -> tuple[int, int]:
        """What the key may still take, and the seconds until it may take the most it ever may."""
        with self._lock:
            left = self._now_left(key, now)
        return max(0, math.floor(left)), math.ceil((self.most - left) / self.per_second)

    def _now_left(self, key: int, now: float) -> float:
        left, then = self._left.get(key, (self.most, now))
        return min(self.most, left + (now - then) * self.per_second)
