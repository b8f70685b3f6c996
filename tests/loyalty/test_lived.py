"""Slices of real logs, lived day by day; the whole of them is `python -m benchmarks.lived` (docs/loyalty.md)."""

from pathlib import Path

import pytest

from benchmarks import lived

pytestmark = pytest.mark.django_db


def test_an_airline_and_its_file_agree_to_less_than_two_points_a_flight(shared_data: Path) -> None:
    found = lived.airline(shared_data / "purchases", members=40)
    notes, points = found.notes, found.points
    assert len(found.closed) == 24
    granted = -points["issued"]
    assert abs(100 * granted - notes["hundredths"]) < 0.001 * notes["hundredths"]
    assert notes["largest_difference_hundredths"] < 200  # whole points, by two rules
    assert notes["hundredths"] + notes.get("before_enrolment_hundredths", 0) == round(100 * notes["file"])
    assert points["owed"] == granted - points["redeemed"] > 0
    assert notes["tiers"]


def test_a_shop_earns_gives_back_and_lets_lapse_and_every_month_ties(shared_data: Path) -> None:
    found = lived.retail(shared_data / "purchases", customers=60, days=151)
    points = found.points
    assert found.closed == ["2010-12", "2011-01", "2011-02", "2011-03", "2011-04"]
    assert min(points[name] for name in ("redeemed", "expired", "clawed_back", "owed")) > 0
    assert points["owed"] == -sum(points[name] for name in ("issued", "redeemed", "expired", "clawed_back", "adjusted"))
    assert found.notes["refunds"] > 0
