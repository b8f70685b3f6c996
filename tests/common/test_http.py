"""Who calls out reaches what is open to all, and nothing that only this machine can reach; nobody keeps it waiting."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from querencia.common import http

INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "0.0.0.0", "0", "10.0.0.1", "10.1",
    "172.16.0.1", "172.31.255.255", "192.168.1.1", "3232235777", "100.64.0.1", "169.254.169.254", "2852039166",
    "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "[::1]", "[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[fe80::1]",
    "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a00:1::]", "[2001:0:7f00:1::]", "[2001:db8::1]", "[100::1]",
]  # fmt: skip
OUTSIDE = ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4003:80e::200e"]

type Serve = Callable[[socket.socket], None]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every connection that is begun, none of which leaves."""
    begun: list[Any] = []

    def refuse(address: Any, *given: Any, **more: Any) -> socket.socket:
        begun.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    return begun


@pytest.fixture
def serve() -> Iterator[Callable[[Serve], str]]:
    """A real server of one's own behaviour on this machine; gives its address."""
    open_: list[socket.socket] = []

    def begin(behave: Serve, host: str = "127.0.0.1") -> str:
        listening = socket.create_server((host, 0))
        open_.append(listening)

        def answer() -> None:
            while True:
                try:
                    held, _ = listening.accept()
                except OSError:
                    return
                with held:
                    try:
                        held.recv(65536)
                        behave(held)
                    except OSError:
                        pass

        threading.Thread(target=answer, daemon=True).start()
        return f"http://{host}:{listening.getsockname()[1]}"

    yield begin
    for listening in open_:
        listening.close()


def sends(text: str) -> Serve:
    return lambda held: held.sendall(text.encode())


def post(url: str, **how: Any) -> http.Answer:
    return http.post(url, b"{}", {"Content-Type": "application/json"}, **{"may_reach_loopback": True, **how})


def refusal(url: str, **how: Any) -> str:
    with pytest.raises(http.Unreachable) as refused:
        post(url, **how)
    return refused.value.code


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("port", ["", ":8000"])
def test_nothing_inside_is_reached(host: str, port: str, connected: list[Any]) -> None:
    assert refusal(f"https://{host}{port}/hook", may_reach_loopback=False) in ("address", "name")
    assert connected == []


@pytest.mark.parametrize("host", [host for host in INSIDE if not host.startswith(("127", "[::1", "local", "[::ffff"))])
def test_whoever_may_reach_this_machine_may_still_reach_no_other(host: str, connected: list[Any]) -> None:
    named = {"2130706433", "0x7f000001", "0177.0.0.1"}
    if host not in named:
        assert refusal(f"https://{host}/hook") in ("address", "name")
        assert connected == []


@pytest.mark.parametrize("address", OUTSIDE)
def test_the_open_internet_is_reached(address: str, connected: list[Any]) -> None:
    assert http.is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert refusal(f"https://{host}/hook", may_reach_loopback=False) == "connection"
    assert connected == [(address, 443)]


@pytest.mark.parametrize(
    "url",
    ["", "hook", "ftp://example.org/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "https://", "https:///x",
     "https://user:secret@example.org/", "https://example.org:port/", "https://example.org:99999/", "https://[::1/",
     "https://exa\nmple.org/", "https://example.org/a\r\nHost: b", "https://" + "a" * 80 + ".org/", "unix:///run/x"],
)  # fmt: skip
def test_what_is_no_address_is_not_called(url: str, connected: list[Any]) -> None:
    assert refusal(url) == "url"
    assert connected == []


def test_plain_http_leaves_the_house_never(connected: list[Any]) -> None:
    assert refusal("http://93.184.216.34/", may_reach_loopback=False) == "insecure"
    assert refusal("http://93.184.216.34/") == "address"
    assert connected == []


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[Any]:
    """A resolver that says something else each time it is asked; how often it was."""
    asked: list[Any] = []

    def resolve(name: Any, port: Any, *given: Any, **more: Any) -> list[Any]:
        if name not in ("trap.example",):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port))]
        asked.append(name)
        said = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in said]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_name_that_leads_inside_is_a_trap_even_if_it_leads_outside_too(
    monkeypatch: pytest.MonkeyPatch, connected: list[Any]
) -> None:
    for inside in (["10.0.0.1"], ["93.184.216.34", "169.254.169.254"], ["fe80::1%eth0"], ["127.0.0.1"]):
        resolving(monkeypatch, inside)
        assert refusal("https://trap.example/", may_reach_loopback=False) == "address"
    assert connected == []


