"""One demo and one house of one's own for all walks: the real command, in processes of its own."""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import letterbox
from tests.browser.walker import Window, opened
from tests.cli.serving import Served, Visitor, served
from tests.letterbox import Letterbox
from tools.screenshots import CHROMIUM, FLAGS

LOGIN = re.compile(r"login: (\S+) / (\S+)")
WELCOME = re.compile(r"Begin here: \S+(/welcome/\?token=(\S+))")
OWNER = {"owner_name": "Ana", "email": "ana@example.com", "password": "queda-en-casa-2026"}
BUSINESS = {"name": "La Tienda", "currency": "EUR", "time_zone": "Europe/Madrid", "language": "es", "country": "ES"}

type Open = Callable[..., Window]


@dataclass(frozen=True)
class House:
    """An installation that is served, and who may log in."""

    url: str
    email: str
    password: str
    cookies: Any = None


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"No Chromium at {CHROMIUM}: install Debian's package chromium, or name another in CHROMIUM.")
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def letters() -> Iterator[Letterbox]:
    """What the demo mails to whom."""
    with letterbox.opened() as box:
        yield box


@pytest.fixture(scope="session")
def _starting(
    browser: Browser, letters: Letterbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Served]]:
    """Both begin at once: while the demo is built, the empty house is there already."""
    mailing = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(letters.port), "EMAIL_USE_TLS": "0"}
    with ExitStack() as stack:
        house = stack.enter_context(served(tmp_path_factory.mktemp("house"), "up"))
        copy = tmp_path_factory.mktemp("demo")
        shutil.copytree(_built(tmp_path_factory), copy, dirs_exist_ok=True)
        yield {"demo": stack.enter_context(served(copy, "demo", **mailing)), "house": house}


def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo, built by whoever of those who walk at the same time comes first: each walks in a copy of it."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    home, done = root / "demo-to-copy", root / "demo-to-copy.done"
    with (root / "demo-to-copy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            with served(home, "demo") as process:
                process.until_healthy()
            done.touch()
    return home


@pytest.fixture(scope="session")
def demo(_starting: dict[str, Served], browser: Browser) -> House:
    """The demo, and the cookies of somebody who is logged in."""
    process = _starting["demo"]
    email, password = process.until_said(LOGIN.pattern).groups()
    return _entered(browser, process.until_healthy().url, email, password)


@pytest.fixture(scope="session")
def house(_starting: dict[str, Served], browser: Browser) -> House:
    """An installation that knows its owner and nothing else."""
    process = _starting["house"]
    link, token = process.until_said(WELCOME.pattern).groups()
    visitor = Visitor(process.until_healthy().url)
    visitor.get(link)
    visitor.post("/welcome/", token=token, **BUSINESS, **OWNER)
    return _entered(browser, process.url, OWNER["email"], OWNER["password"])


def _entered(browser: Browser, url: str, email: str, password: str) -> House:
    with opened(browser, url) as window:
        window.log_in(email, password)
        return House(url, email, password, window.context.storage_state())


@pytest.fixture
def new_house(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An installation nobody has set up yet: its address, and the path of the link it printed."""
    with served(tmp_path / "new-house", "up") as process:
        link = process.until_said(WELCOME.pattern).group(1)
        yield process.until_healthy().url, link


@pytest.fixture
def walk(browser: Browser) -> Iterator[Open]:
    """Opens windows: ``walk(house)`` logged in, ``walk(url)`` as a stranger. What any complains of fails the test."""
    with ExitStack() as stack:

        def open_window(where: House | str, **how: Any) -> Window:
            if isinstance(where, House):
                return stack.enter_context(opened(browser, where.url, storage_state=where.cookies, **how))
            return stack.enter_context(opened(browser, where, **how))

        yield open_window
