"""Finding customers by anything: a name's first letters, an e-mail, a phone, a card, a key, an order."""

from collections.abc import Iterable
from functools import reduce
from itertools import batched

import phonenumbers
from django.db.models import Exists, OuterRef, Q, QuerySet

from querencia.customers import names
from querencia.customers.models import ContactPoint, Customer, Identifier, Purchase, SearchTerm
from querencia.customers.queries import persons

FOUND_MAX = 50
PREFIX_MIN = 3  # letters of an identifier before its beginnings are looked for
DIGITS_MIN = 6
ASKED = 5_000
LAST_LETTER = "\U0010ffff"


def find(text: str, *, country: str = "", limit: int = FOUND_MAX, first: Iterable[int] = ()) -> list[Customer]:
    """At most ``limit`` persons; whoever is named exactly by an identifier or an order comes first. One record of a
    person leads to whoever stands for them. ``first``: customers whom another room knows by this text."""
    ids = [*first, *records(text, country=country, limit=limit)][:limit]
    heads = persons.heads(ids)
    wanted = list(dict.fromkeys(heads[pk] for pk in ids))
    found = Customer.objects.select_related("score__cell").in_bulk(wanted)
    return persons.named([found[pk] for pk in wanted if pk in found])


def records(text: str, *, country: str = "", limit: int = FOUND_MAX) -> list[int]:
    """The ids of customers that the text finds, each by themselves, whoever they are one with."""
    text = " ".join(text.split())[:200]
    if not text:
        return []
    ids: dict[int, None] = dict.fromkeys(_exactly(text, country, limit))
    if len(ids) < limit:
        ids |= dict.fromkeys(_by_name(text, limit))
    if len(ids) < limit and len(text) >= PREFIX_MIN:
        ids |= dict.fromkeys(_beginning(text, limit))
    return list(ids)[:limit]


def _exactly(text: str, country: str, limit: int) -> list[int]:
    written = {text, text.lower(), text.upper(), *_phones(text, country)}
    by_identifier = Identifier.objects.filter(value__in=written).order_by("value").values_list("customer_id", flat=True)
    by_key = Customer.objects.filter(key=text).values_list("pk", flat=True)
    by_order = Purchase.objects.filter(key=text).order_by("source").values_list("customer_id", flat=True)
    return [*by_key[:1], *by_identifier[:limit], *by_order[:limit]]


def _phones(text: str, country: str) -> set[str]:
    """The E.164 forms that the digits may stand for."""
    digits = "".join(letter for letter in text if letter.isdigit())
    if len(digits) < DIGITS_MIN or any(letter.isalpha() for letter in text):
        return set()
    forms = {f"+{digits}"}
    if country:
        try:
            parsed = phonenumbers.parse(text, country)
            forms.add(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
        except phonenumbers.NumberParseException:
            pass
    return forms


def _beginning(text: str, limit: int) -> list[int]:
    start = text.lower()
    ranges = [Q(value__gte=word, value__lt=word + LAST_LETTER) for word in {start, start.upper(), text}]
    found = Identifier.objects.filter(reduce(lambda a, b: a | b, ranges)).order_by("value")
    return list(found.values_list("customer_id", flat=True)[:limit])


def _by_name(text: str, limit: int) -> list[int]:
    words = sorted(names.words(text), key=len, reverse=True)
    if not words:
        return []
    # The longest word leads, being the rarest; of those it finds, each is asked for the others until enough agree.
    found = _beginning_with(words[0])
    for word in words[1:]:
        found = found.filter(Exists(_beginning_with(word).filter(customer_id=OuterRef("customer_id"))))
    # Some customers begin with the letters twice ("Ana Anaya"): a few more rows, then each once.
    ids = found.order_by("term", "customer_id").values_list("customer_id", flat=True)[: limit * 3]
    return list(dict.fromkeys(ids))[:limit]


def _beginning_with(word: str) -> QuerySet[SearchTerm]:
    return SearchTerm.objects.filter(term__gte=word, term__lt=word + LAST_LETTER)


def named(texts: Iterable[str], *, country: str = "") -> dict[str, list[int]]:
    """For each text the customers that it names exactly: by key, by an identifier, by an address, or by the number of
    this house (``id:17``). Those who were erased are named by nothing but their number."""
    written = {text: {text, text.lower(), *_phones(text, country)} for text in texts}
    found: dict[str, set[int]] = {}
    for some in batched(sorted({form for forms in written.values() for form in forms}), ASKED, strict=False):
        for rows in (Identifier.objects, ContactPoint.objects):
            for value, pk in rows.filter(value__in=some).values_list("value", "customer_id"):
                found.setdefault(value, set()).add(pk)
        for key, pk in Customer.objects.filter(key__in=some, erased_at=None).values_list("key", "pk"):
            found.setdefault(key, set()).add(pk)
        numbers = {int(each[3:19]): each for each in some if each.startswith("id:") and each[3:].isdecimal()}
        for pk in Customer.objects.filter(pk__in=numbers).values_list("pk", flat=True):
            found.setdefault(numbers[pk], set()).add(pk)
    return {text: sorted({pk for form in forms for pk in found.get(form, ())}) for text, forms in written.items()}
