"""Runs a case in child processes and watches their memory from outside."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.registry import Benchmark

ROOT = Path(__file__).parent.parent
RUNS = 3
CHEAP_SECONDS = 20.0  # a run that takes longer is not repeated
LOOK_SECONDS = 0.02
LOOKING_MAX = 0.02  # of the time: who looks at many processes all the time takes from them what is measured
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """The benchmark ended with an error; the message is what it wrote."""


@dataclass(frozen=True)
class Result:
    """What was measured: the run of median time, and the highest memory of all runs."""

    benchmark: str
    case: str
    seconds: float = 0.0
    rows: int = 0
    unit: str = ""
    peak_bytes: int = 0
    runs: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    skipped: str = ""


def measure(benchmark: Benchmark, case: str, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Prepare the case, then run it three times, once if that takes long."""
    tell("preparing")
    answer = _run(benchmark, case, preparing=True)
    answers: list[dict[str, Any]] = []
    while not answer.get("skipped") and len(answers) < RUNS:
        tell(f"run {len(answers) + 1}")
        answer = _run(benchmark, case)
        answers.append(answer)
        if answer.get("seconds", 0) > CHEAP_SECONDS:
            break
    if answer.get("skipped"):
        return Result(benchmark.name, case, skipped=answer["skipped"])
    median = sorted(answers, key=lambda each: each["seconds"])[len(answers) // 2]
    peak = max(each.pop("peak") for each in answers)
    return Result(benchmark.name, case, **median, peak_bytes=peak, runs=len(answers))


def _run(benchmark: Benchmark, case: str, *, preparing: bool = False) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="run-", dir=data.folder()) as scratch, tempfile.TemporaryFile("w+") as said:
        answer = Path(scratch) / "answer.json"
        room = Path(scratch) / "scratch"
        room.mkdir()
        mode = "prepare" if preparing else "measure"
        command = [sys.executable, "-m", "benchmarks.child", benchmark.module, benchmark.name, case]
        child = subprocess.Popen([*command, room, answer, mode], cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        try:
            peak = _watch(child)
        finally:
            child.kill()
            child.wait()
        if child.returncode:
            said.seek(0)
            raise Failed(said.read().strip() or f"Ended with code {child.returncode}.")
        found: dict[str, Any] = json.loads(answer.read_text())
    if "peak" in found:
        found["peak"] = max(found["peak"], peak)
    return found


def _watch(child: "subprocess.Popen[Any]") -> int:
    """Wait for the process; the most memory that it and its descendants held together, in bytes.

    Looked up in ``/proc``; where there is none the answer is 0, and the child's own account of itself has to do.
    """
    peak, rest = 0, LOOK_SECONDS
    while True:
        try:
            child.wait(rest)
            return peak
        except subprocess.TimeoutExpired:
            begin = time.perf_counter()
            peak = max(peak, sum(map(_resident, _family(child.pid))))
            rest = max(LOOK_SECONDS, (time.perf_counter() - begin) / LOOKING_MAX)


def _family(process: int) -> Iterator[int]:
    yield process
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            for descendant in (thread / "children").read_text().split():
                yield from _family(int(descendant))
    except OSError:  # it has ended meanwhile
        return


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0
