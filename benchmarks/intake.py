"""The door for events, over HTTP from a client beside it: how fast, and whether anything is lost."""

import json
import os
import signal
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import house, speaking
from benchmarks.peers import keeping
from benchmarks.registry import Measure, benchmark

EVENTS, SINGLES, QUICK_EVENTS = 200_000, 20_000, 10_000
TOGETHER = 100
CONNECTIONS = 8
SUSTAINED_SECONDS, SUSTAINED_A_SECOND, KILLS = 600, 3_000, 3
PEOPLE = 5_000
WAIT_SECONDS = 600
KINDS = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")
ENGINES = ("SQLite", "PostgreSQL")
CASES = [
    *(f"{engine}, in batches of {TOGETHER}" for engine in ENGINES),
    *(f"{engine}, one by one" for engine in ENGINES),
    *(f"{engine}, ten minutes, the worker killed three times" for engine in ENGINES),
    f"bare, SQLite, in batches of {TOGETHER}",
    "bare, SQLite, one by one",
]
QUICK = ["SQLite, quickly", "bare, SQLite, one by one, quickly"]


@benchmark(cases=CASES, quick=QUICK)
def run(case: str, measure: Measure) -> None:
    """Events in Segment's format (people who look, put into the basket and buy, 5,000 of them) to `querencia up`, by
    eight connections of a client on the same machine. An event counts once its request was answered with 200, which is
    after it was written durably.

    *Taken in*: how many a second the worker made into customers, events and purchases, from the first request to the
    last event. *Lost*: sent, less those that are events or orders in the database. *The worker killed*: with
    SIGKILL, three times within ten minutes of 3,000 events a second; the house ends with it, is started again as
    systemd would, and the client says again what was not answered. *Bare* is Granian with one INSERT of the body for
    each request into SQLite: no key, no check, nothing looked at.
    """
    together = 1 if "one by one" in case else TOGETHER
    events = QUICK_EVENTS if "quickly" in case else SINGLES if together == 1 else EVENTS
    if case.startswith("bare"):
        with keeping.served(measure.scratch) as port:
            _send(measure, Sender(port, "key"), events, together)
        measure.note("lost", f"{events // together - keeping.kept(measure.scratch):,}")
        return
    with house.for_this_run(measure.scratch, on_postgres="PostgreSQL" in case) as environment:
        environment["QUERENCIA_INTAKE_RATE"] = "0"
        key = house.querencia(environment, "keys", "create", "--name", "bench").split()[-1]
        if "killed" in case:
            _sustained(measure, environment, key)
            return
        with house.served(environment) as port:
            begin = time.perf_counter()
            _send(measure, Sender(port, key), events, together)
            _settle(environment)
            measure.note("taken in", f"{events / (time.perf_counter() - begin):,.0f} a second")
        _account(measure, environment, events)


def _send(measure: Measure, sender: "Sender", events: int, together: int) -> None:
    requests = list(_requests(events, together, sender.key))
    with measure(rows=events, unit="events"):
        sender.send(requests)
    sender.describe(measure)


def _sustained(measure: Measure, environment: house.Environment, key: str) -> None:
    """So many a second for ten minutes, whatever happens to the house meanwhile."""
    events = SUSTAINED_SECONDS * SUSTAINED_A_SECOND
    port, over = house.free_port(), threading.Event()
    keeper = threading.Thread(target=_keep_up, args=(environment, port, over))
    keeper.start()
    try:
        house.until_open(port)
        sender = Sender(port, key)
        with measure(rows=events, unit="events"):
            sender.send(_requests(events, TOGETHER, key), a_second=SUSTAINED_A_SECOND / TOGETHER)
        sender.describe(measure)
        begin = time.perf_counter()
        _settle(environment)
        measure.note("settled after", f"{time.perf_counter() - begin:.1f} s")
    finally:
        over.set()
        keeper.join()
    _account(measure, environment, events)


def _keep_up(environment: house.Environment, port: int, over: threading.Event) -> None:
    """What systemd would do: start it, and again whenever it ends; and what fate does, three times."""
    begin, killed = time.monotonic(), 0
    process = house.start(environment, port)
    while not over.wait(0.5):
        if process.poll() is not None:
            process = house.start(environment, port)
        due = (killed + 1) * SUSTAINED_SECONDS / (KILLS + 1)
        if killed < KILLS and time.monotonic() - begin > due:
            os.kill(_worker_of(process.pid), signal.SIGKILL)
            killed += 1
    process.terminate()
    process.wait(30)


