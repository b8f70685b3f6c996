"""`querencia keys`: what machines show at the door."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from querencia.cli import house
from querencia.cli.faults import Refused

if TYPE_CHECKING:
    from querencia.business.models import ApiKey


class Do(StrEnum):
    create = "create"
    list = "list"
    revoke = "revoke"


class Kind(StrEnum):
    write = "write"
    api = "api"


def command(
    do: Annotated[
        Do, typer.Argument(metavar="create|list|revoke", help="Make one, list all, or have one open nothing any more.")
    ],
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[NUMBER]", help="The key to revoke: its number in the list, or its name.", show_default=False
        ),
    ] = None,
    kind: Annotated[
        Kind,
        typer.Option(metavar="write|api", help="A write key only sends events; an api key is for servers of yours."),
    ] = Kind.write,
    name: Annotated[
        str | None, typer.Option(help="What it is for, so that you know it again.", show_default=False)
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What it may do, such as customers:read; may be said more than once.",
            show_default="of an api key all but merges:write, loyalty and intake",
        ),
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="From this day on (UTC) it opens nothing.",
            show_default="never",
        ),
    ] = None,
) -> None:
    """Keys for machines: create, list, revoke. A new key is shown once, on the last line; only its hash is kept."""
    house.enter()
    house.migrate()
    if do is Do.create:
        _create(kind, name, scope, expires)
    elif do is Do.list:
        _list()
    else:
        _revoke(which)


def _create(kind: Kind, name: str | None, scopes: list[str] | None, expires: datetime | None) -> None:
    from datetime import UTC

    from querencia.business import actions
    from querencia.common.time import now

    if not name or not name.strip():
        raise Refused("Say what the key is for: querencia keys create --name shop")
    ends = expires.replace(tzinfo=UTC) if expires else None
    made, key = actions.create_key(kind=kind.value, name=name, at=now(), scopes=scopes, expires_at=ends)
    typer.echo(f"Key {made.pk}, {made.name}, may: {', '.join(made.scopes)}. It is shown this once:")
    typer.echo(key)


def _list() -> None:
    from querencia.business import queries
    from querencia.common.time import now

    found = queries.api_keys()
    if not found:
        typer.echo("There is no key yet. Make one: querencia keys create --name shop")
    for key in found:
        used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        scopes = ", ".join(key.scopes)
        typer.echo(f"{key.pk:>4}  {key.kind:<5}  …{key.ending}  {key.name}: {scopes}; {used}; {_state(key, now())}")


def _state(key: "ApiKey", at: datetime) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "in force"
    return f"{'in force until' if at < key.expires_at else 'expired'} {key.expires_at:%Y-%m-%d}"


def _revoke(which: str | None) -> None:
    from querencia.business import actions, queries
    from querencia.common.time import now

    if not which:
        raise Refused("Say which key: querencia keys revoke 3. Their numbers: querencia keys list")
    named = [key for key in queries.api_keys() if which in (str(key.pk), key.name) and not key.revoked_at]
    if len(named) != 1:
        raise Refused(
            f"{len(named)} keys in force are called {which!r}. Say its number, which querencia keys list tells."
        )
    actions.revoke_key(key_id=named[0].pk, at=now())
    typer.echo(f"Key {named[0].pk}, {named[0].name}, opens nothing any more.")
