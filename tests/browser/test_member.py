"""A member's way: joined by a code that came by mail, bought, rewarded, and a friend brought along."""

import json
import re
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import House, Open
from tests.browser.walker import PHONE, Window
from tests.cli.serving import until
from tests.letterbox import Letterbox

pytestmark = pytest.mark.browser
SCOPES = ("purchases:write", "loyalty:read")
LETTER_SECONDS = 20
ANA, BRUNO = "ana.walks@example.org", "bruno.walks@example.org"


def test_somebody_joins_buys_takes_a_reward_and_brings_a_friend(demo: House, walk: Open, letters: Letterbox) -> None:
    owner = walk(demo)
    till = Till(demo.url, _key(owner))
    ana = walk(demo.url, viewport=PHONE)
    page = _join(ana, "/club/join/", letters, "Ana", ANA)
    card = page.locator("figure.qr strong").first.inner_text()
    expect(page.get_by_text("Nothing yet: your next purchase is the first.")).to_be_visible()

    till.sells("walk-1", ANA, 8_000)
    _reloads_until(page, "Purchase of $80.00")
    page.get_by_text("Purchase of $80.00").click()
    expect(page.locator(".moves")).to_contain_text("Every purchase: 80 points")

    _make_up_for(owner, card, 60)
    page.reload()
    page.get_by_role("link", name=re.compile("I want it.*5 off")).click()
    page.get_by_role("button", name="Yes, I want it").click()
    expect(page.locator("figure.qr svg")).to_be_visible()
    code = page.get_by_label("Your code", exact=True).input_value()
    assert till.asks("/loyalty/vouchers/check", {"code": code, "order_amount": 2_000})["discount"] == 500

    page = ana.go("/club/")
    page.get_by_role("button", name="Get my link").click()
    link = page.get_by_label("Your link", exact=True).input_value()
    bruno = walk(demo.url, viewport=PHONE)
    _join(bruno, link.removeprefix(demo.url), letters, "Bruno", BRUNO, shows_name=True)
    page.reload()
    brought = page.locator("li", has_text="Bruno")
    expect(brought).to_contain_text("Has joined. Your points come once they buy.")
    till.sells("walk-2", BRUNO, 3_000)
    _reloads_until(page, "Has bought. We look at it")  # within minutes of joining
    looked = owner.go("/loyalty/1/friends/")
    looked.locator("tr", has_text="Bruno").get_by_role("button", name="It is fine").click()
    expect(looked.get_by_role("status").first).to_be_visible()
    page.reload()
    expect(brought).to_contain_text("Has bought. Your points come after")


class Till:
    """What a program of the house's own asks and sends."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def asks(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        sent = urllib.request.Request(f"{self.url}/api/v1{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(sent) as answer:
            return json.loads(answer.read())

    def sells(self, key: str, address: str, amount: int) -> None:
        who = {"kind": "email", "value": address}
        self.asks("/purchases", {"key": key, "customer": who, "at": datetime.now(UTC).isoformat(), "amount": amount})


def _key(owner: Window) -> str:
    page = owner.go("/settings/keys/")
    page.fill("[name=name]", "till")
    page.select_option("[name=kind]", "api")
    for box in page.locator("[name=scopes]").all():
        box.set_checked(box.get_attribute("value") in SCOPES)
    page.get_by_role("button", name="Make the key").click()
    return page.locator("[aria-labelledby=made] code").inner_text()


def _join(window: Window, path: str, letters: Letterbox, name: str, address: str, shows_name: bool = False) -> Page:
    """By the code that is mailed."""
    page = window.go(path)
    page.fill("[name=given_name]", name)
    page.fill("[name=email]", address)
    if shows_name:
        page.get_by_label("My friend may read my first name").check()
    page.get_by_role("button", name="Mail me a code").click()
    page.wait_for_url("**/club/code/")
    page.fill("[name=code]", until(lambda: letters.code_to(address), seconds=LETTER_SECONDS))
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/club/")
    return page


def _reloads_until(page: Page, said: str) -> None:
    """What follows from a purchase is done by the worker, a moment later."""

    def is_there() -> bool:
        page.reload()
        return page.get_by_text(said).count() > 0

    until(is_there, seconds=LETTER_SECONDS)


def _make_up_for(owner: Window, card: str, points: int) -> None:
    page = owner.go(f"/customers/?q={card}")
    page.locator(".people tbody th a").first.click()
    page.get_by_text("Correct, or leave").click()
    page.fill("[id^=points-]", str(points))
    page.fill("[id^=reason-]", "Waited at the till")
    page.get_by_role("button", name="Correct the points").click()
    expect(page.get_by_role("status").first).to_be_visible()
