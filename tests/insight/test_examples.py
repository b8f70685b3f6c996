"""Every function and class that an analyst calls has an example that is true."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from querencia import insight

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
# What insight itself is made of: an analyst calls none of it.
INSIDE = {"engine", "errors", "keeping", "locale", "notebook", "periods", "reading", "rhythm", "wording"}
MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(insight.__path__, "querencia.insight.")
    if not name.split(".")[-1].startswith("_")
)
PUBLIC = [name for name in MODULES if name.count(".") == 2 and name.split(".")[-1] not in INSIDE]


def offered(name: str) -> Iterator[tuple[str, Any]]:
    """What a module offers: the names of ``__all__``, else those it defines without an underscore or *for use inside
    insight*."""
    module = importlib.import_module(name)
    for each in getattr(module, "__all__", None) or vars(module):
        found = getattr(module, each)
        is_own = hasattr(module, "__all__") or getattr(found, "__module__", "") == name
        if is_own and not each.startswith("_") and (inspect.isfunction(found) or inspect.isclass(found)):
            yield each, found


def is_inside(found: Any) -> bool:
    is_error = inspect.isclass(found) and issubclass(found, BaseException)
    return is_error or "for use inside insight" in (found.__doc__ or "")


@pytest.mark.parametrize("name", PUBLIC)
def test_whatever_a_module_offers_has_an_example(name: str) -> None:
    bare = [each for each, found in offered(name) if ">>> " not in (found.__doc__ or "") and not is_inside(found)]
    assert not bare, f"Give {bare} of {name} an example that runs (>>>)"


def with_examples() -> list[str]:
    """Modules are read, not imported: collecting tests costs nothing."""
    root = Path(insight.__file__).parent
    files = [path for path in sorted(root.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
    parts = [path.relative_to(root).with_suffix("").parts for path in files]
    return [".".join(("querencia.insight", *(part for part in each if part != "__init__"))) for each in parts]


@pytest.mark.slow
@pytest.mark.parametrize("name", with_examples())
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(name)
    done = doctest.testmod(module, optionflags=FLAGS)
    assert done.failed == 0