def test_a_name_that_changes_its_mind_is_asked_once(monkeypatch: pytest.MonkeyPatch, connected: list[Any]) -> None:
    asked = resolving(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    assert refusal("https://trap.example/", may_reach_loopback=False) == "connection"
    assert asked == ["trap.example"]
    assert connected == [("93.184.216.34", 443)]


def test_an_answer_is_what_came_back() -> None:
    got: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        held, _ = listening.accept()
        with held:
            while b"hello" not in b"".join(got):
                got.append(held.recv(65536))
            held.sendall(b"HTTP/1.1 201 Created\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nfine")

    threading.Thread(target=answer, daemon=True).start()
    port = listening.getsockname()[1]
    answered = http.post(
        f"http://127.0.0.1:{port}/a/ñ?q=1&r=ñ", b"hello", {"webhook-id": "msg_1"}, may_reach_loopback=True
    )
    listening.close()
    assert (answered.status, answered.headers["retry-after"], answered.body) == (201, "7", b"fine")
    head = b"".join(got).split(b"\r\n")
    assert head[0] == b"POST /a/%C3%B1?q=1&r=%C3%B1 HTTP/1.1"
    assert {b"Host: 127.0.0.1:%d" % port, b"webhook-id: msg_1", b"Content-Length: 5"} <= set(head)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serve: Any, status: int) -> None:
    reached: list[bool] = []
    inside = serve(lambda held: reached.append(True))
    url = serve(sends(f"HTTP/1.1 {status} Elsewhere\r\nLocation: {inside}/\r\nContent-Length: 0\r\n\r\n"))
    assert post(url).status == status
    assert not reached


def test_an_endless_answer_is_read_to_its_limit(serve: Any) -> None:
    def endless(held: socket.socket) -> None:
        held.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            held.sendall(b"x" * 65536)

    began = time.monotonic()
    answered = post(serve(endless))
    assert (answered.status, len(answered.body)) == (200, http.ANSWER_BYTES)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("head", ["", "HTTP/1.1 200 OK\r\nX-Slow: ", "HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_server_that_dribbles_is_left_when_the_time_is_over(serve: Any, head: str) -> None:
    def dribble(held: socket.socket) -> None:
        held.sendall(head.encode())
        while True:
            time.sleep(0.05)
            held.sendall(head.encode() if "100" in head else b"x")

    began = time.monotonic()
    assert refusal(serve(dribble), seconds=0.6) in ("slow", "garbled")
    assert time.monotonic() - began < 3


def test_a_server_that_says_nothing_is_left_when_the_time_is_over(serve: Any) -> None:
    began = time.monotonic()
    assert refusal(serve(lambda held: time.sleep(5)), seconds=0.4) == "slow"
    assert time.monotonic() - began < 3


def test_a_body_that_never_ends_changes_nothing_of_its_status(serve: Any) -> None:
    def late(held: socket.socket) -> None:
        held.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
        time.sleep(5)

    answered = post(serve(late), seconds=0.5)
    assert (answered.status, answered.body) == (200, b"begun")


@pytest.mark.parametrize("said", ["nonsense\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n" + "A: b\r\n" * 200])
def test_what_is_no_answer_is_called_garbled(serve: Any, said: str) -> None:
    assert refusal(serve(sends(said))) == "garbled"


def test_who_hangs_up_or_is_not_there_is_not_reached(serve: Any) -> None:
    assert refusal(serve(lambda held: None)) in ("connection", "garbled")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{port}/") == "connection"


def test_who_cannot_prove_their_name_is_told_nothing(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = serve(sends("HTTP/1.1 200 OK\r\n\r\n")).replace("http:", "https:")
    assert refusal(plain) == "connection"
    assert http._tls().verify_mode == ssl.CERT_REQUIRED
    assert http._tls().check_hostname
