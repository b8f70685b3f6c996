"""A customer's own page, on a phone, without any script."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.conftest import House, Letters, Open
from tests.browser.walker import PHONE
from tests.cli.serving import until

pytestmark = pytest.mark.browser
LINK = re.compile(r"https?://\S+?(/p/[\w-]{43}/)")
SIDEWAYS = "document.scrollingElement.scrollWidth <= innerWidth"


def test_a_customer_chooses_on_a_phone_without_script(demo: House, walk: Open, browser: Browser) -> None:
    window = walk(demo)
    window.go("/customers/")
    window.page.locator(".people tbody th a").first.click()
    window.page.wait_for_url("**/customers/*/")
    window.page.locator("form[action$='/links/'] button").click()
    found = LINK.search(window.page.locator("section[aria-labelledby=reach]").inner_text())
    assert found
    own = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = own.new_page()
    page.goto(demo.url + found[1])
    page.locator("input[value='email:marketing']").last.check()
    page.locator("button.primary").click()
    assert page.locator("[role=status]").is_visible()
    assert page.locator("input[type=checkbox][value='email:marketing']").is_checked()
    page.goto(f"{demo.url}{found[1]}marketing/")
    page.locator("button.primary").click()
    page.goto(demo.url + found[1])
    assert not page.locator("input[type=checkbox][value='email:marketing']").is_checked()
    assert own.cookies() == []
    own.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_customers_pages_read_well_aloud_and_fit_a_phone(
    scheme: str, demo: House, walk: Open, browser: Browser
) -> None:
    window = walk(demo)
    window.go("/customers/")
    window.page.locator(".people tbody th a").first.click()
    window.page.wait_for_url("**/customers/*/")
    window.page.locator("form[action$='/links/'] button").click()
    found = LINK.search(window.page.locator("section[aria-labelledby=reach]").inner_text())
    assert found
    own = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme=scheme)
    page = own.new_page()
    for path in (found[1], f"{found[1]}marketing/", "/p/nobody/"):
        page.goto(demo.url + path)
        assert page.evaluate(SIDEWAYS), path
        assert [each["id"] for each in Axe().run(page).response["violations"]] == [], path
    own.close()


def test_a_member_comes_in_by_mail_and_takes_a_reward_on_a_phone_without_script(
    demo: House, letters: Letters, walk: Open, browser: Browser
) -> None:
    """Somebody at the counter gives them the points they lack; the code that they are shown is good at the counter."""
    window = walk(demo)
    window.go("/handing-over/")
    window.page.locator(".people tbody th a").last.click()
    window.page.wait_for_url("**/customers/*/")
    window.page.get_by_text("Correct, or leave").click()
    window.page.locator("input[name=points][required]").fill("95")
    window.page.locator("input[name=reason]").fill("A walk")
    window.page.get_by_role("button", name="Correct the points").click()
    address = window.page.locator("a[href^='mailto:']").first.inner_text()
    own = browser.new_context(viewport=PHONE, java_script_enabled=False, locale="es-ES")
    page = own.new_page()
    page.goto(f"{demo.url}/club/")
    page.locator("input[name=email]").fill(address)
    page.locator("form[action='/club/ask/'] button").click()
    code = until(lambda: re.search(r"\b(\d{6})\b", letters.taken.pop(address, "")))
    assert code
    page.locator("input[name=code]").fill(code[1])
    page.locator("main button[type=submit]").first.click()
    page.get_by_role("link", name="La quiero: 5 menos").click()
    page.get_by_role("button", name="Sí, la quiero").click()
    page.wait_for_url("**/club/mine/*/")
    shown = page.locator("#code").input_value()
    assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4}", shown)
    assert page.locator(".qr svg").is_visible()
    for path in (page.url.removeprefix(demo.url), "/club/rewards/1/", "/club/"):
        page.goto(demo.url + path)
        assert page.evaluate(SIDEWAYS), path
        assert [each["id"] for each in Axe().run(page).response["violations"]] == [], path
    assert shown in page.locator("main").inner_text()
    window.page.reload()
    window.page.get_by_text("Rewards they took").click()
    assert window.page.get_by_text(shown).is_visible()
    own.close()
