"""The language in which insight speaks. English is in the source; other languages come from ``locale/``.

The language is set by whoever asks, for as long as they ask::

    with language.spoken("es"):
        gates.check(purchases, as_of=day)
"""

import gettext as catalogs
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

__all__ = ["FOLDER", "LANGUAGES", "current", "spoken"]

LANGUAGES = ("en", "es", "pt")
FOLDER = Path(__file__).parent / "locale"

_current: ContextVar[str] = ContextVar("insight_language", default="en")


@contextmanager
def spoken(code: str) -> Iterator[None]:
    """Speak the language within the block; a region is left aside (``es-MX`` is ``es``), an unknown one is English.

    >>> from querencia.insight import explain
    >>> with spoken("es"):
    ...     explain.every(24)
    'cada 24 días'
    """
    token = _current.set(code.replace("_", "-").split("-")[0].lower())
    try:
        yield
    finally:
        _current.reset(token)


def current() -> str:
    """The language now spoken: en, es or pt.

    >>> current()
    'en'
    """
    return code if (code := _current.get()) in LANGUAGES else "en"


@cache
def _catalog(code: str) -> catalogs.NullTranslations:
    return catalogs.translation("insight", FOLDER, languages=[code], fallback=True)


def gettext(message: str) -> str:
    """The sentence in the current language, English where it has no translation yet."""
    return _catalog(current()).gettext(message)


def gettext_noop(message: str) -> str:
    """Marks a sentence for translation where it is named, to be translated where it is said."""
    return message


def ngettext(one: str, many: str, count: int) -> str:
    """The sentence for that number of things, in the current language."""
    return _catalog(current()).ngettext(one, many, count)
