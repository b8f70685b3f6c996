"""Every page there is to look at, by name."""

from pathlib import Path

from tests.browser.conftest import House
from tests.browser.walker import Window, hand_over

INSIDE = {
    "overview": "/overview/",
    "how": "/how/",
    "customers": "/customers/",
    "customers filtered": "/customers/?abc=A&stage=late&sort=name",
    "customers of some days": "/customers/?last_from=2020-01-01&last_to=2030-01-01&sort=last",
    "no customer matches": "/customers/?first_from=1990-01-01&first_to=1990-01-02",
    "customers found": "/customers/?q=mar",
    "nobody found": "/customers/?q=zzzz",
    "economics": "/economics/",
    "loyalty": "/loyalty/",
    "a programme from a template": "/loyalty/new/",
    "a programme with tiers": "/loyalty/new/?from=tiers",
    "what a programme promises": "/loyalty/1/policy/",
    "a rule": "/loyalty/1/rules/every-purchase/",
    "a new rule": "/loyalty/1/rules/",
    "tiers": "/loyalty/1/tiers/",
    "a programme tried on purchases": "/loyalty/1/trial/",
    "campaigns": "/loyalty/1/campaigns/",
    "a campaign": "/loyalty/1/campaigns/double-points/",
    "a campaign to begin from": "/loyalty/1/rules/?from=come-back",
    "partners": "/loyalty/1/partners/",
    "a statement of a partner": "/loyalty/statements/1/",
    "monthly close": "/loyalty/1/closes/",
    "how points are booked": "/loyalty/1/accounting/",
    "corrections of points": "/loyalty/waiting/",
    "rewards": "/loyalty/1/rewards/",
    "a reward": "/loyalty/1/rewards/mug/",
    "a new reward": "/loyalty/1/reward/",
    "rewards to hand over": "/handing-over/",
    "friends": "/loyalty/1/friends/",
    "what a friend is worth": "/loyalty/1/friends/terms/",
    "gestures": "/loyalty/1/gestures/",
    "a day of thanks": "/loyalty/1/gestures/appreciation/",
    "imports": "/imports/",
    "live events": "/arrivals/",
    "duplicates": "/duplicates/",
    "measures": "/measures/",
    "reactions": "/reactions/",
    "settings": "/settings/",
    "privacy": "/settings/privacy/",
    "keys": "/settings/keys/",
    "webhooks": "/settings/webhooks/",
    "password": "/accounts/password/change/",
    "two steps": "/accounts/2fa/",
    "two steps, beginning": "/accounts/2fa/totp/activate/",
    "who are you": "/accounts/reauthenticate/",
    "leaving": "/accounts/logout/",
}
FOUND = ("customer", "two side by side", "somebody to erase", "file looked at", "file read", "no such page")
OUTSIDE = {
    "login": "/accounts/login/",
    "password forgotten": "/accounts/password/reset/",
    "password on its way": "/accounts/password/reset/done/",
    "closed": "/accounts/signup/",
    "the door of members": "/club/",
    "joining as a member": "/club/join/",
    "reference": "/api/docs",
}


def go(window: Window, name: str, house: House, tmp_path: Path) -> None:
    """To the page of that name; some have to be looked for."""
    page = window.page
    if name == "customer":
        window.go("/customers/")
        page.locator(".people tbody th a").first.click()
        page.wait_for_url("**/customers/*/")
    elif name == "two side by side":
        window.go("/customers/")
        page.locator(".people tbody th a").nth(1).click()
        page.wait_for_url("**/customers/*/")
        page.locator("section[aria-labelledby=records] a.button").click()
        page.fill("#q", "mar")
        page.press("#q", "Enter")
        page.locator(".people a.button").first.click()
        page.wait_for_selector(".sides")
    elif name == "somebody to erase":
        go(window, "customer", house, tmp_path)
        page.locator("section[aria-labelledby=privacy] a").click()
        page.wait_for_url("**/erase/")
    elif name == "file looked at":
        log = tmp_path / "ventas de mayo.csv"
        rows = [f"{1000 + n};{1 + n:02d}/05/2025;12,50;web;T{n}" for n in range(28)]
        log.write_text("\n".join(["Cliente;Fecha;Importe;Canal;Ticket", *rows, "1029;31/02/2025;1,00;web;T29"]))
        hand_over(page, house.url, log)
    elif name == "file read":
        window.go("/imports/")
        page.locator("section[aria-labelledby=earlier] tbody tr a").last.click()
        page.wait_for_selector("#state")
    elif name == "no such page":
        window.awaited = 404
        window.go("/customers/0/")
    else:
        window.go({**INSIDE, **OUTSIDE}[name])
