"""How much a key may send. Each process that serves counts for itself: the door must not wait for another one."""

import math
import threading


class Allowance:
    """Events a second for each key, with two seconds' worth saved up at most."""

    SAVED_SECONDS = 2.0
    KEYS_MAX = 10_000

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._left: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key: int, events: int, *, now: float) -> int:
        """Take so many events off what the key may send; 0, or the seconds to wait before trying again.

        ``now``: seconds of a clock that never goes back. A batch larger than what is left is let in whole once anything
        is left: what it took too much is waited for after it.
        """
        if self.per_second <= 0:
            return 0
        most = self.per_second * self.SAVED_SECONDS
        with self._lock:
            left, then = self._left.get(key, (most, now))
            left = min(most, left + (now - then) * self.per_second)
            if left <= 0:
                return max(1, math.ceil(-left / self.per_second))
            if len(self._left) >= self.KEYS_MAX and key not in self._left:
                self._left.clear()
            self._left[key] = (left - events, now)
        return 0
