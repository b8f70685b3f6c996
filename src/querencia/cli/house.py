"""Opening the house for a command: Django with this installation's settings, only when a command needs it."""

import os


def enter() -> None:
    """Set Django up. Import models and actions after this, inside the function that needs them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "querencia.config.settings")
    import django

    django.setup()


def migrate() -> None:
    """Bring the database's tables up to date; does nothing when they are."""
    from django.core.management import call_command

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
