"""Names of people: how they are folded for searching, and parted into given and family name."""

import re
import unicodedata

TERM_LENGTH_MAX = 60
WORD = re.compile(r"[^\W_]+")
# Words that belong to the family name that follows: "de la Cruz", "dos Santos", "van Dyck".
PARTICLES = frozenset(
    {"da", "das", "de", "del", "della", "di", "do", "dos", "e", "la", "las", "los", "van", "von", "y"}
)
# Where two family names are the rule, the last two of three or more words are them.
TWO_FAMILY_NAMES = frozenset({"es", "pt"})


def fold(text: str) -> str:
    """Lower case without accents: ``Muñoz`` and ``MUNOZ`` are searched alike."""
    parted = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """The folded words of a text, each once, as they stand in `SearchTerm.term`."""
    return list(dict.fromkeys(word[:TERM_LENGTH_MAX] for word in WORD.findall(fold(text))))


def split(name: str, language: str = "en") -> tuple[str, str]:
    """Given and family name of a whole name: ``Cruz, Ana`` and ``Ana de la Cruz`` are the same person.

    Spanish and Portuguese people have two family names: of three words or more the last two are taken for them.
    """
    name = " ".join(name.split())
    if "," in name:
        family, _, given = name.partition(",")
        return given.strip(), family.strip()
    parts = _with_particles(name.split(" "))
    if len(parts) < 2:
        return name, ""
    family_words = 2 if language in TWO_FAMILY_NAMES and len(parts) > 2 else 1
    return " ".join(parts[:-family_words]), " ".join(parts[-family_words:])


def _with_particles(given: list[str]) -> list[str]:
    parts: list[str] = []
    waiting: list[str] = []
    for word in given:
        if word.lower() in PARTICLES and (parts or waiting):
            waiting.append(word)
        else:
            parts.append(" ".join([*waiting, word]))
            waiting = []
    return [*parts, " ".join(waiting)] if waiting else parts
