"""HTTP as cheaply as a client can speak it: whole requests as bytes, answers read to their end and no further."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

CONNECTIONS = 8


def request(method: str, path: str, key: str, body: Any = None) -> bytes:
    """A request of REST, with its key."""
    sent = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
    return f"{head}\r\n".encode() + sent


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = connection.recv(65_536)
        if not more:
            raise ConnectionError("closed")
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0]) - len(body) if lengths else 0
    parts = [body]
    while missing > 0:
        parts.append(connection.recv(missing))
        missing -= len(parts[-1])
    return int(head.split(b" ", 2)[1]), b"".join(parts)


def status(connection: socket.socket) -> int:
    return answer(connection)[0]


@dataclass
class Said:
    """What was answered: by status how often, and how long each took, from when it was due."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def quantile(self, share: float) -> float:
        each = sorted(self.seconds)
        return each[min(len(each) - 1, int(len(each) * share))]


def say(port: int, work: Sequence[Sequence[bytes]], *, a_second: float = 0, connections: int = CONNECTIONS) -> Said:
    """Send each piece of work (requests, one after the other) over connections that stay open; each is taken by whoever
    is free. ``a_second``: so many requests and no more; what is late counts from when it was due."""
    said, lock, begin = Said(), threading.Lock(), time.perf_counter()
    waiting: Iterator[tuple[int, Sequence[bytes]]] = enumerate(work)
    starts, due = [], 0
    for each in work:
        starts.append(due)
        due += len(each)
    faults: list[Exception] = []

    def speak() -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), 60) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not faults:
                    with lock:
                        number, requests = next(waiting, (0, ()))
                    if not requests:
                        return
                    for place, each in enumerate(requests):
                        since = begin + (starts[number] + place) / a_second if a_second else time.perf_counter()
                        time.sleep(max(0.0, since - time.perf_counter()))
                        connection.sendall(each)
                        found = status(connection)
                        took = time.perf_counter() - since
                        with lock:
                            said.seconds.append(took)
                            said.statuses[found] = said.statuses.get(found, 0) + 1
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=speak) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return said
