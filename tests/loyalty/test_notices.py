# ruff: noqa: F401, F811  (a fixture of the club's own tests)
"""Before points lapse members are told: once for each day on which some do, by mail where they did not refuse it."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from querencia.customers.actions import consents
from querencia.customers.models import ContactPoint, Event
from querencia.flows import notices
from querencia.loyalty import actions
from querencia.loyalty.models import Entry, ExpiryNotice, Lot, Member, Programme
from querencia.loyalty.queries import notices as queries
from tests.loyalty import shop
from tests.loyalty.shop import AT
from tests.web.test_club import Letters, letters

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def club(programme: Programme) -> Programme:
    return shop.change(programme, expiry_count=30, expiry_unit="day", notice_days=7)


def reachable(club: Programme, name: str, **more: Any) -> Member:
    member = shop.member(club, name, **more)
    ContactPoint.objects.create(customer_id=member.customer_id, kind="email", value=f"{name}@example.org")
    return member


def states() -> list[str]:
    return list(ExpiryNotice.objects.order_by("pk").values_list("mail", flat=True))


def test_a_member_is_told_once_by_mail_in_their_language_and_other_systems_are(
    club: Programme, letters: Letters
) -> None:
    ana, bea = reachable(club, "ana", language="pt"), reachable(club, "bea", language="es")
    silent, said_no = shop.member(club, "silent"), reachable(club, "no")
    for each in (ana, bea, silent, said_no):
        shop.earns(each, 5_000)
    shop.earns(ana, 100_000, at=AT + DAY)
    shop.spends(bea, 49, "a prize")
    said = consents.Said(said_no.customer_id, "email", "service", "withdrawn", "on the phone")
    consents.record([said], source="desk", at=AT)
    assert notices.tell(at=AT + 22 * DAY) == 0
    assert notices.tell(at=AT + 24 * DAY) == 2
    assert notices.tell(at=AT + 24 * DAY) == 0
    assert states() == ["sent", "sent", "refused", "refused"]
    texts = dict(letters.taken)
    assert "Tem 50 pontos no Club que expiram depois de 1 de abril de 2026." in texts["ana@example.org"]
    assert "Tienes 1 punto en Club que caduca después del 1 de abril de 2026." in texts["bea@example.org"]
    assert "/club/" in texts["bea@example.org"]
    [event] = Event.objects.filter(kind="points.expiring")
    assert [each["points"] for each in event.properties["members"]] == [50, 1, 50, 50]
    assert event.properties["members"][0]["expires_at"] == "2026-04-01T22:00:00+00:00"
    # What lapses a day later is told a day later.
    assert notices.tell(at=AT + 25 * DAY) == 1
    assert [row.points for row in queries.of_members([ana.pk], at=AT + 25 * DAY)] == [50, 1_000]
    assert not queries.of_members([ana.pk], at=AT + 40 * DAY)


def test_without_a_mail_server_nothing_is_printed_and_what_cannot_be_sent_is_tried_again(
    club: Programme, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.earns(reachable(club, "ana"), 5_000)
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
    assert notices.tell(at=AT + 24 * DAY) == 0
    assert "ana@example.org" not in capsys.readouterr().out
    nobody = {"host": "127.0.0.1", "port": 1, "use_tls": False}
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": nobody}}
    for tries in range(1, 6):
        assert notices.tell(at=AT + 24 * DAY) == 0
        assert ExpiryNotice.objects.get().tries == tries
        assert states() == ["waiting" if tries < 5 else "failed"]
    shop.earns(reachable(club, "bea"), 5_000)
    actions.tell_expiring(programme=club, at=AT + 24 * DAY)
    assert notices.tell(at=AT + 31 * DAY) == 0
    assert states() == ["failed", "late"]


def test_who_promises_no_notice_tells_nobody(programme: Programme) -> None:
    programme = shop.change(programme, expiry_count=30, expiry_unit="day")
    shop.earns(shop.member(programme), 5_000)
    assert actions.tell_expiring(programme=programme, at=AT + 29 * DAY) == 0


def test_no_points_lapse_before_their_member_was_told_where_that_is_promised(club: Programme, letters: Letters) -> None:
    with pytest.raises(ValidationError, match="how many days"):
        actions.change_programme(programme=club, notice_days=0, notice_needed=True)
    club = shop.change(club, notice_needed=True)
    ana, silent, late = reachable(club, "ana"), shop.member(club, "silent"), reachable(club, "late")
    for each in (ana, silent, late):
        shop.earns(each, 5_000)
    notices.tell(at=AT + 24 * DAY)
    assert states() == ["sent", "refused", "sent"]
    # What is given after the notice was sent, and lapses on the same day, is nothing that anybody was told of.
    [lapses] = set(Lot.objects.values_list("expires_at", flat=True))
    actions.give(programme=club, gifts=[actions.Gift(late.pk, "hi", 7, "hi", expires_at=lapses)], at=AT + 25 * DAY)
    assert actions.put_off(programme=club, at=lapses - 2 * DAY) == 0
    notices.tell(at=lapses - timedelta(hours=3))
    assert [shop.has(each, at=lapses).available for each in (ana, silent, late)] == [0, 50, 7]
    assert shop.has(silent, at=lapses).expires_at == lapses + 7 * DAY
    assert actions.expire(programme=club, at=lapses + DAY).lapsed == 2
    # Whoever is off for weeks takes nothing from anybody either: neither the books nor who spends.
    assert actions.expire(programme=club, at=lapses + 30 * DAY).lapsed == 0
    shop.spends(silent, 20, "a prize", at=lapses + 50 * DAY)
    ContactPoint.objects.create(customer_id=silent.customer_id, kind="email", value="silent@example.org")
    for days in (51, 52):
        notices.tell(at=lapses + days * DAY)
    assert "30" in dict(letters.taken)["silent@example.org"]
    assert actions.expire(programme=club, at=lapses + 80 * DAY).lapsed == 2
    assert [shop.has(each, at=lapses + 80 * DAY).available for each in (ana, silent, late)] == [0, 0, 0]
    assert Entry.objects.filter(kind="expire", member=silent).get().expired == 30
    assert shop.is_right(club)
