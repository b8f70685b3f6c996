"""The door of members: a code by mail, good for minutes, and in the window that asked for it alone.

The code is never written down: it is reckoned from a number in the visitor's session and the secret key of the house.
"""

from dataclasses import dataclass
from datetime import datetime

from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from querencia.business.queries import business
from querencia.customers.actions.profiles import Profile, keep_profiles
from querencia.customers.models import ContactPoint
from querencia.customers.queries import persons
from querencia.loyalty import actions
from querencia.loyalty.models import Member, Programme, Referral

DIGITS = 6
MINUTES = 10
SOURCE = "portal"


@dataclass(frozen=True)
class Newcomer:
    """Who joins by themselves; by whose code, and whether that friend may read their first name."""

    email: str
    given_name: str
    language: str
    code: str = ""
    shows_name: bool = False


def written(address: str) -> str:
    """An address in the one notation in which contact points are kept."""
    return address.strip().lower()


def code_of(nonce: str) -> str:
    """The code that belongs to a session's number."""
    digest = salted_hmac("querencia.portal.code", nonce, algorithm="sha256").digest()
    return f"{int.from_bytes(digest[:8]) % 10**DIGITS:0{DIGITS}d}"


def people_at(address: str) -> list[int]:
    """Who can be reached there, by whoever stands for the person, the oldest first; nobody who was erased."""
    points = ContactPoint.objects.filter(kind=ContactPoint.Kind.EMAIL, value=written(address), bounced_at=None)
    there = points.filter(customer__erased_at=None, customer__erasure=None)
    heads = persons.heads(there.order_by("customer_id").values_list("customer_id", flat=True))
    return list(dict.fromkeys(heads.values()))


def send_code(*, address: str, nonce: str, language: str) -> None:
    """Mail the code. Raises whatever the mail server says."""
    known = business()
    name = known.name if known else "Querencia"
    code = code_of(nonce)
    with translation.override(language):
        subject = _("%(code)s is your code for %(business)s") % {"code": code, "business": name}
        text = _(
            "Your code is %(code)s.\n\nType it into the page that asked for it, within %(minutes)s minutes.\n\n"
            "If you did not ask for it, leave this message be: nobody gets in without the code.\n\n%(business)s"
        ) % {"code": code, "minutes": MINUTES, "business": name}
    EmailMessage(subject, text, to=[address]).send()


@transaction.atomic
def join(*, programme: Programme, newcomer: Newcomer, at: datetime) -> tuple[Member | None, str]:
    """Make a member of whoever proved that the address is theirs: the customer who has it, or a new one. Nothing that
    is known of a customer is changed. With what became of the code by which they came, if they did (see `Claimed`)."""
    people = people_at(newcomer.email)
    if not people:
        traits = {"given_name": newcomer.given_name, "language": newcomer.language}
        profile = Profile(identifiers=(("email", written(newcomer.email)),), traits=traits)
        people = [each.customer_id for each in keep_profiles([profile], at=at, source=SOURCE)]
    made = actions.enrol(programme=programme, members=[actions.NewMember(people[0])], at=at)
    if not made or not newcomer.code:
        return (made[0] if made else None), ""
    claim = actions.NewClaim(made[0].pk, newcomer.code, Referral.Via.PORTAL, newcomer.shows_name)
    [done] = actions.claim(programme=programme, claims=[claim], at=at)
    return made[0], done.result
