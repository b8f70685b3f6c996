"""Members out of another system's file: each once, with their card and their points, and nothing else moved."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from querencia.customers.imports import Unreadable
from querencia.customers.models import Customer, Outbox
from querencia.flows.members import Brought, Rejected, bring_in
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Entry, Member, Programme, TierScheme
from tests.loyalty import shop

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
FILE = """client;e-mail;tarjeta;puntos;caduca;alta
K-1;ana@example.org;100-1;120;31/12/2026;05/02/2021
K-1;;;30;30/06/2027;
K-2;;100-2;0;;
;carla@example.org;;75;;01/03/2024
"""


@pytest.fixture
def club(db: None) -> Programme:
    from querencia.business.actions import set_business

    set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    return shop.programme()


def brought(
    folder: Path, text: str, club: Programme, *, at: datetime = AT, is_dry: bool = False, **more: str
) -> tuple[Brought, list[Rejected]]:
    path = folder / "club.csv"
    path.write_text(text)
    left_out: list[Rejected] = []
    done = bring_in(path, programme=club, at=at, is_dry=is_dry, reject=left_out.append, mapping=more)
    return done, left_out


def test_members_come_with_their_cards_their_points_and_the_day_they_joined(tmp_path: Path, club: Programme) -> None:
    done, left_out = brought(tmp_path, FILE, club)
    assert left_out == []
    assert (done.read, done.joined, done.known, done.points, done.balances) == (4, 3, 1, 225, 3)
    ana = Member.objects.get(card_number="100-1")
    assert (ana.customer.key, ana.joined_at) == ("K-1", datetime(2021, 2, 4, 23, tzinfo=UTC))
    has = queries.balances([ana.pk], at=AT)[ana.pk]
    assert (has.available, has.expiring, has.expires_at) == (150, 120, datetime(2026, 12, 31, 23, tzinfo=UTC))
    assert queries.balances([ana.pk], at=datetime(2027, 1, 1, 1, tzinfo=UTC))[ana.pk].available == 30
    assert Member.objects.count() == Customer.objects.count() == 3
    assert shop.is_right(club)


def test_the_same_file_again_changes_nothing_and_one_that_was_cut_off_goes_on(tmp_path: Path, club: Programme) -> None:
    begun = "".join(FILE.splitlines(keepends=True)[:2])
    brought(tmp_path, begun, club)
    done, left_out = brought(tmp_path, FILE, club)
    assert (done.joined, done.balances, done.balances_known, left_out) == (2, 2, 1, [])
    entries = Entry.objects.count()
    # A year later, when the points have lapsed, too.
    again, left_out = brought(tmp_path, FILE, club, at=datetime(2028, 3, 2, tzinfo=UTC))
    assert (again.joined, again.balances, again.balances_known, left_out) == (0, 0, 3, [])
    assert Entry.objects.exclude(kind="expire").count() == entries


def test_a_dry_run_says_the_same_and_keeps_nothing(tmp_path: Path, club: Programme) -> None:
    dry, _left_out = brought(tmp_path, FILE, club, is_dry=True)
    assert not Member.objects.exists()
    assert not Customer.objects.exists()
    assert not Entry.objects.exists()
    assert dry == brought(tmp_path, FILE, club)[0]


def test_rows_that_cannot_be_taken_are_left_out_with_their_reason(tmp_path: Path, club: Programme) -> None:
    rows = [
        "customer,card,points,expires,joined",
        "K-1,C-1,10,2026-12-31,",
        ",C-2,10,,",
        "K-3,C-3,ten,,",
        "K-4,C-4,10.5,,",
        "K-5,C-5,-1,,",
        "K-6,C-6,5,soon,",
        "K-7,C-7,5,2026-03-01,",
        "K-8,C-8,5,,2030-01-01",
        "K-9,C-1,5,,",
        "K-1,C-9,5,,",
        "K-1,C-1,7,2026-12-31,",
        f"K-12,{'9' * 41},5,,",
        "K-13,C-13,1,2,3,4",
        "K-14,C-14,14.0,,",
    ]
    done, left_out = brought(tmp_path, "\n".join(rows) + "\n", club)
    assert {each.row: each.code for each in left_out} == {
        3: "nobody", 4: "bad_points", 5: "bad_points", 6: "bad_points", 7: "bad_expires", 8: "lapsed", 9: "bad_joined",
        10: "card_taken", 11: "differs", 12: "doubled", 13: "bad_card", 14: "broken",
    }  # fmt: skip
    assert all(each.reason for each in left_out)
    assert done.points == 24
    # Whose points have lapsed is a member all the same.
    assert set(Member.objects.values_list("card_number", flat=True)) == {"C-1", "C-7", "C-14"}
    corrected, left_out = brought(tmp_path, "customer,points,expires\nK-1,11,2026-12-31\n", club)
    assert ([each.code for each in left_out], corrected.points) == (["other_points"], 0)
    assert shop.is_right(club)


def test_lots_with_a_number_of_their_own_may_lapse_on_one_day(tmp_path: Path, club: Programme) -> None:
    text = "customer,points,expires,lot\nK-1,10,2026-12-31,L1\nK-1,20,2026-12-31,L2\n"
    done, left_out = brought(tmp_path, text, club)
    assert (done.points, left_out) == (30, [])
    assert brought(tmp_path, text, club)[0].balances_known == 2


def test_points_that_are_brought_along_lead_to_no_tier_and_tell_nobody(tmp_path: Path, club: Programme) -> None:
    document = {"metric": "points", "tiers": [{"key": "gold", "reach": 10}]}
    actions.publish_tiers(programme=club, document=document, at=shop.AT)
    assert TierScheme.objects.exists()
    brought(tmp_path, FILE, club)
    assert actions.judge_tiers(programme=club, at=AT) == 0
    assert not Outbox.objects.filter(event__kind__startswith="member.").exists()


def test_without_an_end_they_lapse_as_the_programme_says(tmp_path: Path, club: Programme) -> None:
    shop.change(club, expiry_count=12)
    brought(tmp_path, "customer,points\nK-1,10\n", club)
    member = Member.objects.get()
    assert queries.balances([member.pk], at=AT)[member.pk].expires_at == datetime(2027, 3, 2, 23, tzinfo=UTC)


def test_a_file_that_names_nobody_is_refused(tmp_path: Path, club: Programme) -> None:
    with pytest.raises(Unreadable, match="customer_key"):
        brought(tmp_path, "name,points\nAna,10\n", club)
    with pytest.raises(Unreadable, match="Saldo"):
        brought(tmp_path, "customer,points\nK-1,10\n", club, points="Saldo")
    with pytest.raises(Unreadable):
        brought(tmp_path, "", club)
    done, _left_out = brought(tmp_path, "who,points\nK-1,10\n", club, customer_key="who")
    assert done.points == 10
