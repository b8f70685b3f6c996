"""The real command in processes of its own, and a browser of few words."""

import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from querencia.cli import up

START_SECONDS = 300.0
STOP_SECONDS = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a person's shell would give it: of ours only the place of the database, where a test names one."""
    ours = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE", "QUERENCIA_URL")
    return {**{k: v for k, v in os.environ.items() if k not in ours}, "QUERENCIA_HOME": str(home), **more}


def run(home: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """A command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "querencia", *arguments],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )


class Served:
    """A command that serves, in a session of its own; what it says is in ``said()``."""

    def __init__(self, home: Path, *arguments: str, port: int | None = None, **more: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        home.mkdir(parents=True, exist_ok=True)
        self._out = (home / f"said-{self.port}").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "querencia", *arguments, "--port", str(self.port)],
            env=environment(home, **more),
            stdout=self._out,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=up.end_with_parent if sys.platform == "linux" else None,
        )

    def said(self) -> str:
        return Path(self._out.name).read_text()

    def until_said(self, pattern: str) -> "re.Match[str]":
        return until(lambda: re.search(pattern, self.said()), self)

    def until_healthy(self) -> "Served":
        until(self._answers, self)
        return self

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def children(self) -> list[int]:
        """The processes that it started."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._out.close()


def until[T](found: Callable[[], T], served: Served | None = None, seconds: float = START_SECONDS) -> T:
    """Ask until the answer is yes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := found():
            return answer
        if served and served.process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"It did not happen. {served.said() if served else ''}")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def served(home: Path, *arguments: str, **more: str) -> Iterator[Served]:
    process = Served(home, *arguments, **more)
    try:
        yield process
    finally:
        process.end()


class Visitor:
    """Keeps cookies, follows redirects, sends forms with their token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path, timeout=30) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: str) -> str:
        token = next(cookie.value for cookie in self.jar if cookie.name == "querencia_csrf")
        sent = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token or ""}).encode()
        request = urllib.request.Request(self.url + path, sent, {"Referer": self.url + path})
        with self.opener.open(request, timeout=30) as answer:
            return str(answer.read().decode())

    def log_in(self, email: str, password: str) -> "Visitor":
        self.get("/accounts/login/")
        self.post("/accounts/login/", login=email, password=password)
        return self
