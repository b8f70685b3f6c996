"""Why a run failed: kept as a code with a detail, said in the language of whoever reads it."""

import errno
from collections.abc import Callable

from django.db import DatabaseError
from django.utils.translation import gettext as _

from querencia.insight.errors import InputError

DETAIL_LENGTH_MAX = 500


class NothingYet(Exception):
    """There are purchases, but none up to the day that was asked for: scoring nobody would wipe out every score."""


class TakenOver(Exception):
    """Somebody else declared this run dead while it was at work."""


SENTENCES: dict[str, Callable[[], str]] = {
    "process_ended": lambda: _("The process that did it ended before it was done. Nothing was changed; run it again."),
    "interrupted": lambda: _("It was stopped by hand before it was done. Nothing was changed."),
    "taken_over": lambda: _("Another run took its place while it was at work, so its result was left out."),
    "disk_full": lambda: _("The disk is full. Nothing was changed; make room and run it again."),
    "database": lambda: _("The database refused or did not answer: %(detail)s. Nothing was changed."),
    "facts": lambda: _("The purchases cannot be analysed: %(detail)s"),
    "nothing_yet": lambda: _("There is no purchase up to that day. Nothing was changed."),
    "memory": lambda: _(
        "There was not enough memory. Nothing was changed; QUERENCIA_MEMORY says how much the analysis may use."
    ),
    "unexpected": lambda: _("It failed for a reason nobody foresaw: %(detail)s. Nothing was changed."),
}


def of(fault: BaseException) -> str:
    """The code of a fault with its detail, as a run keeps it."""
    detail = (str(fault).strip().splitlines() or [""])[0].rstrip(".")
    if isinstance(fault, InputError):
        return written("facts", str(fault).strip())
    if isinstance(fault, NothingYet):
        return written("nothing_yet")
    if isinstance(fault, TakenOver):
        return written("taken_over")
    if isinstance(fault, (KeyboardInterrupt, SystemExit)):
        return written("interrupted")
    if isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryException":
        return written("memory")
    if isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return written("disk_full")
    if isinstance(fault, DatabaseError) or type(fault).__module__.startswith(("adbc_driver", "psycopg")):
        return written("database", detail)
    return written("unexpected", f"{type(fault).__name__}: {detail}")


def written(code: str, detail: str = "") -> str:
    return f"{code}|{detail[:DETAIL_LENGTH_MAX]}" if detail else code


def said(error: str) -> str:
    """The sentence for what a run kept, in the active language; empty when it kept nothing."""
    if not error:
        return ""
    code, _bar, detail = error.partition("|")
    sentence = SENTENCES.get(code)
    return sentence() % {"detail": detail} if sentence else error
