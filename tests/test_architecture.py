"""What the import map cannot show. Each failure says what to do."""

import ast
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "querencia"
FLOORS = ["business", "customers", "webhooks", "loyalty", "measures", "flows", "api", "web"]
MODULE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70


def modules(*rooms: str) -> Iterator[Path]:
    for room in rooms or ("",):
        yield from (path for path in sorted((SOURCE / room).rglob("*.py")) if "migrations" not in path.parts)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_module_outgrows_its_room() -> None:
    long = {name(p): n for p in modules() if (n := len(p.read_text().splitlines())) > MODULE_LINES_MAX}
    assert not long, f"Make a folder of nouns of {long} (at most {MODULE_LINES_MAX} lines a module)"


def test_no_function_is_longer_than_a_page() -> None:
    long = {
        f"{name(path)}:{node.name}": lines
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert not long, f"Let the parent decide and the leaves compute: split {long} (at most {FUNCTION_LINES_MAX} lines)"


@pytest.mark.parametrize("forbidden", [".objects", ".save(", ".create(", ".bulk_create(", ".delete("])
def test_faces_do_not_touch_the_database(forbidden: str) -> None:
    found = [
        f"{name(path)}:{number}"
        for path in modules("web", "api", "cli")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden in line and not line.lstrip().startswith("#")
    ]
    assert not found, f"{forbidden} in {found}: call a function of the room's actions.py or queries.py instead"


def test_queries_never_write() -> None:
    writes = re.compile(r"\.(save|create|bulk_create|update|update_or_create|get_or_create|delete|bulk_update)\(")
    dicts = re.compile(r"\b(params|context|found|counts|facts|data|row)\.update\(")
    found = [
        f"{name(path)}:{number}"
        for path in modules()
        if path.name == "queries.py" or path.parent.name == "queries"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if writes.search(line) and not dicts.search(line)
    ]
    assert not found, f"{found} write: move them to the room's actions.py"


def test_relations_point_downward_only() -> None:
    for room in FLOORS:
        for model in apps.get_app_config(room).get_models():
            for field in model._meta.get_fields():
                if field.is_relation and not field.auto_created and field.related_model:
                    target = field.related_model._meta.app_label  # type: ignore[union-attr]
                    if target in FLOORS:
                        assert FLOORS.index(target) <= FLOORS.index(room), (
                            f"{model.__name__}.{field.name} points up to {target}: keep a plain value or move the model"
                        )


def test_clocks_are_read_at_the_doors_only() -> None:
    clock = re.compile(r"\b(datetime\.now|date\.today|timezone\.now|time\.time|datetime\.today|utcnow)\(")
    found = [
        f"{name(path)}:{number}"
        for path in modules("insight", "customers", "measures", "business")
        if path.name != "tasks.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if clock.search(line)
    ]
    assert not found, f"{found} read a clock: take `at` or `as_of` as an argument"


def test_nothing_but_one_module_calls_out() -> None:
    callers = {"http.client", "urllib.request", "requests", "httpx", "urllib3", "aiohttp", "ftplib", "socket"}
    doors = {"common/http.py", "cli/up.py"}  # the second listens, and never calls
    found = {
        name(path): sorted(reached)
        for path in modules()
        if str(path.relative_to(SOURCE)) not in doors
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and (reached := {*(alias.name for alias in node.names), getattr(node, "module", None)} & callers)
    }
    assert not found, f"{found} call out of the house: call a function of common/http.py, which looks where to"


def test_consents_are_written_in_one_place() -> None:
    writes = re.compile(r"\bConsent\(|\bConsent\.objects\.(create|bulk_create|update|get_or)|insert\(Consent\b")
    found = [
        f"{name(path)}:{number}"
        for path in modules()
        if "models" not in path.parts and path != SOURCE / "customers" / "actions" / "consents.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if writes.search(line)
    ]
    assert not found, f"{found} write consents: call customers.actions.consents, which knows which answer counts"


def test_no_drawer_for_everything_and_no_signals() -> None:
    drawers = [name(p) for p in modules() if p.stem in {"utils", "helpers", "misc", "common_utils"}]
    assert not drawers, f"Name {drawers} for the idea they hold"
    signals = [name(p) for p in modules() if "django.dispatch" in p.read_text() or "db.models.signals" in p.read_text()]
    assert not signals, f"{signals} use signals: call it in flows, or add a reaction"


def test_no_two_things_of_rest_are_called_alike() -> None:
    """The document of the API names its parts by their classes: the second of a name would pass for the first."""
    places: dict[str, list[str]] = {}
    for path in modules("api/rest"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name(path))
            elif isinstance(node, ast.TypeAlias):
                places.setdefault(node.name.id, []).append(name(path))
    assert len(places) > 100, "this test sees nothing any more"
    alike = {each: where for each, where in places.items() if len(where) > 1}
    assert not alike, f"Say in the name what {alike} are of"


def test_nothing_of_a_machine_is_committed() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    pattern = re.compile(r"(?<![\w.])/(work|root|farm|home/\w+)/|/tmp/[a-z]")
    found = []
    for file in files:
        path = ROOT / file
        if path.suffix in {".py", ".md", ".toml", ".html", ".css", ".js", ".yml", ".lock", ""} and path.is_file():
            text = path.read_text(errors="ignore")
            if path != Path(__file__) and pattern.search(text):
                found.append(file)
    assert not found, f"{found} name a folder of one machine"


def test_no_other_system_can_call_itself_as_the_house_does() -> None:
    """Where the house gives an event a key of its own making, the source beside it is kept from programs."""
    from querencia.customers import kinds

    found = set()
    for path in modules():
        calls = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)]
        for call in calls:
            if ast.unparse(call.func).rpartition(".")[2] == "NewEvent" and len(call.args) > 2:
                with suppress(NameError, AttributeError):  # what is only known when it runs has a key by chance
                    module = import_module(".".join(path.relative_to(SOURCE.parent).with_suffix("").parts))
                    found.add(eval(ast.unparse(call.args[2]), vars(module)))
    assert {"identity", "measures", "privacy"} <= found, "this test sees nothing any more"
    open_to_all = sorted(source for source in found - kinds.SOURCES if re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", source))
    assert not open_to_all, f"Add {open_to_all} to SOURCES of customers/kinds.py: a program could take their keys"
