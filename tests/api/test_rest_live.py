"""REST as it is served: whatever its own document allows and forbids is asked of it, and every example works."""

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from querencia.business.keys import SCOPES
from tests.cli import serving
from tests.cli.serving import Served, served

pytestmark = pytest.mark.slow

# How many requests are invented for each operation beside those that its document suggests: more by hand.
EXAMPLES = os.environ.get("API_EXAMPLES", "3")
# A customer that does not exist is refused, however well it is asked for; and of many each is judged by itself.
CONFIG = """
[checks]
positive_data_acceptance.enabled = false
[[operations]]
include-path-regex = "/bulk$"
checks.negative_data_rejection.enabled = false
"""
SET_UP = """
from querencia.business import actions
actions.set_up(
    business=dict(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES"),
    owner=dict(email="ana@example.com", password="queda-en-casa-2026", name="Ana"),
)
"""
# What examples speak of: a programme with a closed month, a third reward with a code for everybody, a member who brings
# friends; then a member who has points to spend and whose order waits, a refund, and a friend.
CLUB = """
from datetime import UTC, date, datetime
from querencia.business.queries import business
from querencia.common.time import now
from querencia.customers.actions.profiles import Profile, keep_profiles
from querencia.loyalty import actions
from querencia.loyalty.models import ReferralCode, Reward
at = datetime(2025, 12, 1, tzinfo=UTC)
made = actions.create_programme(business=business(), name="Club", at=at, starts_at=at)
rules = {"base": {"then": {"points": 1, "per": 10}}, "autumn": {"then": {"points": 1}, "budget": {"points": 9}}}
actions.publish_rules(programme=made, documents=rules, at=at)
terms = {"kind": "amount", "name": {"en": "Two off"}, "points": 4, "amount": 200}
actions.publish_rewards(programme=made, documents={key: terms for key in ("a", "b", "c")}, at=at)
actions.share_code(reward=Reward.objects.get(key="a"), code="7KQ2-MX4D-9RWB", uses_max=None, at=at)
[who] = keep_profiles([Profile(identifiers=(("customer_key", "K-1000"),))], at=at, source="api")
[ana] = actions.enrol(programme=made, members=[actions.NewMember(who.customer_id)], at=at)
actions.publish_referral_terms(programme=made, document={"friend_points": 50}, at=at)
ReferralCode.objects.create(member=ana, code="k7m2q9x4hd3w", made_at=at)
actions.give(programme=made, gifts=[actions.Gift(ana.pk, "hello", 1, "gift")], at=at)
[closed] = actions.close(programme=made, months=[date(2025, 12, 1)], at=now())
assert closed.is_done, closed
"""
OLDER = {"key": "T1-20260430-0001", "customer": {"kind": "customer_key", "value": "K-1001"}, "amount": 2000}
OLDER["at"] = "2026-04-30T10:00:00+02:00"
REFUND = {**OLDER, "key": "T1-20260502-0007", "amount": -100, "refund_of": OLDER["key"]}
FRIEND = {"customer": {"kind": "customer_key", "value": "K-1003"}, "card_number": "2026-0043"}
HOLD = {"key": "order-78", "member": {"card_number": "2026-0042"}, "points": 5}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    home = tmp_path_factory.mktemp("house")
    scopes = [word for scope in SCOPES["api"] for word in ("--scope", scope)]
    made = serving.run(home, "keys", "create", "--kind", "api", "--name", "all", *scopes)
    assert made.returncode == 0, made.stderr
    assert serving.run(home, "manage", "shell", "-c", SET_UP + CLUB).returncode == 0
    with served(home, "up", QUERENCIA_API_RATE="0") as running:
        yield running.until_healthy(), made.stdout.splitlines()[-1]


def test_every_example_of_the_page_works_as_it_stands(house: tuple[Served, str]) -> None:
    running, key = house
    with urllib.request.urlopen(f"{running.url}/api/docs") as answer:
        page = unescape(answer.read().decode())
        assert "script-src" not in answer.headers["Content-Security-Policy"]
    examples = re.findall(r"<pre[^>]*><code>(curl .*?)</code></pre>", page, re.DOTALL)
    assert len(examples) == len(re.findall("<article", page)) > 25
    # What is read has to be written first; nothing is parted before it was merged, nothing spent before it was earned.
    asks = ("/lookup", "/quote")
    order = sorted(
        examples,
        key=lambda each: (" GET " in each, any(word in each for word in asks), "/part" in each, "/merges" in each),
    )
    _call(_typed("/customers", {"key": "K-1002"}), running.url, key)
    _call(_typed("/purchases/bulk", {"items": [OLDER, REFUND]}), running.url, key)
    _call(_typed("/loyalty/members", FRIEND), running.url, key)
    seen: dict[str, tuple[int, Any]] = {}
    before_points = [_typed("/loyalty/earn", {"key": OLDER["key"]}), _typed("/loyalty/holds", HOLD)]
    first = next(place for place, each in enumerate(order) if "/loyalty/earn" in each)
    for example in [*order[:first], *before_points, *order[first:]]:
        seen[example] = _call(example, running.url, key)
    # Nobody was scored in this house yet.
    seen = {example: said for example, said in seen.items() if "/score" not in example}
    assert {example: said for example, said in seen.items() if said[0] not in (200, 201)} == {}
    assert not [said[1] for example, said in seen.items() if "/bulk" in example and said[1]["rejected"]]


def _typed(path: str, body: Any) -> str:
    return f"curl -X POST \"$QUERENCIA/api/v1{path}\" -d '{json.dumps(body)}'"


def _call(example: str, url: str, key: str) -> tuple[int, Any]:
    """What curl would do."""
    words = shlex.split(example.replace("$QUERENCIA", url).replace("$KEY", key).replace("\\\n", " "))
    body = words[words.index("-d") + 1] if "-d" in words else None
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    asked = urllib.request.Request(words[3], body and body.encode(), headers, method=words[2])
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def test_what_the_document_says_is_so(house: tuple[Served, str], tmp_path: Path) -> None:
    running, key = house
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml")]
    command += ["run", f"{running.url}/api/v1/openapi.json", "--url", running.url, "-H", f"Authorization: Bearer {key}"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--workers", "2"]
    command += ["--warnings", "off", "--continue-on-failure", "--no-shrink", "--seed", "1"]
    command += ["--suppress-health-check", "all", "--request-timeout", "60"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in running.said()
