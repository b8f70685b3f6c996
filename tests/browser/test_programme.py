"""The programme in the hands of those who work with it: points that two agree on, a rule that is tried and begun."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import House, Open
from tests.browser.test_portal import SIDEWAYS

pytestmark = pytest.mark.browser
AGENT = ("agent@example.com", "quien-atiende-recuerda-2026")
MEMBER = "/customers/1/"


def test_an_agent_asks_for_points_and_a_second_person_agrees(demo: House, walk: Open) -> None:
    owner = walk(demo)
    page = owner.go("/back-office/business/staff/add/")
    page.fill("[name=email]", AGENT[0])
    page.fill("[name=name]", "Olga")
    page.select_option("[name=role]", "agent")
    page.fill("[name=password1]", AGENT[1])
    page.fill("[name=password2]", AGENT[1])
    page.locator("[name=_save]").first.click()
    page.wait_for_url("**/business/staff/**")

    agent = walk(demo.url)
    page = agent.log_in(*AGENT)
    page = agent.go(MEMBER)
    number = page.locator(".facts").get_by_text("Card ").first.inner_text().split()[1]
    page.fill("input[name=q]", number)
    page.keyboard.press("Enter")
    page.locator("main a[href^='/customers/1/']").first.click()
    page.get_by_text("Correct, or leave").click()
    page.fill("[id^=points-]", "500")
    page.fill("[id^=reason-]", "The till was down on Friday")
    page.get_by_role("button", name="Correct the points").click()
    expect(page.get_by_role("status").first).to_contain_text("waits for a second")
    page = agent.go("/loyalty/waiting/")
    expect(page.get_by_text("Yours: somebody else decides.")).to_be_visible()

    page = owner.go("/loyalty/waiting/")
    page.locator("tr", has_text="The till was down").get_by_role("button", name="Agree").click()
    expect(page.get_by_role("status").first).to_contain_text("the points were moved")
    page = agent.go(MEMBER)
    page.get_by_text("How every point came and went").click()
    expect(page.locator(".moves").get_by_text("+500")).to_be_visible()


def test_a_manager_tries_a_rule_on_what_was_bought_and_begins_it_as_it_was_tried(demo: House, walk: Open) -> None:
    window = walk(demo, viewport={"width": 320, "height": 800})
    page = window.go("/loyalty/1/rules/")
    page.fill("[name=title]", "Fridays")
    page.fill("[name=points]", "5")
    page.select_option("[name=every]", "purchase")
    page.get_by_text("Conditions and limits").click()
    page.get_by_label("Friday").check()
    page.get_by_role("button", name="Look at what it changes").click()
    trial = page.locator("[aria-labelledby=review]")
    expect(trial.locator(".trial")).to_contain_text("it would have given")
    expect(trial.locator(".figure svg")).to_have_count(2)
    assert page.evaluate(SIDEWAYS)

    page.fill("[name=points]", "6")
    page.get_by_role("button", name="Make it count from now on").click()
    expect(page.get_by_text("It was changed after it had been tried")).to_be_visible()
    page.get_by_role("button", name="Make it count from now on").click()
    expect(page.get_by_role("status").first).to_contain_text("Version 1 counts from now on")
    rule = page.locator(".rules li", has_text="Fridays")
    expect(rule).to_contain_text("6 points for each purchase, on Friday")
