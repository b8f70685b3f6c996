"""Take docs/images anew: start the demo in a home of its own, log in, photograph the pages."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE: Any = {"width": 1360, "height": 900}
PHONE: Any = {"width": 390, "height": 844}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_demo(home: str, port: int) -> tuple[subprocess.Popen[str], str, str]:
    """The running demo, and the login it printed."""
    command = [sys.executable, "-m", "querencia", "--home", home, "demo", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        found = re.search(r"(\S+@\S+)\s+(?:/|password:?)\s*(\S+)", said)
        if found:
            wait_until_served(port)
            return process, found[1], found[2]
    raise SystemExit(f"the demo printed no login:\n{said}")


def wait_until_served(port: int) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/") as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit("the demo does not answer")


@contextmanager
def logged_in(browser: Browser, base: str, login: tuple[str, str], **how: Any) -> Iterator[Page]:
    context = browser.new_context(locale="en-US", **how)
    page = context.new_page()
    page.goto(base + "/accounts/login/")
    page.fill("input[name=login]", login[0])
    page.fill("input[name=password]", login[1])
    page.click("main form.form button[type=submit]")
    page.wait_for_selector("nav.menu")
    yield page
    context.close()


def photograph(page: Page, base: str, name: str, path: str, *, language: str = "en") -> None:
    """What a window of that size shows; at one pixel a point a picture stays below 300 KB."""
    page.context.add_cookies([{"name": "querencia_language", "value": language, "url": base}])
    page.goto(base + path)
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"docs/images/{name}.png")


def photograph_all(browser: Browser, base: str, login: tuple[str, str]) -> None:
    with logged_in(browser, base, login, viewport=WIDE) as page:
        photograph(page, base, "overview", "/overview/")
        customer = page.locator(".people tbody th a").first.get_attribute("href") or "/customers/"
        photograph(page, base, "customers", "/customers/?stage=late&stage=left")
        photograph(page, base, "customer", customer)
    with logged_in(browser, base, login, viewport=WIDE, color_scheme="dark") as page:
        photograph(page, base, "overview-dark", "/overview/")
    with logged_in(browser, base, login, viewport=PHONE) as page:
        photograph(page, base, "overview-phone", "/overview/", language="es")
        photograph(page, base, "customer-phone", customer, language="pt")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        process, email, password = start_demo(home, port)
        try:
            with sync_playwright() as player:
                browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                photograph_all(browser, f"http://127.0.0.1:{port}", (email, password))
                browser.close()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


if __name__ == "__main__":
    main()
