"""One is a batch of one: items are judged by themselves, the good ones written together, each answered."""

from collections import Counter
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from querencia.api.rest.endpoint import Answer
from querencia.api.rest.fields import Many, Outcome, Outcomes, Unusable, rejected
from querencia.api.rest.problems import Fault, Problem
from querencia.api.rest.together import Ticket

# Of what kind the problem is that says why one alone was rejected, by the code of the fault.
KINDS = {"differs": "conflict", "not_found": "not_found", "card_taken": "conflict"}
KINDS |= dict.fromkeys(("insufficient", "in_deficit", "lapsed", "released", "captured", "too_few"), "points_refused")
REWARD = (
    "not_offered",
    "not_for_member",
    "limit",
    "sold_out",
    "dearer",
    "cancelled",
    "returned",
    "at_the_till",
    "used",
)
CODE = ("given_out", "void", "lapsed_code", "not_confirmed", "nothing_off", "restored")
KINDS |= dict.fromkeys((*REWARD, *CODE), "reward_refused")

OF_FRIENDS = ("existing_customer", "same_person", "other_advocate", "brings_friends", "cap", "no_terms")
KINDS |= dict.fromkeys(OF_FRIENDS, "conflict")


def many[Item: BaseModel](
    given: Many[Item],
    write: Callable[[Sequence[Item]], list[Outcome]],
    *,
    told: type[Outcomes] = Outcomes,
) -> Answer:
    """Answer each item: those that cannot be read are rejected, and none of the others for it. ``told`` answers with
    more than most do."""
    usable = [each for each in given.items if not isinstance(each, Unusable)]
    written = iter(write(usable)) if usable else iter(())
    results = [rejected(*each.faults) if isinstance(each, Unusable) else next(written) for each in given.items]
    counts = Counter(each.result for each in results)
    said = {name: counts[name] for name in ("created", "updated", "unchanged", "rejected")}
    return Answer(told.model_validate({"results": results, **said}, from_attributes=True))


def one[Item: BaseModel](given: Item, write: Callable[[Sequence[Item]], list[Outcome]], *, place: str = "") -> Answer:
    """The same for one alone: what would be rejected of many is a problem. ``place``: the address of what is written,
    with {} for its id."""
    [outcome] = write([given])
    return _answer(outcome, place)


def shared[Item: BaseModel](given: Item, write: Callable[[Sequence[Item]], list[Outcome]]) -> Ticket:
    """The same, written together with others that wait at this moment."""
    return Ticket(given, write, _answer)


def _answer(outcome: Outcome, place: str = "") -> Answer:
    if outcome.result == "rejected":
        faults = [Fault(each.detail, each.code, each.pointer) for each in outcome.errors]
        raise Problem(KINDS.get(faults[0].code, "invalid"), faults[0].detail, faults)
    status = 201 if outcome.result == "created" else 200
    return Answer(outcome, status, {"Location": place.format(outcome.id)} if place else {})
