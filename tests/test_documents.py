"""What the documents say is so: commands, variables, files and rooms that they name are there, and none is unnamed."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from html import escape
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from querencia.cli import COMMANDS
from tools import gallery

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Not of an installation: for tests and tools alone, and named in CONTRIBUTING.md.
FOR_DEVELOPERS = {"QUERENCIA_SHARED_DATA", "CHROMIUM"}
LOG = "client,date,total\n" + "".join(
    f"{customer},2026-{month:02}-{1 + (customer * month) % 27:02},{5 + customer % 17}.{customer % 10}0\n"
    for customer in range(1, 121)
    for month in range(1, 7)
    if (customer * month) % 3 or month == 1
)


def blocks(text: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """What stands in blocks and between backquotes to be typed into a shell, in words."""
    typed = [line for block in blocks(text) for line in block.splitlines()]
    typed += re.findall(r"`((?:\.venv/bin/)?(?:querencia|make) [^`]+)`", text)
    lines = [re.sub(r"\s+#.*", "", line).strip().removeprefix(".venv/bin/") for line in typed]
    return [line.split() for line in lines if line.startswith(("querencia ", "make "))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_a_document_names_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for program, name, *_rest in commands(document.read_text()):
        known = COMMANDS if program == "querencia" else targets
        assert name.startswith("-") or name in known, f"{document.name} names `{program} {name}`, which there is not"


def test_the_readme_names_every_command() -> None:
    named = {name for program, name, *_ in commands(README) if program == "querencia"}
    assert named >= set(COMMANDS), f"Say in README.md what {set(COMMANDS) - named} are for"


def test_every_target_of_make_is_explained() -> None:
    targets = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())  # type: ignore[index]
    explained = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert targets == explained, f"Give {targets ^ explained} a line of help (##), or name them in .PHONY"
    told = README + (ROOT / "CONTRIBUTING.md").read_text()
    unnamed = {name for name in targets - {"help", "clean"} if f"make {name}" not in told}
    assert not unnamed, f"Say in CONTRIBUTING.md what make {unnamed} does"


def variables_read() -> set[str]:
    """Names that the code asks the environment for."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^(QUERENCIA_[A-Z_]+|EMAIL_[A-Z_]+|DATABASE_URL)$", node.value))
    return found - {"EMAIL_LENGTH_MAX"}


def test_every_variable_stands_in_the_readme_and_is_read() -> None:
    rows = [line.split("|")[1] for line in README.splitlines() if re.match(r"\| `[A-Z]", line)]
    told = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    read = variables_read()
    assert read - told - FOR_DEVELOPERS == set(), "Explain them in the table of README.md"
    assert told - read == set(), "Nobody reads them: take them out of README.md"


def test_variables_for_developers_stand_where_developers_read() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(name in contributing for name in FOR_DEVELOPERS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_points_at_is_there(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text())
    missing = [link for link in links if not (document.parent / link).exists()]
    assert not missing
    paths = re.findall(r"`((?:docs|src|tests|tools|benchmarks)/[\w./-]+)`", document.read_text())
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_the_map_shows_every_room() -> None:
    layers = next(each for each in PROJECT["tool"]["importlinter"]["contracts"] if each["id"] == "house")["layers"]
    floors = [[room.strip() for room in layer.split("|")] for layer in layers]
    drawn = blocks((ROOT / "ARCHITECTURE.md").read_text())[0]
    shown = [re.split(r"\s{2,}", line)[0].split(" | ") for line in drawn.splitlines() if re.match(r"[a-z]", line)]
    assert shown == floors, "ARCHITECTURE.md draws other floors than pyproject.toml holds"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_what_is_installed_is_what_was_asked_for() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock, "A lock file names no registry"
    entries = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)(.*(?:\n    .*)*)", lock, re.MULTILINE)
    assert all("--hash=sha256:" in rest for _name, _version, rest in entries)
    pinned = {canonicalize_name(name): version for name, version, _rest in entries}
    for wanted in (*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]):
        asked = Requirement(wanted)
        version = pinned.get(canonicalize_name(asked.name))
        assert version, f"{asked.name} is not in requirements.lock: make lock"
        assert asked.specifier.contains(version, prereleases=True), f"requirements.lock has {asked.name} {version}"


# -- the readme, as its reader would follow it -------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "purchases.csv").write_text(LOG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report", "forecast"])
def test_commands_of_the_readme_do_what_it_says(folder: Path, name: str) -> None:
    line = next(words for words in commands(README) if words[:2] == ["querencia", name] and "--out" in words)
    known = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", *line]
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = folder / line[line.index("--out") + 1]
    assert made.stat().st_size > 1000


def test_the_notebook_of_the_readme_runs(folder: Path) -> None:
    [block] = blocks(README, "python")
    done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- the gallery: code, what it shows, and pictures --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("page", gallery.PAGES, ids=lambda path: path.stem)
def test_what_a_page_of_the_gallery_shows_is_what_its_code_gives(page: Path) -> None:
    for block, found in gallery.run(page.read_text(encoding="utf-8")):
        assert (block["said"] or "") == found.said, f"{page.name}: run tools/gallery.py\n{block['code']}"
        if found.chart is not None:
            assert block["alt"] == found.chart.description, f"{page.name}: run tools/gallery.py"
            picture = (page.parent / block["file"]).read_text(encoding="utf-8")
            assert f'aria-label="{escape(found.chart.description)}"' in picture


def test_every_picture_of_the_gallery_is_small_and_shown() -> None:
    folder = gallery.PAGES[0].parent
    shown = {name for page in gallery.PAGES for name in re.findall(r"\((images/[^)]+)\)", page.read_text())}
    assert {str(path.relative_to(folder)) for path in (folder / "images").iterdir()} == shown
    assert all((folder / name).stat().st_size < 50_000 for name in shown)


def test_every_page_of_the_gallery_is_listed_and_runs_something() -> None:
    listed = gallery.PAGES[0].parent / "README.md"
    assert all(page == listed or f"({page.name})" in listed.read_text() for page in gallery.PAGES)
    assert all(any(gallery.BLOCK.finditer(page.read_text())) for page in gallery.PAGES)


# -- the document of the API -------------------------------------------------------------------------------------------

API = (ROOT / "docs" / "api.md").read_text()


def test_every_operation_has_its_heading_and_every_heading_its_operation() -> None:
    from querencia.api.rest.openapi import document

    there = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in document()["paths"].items()
        for method in methods
    }
    told = set(re.findall(r"^### `(\S+ \S+)`$", API, re.MULTILINE))
    assert there - told == set(), "Give them a heading in docs/api.md"
    assert told - there == set(), "There are no such operations: take them out of docs/api.md"


def test_every_scope_and_every_problem_of_the_api_is_told() -> None:
    from querencia.api.rest.problems import KINDS
    from querencia.business.keys import SCOPES

    rows = "\n".join(line for line in API.splitlines() if line.startswith("|"))
    assert not [scope for scope in SCOPES["api"] if f"`{scope}`" not in rows]
    for code, (status, _title, _do) in KINDS.items():
        assert re.search(rf"^\| {status} \|.*`{code}`", API, re.MULTILINE), f"Tell of {code} in docs/api.md"
