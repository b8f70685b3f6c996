"""Opening the house for a command: Django with this installation's settings, only when a command needs it."""

import logging
import os

from querencia.cli.faults import Failed

MIGRATION_SECONDS = 600.0


def enter() -> None:
    """Set Django up. Import models and actions after this, inside the function that needs them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "querencia.config.settings")
    import django

    django.setup()
    if os.environ.get("QUERENCIA_DEBUG") != "1":
        _log_without_tracebacks()


def _log_without_tracebacks() -> None:
    """A command says in a sentence what went wrong; the servers that it starts keep their tracebacks in the log."""

    def shorten(record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(shorten)


def enter_without_home() -> None:
    """Set Django up for reading files alone: no folder is made, and asking the database anything raises."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "querencia.config.bare"
    import django

    django.setup()


def migrate() -> None:
    """Bring the database's tables up to date; does nothing when they are. Waits for whoever is at it already."""
    from django.core.management import call_command

    from querencia.common.database import alone

    with alone("migrate", patience=MIGRATION_SECONDS) as is_alone:
        if not is_alone:
            raise Failed("Another process has been changing the tables of this database for minutes. Try again later.")
        call_command("migrate", interactive=False, verbosity=0)


def leave() -> None:
    """Let go of the database and the queue, so that the folder they are in can be moved."""
    from django.db import connections
    from huey.contrib.djhuey import HUEY

    connections.close_all()
    HUEY.storage.close()


def business_zone() -> str:
    """The time zone in which the business counts its days."""
    from querencia.business import queries

    business = queries.business()
    return business.time_zone if business else "UTC"
