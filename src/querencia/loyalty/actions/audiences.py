"""Audiences of campaigns are drawn: who belongs to them is written down, with the lot that holds some out."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from zoneinfo import ZoneInfo

from django.db import transaction

from querencia.business.queries import business
from querencia.common.database import among
from querencia.customers.models import Customer, Identifier
from querencia.customers.queries import persons, records
from querencia.loyalty.earning import Rule
from querencia.loyalty.earning.audience import is_drawn_out
from querencia.loyalty.ledger.rows import insert
from querencia.loyalty.models import Audience, AudienceMember, Programme
from querencia.loyalty.queries import audiences, naming
from querencia.loyalty.queries.programmes import members_of
from querencia.loyalty.rulebook import Rulebook, Version

TOGETHER = 5_000
DAY, LAST_HOUR = timedelta(days=1), 23
COLUMNS = ("audience_id", "customer_id", "since", "is_held_out")
REACHED = (Identifier.Kind.PHONE, Identifier.Kind.EMAIL)


@dataclass(frozen=True)
class Listed:
    """What became of a list: persons who came in, who were in already, and lines that name no member."""

    added: int
    known: int
    unknown: Sequence[str]


@transaction.atomic
def draw(*, programme: Programme, keys: Iterable[str], frozen: Collection[str], at: datetime) -> dict[str, int]:
    """Look through the audiences of these rules; by key how many persons came in. Whoever is in an audience that is
    ``frozen`` stays, and those come in who belong to it now; of others each drawing replaces the one before."""
    found, wanted = {}, set(keys)
    for version, rule in _current(programme).values():
        if rule.key not in wanted or rule.audience is None:
            continue
        drawn = _drawn(programme, rule, at)
        people, since = audiences.belonging(programme, rule.audience), at
        if rule.key not in frozen:
            mine = AudienceMember.objects.filter(audience=drawn)
            if drawn.is_listed and rule.audience.is_listed:
                people = iter(list(mine.order_by("customer_id").values_list("customer_id", flat=True)))
            mine.delete()
            since = min(at, version.in_force_from)
        Audience.objects.filter(pk=drawn.pk).update(drawn_at=at, is_listed=rule.audience.is_listed)
        found[rule.key] = _take_in(drawn, rule, people, since)
    return found


def keep_audiences(*, programme: Programme, at: datetime) -> dict[str, int]:
    """Draw what is due: campaigns that have not begun, those that grow, and those for everybody (new members are in
    them at once; here they are counted): each in the last hour of the day where the programme is, or when that was
    missed. However often it is called, what is frozen changes by nothing else."""
    frozen, here = audiences.begun(programme, at=at), at.astimezone(ZoneInfo(programme.time_zone))
    drawn_at = dict(Audience.objects.filter(programme=programme).values_list("rule", "drawn_at"))
    due = []
    for _version, rule in _current(programme).values():
        if (
            rule.audience is None
            or rule.audience.is_listed
            or (rule.ends_on is not None and rule.ends_on <= here.date())
        ):
            continue
        changes = rule.key not in frozen or rule.audience.grows or rule.audience.is_everybody
        was = drawn_at.get(rule.key)
        if changes and (here.hour == LAST_HOUR or was is None or at - was >= DAY):
            due.append(rule.key)
    return draw(programme=programme, keys=due, frozen=frozen, at=at)


def refresh_audience(*, programme: Programme, key: str, at: datetime) -> int:
    """Take in who has come to belong to a campaign's audience; how many."""
    return draw(programme=programme, keys=[key], frozen=audiences.begun(programme, at=at), at=at).get(key, 0)


@transaction.atomic
def list_in(*, programme: Programme, key: str, lines: Sequence[str], at: datetime) -> Listed:
    """Put members on a campaign's list: each line names one by customer key, card number, e-mail or phone. Raises
    LookupError where no campaign of that name has a list."""
    _version, rule = _current(programme).get(key, (None, None))
    if rule is None or rule.audience is None or not rule.audience.is_listed:
        raise LookupError(key)
    wanted = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    owner = _owners(programme, wanted)
    members = members_of(programme, set(owner.values()))
    here = {pk for pk, mine in members.items() if any(member.left_at is None for member in mine)}
    nodes = persons.nodes(here)
    people = {nodes[pk][0] for pk in here}
    added = _take_in(_drawn(programme, rule, at), rule, iter(sorted(people)), at)
    unknown = [line for line in wanted if owner.get(line) not in here]
    return Listed(added, len(people) - added, unknown)


def _current(programme: Programme) -> dict[str, tuple[Version, Rule]]:
    """By key the newest version of each rule, whether it counts yet or not, without those that ended."""
    book = Rulebook.of(programme)
    newest = {
        version.key: version.pk for version in sorted(book.versions, key=lambda each: (each.in_force_from, each.pk))
    }
    return {version.key: (version, rule) for version, rule in book.read() if newest[version.key] == version.pk}


def _drawn(programme: Programme, rule: Rule, at: datetime) -> Audience:
    """The audience, under lock, so that two who draw it do so one after the other."""
    is_listed = rule.audience is not None and rule.audience.is_listed
    new = Audience(programme=programme, rule=rule.key, drawn_at=at, is_listed=is_listed)
    Audience.objects.bulk_create([new], ignore_conflicts=True)
    return Audience.objects.select_for_update().get(programme=programme, rule=rule.key)


def _take_in(drawn: Audience, rule: Rule, people: Iterator[int], since: datetime) -> int:
    """Write those down who are not in yet, under whichever of their records; how many."""
    added, inside = 0, set(audiences.heads_in(drawn))
    share = rule.audience.held_out if rule.audience else 0
    for some in batched(people, TOGETHER, strict=False):
        heads = persons.heads(some) if inside else {}
        new = [person for person in some if heads.get(person) not in inside]
        rows = ((drawn.pk, person, since, is_drawn_out(drawn.programme_id, rule.key, person, share)) for person in new)
        insert(AudienceMember, COLUMNS, rows)  # nobody else does: the audience is locked
        added += len(new)
    return added


def _owners(programme: Programme, lines: Sequence[str]) -> dict[str, int]:
    """By line the customer whom it names."""
    known = business()
    country = known.country if known else ""
    found: dict[str, int] = {}
    for some in batched(lines, TOGETHER, strict=False):
        for kind in REACHED:
            owners = records.owners([(kind, line) for line in some], country=country)
            found |= {line: pk for line, pk in zip(some, owners, strict=True) if pk}
        found |= {line: member.customer_id for line, member in naming.by_card(programme, some).items()}
        found |= dict(Customer.objects.filter(among("key", some)).values_list("key", "pk"))
    return found
