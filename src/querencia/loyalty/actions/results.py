"""What became of each thing that was asked."""

from dataclasses import dataclass

CREATED, UNCHANGED, DIFFERS = "created", "unchanged", "differs"


@dataclass(frozen=True, slots=True)
class Done:
    """``created``: it was done now; ``unchanged``: it had been done before; ``differs``: under this key something else
    was done. Any other result says why nothing was done. ``points``: how many moved, now or then."""

    result: str
    points: int = 0

    @property
    def is_done(self) -> bool:
        return self.result in (CREATED, UNCHANGED)
