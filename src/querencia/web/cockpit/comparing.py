"""Two persons side by side: what each of them says, and whether they agree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from querencia.business import queries as business
from querencia.business.models import Business
from querencia.customers.models import ContactPoint, Identifier, Merge
from querencia.customers.queries import profile
from querencia.customers.queries.profile import Bought, Person
from querencia.web.templatetags import house

# Shown as addresses, and as the key.
SHOWN_ABOVE = {str(Identifier.Kind.EMAIL), str(Identifier.Kind.PHONE), str(Identifier.Kind.CUSTOMER_KEY)}


@dataclass(frozen=True)
class Line:
    """One trait as both say it. ``verdict``: "same", "differs", or "" where it says nothing for or against."""

    title: str
    one: tuple[str, ...]
    other: tuple[str, ...]
    verdict: str = ""


@dataclass(frozen=True)
class Pair:
    """Two persons who may be one."""

    one: Person
    other: Person
    lines: tuple[Line, ...]
    merge: Merge | None = None


def pairs(of: Sequence[tuple[int, int, Merge | None]]) -> list[Pair]:
    """Customers by pairs, with the edge that waits, as pairs of persons; those who are no two are left out."""
    people = profile.people({pk for one, other, _merge in of for pk in (one, other)})
    bought, known = profile.bought(people.values()), business.business()
    found = []
    for first, second, merge in of:
        one, other = people.get(first), people.get(second)
        if one and other and one.pk != other.pk and not (one.is_to_be_erased or other.is_to_be_erased):
            found.append(Pair(one, other, tuple(_lines(one, other, bought, known)), merge))
    return found


def _lines(one: Person, other: Person, bought: dict[int, Bought], known: Business | None) -> Iterable[Line]:
    for title, said in _traits(one).items():
        theirs = _traits(other)[title]
        if said or theirs:
            yield Line(title, said, theirs, _verdict(said, theirs))
    told = [_told(who, bought[who.pk], known) for who in (one, other)]
    yield from (Line(title, told[0][title], told[1][title]) for title in told[0])


def _traits(who: Person) -> dict[str, tuple[str, ...]]:
    found = {
        _("Name"): _once(record.name for record in who.records if record.is_named),
        _("Key"): _once(record.key for record in who.records),
        _("Birthday"): _once(house.day(record.birthday, "long") for record in who.records),
        _("City"): _once(record.city for record in who.records),
        _("Country"): _once(house.country_name(record.country) for record in who.records if record.country),
        _("Language"): _once(house.language_name(record.language) for record in who.records if record.language),
        _("Branch"): _once(record.branch for record in who.records),
    }
    for kind in ContactPoint.Kind:
        found[str(kind.label)] = _once(point.value for point in who.contact_points if point.kind == kind)
    for known in Identifier.Kind:
        if known not in SHOWN_ABOVE:
            found[str(known.label)] = _once(each.value for each in who.identifiers if each.kind == known)
    return found


def _told(who: Person, bought: Bought, known: Business | None) -> dict[str, tuple[str, ...]]:
    spent = house.money(bought.amount, known)
    return {
        _("Purchases"): (f"{house.number(bought.purchases)} · {spent}",) if bought.purchases else (),
        _("Last purchase"): _once([house.day(bought.last_day)]),
        _("Known since"): (house.day(min(record.created_at for record in who.records)),),
        _("Known from"): _once(record.created_from for record in who.records),
    }


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _verdict(one: Sequence[str], other: Sequence[str]) -> str:
    if not one or not other:
        return ""
    return "same" if {each.casefold() for each in one} & {each.casefold() for each in other} else "differs"
