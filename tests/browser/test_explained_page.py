"""The page that explains a forecast, opened from a file as whoever was mailed it does: by day, by night, on a phone."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from querencia.insight import forecast, gates, samples
from querencia.insight.forecast import explained, explained_page
from tests.browser.walker import DESK, PHONE

pytestmark = pytest.mark.browser
DAY = datetime.date(1998, 3, 31)
LANGUAGES = ("en", "es", "pt")
GUIDELINES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    purchases = samples.cdnow().head(1_500)
    chosen = forecast.prepare(purchases, as_of=DAY, horizon_days=91)
    checked = gates.check(purchases, as_of=DAY, horizon_days=365)
    return explained.explain(chosen, currency="USD", gates=checked)


@pytest.mark.parametrize("code", LANGUAGES)
def test_anybody_can_read_it_on_anything(code: str, facts: dict[str, Any], browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "why.html"
    path.write_text(explained_page.html(facts, language=code, title="purchases.csv"), encoding="utf-8")
    for screen in ({"viewport": DESK}, {"viewport": DESK, "color_scheme": "dark"}, {"viewport": PHONE}):
        context = browser.new_context(**screen, bypass_csp=True)  # the page itself allows no script, not even axe's
        page = context.new_page()
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = Axe().run(page, options={"runOnly": GUIDELINES}).response["violations"]
        assert not found, [(fault["id"], [node["html"][:120] for node in fault["nodes"]]) for fault in found]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{screen} scrolls sideways"
        context.close()
