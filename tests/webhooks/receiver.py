"""Another system: a real HTTP server that verifies what it gets with the public library of Standard Webhooks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

type Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Receiver:
    """``got``: every request, its headers and body; ``answers`` says what to answer to the next one."""

    url: str = ""
    secret: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: Callable[[int], Answer] = lambda number: (204, {}, b"")

    def verified(self, number: int = -1) -> Any:
        headers, body = self.got[number]
        return Webhook(self.secret).verify(body, headers)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status, headers, said = receiver.answers(len(receiver.got))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(said)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *given: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
