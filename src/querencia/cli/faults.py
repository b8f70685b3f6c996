"""What went wrong, in a sentence, and the exit code: 2 when the input was wrong, 1 when the work failed."""

import errno

from querencia.insight.errors import InputError


class Refused(Exception):
    """What was asked for cannot be done as it was asked (exit code 2)."""


class Failed(Exception):
    """The work was begun and failed (exit code 1)."""


def explain(fault: Exception) -> tuple[str, int]:
    """A sentence and an exit code for whatever a command raised."""
    import psycopg
    from django.core.exceptions import ImproperlyConfigured, ValidationError
    from django.core.management.base import CommandError
    from django.db import DatabaseError

    match fault:
        case Refused() | InputError():
            answer = str(fault), 2
        case ValidationError():
            answer = "\n".join(fault.messages), 2
        case FileNotFoundError():
            answer = f"There is no file {fault.filename}.", 2
        case IsADirectoryError():
            answer = f"{fault.filename} is a folder; name a file.", 2
        case PermissionError():
            answer = f"{fault.filename} may not be read or written by this user.", 2
        case OSError(errno=errno.ENOSPC):
            answer = "There is no room left on the disk. What was done so far is kept: run it again when there is.", 1
        case OSError() if fault.filename and fault.strerror:
            answer = f"{fault.filename}: {fault.strerror}.", 1
        case MemoryError():
            answer = "The memory of this machine did not suffice. QUERENCIA_MEMORY says how much an analysis takes.", 1
        case Failed() | CommandError():
            answer = str(fault), 1
        case ImproperlyConfigured():
            answer = f"The settings are wrong: {fault}", 2
        case DatabaseError() | psycopg.Error():
            answer = _database(str(fault).strip()), 1
        case _:
            first = (str(fault).strip().splitlines() or [""])[0]
            answer = f"{type(fault).__name__}: {first}\nQUERENCIA_DEBUG=1 shows where.", 1
    return answer


def _database(message: str) -> str:
    first = message.splitlines()[0] if message else ""
    if "no such table" in message or ("does not exist" in message and "relation" in message):
        return f"The database has not been prepared ({first}). Run: querencia manage migrate"
    if "holds facts" in message or "constraint" in message:
        return f"The database refused it: {first}\nNothing of it was kept."
    if "locked" in message:
        return f"Another process is writing to the database ({first}). Try again when it is done."
    if "malformed" in message or "not a database" in message:
        return f"The database file is damaged ({first}). Put a backup in its place."
    return f"The database does not answer: {first}\nDATABASE_URL says where it is; querencia doctor looks closer."
