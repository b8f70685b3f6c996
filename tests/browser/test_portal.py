"""A customer's own page, on a phone, without any script."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.conftest import House, Open
from tests.browser.walker import PHONE

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
