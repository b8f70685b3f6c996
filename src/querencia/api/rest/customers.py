"""Customers: found, listed, created, changed. Who was merged is one, by whichever id they are asked for."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router
from pydantic import Field

from querencia.api.rest import batches, pages
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import (
    MANY_MAX,
    AskedId,
    Day,
    Given,
    IdentifierGiven,
    Key,
    KindOfIdentifier,
    Many,
    Outcome,
    Outcomes,
    Page,
    Properties,
    TimeZone,
    Told,
    rejected,
    text,
)
from querencia.api.rest.problems import Fault, Problem, found_or_not
from querencia.business import queries as business
from querencia.common.time import now
from querencia.customers.actions.profiles import Kept, Profile, keep_profiles
from querencia.customers.identity import cleaned
from querencia.customers.identity.known import Pair
from querencia.customers.queries import listing, profile, records, search, tombstones
from querencia.customers.queries.profile import Person

SOURCE = "api"
ERASED = "This names somebody who was erased. No program brings them back: whoever returns is written down by hand."
router = Router(tags=[_("Customers")])
# By its number in the request what is said of one, and where each of its identifiers stands.
type Written = dict[int, tuple[Profile, dict[Pair, str]]]
NOT_MEANT = "names nobody that we can tell: it is no address, or a word for nobody"


class Traits(Given):
    given_name: text(120) | None = None  # type: ignore[valid-type]
    family_name: text(160) | None = None  # type: ignore[valid-type]
    language: text(5, pattern="^([a-z]{2,3}(-[A-Za-z]{2})?)?$") | None = None  # type: ignore[valid-type]
    time_zone: TimeZone | None = None
    country: text(2, pattern="^([A-Z]{2})?$") | None = None  # type: ignore[valid-type]
    city: text(120) | None = None  # type: ignore[valid-type]
    birthday: Day | None = None
    branch: text(80) | None = None  # type: ignore[valid-type]
    value_answers: Properties | None = None
    """What they value, as they said."""

    def traits(self) -> dict[str, Any]:
        """What was said: what is absent stays, what is null is emptied."""
        return {name: getattr(self, name) for name in Traits.model_fields if name in self.model_fields_set}


class ProfileGiven(Traits):
    """A customer by what identifies them: found, or created. What is absent stays as it is, what is null is emptied."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "key": "K-1001",
                    "identifiers": [{"kind": "email", "value": "ana@example.org"}],
                    "given_name": "Ana",
                    "family_name": "López",
                    "country": "ES",
                }
            ]
        }
    }
    key: Key | None = None
    """The business's own id of the customer; the same as an identifier of the kind customer_key."""
    identifiers: Annotated[list[IdentifierGiven], Field(max_length=50)] = []

    def pairs(self) -> list[tuple[Pair, str]]:
        """Kind and value of each identifier, and where it stands."""
        mine = [(("customer_key", self.key), "/key")] if self.key else []
        rest = [((each.kind, each.value), f"/identifiers/{n}/value") for n, each in enumerate(self.identifiers)]
        return [*mine, *rest]


class ChangeGiven(Traits):
    """What changes; null empties."""

    model_config = {"json_schema_extra": {"examples": [{"city": "Pamplona", "birthday": None}]}}


class IdentifierTold(Told):
    kind: str
    value: str


class AddressTold(Told):
    kind: str
    value: str
    bounced_at: datetime | None
    opted_out_at: datetime | None


class CustomerTold(Told):
    """A person: whoever stands for them, with what is known of all records that are them."""

    id: int
    key: str
    asked_for: int | None
    """The id that was asked for, where it was merged into this one."""
    customer_ids: list[int]
    """All records that are this person."""
    given_name: str
    family_name: str
    language: str
    time_zone: str
    country: str
    city: str
    birthday: date | None
    branch: str
    value_answers: dict[str, Any]
    identifiers: list[IdentifierTold]
    addresses: list[AddressTold]
    created_at: datetime
    created_from: str


class CustomersPage(Page[CustomerTold]): ...


class LookupGiven(Given):
    """Identifiers to look up, in the order of the answer."""

    model_config = {
        "json_schema_extra": {"examples": [{"identifiers": [{"kind": "email", "value": "ana@example.org"}]}]}
    }
    identifiers: Annotated[list[IdentifierGiven], Field(min_length=1, max_length=MANY_MAX)]


class Found(Told):
    customers: list[CustomerTold | None]
    """The customer of each identifier; null where nobody has it."""


