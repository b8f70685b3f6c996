"""What the figures were measured on. Nothing that names the machine."""

import importlib.metadata
import os
import platform
from pathlib import Path

LIBRARIES = ("django", "duckdb", "polars", "pyarrow", "numpy", "scipy", "narwhals", "psycopg", "granian")


def facts() -> dict[str, str]:
    """Processor, memory, system, Python and libraries, in the order in which they are told."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return {
        "Processor": f"{os.process_cpu_count()} cores{_model()}",
        "Memory": f"{memory / 2**30:.0f} GiB",
        "System": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "Libraries": versions,
    }


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f", {names[0]}" if names else ""
