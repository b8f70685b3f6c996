"""What insight says when a table cannot be read as it was given."""

from typing import Any


class InputError(ValueError):
    """A table that cannot be used, told so that its owner can mend it.

    The message names the column, how many rows are concerned, an example and what to do. ``column``, ``count`` and
    ``example`` carry the same facts for programs.
    """

    def __init__(self, message: str, *, column: str | None = None, count: int | None = None, example: Any = None):
        super().__init__(message)
        self.column = column
        self.count = count
        self.example = example
