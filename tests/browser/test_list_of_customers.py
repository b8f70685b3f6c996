"""The list of customers as it is used: filtered in place, sorted, paged, exported, by mouse and by keyboard."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import House, Open
from tests.browser.walker import PHONE

pytestmark = pytest.mark.browser
A_HUNDRED_TABS = 100
FOCUS_SHOWS = """() => { const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 }"""


def _count(page: Page) -> int:
    return int(re.sub(r"\D", "", page.locator("#count").inner_text()))


def _facet(page: Page, value: str) -> Locator:
    return page.locator(f".facets input[value={value}]")


def _says(choice: Locator) -> int:
    """How many the list promises for a choice."""
    return int(re.sub(r"\D", "", choice.locator("xpath=..").locator(".count").inner_text()))


def test_a_filter_exchanges_the_list_and_the_address_keeps_it(demo: House, walk: Open) -> None:
    window = walk(demo)
    page = window.go("/customers/")
    everyone, promised = _count(page), _says(_facet(page, "A"))
    page.evaluate("window.same = true")
    _facet(page, "A").check()
    expect(page.locator("#count")).to_contain_text(f"{promised:,}")
    expect(page).to_have_url(f"{demo.url}/customers/?abc=A")
    promised = _says(_facet(page, "late"))
    _facet(page, "late").check()
    expect(page).to_have_url(f"{demo.url}/customers/?abc=A&stage=late")
    expect(page.locator("#count")).to_contain_text(f"{promised:,}")
    assert page.evaluate("window.same"), "the page was not exchanged, only the list"

    page.locator(".people tbody th a").first.click()
    expect(page.locator("#worth")).to_be_visible()
    page.go_back()
    expect(page.locator("nav.menu")).to_be_visible()
    assert _count(page) == promised
    expect(_facet(page, "late")).to_be_checked()
    page.go_back()
    expect(page).to_have_url(f"{demo.url}/customers/?abc=A")
    expect(_facet(page, "late")).not_to_be_checked()
    page.go_back()
    expect(page).to_have_url(f"{demo.url}/customers/")
    assert _count(page) == everyone
    page.reload()
    assert _count(page) == everyone


def test_order_columns_and_pages_go_together(demo: House, walk: Open) -> None:
    page = walk(demo).go("/customers/?abc=A")
    page.locator("thead a", has_text="Purchases").click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Purchases")
    bought = [int(text) for text in page.locator("tbody td[data-label=Purchases]").all_inner_texts()]
    assert bought == sorted(bought, reverse=True)
    assert bought[0] > bought[-1]

    page.locator("summary", has_text="Columns").click()
    page.locator("input[name=column][value=branch]").check()
    page.locator("input[name=column][value=stage]").uncheck()
    page.get_by_role("button", name="Show").click()
    expect(page.locator("thead")).to_contain_text("Branch")
    expect(page.locator("thead")).not_to_contain_text("Stage")
    expect(page).to_have_url(re.compile("abc=A&sort=purchases"))

    first = page.locator(".people tbody th a").all_inner_texts()
    page.get_by_role("link", name="Next 50").click()
    expect(page.get_by_role("link", name="To the beginning")).to_be_visible()
    second = [link.get_attribute("href") for link in page.locator(".people tbody th a").all()]
    assert len(second) == len(set(second)) == len(first) == 50
    further = [int(text) for text in page.locator("tbody td[data-label=Purchases]").all_inner_texts()]
    assert bought[-1] >= further[0] >= further[-1]


def test_the_export_holds_what_the_list_counts(demo: House, walk: Open, tmp_path: Path) -> None:
    page = walk(demo).go("/customers/?abc=A&stage=late&sort=name")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert download.value.suggested_filename == "cdnow-customers.csv"
    download.value.save_as(tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == _count(page)
    assert {row["class"] for row in rows} == {"A"}
    assert {row["stage"] for row in rows} == {"late"}
    shown = page.locator(".people tbody th .sub").all_inner_texts()
    assert [row["key"] for row in rows[: len(shown)]] == shown


def test_on_a_phone_people_come_before_the_filters(demo: House, walk: Open) -> None:
    page = walk(demo, viewport=PHONE, has_touch=True).go("/customers/")
    expect(_facet(page, "A")).to_be_hidden()
    assert page.locator(".people tbody th a").first.bounding_box()["y"] < PHONE["height"]  # type: ignore[index]
    page.locator(".fold > summary").click()
    promised = _says(_facet(page, "A"))
    _facet(page, "A").check()
    expect(page.locator("#count")).to_contain_text(f"{promised:,}")
    expect(_facet(page, "A")).to_be_visible()  # one may go on filtering


def test_the_keyboard_alone_leads_to_a_customer(demo: House, walk: Open) -> None:
    page = walk(demo).go("/overview/")
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    page.reload()
    _tab_to(page, page.locator(".menu a[href='/customers/']"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{demo.url}/customers/")
    _tab_to(page, _facet(page, "A"))
    promised = _says(_facet(page, "A"))
    page.keyboard.press("Space")
    expect(page.locator("#count")).to_contain_text(f"{promised:,}")
    expect(_facet(page, "A")).to_be_focused()  # the list was exchanged under it

    who = page.locator(".people tbody th a").first
    name = who.inner_text()
    _tab_to(page, who)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(name)


def _tab_to(page: Page, goal: Locator) -> None:
    """Go on by Tab; wherever the focus is on the way, it shows."""
    handle = goal.element_handle()
    for _ in range(A_HUNDRED_TABS):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS_SHOWS), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if handle and handle.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"{goal} was not reached in {A_HUNDRED_TABS} steps")


def test_a_language_is_chosen_and_stays(house: House, walk: Open) -> None:
    window = walk(house)
    for language, said in (("pt", "Resumo"), ("es", "Resumen")):
        page = window.go("/overview/")
        page.locator(".who summary").click()
        page.locator(f"button[name=language][value={language}]").click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page).to_have_url(f"{house.url}/overview/")
        expect(page.locator(".menu a[aria-current]")).to_have_text(said)
        expect(page.locator("button[name=language][aria-pressed=true]")).to_have_attribute("value", language)
