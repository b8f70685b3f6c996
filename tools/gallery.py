"""Run the code of docs/insight and write its output and its pictures beside it, as a notebook would show them.

A page is Markdown. Each block of Python is run after the one before it; what it prints, and the value of its last line,
stand in a block of text below it; a chart stands there as a picture, named by what it says of itself. Blocks
marked ``shared`` need the real logs of ``QUERENCIA_SHARED_DATA``; those marked ``theirs`` show other libraries and are
not run.
"""

import ast
import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "insight").glob("*.md"))
BLOCK = re.compile(
    r"^```python(?: (?P<kind>shared|theirs))?\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n(?P<said>.*?)^```\n)?(?:\n!\[(?P<alt>[^\]]*)\]\((?P<file>[^)]+\.svg)\)\n)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Shown:
    """What a block showed: text, and a chart if its last line was one."""

    said: str
    chart: Any


def has_shared() -> bool:
    return "QUERENCIA_SHARED_DATA" in os.environ


def is_run(block: re.Match[str]) -> bool:
    return block["kind"] is None or (block["kind"] == "shared" and has_shared())


def run(text: str) -> Iterator[tuple[re.Match[str], Shown]]:
    """Every block of a page that can be run, with what it showed."""
    names: dict[str, Any] = {"__name__": "gallery"}
    for block in BLOCK.finditer(text):
        if is_run(block):
            yield block, shown(block["code"], names)


def shown(code: str, names: dict[str, Any]) -> Shown:
    *before, last = ast.parse(code).body
    value = None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(before, []), "page", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "page", "eval"), names)
        else:
            exec(compile(code, "page", "exec"), names)
        if value is not None and not is_chart(value):
            print(value)
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    return Shown("".join(f"{line}\n" for line in lines), value if is_chart(value) else None)


def is_chart(value: Any) -> bool:
    return hasattr(value, "to_dict") and hasattr(value, "description")


def rewritten(page: Path) -> str:
    """The page with what its blocks show today; their pictures are written on the way."""
    text = page.read_text(encoding="utf-8")
    made, reached, pictures = "", 0, 0
    for block, found in run(text):
        kind = f" {block['kind']}" if block["kind"] else ""
        said = f"\n```text\n{found.said}```\n" if found.said else ""
        image = ""
        if found.chart is not None:
            pictures += 1
            image = f"\n![{found.chart.description}]({draw(found.chart, page, pictures)})\n"
        made += f"{text[reached : block.start()]}```python{kind}\n{block['code']}```\n{said}{image}"
        reached = block.end()
    return made + text[reached:]


def draw(chart: Any, page: Path, number: int) -> str:
    from querencia.insight import plot

    name = f"images/{page.stem}-{number}.svg"
    (page.parent / name).write_text(plot.picture(chart), encoding="utf-8")
    return name


def build() -> None:
    if not has_shared():
        raise SystemExit("Set QUERENCIA_SHARED_DATA: some pages read real logs that are not bundled.")
    for page in PAGES:
        page.write_text(rewritten(page), encoding="utf-8")
        print(page.relative_to(ROOT))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    build()
