"""The only place that calls out of the house. Whoever names an address may want us to reach what only we can reach: so
names are resolved once, every address is looked at, and the connection goes to the address that was looked at.

Nothing is followed: a redirect is an answer like any other. Answers are read up to a limit, and all of it together,
from the first packet to the last, has its time.
"""

import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

SECONDS = 15.0
ANSWER_BYTES = 16_384
PORTS = {"http": 80, "https": 443}
# Addresses that carry another address within them, and the old site-local ones: nobody has to be reached by these.
CARRIERS = [ipaddress.ip_network(n) for n in ("::/8", "64:ff9b::/32", "2001::/32", "2002::/16", "fec0::/10")]

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Unreachable(Exception):
    """No answer; ``code`` says why: ``address`` (one that may not be called), ``url``, ``insecure``, ``name``,
    ``connection``, ``certificate``, ``slow`` or ``garbled``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Answer:
    """What came back, its body up to the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, may_reach_loopback: bool = False, seconds: float = SECONDS
) -> Answer:
    """Send a body by POST. Plain HTTP goes to this machine alone, and there only if it may. Raises Unreachable."""
    target = read(url, may_reach_loopback=may_reach_loopback)
    until = time.monotonic() + seconds
    held = _connect(target, _resolve(target, may_reach_loopback), until)
    try:
        if target.scheme == "https":
            held.settimeout(_left(until))
            held = _tls().wrap_socket(held, server_hostname=target.hostname)
        return _exchange(target, _Timed(held, until), body, headers)
    except ssl.SSLCertVerificationError as fault:
        raise Unreachable("certificate") from fault
    except TimeoutError as fault:
        raise Unreachable("slow") from fault
    except (HTTPException, ValueError) as fault:
        raise Unreachable("garbled") from fault
    except OSError as fault:
        raise Unreachable("connection") from fault
    finally:
        held.close()


def read(url: str, *, may_reach_loopback: bool = False) -> SplitResult:
    """The address in its parts, with its name in ASCII. Raises Unreachable when it is none that could be called."""
    try:
        found = urlsplit(url.strip())
        name, port = (found.hostname or "").encode("idna").decode(), found.port
    except ValueError as fault:  # of names in other alphabets too
        raise Unreachable("url") from fault
    if found.scheme not in PORTS or not name or found.username is not None or any(ord(c) < 33 for c in url.strip()):
        raise Unreachable("url")
    if found.scheme == "http" and not may_reach_loopback:
        raise Unreachable("insecure")
    return found._replace(netloc=f"[{name}]:{port or ''}" if ":" in name else f"{name}:{port or ''}")


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in carrier for carrier in CARRIERS):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _resolve(target: SplitResult, may_reach_loopback: bool) -> list[str]:
    try:
        found = socket.getaddrinfo(target.hostname, _port(target), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise Unreachable("name") from fault
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for text in addresses:
        # A name that leads to one forbidden address is a trap, whatever else it leads to.
        address = ipaddress.ip_address(text.partition("%")[0])
        is_ours = address.is_loopback and may_reach_loopback
        if not is_ours and (target.scheme == "http" or not is_public(address)):
            raise Unreachable("address")
    return addresses


def _port(target: SplitResult) -> int:
    return target.port or PORTS[target.scheme]


def _connect(target: SplitResult, addresses: list[str], until: float) -> socket.socket:
    for address in addresses:
        try:
            # Numbers, not names: nothing is asked of a resolver again.
            return socket.create_connection((address, _port(target)), timeout=_left(until))
        except TimeoutError as fault:
            if time.monotonic() >= until:
                raise Unreachable("slow") from fault
        except OSError:
            continue
    raise Unreachable("connection")


def _exchange(target: SplitResult, held: "_Timed", body: bytes, headers: Mapping[str, str]) -> Answer:
    asked = HTTPConnection(target.hostname or "", _port(target))
    asked.sock = held
    path = quote(target.path or "/", safe="/%:@!$&'()*+,;=~") + (
        f"?{quote(target.query, safe='/?%:@!$&()*+,;=~')}" if target.query else ""
    )
    default = target.port in (None, PORTS[target.scheme])
    name = f"[{target.hostname}]" if ":" in (target.hostname or "") else target.hostname
    asked.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
    known = {"Host": name if default else f"{name}:{target.port}", "Content-Length": str(len(body))}
    for header, value in {**known, "Connection": "close", "User-Agent": "Querencia", **headers}.items():
        asked.putheader(header, str(value))
    asked.endheaders(body)
    answer = asked.getresponse()
    found = {header.lower(): value for header, value in answer.getheaders()}
    return Answer(answer.status, found, _beginning(answer))


def _beginning(answer: HTTPResponse) -> bytes:
    """As much of the body as is wanted. That it is endless, late or broken changes nothing of what its status says."""
    read = b""
    try:
        while len(read) < ANSWER_BYTES and (more := answer.read1(ANSWER_BYTES - len(read))):
            read += more
    except (OSError, HTTPException, ValueError):
        pass
    return read


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Timed:
    """A socket whose every wait ends at the same moment, as HTTPConnection wants sockets to be."""

    def __init__(self, held: socket.socket, until: float) -> None:
        self.held, self.until = held, until

    def sendall(self, data: Any) -> None:
        self.held.settimeout(_left(self.until))
        self.held.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self.held, self.until))

    def close(self) -> None:
        """The answer is still to be read; whoever opened the socket closes it."""


class _Incoming(io.RawIOBase):
    def __init__(self, held: socket.socket, until: float) -> None:
        self.held, self.until = held, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.held.settimeout(_left(self.until))
        return self.held.recv_into(buffer)