class CustomersAsked(pages.Asked):
    q: text(200) = ""  # type: ignore[valid-type]
    """Name, phone, e-mail, card, order or key, or its beginning: the best 50 at most, without pages."""
    stage: Literal["", "new", "active", "late", "left", "returned"] = ""
    segment: text(20) = ""  # type: ignore[valid-type]
    abc: Literal["", "A", "B", "C"] = ""
    risk: Literal["", "low", "medium", "high", "unknown"] = ""
    branch: text(80) = ""  # type: ignore[valid-type]
    channel: text(40) = ""  # type: ignore[valid-type]
    sort: Literal["", "at_stake", "amount_year", "amount", "last", "purchases", "name"] = ""
    """By id without it. With it, or with a filter, those are listed who have a score."""

    def filters(self) -> listing.Filters:
        return listing.Filters({name: (value,) for name in listing.FACETS if (value := getattr(self, name))})


class CustomerHere(Given):
    customer_id: AskedId


class IdentifierHere(Given):
    kind: KindOfIdentifier
    value: text(254, 1)  # type: ignore[valid-type]


@endpoint(
    router,
    "GET",
    "/customers",
    scope="customers:read",
    answers={200: CustomersPage},
    summary=_("List customers"),
)
def list_customers(request: HttpRequest, asked: Query[CustomersAsked]) -> Answer:
    """Every person once, by id; filtered and sorted by their scores; or searched for with q."""
    after: int | str | None
    if asked.q:
        if asked.sort or asked.cursor or asked.filters().are_any:
            said = "A search stands alone, without filters, order and pages."
            raise Problem("invalid", said, [Fault(said, "stands_alone", parameter="q")])
        ids, after = [each.pk for each in search.find(asked.q, country=country(), limit=min(asked.limit, 50))], None
    elif asked.sort or asked.filters().are_any:
        ids, after = _scored(request, asked)
    else:
        last = pages.place(request, asked)
        ids = records.heads(after=last or 0, size=asked.limit + 1)
        ids, after = ids[: asked.limit], ids[asked.limit - 1] if len(ids) > asked.limit else None
    people = profile.people(ids)
    heads = {people[pk].pk: people[pk] for pk in ids if pk in people}
    return pages.page(request, asked, [told(each) for each in heads.values()], after, CustomersPage)


@endpoint(
    router,
    "GET",
    "/customers/by/{kind}/{path:value}",
    scope="customers:read",
    answers={200: CustomerTold},
    summary=_("Get a customer by any identifier"),
)
def get_customer_by(request: HttpRequest, here: Path[IdentifierHere]) -> Answer:
    """E-mail addresses and phones are found in whichever notation they are written. What stands in an address may end
    in logs of proxies: POST /customers/lookup says the same in a body."""
    [owner] = records.owners([(here.kind, here.value)], country=country())
    return _customer(owner)


@endpoint(
    router,
    "POST",
    "/customers/lookup",
    scope="customers:read",
    answers={200: Found},
    summary=_("Look up many customers by identifiers"),
)
def look_up_customers(request: HttpRequest, given: LookupGiven) -> Answer:
    """Up to 1,000 identifiers at once."""
    owners = records.owners([(each.kind, each.value) for each in given.identifiers], country=country())
    people = profile.people(owner for owner in owners if owner)
    return Answer(Found(customers=[told(people[owner]) if owner else None for owner in owners]))


@endpoint(
    router,
    "GET",
    "/customers/{int:customer_id}",
    scope="customers:read",
    answers={200: CustomerTold},
    summary=_("Get a customer"),
)
def get_customer(request: HttpRequest, here: Path[CustomerHere]) -> Answer:
    """The person that this customer is: asked for one who was merged, it answers with whoever stands for them, and says
    so in asked_for and Content-Location."""
    return _customer(here.customer_id)


@endpoint(
    router,
    "POST",
    "/customers",
    scope="customers:write",
    answers={200: Outcome, 201: Outcome},
    summary=_("Create or update a customer"),
)
def write_customer(request: HttpRequest, given: ProfileGiven) -> Answer:
    """Finds the customer by the identifiers, or creates them. Identifiers of several bring them together within the
    limits of matching; those that lead to somebody else are left out, and named in errors."""
    return batches.one(given, write_profiles, place="/api/v1/customers/{}")


@endpoint(
    router,
    "POST",
    "/customers/bulk",
    scope="customers:write",
    answers={200: Outcomes},
    summary=_("Create or update many customers"),
)
def write_customers(request: HttpRequest, given: Many[ProfileGiven]) -> Answer:
    """Up to 1,000 customers in one transaction, each answered by itself."""
    return batches.many(given, write_profiles)


