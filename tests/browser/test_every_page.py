"""What holds on every page: it fits the window, a thumb finds its buttons, it reads aloud, and nothing complains."""

import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser import pages
from tests.browser.conftest import House, Open
from tests.browser.walker import DESK, PHONE

pytestmark = pytest.mark.browser

WIDTHS = (320, 390, 768, 1360, 1920)
THUMB = 40
ALL = [*pages.INSIDE, *pages.FOUND, *pages.OUTSIDE]
# What sticks out to the right of the window, and buttons and choices that a thumb would miss.
SIDEWAYS = """() => document.scrollingElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > innerWidth + 1
    && !each.closest('.wide, .menu')).slice(0, 5).map(each => each.outerHTML.slice(0, 120)).concat('sideways')"""
SMALL = """thumb => [...document.querySelectorAll('button, .button, select, .menu li a, summary, input[type=file]')]
  .filter(each => each.checkVisibility() && each.getBoundingClientRect().height < thumb)
  .map(each => `${each.getBoundingClientRect().height} px: ${each.outerHTML.slice(0, 120)}`)"""
HIDDEN_ENTRY = """() => { const here = document.querySelector('.menu a[aria-current]')?.getBoundingClientRect();
  return here && (here.left < 0 || here.right > innerWidth) }"""


@pytest.mark.parametrize("name", ALL)
def test_a_page_fits_every_window_and_every_thumb_and_reads_well_aloud(
    name: str, demo: House, walk: Open, tmp_path: Path
) -> None:
    """In the languages whose words are longer, by turns."""
    language = ("es", "pt")[ALL.index(name) % 2]
    window = walk(demo if name not in pages.OUTSIDE else demo.url, viewport=PHONE, color_scheme="light")
    window.speak(language)
    pages.go(window, name, demo, tmp_path)
    assert window.page.locator("html").get_attribute("lang") == language
    _fits(window.page)
    window.page.set_viewport_size(DESK)
    _open_everything(window.page)
    for scheme in ("light", "dark"):
        window.page.emulate_media(color_scheme=scheme)
        assert _violations(window.page) == [], scheme


def _fits(page: Page) -> None:
    assert page.evaluate(SMALL, THUMB) == []
    assert not page.evaluate(HIDDEN_ENTRY), "the menu does not show where one is"
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(SIDEWAYS) == [], width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_a_house_without_customers_too(scheme: str, house: House, walk: Open) -> None:
    window = walk(house, color_scheme=scheme, viewport=PHONE)
    for path in ("/overview/", "/customers/", "/imports/", "/arrivals/", "/measures/", "/how/"):
        page = window.go(path)
        assert _violations(page) == [], path
        _fits(page)
        page.set_viewport_size(PHONE)


def test_the_pages_before_there_is_a_business(new_house: tuple[str, str], walk: Open) -> None:
    url, link = new_house
    window = walk(url)
    for path in ("/", link):
        for scheme in ("light", "dark"):
            page = window.go(path)
            page.emulate_media(color_scheme=scheme)
            assert _violations(page) == [], path
        page.set_viewport_size(PHONE)
        _fits(page)


def test_every_entry_of_the_menu_is_among_them(demo: House, walk: Open) -> None:
    page = walk(demo).go("/overview/")
    entries = {link.get_attribute("href") for link in page.locator(".menu li a").all()}
    back_office = "/back-office/"
    assert entries - {back_office} <= set(pages.INSIDE.values())
    assert len(entries) >= 6


def _open_everything(page: Page) -> None:
    """What is folded must read well too."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def _violations(page: Page) -> list[str]:
    found: dict[str, Any] = Axe().run(page).response
    return [
        f"{violation['id']}: {json.dumps(node['target'])} {node['html'][:160]} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
