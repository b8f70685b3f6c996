"""Keys of machines: how they are written, hashed, and what each kind opens."""

import hashlib
import secrets

INTAKE = "intake"
# What may be asked of a key. A write key stands in pages that anybody reads: it sends, and sees nothing.
SCOPES = {"write": (INTAKE,), "api": (INTAKE, "read", "write")}
PREFIXES = {"write": "qw_", "api": "qk_"}


def invent(kind: str) -> str:
    """A key nobody had before: 256 bits of chance behind letters that say what it is."""
    return PREFIXES[kind] + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What is kept of a key. Chance of 256 bits needs no salt and no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