@endpoint(
    router,
    "PATCH",
    "/customers/{int:customer_id}",
    scope="customers:write",
    answers={200: Outcome},
    summary=_("Change a customer"),
)
def change_customer(request: HttpRequest, here: Path[CustomerHere], given: ChangeGiven) -> Answer:
    """What is absent stays as it is, what is null is emptied (RFC 7396)."""
    if person(here.customer_id).is_to_be_erased:
        raise Problem("conflict", "This person was erased.")
    change = Profile(traits=given.traits(), customer_id=here.customer_id)
    [kept] = keep_profiles([change], at=now(), source=SOURCE)
    return Answer(outcome(kept, {}))


def write_profiles(items: Sequence[ProfileGiven]) -> list[Outcome]:
    """What became of each."""
    region = country()
    outcomes: dict[int, Outcome] = {}
    profiles: Written = {}
    for number, each in enumerate(items):
        places, faults = written(each.pairs(), region)
        if faults or not places:
            outcomes[number] = rejected(*faults or [Fault("A customer needs a key or an identifier.", "nobody", "")])
        else:
            profiles[number] = (Profile(tuple(places), each.traits()), places)
    return keep(profiles, outcomes, at=now())


def keep(profiles: Written, outcomes: dict[int, Outcome], *, at: datetime) -> list[Outcome]:
    """Write them, and answer in order; ``outcomes``: what those were answered already that cannot be written."""
    outcomes = outcomes | _refuse_erased(profiles)
    kept = keep_profiles([profile for profile, _places in profiles.values()], at=at, source=SOURCE)
    for (number, (_profile, places)), each in zip(profiles.items(), kept, strict=True):
        outcomes[number] = outcome(each, places)
    return [outcomes[number] for number in sorted(outcomes)]


def _refuse_erased(profiles: Written) -> dict[int, Outcome]:
    """Take out what names people who were erased; by number what is answered to it."""
    gone = tombstones.erased({pair for _profile, places in profiles.values() for pair in places})
    refused = {}
    for number, (_profile, places) in list(profiles.items()):
        if theirs := [place for pair, place in places.items() if pair in gone]:
            refused[number] = rejected(*(Fault(ERASED, "erased", place) for place in theirs))
            del profiles[number]
    return refused


def written(pairs: Sequence[tuple[Pair, str]], region: str) -> tuple[dict[Pair, str], list[Fault]]:
    """Identifiers in our notation with the place where each stands, and what is wrong with the others."""
    places: dict[Pair, str] = {}
    faults = []
    for pair, pointer in pairs:
        if ours := cleaned((pair,), region):
            places.setdefault(ours[0], pointer)
        else:
            faults.append(Fault(f"This {NOT_MEANT}.", "bad_identifier", pointer))
    return places, faults


def outcome(kept: Kept, places: Mapping[Pair, str]) -> Outcome:
    said = "This leads to somebody else, and the limits of matching keep them apart."
    left_out = [Fault(said, "left_out", places.get(pair, "")) for pair in kept.left_out]
    made = rejected(*left_out)
    return made.model_copy(update={"result": kept.result, "id": kept.customer_id, "customer_id": kept.customer_id})


def told(who: Person, *, asked_for: int | None = None) -> CustomerTold:
    """A person from their records."""
    plain = ("key", "language", "time_zone", "country", "city", "birthday", "branch", "value_answers")
    points = [{name: getattr(one, name) for name in AddressTold.model_fields} for one in who.contact_points]
    return CustomerTold(
        id=who.pk,
        asked_for=asked_for if asked_for != who.pk else None,
        customer_ids=who.ids,
        given_name=who.named.given_name,
        family_name=who.named.family_name,
        **{name: getattr(who, name) for name in plain},
        identifiers=[IdentifierTold(kind=one.kind, value=one.value) for one in who.identifiers],
        addresses=[AddressTold(**point) for point in points],
        created_at=who.head.created_at,
        created_from=who.head.created_from,
    )


def person(customer_id: int) -> Person:
    """The person that a customer is. Raises Problem."""
    return found_or_not(profile.person(customer_id), "There is no such customer.")


def _customer(pk: int) -> Answer:
    who = person(pk)
    return Answer(told(who, asked_for=pk), headers={"Content-Location": f"/api/v1/customers/{who.pk}"})


def _scored(request: HttpRequest, asked: CustomersAsked) -> tuple[list[int], str | None]:
    after = pages.place(request, asked) or ""
    found = listing.page(asked.filters(), sort=asked.sort or "at_stake", after=after, size=asked.limit)
    return [row.pk for row in found.rows], found.after or None


def country() -> str:
    """Whose phone numbers are written without a prefix."""
    known = business.business()
    return known.country if known else ""
