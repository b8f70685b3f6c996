"""A process that carries out an import up to a moment, says so and stands still until it is killed.

``python -m tests.customers.interrupted IMPORT (STAGE SHARE | SQL COUNT)``: a stage with the share of it that is done,
or the beginning of a statement and the how-manieth time it is about to run.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

STAGES = ("checking", "sorting", "writing")
SIZES = {"RUN_ROWS": 700, "PIECE_ROWS": 50, "BATCH_ROWS": 400}


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def stand_still() -> None:
    say("here")
    time.sleep(600)


def main(pk: str, moment: str, number: str) -> None:
    import django

    django.setup()
    from django.db import connection

    from querencia.customers import actions
    from querencia.customers.imports import sorting
    from tests.customers.files import AT

    for name, size in SIZES.items():
        setattr(sorting, name, size)
    seen = 0

    def follow(stage: str, share: float) -> None:
        if stage == moment and share >= float(number):
            stand_still()

    def watch(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal seen
        seen += sql.startswith(moment)
        if sql.startswith(moment) and seen == int(number):
            stand_still()
        return execute(sql, *rest)

    if moment in STAGES:
        actions.run_import(pk, at=AT, progress=follow)
    else:
        with connection.execute_wrapper(watch):
            actions.run_import(pk, at=AT)
    say("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
