"""One run of one case in a process of its own, so that its memory can be told from all other."""

import importlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks.registry import BENCHMARKS, Measure, Prepared, Skipped

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def run(name: str, case: str, measure: Measure) -> dict[str, Any]:
    """What the run found, as plain values."""
    try:
        BENCHMARKS[name].function(case, measure)
    except Prepared:
        return {}
    except Skipped as reason:
        return {"skipped": str(reason)}
    if not measure.rows:
        raise RuntimeError(f"The benchmark {name} measured nothing: put what is to be timed under `with measure(...)`.")
    return {
        "seconds": measure.seconds,
        "rows": measure.rows,
        "unit": measure.unit,
        "notes": measure.notes,
        "peak": peak_bytes(),
    }


def peak_bytes() -> int:
    """The most memory that this process has held."""
    try:
        # Not ru_maxrss: Linux hands the parent's down to a process that it starts.
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT


def main(module: str, name: str, case: str, scratch: str, answer: str, preparing: str) -> None:
    importlib.import_module(module)
    measure = Measure(scratch=Path(scratch), preparing=preparing == "prepare")
    Path(answer).write_text(json.dumps(run(name, case, measure)))


if __name__ == "__main__":
    main(*sys.argv[1:])
