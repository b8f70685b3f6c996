"""The page of members: a code by real mail lets them in, in the window that asked for it and nowhere else; whoever is
not known is answered as everybody is."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from huey.contrib.djhuey import HUEY

from querencia.business import actions as business
from querencia.common.time import now
from querencia.customers.models import ContactPoint, Customer
from querencia.flows import member_door, tasks
from querencia.loyalty import queries
from querencia.loyalty.models import Member, Programme
from tests import letterbox
from tests.loyalty import shop

pytestmark = pytest.mark.django_db
ANA = "ana.souza@example.org"


class Letters:
    """What members were mailed."""

    def __init__(self, box: letterbox.Letterbox) -> None:
        self.taken = box.taken

    def code(self) -> str:
        """Do what waits, and read the code in the latest letter."""
        self.fetch()
        found = re.search(r"\b(\d{6})\b", self.taken[-1][1])
        assert found
        return found[1]

    def fetch(self) -> None:
        while (task := HUEY.dequeue()) is not None:
            tasks.send_code.call_local(*task.args)  # in this connection; the worker opens its own


@pytest.fixture
def letters(settings: Any) -> Iterator[Letters]:
    HUEY.flush()
    with letterbox.opened() as box:
        settings.MAILERS = {
            "default": {
                "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
                "OPTIONS": {"host": "127.0.0.1", "port": box.port, "use_tls": False},
            }
        }
        yield Letters(box)


@pytest.fixture
def programme() -> Programme:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    business.add_staff(email="first@example.org", password="una llave larga y propia", name="Ana", role="owner")
    return shop.programme(expiry_count=6, expiry_rounding="month")


@pytest.fixture
def ana(programme: Programme) -> Member:
    member = shop.member(programme, "ana", given_name="Ana", language="pt")
    ContactPoint.objects.create(customer_id=member.customer_id, kind="email", value=ANA)
    shop.earns(member, 12_345, at=now() - timedelta(days=1))
    return member


@pytest.fixture
def phone() -> Client:
    return Client(headers={"accept-language": "en"})


def text(answer: Any) -> str:
    return str(answer.content.decode())


def let_in(phone: Client, letters: Letters, address: str = ANA) -> str:
    assert phone.post("/club/ask/", {"email": address})["Location"] == "/club/code/"
    assert phone.post("/club/code/", {"code": letters.code()})["Location"] == "/club/"
    return text(phone.get("/club/"))


def test_a_member_comes_in_by_a_code_and_sees_what_they_have_and_why(
    ana: Member, phone: Client, letters: Letters
) -> None:
    page = let_in(phone, letters, "  Ana.Souza@Example.org ")
    assert letters.taken[0][0] == ANA
    assert re.search(r"123 points, until \w+ \d+, \d{4}", page)
    assert "Purchase of €123.45" in page
    assert "base: 123 points" in page
    assert ana.card_number in page
    assert "<svg" in page
    assert "no-store" in phone.get("/club/")["Cache-Control"]
    phone.post("/club/out/")
    assert "Mail me a code" in text(phone.get("/club/"))


def test_the_code_opens_only_the_window_that_asked_for_it(ana: Member, phone: Client, letters: Letters) -> None:
    other = Client()
    phone.post("/club/ask/", {"email": ANA})
    code = letters.code()
    other.post("/club/ask/", {"email": ANA})
    assert letters.code() != code
    assert "not the code" in text(phone.post("/club/code/", {"code": "000000" if code != "000000" else "111111"}))
    assert Client().post("/club/code/", {"code": code})["Location"] == "/club/"
    assert "club_inside" not in other.session
    other.post("/club/code/", {"code": code})
    assert "club_inside" not in other.session
    phone.post("/club/code/", {"code": code})
    assert phone.session["club_inside"]["customer"] == ana.customer_id


def test_whoever_is_not_known_gets_the_same_answer_and_no_letter(ana: Member, phone: Client, letters: Letters) -> None:
    stranger = Client(headers={"accept-language": "en"})
    known, unknown = phone.post("/club/ask/", {"email": ANA}), stranger.post("/club/ask/", {"email": "x@example.org"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    pages = [
        re.sub(r'csrfmiddlewaretoken" value="\w+"', "", text(each.get("/club/code/"))) for each in (phone, stranger)
    ]
    assert pages[0] == pages[1]
    letters.fetch()
    assert [address for address, _text in letters.taken] == [ANA]
    right = member_door.code_of(stranger.session["club_asked"]["nonce"])
    assert "not the code" in text(stranger.post("/club/code/", {"code": right}))


def test_guessing_ends_after_five_tries(ana: Member, phone: Client, letters: Letters) -> None:
    phone.post("/club/ask/", {"email": ANA})
    code = letters.code()
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    answers = [phone.post("/club/code/", {"code": wrong}).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert phone.post("/club/code/", {"code": code})["Location"] == "/club/"
    assert "club_inside" not in phone.session


def test_letters_to_one_address_are_few_whoever_asks(ana: Member, letters: Letters) -> None:
    answers = [Client().post("/club/ask/", {"email": ANA}).status_code for _ in range(6)]
    assert answers == [302] * 4 + [429] * 2
    letters.fetch()
    assert len(letters.taken) == 4


def test_a_code_is_old_after_minutes(ana: Member, phone: Client, letters: Letters) -> None:
    phone.post("/club/ask/", {"email": ANA})
    code = letters.code()
    session = phone.session
    session["club_asked"] = {**session["club_asked"], "until": now().timestamp() - 1}
    session.save()
    assert phone.post("/club/code/", {"code": code})["Location"] == "/club/"
    assert "club_inside" not in phone.session


def test_the_letter_speaks_the_language_of_the_page(ana: Member, letters: Letters) -> None:
    Client(headers={"accept-language": "pt"}).post("/club/ask/", {"email": ANA})
    letters.fetch()
    assert "O seu código" in letters.taken[0][1]
    assert "La Tienda" in letters.taken[0][1]


def test_somebody_new_joins_and_has_a_card(programme: Programme, phone: Client, letters: Letters) -> None:
    phone.post("/club/join/", {"email": "nova@example.org", "given_name": "Nova"})
    assert Customer.objects.count() == 0
    phone.post("/club/code/", {"code": letters.code()})
    new = Customer.objects.get()
    assert (new.given_name, new.language) == ("Nova", "en")
    [member] = queries.members_of(programme, [new.pk])[new.pk]
    assert member.card_number in text(phone.get("/club/"))
    assert ContactPoint.objects.get().value == "nova@example.org"


def test_a_customer_who_joins_stays_who_they_are(programme: Programme, phone: Client, letters: Letters) -> None:
    bruno = shop.customer("bruno", given_name="Bruno")
    ContactPoint.objects.create(customer=bruno, kind="email", value="bruno@example.org")
    phone.post("/club/join/", {"email": "bruno@example.org", "given_name": "Somebody"})
    phone.post("/club/code/", {"code": letters.code()})
    assert Customer.objects.get().given_name == "Bruno"
    assert len(queries.members_of(programme, [bruno.pk])[bruno.pk]) == 1


def test_a_member_leaves_and_comes_back(ana: Member, phone: Client, letters: Letters) -> None:
    let_in(phone, letters)
    phone.post("/club/leave/", {"programme": ana.programme_id})
    assert Member.objects.get().left_at is None, "not without the box"
    phone.post("/club/leave/", {"programme": ana.programme_id, "sure": "1"})
    assert Member.objects.get().left_at is not None
    assert "You are not a member" in text(phone.get("/club/"))
    phone.post("/club/enrol/", {"programme": ana.programme_id})
    assert Member.objects.get().left_at is None


def test_nobody_sees_or_changes_anything_from_outside(ana: Member, phone: Client) -> None:
    for path in ("/club/enrol/", "/club/leave/", "/club/out/"):
        answer = phone.post(path, {"programme": ana.programme_id, "sure": "1"})
        assert answer["Location"] == "/club/"
    assert Member.objects.get().left_at is None
    assert ana.card_number not in text(phone.get("/club/"))
    strict = Client(enforce_csrf_checks=True)
    for path in ("/club/ask/", "/club/code/", "/club/join/", "/club/leave/"):
        assert strict.post(path, {"email": ANA}).status_code == 403


def test_without_a_programme_that_runs_nobody_is_written_to(phone: Client, letters: Letters) -> None:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    business.add_staff(email="first@example.org", password="una llave larga y propia", name="Ana", role="owner")
    assert "no programme to join" in text(phone.post("/club/join/", {"email": ANA}))
    letters.fetch()
    assert letters.taken == []
