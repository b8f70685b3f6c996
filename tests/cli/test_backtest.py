"""`querencia backtest`: rules of points tried on a purchase log, without a database."""

import json
from pathlib import Path

from tests.cli.commands import apart

LOG = (
    "client,date,total,number,refund of\nana,2026-01-05,30.00,1,\nana,2026-03-02,12.50,2,\nbruno,2026-03-06,20.00,3,\n"
)
REFUND = "bruno,2026-03-09,-5.00,4,3\n"
BASE = {"base": {"then": {"points": 1, "per": 100}}}


def test_rules_are_tried_on_a_log_and_compared(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG + REFUND)
    (tmp_path / "old.json").write_text(json.dumps(BASE))
    friday = {"then": {"points": 40}, "if": "weekday == 5"}
    (tmp_path / "new.json").write_text(json.dumps({"half": {"then": {"points": 1, "per": 200}}, "friday": friday}))
    asked = [
        "--currency",
        "EUR",
        "--cost-per-thousand",
        "1000",
        "--expires-months",
        "1",
        "--against",
        tmp_path / "old.json",
    ]
    done = apart("backtest", tmp_path / "new.json", tmp_path / "log.csv", *asked, folder=tmp_path)
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["by_rule"] == {"friday": 40, "half": 15 + 6 + 7}
    assert (said["points"], said["owed"], said["customers"]) == (68, 53, 2)
    assert (said["cost_minor"], said["currency"], said["as_of"]) == (68, "EUR", "2026-03-06")
    assert (said["winners"], said["losers"], said["more"]) == (1, 1, 68 - 57)
    later = apart(
        "backtest", tmp_path / "new.json", tmp_path / "log.csv", *asked, "--as-of", "2026-07-01", folder=tmp_path
    )
    assert {**said, "as_of": "2026-07-01", "owed": 0} == json.loads(later.out), (
        "points lapse after the last purchase, too"
    )
    assert not (tmp_path / "home").exists()


def test_what_a_log_cannot_tell_and_what_is_no_rule_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    for document, said in (
        ({"then": {"points": 1}, "if": "hour < 12"}, "asks about hours"),
        ({"then": {"points": 1}, "lines": "sku == 'a'"}, "asks about lines"),
        ({"a": {"then": {"points": 0}}}, "then.points"),
        ([], "holds no rules"),
    ):
        (tmp_path / "rule.json").write_text(json.dumps(document))
        done = apart("backtest", tmp_path / "rule.json", tmp_path / "log.csv", "--currency", "EUR", folder=tmp_path)
        assert (done.code, said in done.err) == (2, True), done.err
