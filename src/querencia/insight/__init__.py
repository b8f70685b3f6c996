"""The analytic library of customer retention: tables in, tables out. No Django, no clock, no global state.

::

    from querencia import insight

    purchases = insight.tables.purchases(table, columns={"customer_id": "cust", "at": "date", "amount": "amt"})
    insight.rfm.summary(purchases, as_of=date(1998, 6, 30))

Modules are loaded when they are first used, so that importing the package costs next to nothing.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from querencia.insight.errors import InputError

__all__ = ["InputError"]


def __getattr__(name: str) -> Any:
    if name.startswith("_") or importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    here = Path(__file__).parent
    modules = {path.stem for path in here.glob("[a-z]*.py")} | {path.parent.name for path in here.glob("*/__init__.py")}
    return sorted({*__all__, *modules})
