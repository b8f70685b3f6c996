"""The real libraries of Segment, newest release, against a house that is really served: nothing is lost or doubled."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from tests.cli.serving import Served, until
from tools.screenshots import CHROMIUM, FLAGS

pytestmark = pytest.mark.slow

CALLS = """
const {{ Analytics }} = require("@segment/analytics-node");
const analytics = new Analytics({{ writeKey: {key}, host: {host}, flushAt: 15, flushInterval: 200 }});
analytics.on("error", fault => {{ console.error(fault); process.exitCode = 1; }});
analytics.identify({{ userId: "node-ana", traits: {{ email: "node-ana@example.org", firstName: "Ana" }} }});
analytics.page({{ userId: "node-ana", name: "Home" }});
analytics.screen({{ anonymousId: "node-device", name: "Cart" }});
analytics.group({{ userId: "node-ana", groupId: "g1" }});
analytics.alias({{ userId: "node-ana", previousId: "node-device" }});
for (let n = 0; n < 100; n++) analytics.track({{ userId: "node-ana", event: "From Node", properties: {{ n }} }});
analytics.closeAndFlush().then(() => console.log("sent"));
"""
BROWSER_KINDS = {"page", "identify", "From Browser", "Order Completed", "group", "alias"}
PAGE = """<!doctype html><meta charset="utf-8"><title>A shop</title>
<script src="/umd/index.js"></script>
<script src="/sends.js"></script>"""
SENDS = """
window.sent = [];
const {{ AnalyticsBrowser }} = window.AnalyticsNext;
const analytics = AnalyticsBrowser.load({{ writeKey: {key}, cdnURL: {host} }});
Promise.all([
  analytics.page("Home"),
  analytics.identify("browser-ana", {{ email: "browser-ana@example.org" }}),
  analytics.track("From Browser", {{ n: 1 }}),
  analytics.track("Order Completed", {{ order_id: "web-1", total: 12.5, products: [{{ sku: "S", price: 12.5 }}] }}),
  analytics.group("g1"),
  analytics.alias("browser-ana-again"),
]).then(contexts => {{ window.sent = contexts.map(context => context.event.type); }});
"""


def stored(home: Path, query: str, *given: Any) -> list[Any]:
    with closing(sqlite3.connect(home / "querencia.sqlite3", timeout=30)) as database:
        return database.execute(query, given).fetchall()


def kinds(home: Path, like: str) -> dict[str, int]:
    """How many events of each kind belong to whom the text names."""
    rows = stored(home, "SELECT kind, count(*) FROM customers_event WHERE properties LIKE ? GROUP BY kind", f"%{like}%")
    return dict(rows)


def rejected(home: Path) -> list[Any]:
    return stored(home, "SELECT code, event FROM customers_reject")


def test_the_library_for_python(house: Served, home: Path, key: str) -> None:
    from segment.analytics.client import Client

    faults: list[Any] = []
    for gzip in (False, True):
        who = f"python-{gzip}"
        client = Client(key, host=house.url, gzip=gzip, on_error=lambda fault, _batch: faults.append(fault))
        client.identify(who, {"email": f"{who}@example.org", "firstName": "Ana"})
        client.page(who, name="Home")
        client.screen(who, name="Cart")
        client.group(who, "g1")
        client.alias(f"{who}-device", who)
        for number in range(250):
            client.track(who, "From Python", {"n": number})
        client.flush()
        client.join()
        expected = {"identify": 1, "page": 1, "screen": 1, "group": 1, "alias": 1, "From Python": 250}
        until(lambda who=who, wanted=expected: kinds(home, who) == wanted, house, seconds=60)
    assert faults == []
    assert rejected(home) == []


def test_the_library_for_node(house: Served, home: Path, key: str, node_modules: Path) -> None:
    script = CALLS.format(key=json.dumps(key), host=json.dumps(house.url))
    known = {**os.environ, "NODE_PATH": str(node_modules)}
    done = subprocess.run(["node", "-e", script], env=known, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "sent"), done.stderr
    expected = {"identify": 1, "page": 1, "screen": 1, "group": 1, "alias": 1, "From Node": 100}
    until(lambda: kinds(home, "node-") == expected, house, seconds=60)
    assert rejected(home) == []


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_given: Any) -> None:
        pass


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """The shop's own pages, of another origin than the house."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def test_the_library_for_browsers(house: Served, home: Path, key: str, node_modules: Path, tmp_path: Path) -> None:
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"No Chromium at {CHROMIUM}: install Debian's package chromium, or name another in CHROMIUM.")
    (tmp_path / "umd").symlink_to(node_modules / "@segment" / "analytics-next" / "dist" / "umd")
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "sends.js").write_text(SENDS.format(key=json.dumps(key), host=json.dumps(house.url)))
    with site(tmp_path) as address, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda fault: complaints.append(str(fault)))
        answers: list[tuple[str, int]] = []
        page.on("response", lambda answer: answers.append((answer.url, answer.status)))
        page.goto(address)
        try:
            page.wait_for_function("window.sent.length === 6", timeout=20_000)
        except PlaywrightError as fault:
            raise AssertionError(f"{complaints} {answers}") from fault
        until(lambda: set(kinds(home, "analytics.js")) == BROWSER_KINDS, house, seconds=60)
        browser.close()
    ours = [(url, status) for url, status in answers if house.url in url]
    assert ours
    assert {status for _url, status in ours} == {200}
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []
    assert stored(home, "SELECT amount, currency FROM customers_purchase WHERE key = 'web-1'") == [(1250, "EUR")]
    assert rejected(home) == []
