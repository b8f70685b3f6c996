"""Codes of vouchers: made so that nobody guesses one, read over a telephone, and a slip of a finger is seen."""

import secrets

# Nothing that looks like anything else: no 0 and O, no 1, I and L. Their number is prime, so that the last character
# tells every single slip and every two that changed places.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
DRAWN = 11
GROUP = 4


def draw() -> str:
    """A code in its normal form: so many characters by chance (54 bits), and one that checks them."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(DRAWN))
    return drawn + check_character(drawn)


def check_character(code: str) -> str:
    total = sum(place * ALPHABET.index(letter) for place, letter in enumerate(code, 2))
    return ALPHABET[-total % len(ALPHABET)]


def normal(text: str) -> str:
    """As codes are compared: without case, blanks and dashes."""
    return "".join(letter for letter in text.upper() if letter.isalnum())


def written(code: str) -> str:
    """As people read it: in groups."""
    return "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def is_mistyped(code: str) -> bool:
    """Whether it is written as ours are, and cannot be one."""
    is_like_ours = len(code) == DRAWN + 1 and all(letter in ALPHABET for letter in code)
    return is_like_ours and check_character(code[:-1]) != code[-1]
