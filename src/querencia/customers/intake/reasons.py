"""Why an event was not taken in: a code that is kept, and a sentence that people read."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

SENTENCES = {
    "not_object": _("It is no object of JSON but %(what)s."),
    "no_list": _("There is no list of events under “batch”."),
    "no_type": _("It does not say what it is: “type” is missing."),
    "unknown_type": _("“%(value)s” is no type of event that we know."),
    "wrong_type": _("“%(field)s” is %(what)s, not %(wanted)s."),
    "too_large": _("It takes %(size)s KB; an event takes %(limit)s KB at most."),
    "too_long": _("“%(field)s” is longer than %(limit)s characters."),
    "nobody": _("It names nobody: “userId” and “anonymousId” are missing or say nothing."),
    "no_name": _("It does not say what happened: “event” is missing."),
    "no_previous": _("It does not say whose events these were: “previousId” is missing."),
    "no_date": _("“%(value)s” under “%(field)s” is no date that we can read."),
    "too_old": _("It would have happened on %(value)s, long before anything was sent: the sender's clock is wrong."),
    "no_order": _("The order has no number: “order_id” is missing."),
    "no_amount": _("The order has no amount: “total”, “revenue” or products with prices are needed."),
    "bad_amount": _("“%(value)s” under “%(field)s” is no amount."),
    "unknown_currency": _("“%(value)s” is no currency."),
    "other_currency": _("It is in %(value)s, and this business counts in %(wanted)s."),
    "unknown_order": _("We know no order %(value)s. Replay it once that order has arrived."),
    "too_much": _("More would be given back than was paid for order %(value)s."),
    "erased": _("It names somebody who was erased: nothing of it was kept."),
    "unexpected": _("It could not be stored: %(message)s"),
}
WHAT = {
    "text": _("a text"),
    "number": _("a number"),
    "object": _("an object"),
    "list": _("a list"),
    "boolean": _("true or false"),
    "null": _("null"),
}


# Of these nothing is left that could be tried again.
FINAL = ("erased",)


class Refusal(Exception):
    """An event that cannot be taken in, by the code of a sentence and what the sentence names."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = {name: value[:200] if isinstance(value, str) else value for name, value in facts.items()}


@dataclass(frozen=True)
class Refused:
    """What is kept of an event that was not taken in."""

    arrival_id: int
    kind: str
    code: str
    event: Any
    facts: dict[str, Any] = field(default_factory=dict)
    is_live: bool = True


def what_is(value: Any) -> str:
    """The key in WHAT of a value of JSON."""
    match value:
        case bool():
            return "boolean"
        case None:
            return "null"
        case str():
            return "text"
        case int() | float():
            return "number"
        case list():
            return "list"
        case _:
            return "object"


def reason_text(code: str, facts: dict[str, Any]) -> str:
    """The reason in the active language."""
    named = {name: WHAT.get(value, value) if name in ("what", "wanted") else value for name, value in facts.items()}
    return str(SENTENCES[code]) % named if code in SENTENCES else code
