"""What commands say beside their result: on standard error, so that standard output is the result alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Screen:
    """Lines and a bar of progress for somebody who watches; ``quiet`` keeps all but warnings back."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    @property
    def console(self) -> "Console":
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str, *, strong: bool = False, warn: bool = False) -> None:
        if warn or not self.quiet:
            self.console.print(text, markup=False, style="yellow" if warn else "bold" if strong else None)

    @contextmanager
    def progress(self, doing: str) -> Iterator[Callable[[float], None]]:
        """A bar on a terminal, silence elsewhere. Tell it the share done; until then it only shows that it is alive."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda share: None
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<12}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as bars:
            task = bars.add_task(doing, total=None)
            yield lambda share: bars.update(task, total=1.0, completed=share)
