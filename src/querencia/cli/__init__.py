"""The `querencia` command. Each command is one line in COMMANDS and one module, imported when it is called for."""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from querencia import __version__


class Entry(NamedTuple):
    """Where a command lives (its function is named `command`), under which heading `--help` lists it, and as what."""

    module: str
    heading: str
    help: str


COMMANDS = {
    "report": Entry("report", "Know", "What a purchase log says: a page to mail, figures as JSON. No database."),
    "forecast": Entry("forecast", "Know", "What each customer will buy, looking at nothing after a day. No database."),
    "backtest": Entry("backtest", "Know", "What rules of points would have given on a purchase log. No database."),
    "import": Entry("imports", "Bring in", "Purchases or customers out of files into the database."),
    "members": Entry("members", "Bring in", "Members of a loyalty programme with their points, out of another system."),
    "up": Entry("up", "Run", "Serve the pages and do the background work, in one command."),
    "demo": Entry("demo", "Run", "Serve a shop to look at: real purchases, invented people."),
    "measure": Entry("measure", "Run", "Score every customer and measure the business, now."),
    "duplicates": Entry("duplicates", "Run", "Propose records that may be one person."),
    "export-person": Entry("person", "Look after", "All that is known of a person, to hand out: JSON or a page."),
    "erase": Entry("erase", "Look after", "Forget people: nothing names them any more, the facts stay."),
    "keys": Entry("keys", "Run", "Keys for machines: create, list, revoke."),
    "check": Entry("check", "Look after", "Reckon every balance of points anew, and say what differs."),
    "close": Entry("close", "Look after", "Close months of the books of points: sums for good, and a journal."),
    "doctor": Entry("doctor", "Look after", "Say in words whether everything is well."),
    "manage": Entry("manage", "Look after", "Django's own commands, such as migrate or createsuperuser."),
}


HELP = {"help_option_names": ["-h", "--help"]}


def _in_plain_words(given: Any) -> Any:
    """Say what to write after an option, and nothing after a switch, instead of the names of Python's types."""
    if given.param_type_name == "argument":
        given.display_type_rich = lambda ctx: None
    elif given.metavar is None:
        words = {"int": "NUMBER", "float": "NUMBER", "Path": "PATH"}
        given.metavar = "" if given.is_flag else words.get(given.bare_type(), "TEXT")
    return given


class Command(TyperCommand):
    """One command, whose help is written for people."""

    def get_params(self, ctx: Any) -> Any:
        return [_in_plain_words(each) for each in super().get_params(ctx)]


class Commands(TyperGroup):
    """Lists commands without importing them: help comes at once, and a broken command breaks only itself."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name=name, help=entry.help, rich_help_panel=entry.heading))

    def get_params(self, ctx: Any) -> Any:
        return [_in_plain_words(each) for each in super().get_params(ctx)]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if entry := COMMANDS.get(args[0]):
            self.add_command(_load(args[0], entry))
        return super().resolve_command(ctx, args)


def _load(name: str, entry: Entry) -> Any:
    module = importlib.import_module(f"querencia.cli.{entry.module}")
    alone = typer.Typer(rich_markup_mode="rich", add_completion=False)
    alone.command(name, cls=Command, context_settings={**HELP, **getattr(module, "CONTEXT", {})})(module.command)
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=Commands,
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    context_settings=HELP,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"querencia {__version__}")
        raise typer.Exit


@app.callback()
def querencia(
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="QUERENCIA_HOME",
            metavar="FOLDER",
            help="The folder that holds everything of this installation.",
            show_default="the platform's data folder",
            file_okay=False,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version and stop.")
    ] = False,
) -> None:
    """Know your customers, see who is leaving and what it costs, and prove what keeps them."""
    if home is not None:
        # Before any command imports the settings, which read it.
        os.environ["QUERENCIA_HOME"] = str(home)


def main() -> None:
    """Run the command line: exit code 0 well, 1 it failed, 2 the input was wrong. Tracebacks only on request."""
    from querencia.cli import faults

    try:
        typer.main.get_command(app).main(prog_name="querencia")
    except Exception as fault:
        if os.environ.get("QUERENCIA_DEBUG") == "1":
            raise
        sentence, code = faults.explain(fault)
        typer.secho(sentence, err=True, fg="red" if sys.stderr.isatty() else None)
        sys.exit(code)
