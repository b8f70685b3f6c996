"""A real Chromium, and what it complains of on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

DESK = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}
LANGUAGE_COOKIE = "querencia_language"


class Window:
    """One window on one installation. It writes down whatever the console, the network or a script complains of."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.awaited = 0  # an answer above 400 that the walk is after
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on("response", self._answered)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and f"status of {self.awaited} " not in message.text:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status != self.awaited:
            self.complaints.append(f"{response.url} answered {response.status}")

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def speak(self, language: str) -> None:
        self.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": self.url}])

    def log_in(self, email: str, password: str) -> Page:
        page = self.go("/accounts/login/")
        page.fill("input[name=login]", email)
        page.fill("input[name=password]", password)
        page.click("main form.form button[type=submit]")
        page.wait_for_selector("nav.menu")
        return page


@contextmanager
def opened(browser: Browser, url: str, **how: Any) -> Iterator[Window]:
    """A window; at its end nothing may have been complained of."""
    context = browser.new_context(**{"viewport": DESK, "locale": "en-US", **how})
    context.set_default_timeout(60_000)
    window = Window(context, url)
    try:
        yield window
    finally:
        context.close()
    assert not window.complaints, window.complaints


def hand_over(page: Page, url: str, path: Path) -> None:
    """Upload a file; the page then shows how it is read."""
    page.goto(f"{url}/imports/")
    page.set_input_files("input[type=file]", path)
    page.click("main form button[type=submit]")
    page.wait_for_selector("#reading")
