"""`querencia export-person` and `querencia erase`, as people call them."""

import json
from pathlib import Path

import pytest

from querencia.business import actions as business
from querencia.customers import people
from querencia.customers.models import ContactPoint, Customer, Erasure, Event
from tests.cli.commands import Run
from tests.customers.cast import AT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def ana() -> Customer:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    return somebody("k-7", "ana@example.org", "+34612345678")


def somebody(key: str, *addresses: str) -> Customer:
    made = Customer(key=key, given_name="Ana", family_name="Muñoz", language="pt")
    people.keep(customer=made, at=AT)
    for address in addresses:
        kind = "email" if "@" in address else "phone"
        people.reach(point=ContactPoint(customer=made, kind=kind, value=address))
    return made


@pytest.mark.parametrize("who", ["k-7", "ANA@example.org", "612 34 56 78", "+34 612345678"])
def test_a_person_is_exported_by_whatever_names_them(run: Run, who: str) -> None:
    done = run("export-person", who)
    assert done.code == 0, done.err
    assert json.loads(done.out)["sections"]["person"][0]["key"] == "k-7"
    assert Event.objects.filter(kind="person.exported", source="command").count() == 1


def test_the_page_speaks_the_persons_language_or_another(run: Run, ana: Customer, tmp_path: Path) -> None:
    assert run("export-person", f"id:{ana.pk}", "--html", "-o", "ana.html").out == b""
    assert '<html lang="pt">' in (tmp_path / "ana.html").read_text()
    assert b'<html lang="es">' in run("export-person", "k-7", "--html", "--language", "es").out


def test_nobody_and_several_are_refused_in_words(run: Run) -> None:
    assert "Nobody is named so" in run("export-person", "nobody@example.org").refused
    one, other = somebody("ana@example.net"), somebody("k-9")
    ContactPoint.objects.create(customer=other, kind="email", value="ana@example.net")
    assert f"Say one of: id:{one.pk}, id:{other.pk}" in run("export-person", "ana@example.net").refused


def test_many_are_erased_from_a_file_and_once(run: Run, ana: Customer, tmp_path: Path) -> None:
    somebody("k-8", "bea@example.org")
    (tmp_path / "who.txt").write_text("ana@example.org\n\nk-7\nbea@example.org\n", encoding="utf-8-sig")
    assert "Say --yes" in run("erase", "--file", "who.txt").refused
    assert "Not known: 1 of 2 (number 2 of those named)" in run("erase", "k-7", "nobody", "--yes").refused
    assert not Erasure.objects.exists()
    done = run("erase", "--file", "who.txt", "--reason", "mistake", "--yes")
    assert (done.code, done.out) == (0, b"Erased: 2.\n"), done.err
    told = Erasure.objects.get()
    assert (told.people, told.reason, told.source, told.status) == (2, "mistake", "command", "done")
    again = run("erase", "--file", "who.txt", "--yes")
    assert (again.code, again.out) == (0, b"Erased before: 3.\nErased: 0.\n"), again.err


def test_whoever_says_nothing_is_told_what_to_say(run: Run) -> None:
    assert "Say whom" in run("erase", "--yes").refused
