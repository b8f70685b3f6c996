"""`querencia export-person WHO`: all that is known of a person, to hand out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from querencia.cli import house, options
from querencia.cli.faults import Refused

SAID = "a customer key, an e-mail address, a phone number, a card, or the number of this house as id:17"


def command(
    who: Annotated[str, typer.Argument(metavar="WHO", help=f"Whom: {SAID}.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to.", show_default="standard output"),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="As a page to read and print, instead of JSON.")] = False,
    language: Annotated[
        str | None, typer.Option(metavar="en|es|pt", help="Language of the page.", show_default="the person's own")
    ] = None,
) -> None:
    """All that is known of a person, of all their entries that were merged: JSON for machines, or a page to read."""
    if language is not None:
        options.one_of("--language", language, options.LANGUAGES)
    house.enter()
    house.migrate()
    from querencia.common.time import now
    from querencia.customers import audit
    from querencia.flows import telling

    pk = one_person(who)
    at = now()
    audit.record_person_export(customer_id=pk, staff=None, source="command", at=at)
    spoken = language or telling.language_of(pk)
    parts = telling.as_page(pk, at=at, language=spoken) if html else telling.as_json(pk, at=at)
    if output is None:
        sys.stdout.writelines(parts)
        return
    with output.open("w", encoding="utf-8") as file:
        file.writelines(parts)


def one_person(who: str) -> int:
    """A customer of the one person that this names. Raises Refused."""
    from querencia.business import queries
    from querencia.customers.queries import persons, search

    business = queries.business()
    found = search.named([who.strip()], country=business.country if business else "")[who.strip()]
    people = set(persons.heads(found).values())
    if not people:
        raise Refused(f"Nobody is named so. Say whom: {SAID}.")
    if len(people) > 1:
        raise Refused(
            f"{len(people)} people are named so. Say one of: {', '.join(f'id:{pk}' for pk in sorted(people))}"
        )
    return people.pop()
