"""`querencia manage …`: Django's own commands."""

import sys

import typer

from querencia.cli import house
from querencia.cli.faults import Refused

# Whatever follows belongs to Django, --help included.
CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def command(context: typer.Context) -> None:
    """Django's own commands, such as migrate, createsuperuser or shell. Without a name: the list of them."""
    house.enter()
    from django.core.management import ManagementUtility, get_commands

    arguments = context.args or ["help"]
    if arguments[0] not in {"help", "--help", "-h", "version", "--version"} and arguments[0] not in get_commands():
        raise Refused(f"There is no command {arguments[0]!r}. querencia manage help lists them.")
    try:
        ManagementUtility(["querencia manage", *arguments]).execute()
    except SystemExit as end:
        sys.exit(end.code)
