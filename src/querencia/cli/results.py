"""Files that commands write: looked at before the work begins, whole or not there at all when it ends."""

import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from querencia.cli.faults import Failed, Refused


def target(path: Path, option: str, *, inputs: Sequence[str] = ()) -> Path:
    """The file that an option names, if it can be written. Refuses folders, places out of reach, and what is read."""
    if str(path) == "-":
        raise Refused(f"{option} takes the name of a file, not {path}.")
    if path.is_dir():
        raise Refused(f"{option}: {path} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise Refused(f"{option}: there is no folder {path.parent} to write {path.name} into.")
    if path.exists() and any(Path(name).exists() and path.samefile(name) for name in inputs):
        raise Refused(f"{option}: {path} is one of the files to read and would be lost; name another.")
    if not _is_special(path):
        try:
            # Only trying tells: as the superuser everything seems to be allowed.
            with tempfile.TemporaryFile(dir=path.resolve().parent):
                pass
        except OSError as fault:
            raise Refused(f"{option}: {path} cannot be written ({fault.strerror}).") from fault
    return path


def _is_special(path: Path) -> bool:
    """A device or a pipe: written in place, never replaced."""
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what becomes ``path`` when all went well; until then a file of that name stays as it is."""
    is_special = _is_special(path)
    final = path.resolve()
    unfinished = final.with_name(f".{final.name}.{secrets.token_hex(4)}")
    try:
        yield path if is_special else unfinished
        if not is_special:
            unfinished.replace(final)
    except OSError as fault:
        raise Failed(f"{path} could not be written: {fault.strerror or fault}.") from fault
    finally:
        unfinished.unlink(missing_ok=True)
