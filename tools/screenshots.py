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
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

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
WIDE = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}


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


def photograph(page: Page, base: str, name: str, path: str, *, language: str, full: bool = True) -> None:
    page.context.clear_cookies(name="querencia_language")
    page.context.add_cookies([{"name": "querencia_language", "value": language, "url": base}])
    page.goto(base + path)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"{name}.png", full_page=full)
    print(f"docs/images/{name}.png")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as home:
        process, email, password = start_demo(home, port)
        try:
            with sync_playwright() as player:
                browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                for size, suffix, scheme in ((WIDE, "", "light"), (WIDE, "-dark", "dark"), (PHONE, "-phone", "light")):
                    context = browser.new_context(viewport=size, color_scheme=scheme, locale="en-US")
                    page = context.new_page()
                    page.goto(base + "/accounts/login/")
                    page.fill("input[name=login]", email)
                    page.fill("input[name=password]", password)
                    page.click("form button[type=submit] >> nth=-1")
                    page.wait_for_url(base + "/")
                    photograph(page, base, f"overview{suffix}", "/", language="es" if suffix == "-phone" else "en")
                    customer = page.locator("table.people a, .people a").first.get_attribute("href") or "/customers/"
                    photograph(page, base, f"customers{suffix}", "/customers/", language="en", full=False)
                    photograph(page, base, f"customer{suffix}", customer, language="pt" if suffix == "-phone" else "en")
                    context.close()
                browser.close()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


if __name__ == "__main__":
    main()