def _worker_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next(int(child) for child in children if b"run_huey" in Path(f"/proc/{child}/cmdline").read_bytes())


# -- what came of it ---------------------------------------------------------------------------------------------------

# In one process: each that starts takes half a second away from what is measured.
WAIT = f"""
import time
from querencia.customers.queries.arrivals import is_anything_waiting
end = time.monotonic() + {WAIT_SECONDS}
while (waits := is_anything_waiting()) and time.monotonic() < end:
    time.sleep(0.1)
print(int(waits))
"""
COUNT = """
from querencia.customers.models import Event, Purchase, Reject
sent = Event.objects.filter(key__startswith="bench-")
print(sent.values("key").distinct().count(), sent.count(), Purchase.objects.count(), Reject.objects.count())
"""


def _settle(environment: house.Environment) -> None:
    if int(house.shell(environment, WAIT)):
        raise RuntimeError(f"Some arrivals still wait after {WAIT_SECONDS} s.")


def _account(measure: Measure, environment: house.Environment, sent: int) -> None:
    recorded, rows, purchases, rejected = map(int, house.shell(environment, COUNT).split())
    measure.note("lost", f"{sent - recorded:,}")
    measure.note("twice", f"{rows - recorded:,}")
    measure.note("purchases", f"{purchases:,}")
    measure.note("rejected", f"{rejected:,}")


# -- a client ----------------------------------------------------------------------------------------------------------


def _requests(events: int, together: int, key: str) -> Iterator[bytes]:
    """Whole requests as bytes, so that the client costs the machine as little as a client can."""
    credentials = b64encode(f"{key}:".encode()).decode()
    for start in range(0, events, together):
        batch = [_event(number) for number in range(start, min(start + together, events))]
        body = json.dumps({"batch": batch} if together > 1 else batch[0]).encode()
        door = "batch" if together > 1 else "track"
        head = (
            f"POST /v1/{door} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credentials}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def _event(number: int) -> dict[str, object]:
    kind = KINDS[number % len(KINDS)]
    properties: dict[str, object] = {"sku": f"S{number % 997}", "price": 10 + number % 90, "currency": "EUR"}
    if kind == "Order Completed":
        properties = {"order_id": f"O{number}", "total": 10 + number % 90, "currency": "EUR"}
    return {
        "type": "track",
        "messageId": f"bench-{number}",
        "userId": f"person-{number * 7_919 % PEOPLE}",
        "event": kind,
        "properties": properties,
        "context": {"library": {"name": "bench", "version": "1"}, "page": {"path": f"/p/{number % 997}"}},
    }


@dataclass
class Sender:
    """Eight connections that stay open. What is not answered with 200 is said again, as the real clients do."""

    port: int
    key: str
    seconds: list[float] = field(default_factory=list)
    again: int = 0

    def send(self, requests: Sequence[bytes] | Iterator[bytes], *, a_second: float = 0) -> None:
        lock, waiting, begin = threading.Lock(), enumerate(requests), time.monotonic()
        faults: list[Exception] = []

        def work() -> None:
            connection: socket.socket | None = None
            while not faults:
                with lock:
                    number, request = next(waiting, (0, b""))
                if not request:
                    break
                if a_second:
                    time.sleep(max(0.0, begin + number / a_second - time.monotonic()))
                try:
                    connection = self._until_answered(connection, request)
                except Exception as fault:
                    faults.append(fault)

        threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]

    def _until_answered(self, connection: socket.socket | None, request: bytes) -> socket.socket:
        end = time.monotonic() + 120
        while True:
            begin = time.perf_counter()
            try:
                connection = connection or socket.create_connection(("127.0.0.1", self.port), 30)
                connection.sendall(request)
                status = speaking.status(connection)
                if status == 200:
                    self.seconds.append(time.perf_counter() - begin)
                    return connection
                if status < 500 and status != 429:
                    raise RuntimeError(f"answered with {status}")
            except OSError:
                connection = None
            if time.monotonic() > end:
                raise RuntimeError("not answered within two minutes")
            self.again += 1
            time.sleep(0.2)

    def describe(self, measure: Measure) -> None:
        each = sorted(self.seconds)
        measure.note("p95", f"{each[int(len(each) * 0.95)] * 1e3:,.0f} ms")
        measure.note("said again", f"{self.again:,}")
