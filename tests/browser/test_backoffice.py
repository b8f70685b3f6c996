"""The back office in a real browser: its scripts run under its policy, and nothing is missing or complains."""

import pytest

from tests.browser.conftest import House, Open

pytestmark = pytest.mark.browser

PLACES = [
    *("", "customers/customer/", "customers/customer/add/", "customers/purchase/", "customers/event/"),
    *("customers/import/", "measures/run/", "measures/run/?status__exact=done", "measures/measure/"),
    *("business/business/", "business/business/1/change/", "business/staff/", "business/staff/add/", "admin/logentry/"),
]
# A field of the row that was added last; the row that new ones are copied from has no number.
NEW = "[name^={}-][name$=-{}]:not([name*=__prefix__])"


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("es", "dark")])
def test_every_place_opens_without_complaint(demo: House, walk: Open, language: str, scheme: str) -> None:
    window = walk(demo, color_scheme=scheme)
    window.speak(language)
    for place in PLACES:
        page = window.go(f"/back-office/{place}")
        page.wait_for_load_state("networkidle")
        assert page.locator("html").get_attribute("lang") == language
        # Alpine has run: what it hides until then is there, what it drives is moved by it.
        assert page.evaluate("() => typeof window.Alpine === 'object' && !document.querySelector('[x-cloak]')"), place


def test_a_customer_gets_an_address_and_a_consent(demo: House, walk: Open) -> None:
    window = walk(demo)
    page = window.go("/back-office/customers/customer/")
    page.click("#result_list tbody a >> nth=0")
    page.wait_for_selector("#customer_form")
    page.click("#contact_points-group .add-row")
    page.locator(NEW.format("contact_points", "kind")).last.select_option("email")
    page.locator(NEW.format("contact_points", "value")).last.fill("Somebody.New@Example.org")
    page.click("#consents-group .add-row")
    for name, value in (("channel", "email"), ("purpose", "marketing"), ("status", "denied")):
        page.locator(NEW.format("consents", name)).last.select_option(value)
    page.click("[name=_continue]")
    page.wait_for_selector("#consents-group :text('back office')")
    assert page.locator("#contact_points-group input[value='somebody.new@example.org']").count() == 1
    page = window.go("/back-office/customers/customer/?q=somebody.new@example.org")
    assert page.locator("#result_list tbody tr").count() == 1
