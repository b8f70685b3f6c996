"""What the code of a card says to a till: short, of letters and digits alone (scanners type), and nothing of a person.

``Q1``, the member's id in base 36, and a signature over it and the number of the card: with another number, the code of
the lost card opens nothing. Keys change as Django's do (``SECRET_KEY_FALLBACKS``); the digit is the version.
"""

import base64

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import base36_to_int, int_to_base36

from querencia.loyalty.models import Member

MARK = "Q1"
SALT = "querencia.card.1"
SIGNED = 20  # letters of base 32: a hundred bits
LONGEST = len(MARK) + 13 + SIGNED


def code_of(member: Member) -> str:
    return MARK + int_to_base36(member.pk).upper() + _signature(member, settings.SECRET_KEY)


def member_id(code: str) -> int:
    """Whose code it says it is, or 0; see `is_of`."""
    named = code[len(MARK) : -SIGNED]
    if not code.upper().startswith(MARK) or not named.isalnum() or not named.isascii() or len(code) > LONGEST:
        return 0
    found = base36_to_int(named)
    return found if found < 2**63 else 0


def is_of(code: str, member: Member) -> bool:
    """Whether this is the code of the card that the member has now."""
    signed = code[-SIGNED:].upper()
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(signed, _signature(member, secret)) for secret in secrets)


def _signature(member: Member, secret: str | bytes) -> str:
    signed = salted_hmac(SALT, f"{member.pk}:{member.card_number}", secret=secret, algorithm="sha256").digest()
    return base64.b32encode(signed).decode()[:SIGNED]
