"""Codes of vouchers: made so that nobody guesses one, read over a telephone, and a slip of a finger is seen."""

import csv
import secrets
from collections.abc import Collection, Sequence

# Nothing that looks like anything else: no 0 and O, no 1, I and L. Their number is prime, so that the last character
# tells every single slip and every two that changed places.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
DRAWN = 11
GROUP = 4
HEADINGS = ("code", "codes", "código", "códigos", "codigo", "codigos")


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


def read_lines(text: str, headings: Collection[str] = HEADINGS) -> Sequence[tuple[int, str]]:
    """The codes of a CSV file (the first of each line), with the numbers of their lines; a heading is left out."""
    found = []
    sample = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=";" if ";" in sample else ",")
    for row in reader:
        code = row[0].strip() if row else ""
        is_heading = reader.line_num == 1 and code.lower() in headings
        if code and not is_heading:
            found.append((reader.line_num, code))
    return found


def is_mistyped(code: str) -> bool:
    """Whether it is written as ours are, and cannot be one."""
    is_like_ours = len(code) == DRAWN + 1 and all(letter in ALPHABET for letter in code)
    return is_like_ours and check_character(code[:-1]) != code[-1]
