"""A mail server on this machine, and what it was given."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller

from tests.cli.serving import free_port


class Letterbox:
    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[tuple[str, str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        text = message_from_bytes(envelope.content).get_payload(decode=True)
        assert isinstance(text, bytes)
        self.taken.append((envelope.rcpt_tos[0], text.decode()))
        return "250 OK"

    def code_to(self, address: str) -> str:
        """The code in the latest letter to an address; empty: none came yet."""
        texts = [text for to, text in self.taken if to == address]
        found = re.search(r"\b(\d{6})\b", texts[-1]) if texts else None
        return found[1] if found else ""


@contextmanager
def opened() -> Iterator[Letterbox]:
    """One that takes whatever it is given."""
    box = Letterbox()
    server = Controller(box, hostname="127.0.0.1", port=box.port)
    server.start()
    try:
        yield box
    finally:
        server.stop()
