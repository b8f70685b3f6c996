"""A file of customers: what it says replaces what was known, what it leaves blank stays, a refusal is kept."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querencia.customers.imports import reason_text
from querencia.customers.models import Consent, Customer, Identifier, Import
from querencia.customers.queries import imports as queries
from tests.customers.files import bring_in, counts, look, people, reasons, table, write
from tests.customers.test_import_properties import fresh

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("business")]

HEADER = (
    "Nº cliente;Nombre;Apellidos;Correo electrónico;Teléfono;Fecha de nacimiento;Idioma;País;Ciudad;Alta;Newsletter"
)
ROWS = [
    "1;Ana;Muñoz García;ANA@Example.com;612 34 56 78;13/05/1980;Español;España;Pamplona;01/02/2020;sí",
    "2;Bruno;da Silva;bruno@example.com;+55 11 91234-5678;;pt-BR;Brasil;São Paulo;02/02/2020 10:30;no",
    "3;Carla;;;;;;;;;",
]


def file(folder: Path, *rows: str, header: str = HEADER, name: str = "clientes.csv") -> Path:
    return write(folder, name, "\n".join([header, *rows]) + "\n")


def test_customers_with_all_that_a_file_tells_of_them(tmp_path: Path) -> None:
    done = bring_in(file(tmp_path, *ROWS))
    assert done.kind == Import.Kind.CUSTOMERS
    assert counts(done) == (3, 3, 0, 0)
    assert done.reasons == []
    ana, bruno = Customer.objects.get(key="1"), Customer.objects.get(key="2")
    assert (ana.name, ana.language, ana.country, ana.city) == ("Ana Muñoz García", "es", "ES", "Pamplona")
    assert (ana.birthday, ana.created_at.isoformat()) == (date(1980, 5, 13), "2020-01-31T23:00:00+00:00")
    assert (bruno.language, bruno.country, bruno.birthday) == ("pt", "BR", None)
    assert set(ana.identifiers.values_list("kind", "value")) == {
        ("customer_key", "1"), ("email", "ana@example.com"), ("phone", "+34612345678"),
    }  # fmt: skip
    assert set(bruno.contact_points.values_list("value", flat=True)) == {"bruno@example.com", "+5511912345678"}
    assert [c.status for c in Consent.objects.order_by("customer__key")] == ["granted", "denied"]
    assert {c.source for c in Consent.objects.all()} == {f"import {done.pk.hex[:8]}"}
    assert Consent.objects.get(customer=ana).evidence == "clientes.csv, row 2"
    assert set(ana.search_terms.values_list("term", flat=True)) == {"ana", "munoz", "garcia"}


def test_the_same_people_twice_change_nothing(tmp_path: Path) -> None:
    path = file(tmp_path, *ROWS)
    bring_in(path)
    before = people()
    assert counts(bring_in(path)) == (3, 0, 3, 0)
    assert people() == before


def test_what_a_file_says_replaces_and_what_it_leaves_blank_stays(tmp_path: Path) -> None:
    bring_in(file(tmp_path, *ROWS))
    changed = ROWS[0].replace("Ana;Muñoz García", "Ana María;").replace("Pamplona", "Tudela")
    done = bring_in(file(tmp_path, changed, *ROWS[1:], name="b.csv"))
    assert (done.rows_read, done.rows_new, done.rows_changed, done.rows_unchanged) == (3, 0, 1, 2)
    ana = Customer.objects.get(key="1")
    assert (ana.name, ana.city) == ("Ana María Muñoz García", "Tudela")
    assert set(ana.search_terms.values_list("term", flat=True)) == {"ana", "maria", "munoz", "garcia"}


def test_rows_about_one_customer_are_one_customer(tmp_path: Path) -> None:
    rows = ["7;Ana;;;;;;;;;", "8;Bea;;;;;;;;;", "7;;Ruiz;;;;;;Soria;;", "7;;;;;;;;Ávila;;"]
    path = file(tmp_path, *rows)
    assert counts(bring_in(path)) == (4, 4, 0, 0)
    ana = Customer.objects.get(key="7")
    assert (ana.name, ana.city) == ("Ana Ruiz", "Ávila")
    assert counts(bring_in(path)) == (4, 0, 4, 0)


def test_a_refusal_is_kept_against_any_file(tmp_path: Path) -> None:
    bring_in(file(tmp_path, *ROWS))
    bruno = Customer.objects.get(key="2")
    done = bring_in(file(tmp_path, ROWS[0].replace(";sí", ";no"), ROWS[1].replace(";no", ";sí"), name="b.csv"))
    latest = {c.customer.key: c.status for c in Consent.objects.select_related("customer").order_by("at", "pk")}
    assert latest == {"1": "denied", "2": "denied"}
    assert reasons(done) == {"consent_kept": 1}
    assert bruno.consents.count() == 1
    assert reason_text(done.reasons[0]).startswith("1 row: consent not renewed (column Newsletter, first in row 3")


def test_an_address_of_somebody_else_stays_theirs(tmp_path: Path) -> None:
    bring_in(file(tmp_path, *ROWS))
    done = bring_in(file(tmp_path, "9;Otra;;ana@example.com;;;;;;;", name="b.csv"))
    assert counts(done) == (1, 1, 0, 0)
    assert reason_text(done.reasons[0]) == (
        "1 row: belongs to another customer (column Correo electrónico, first in row 2: “ana@example.com”)"
    )
    assert Identifier.objects.get(kind="email", value="ana@example.com").customer.key == "1"
    assert Customer.objects.get(key="9").contact_points.count() == 1


def test_values_that_are_none_are_left_out_and_the_customer_stays(tmp_path: Path) -> None:
    bad = "5;Eva;Gil;eva@;123;31/02/1980;Klingon;Atlantis;Lugo;31/12/2999;quizás"
    done = bring_in(file(tmp_path, *ROWS, bad))
    assert counts(done) == (4, 4, 0, 0)
    assert reasons(done) == dict.fromkeys(
        ("bad_email", "bad_phone", "bad_birthday", "bad_language", "bad_country", "bad_created_at", "bad_consent"), 1
    )
    eva = Customer.objects.get(key="5")
    assert (eva.name, eva.language, eva.country, eva.birthday) == ("Eva Gil", "", "", None)
    assert eva.contact_points.count() == eva.consents.count() == 0
    path = queries.rejects_path(done)
    assert path is not None
    assert "5,Correo electrónico,eva@,This is not an e-mail address.,taken without this value" in path.read_text()


def test_customers_of_purchases_get_their_names_later(tmp_path: Path) -> None:
    bought = write(tmp_path, "c.csv", "cliente;fecha;importe\n1;13/05/2024;1,50\n2;14/05/2024;2,50\n")
    bring_in(bought)
    assert Customer.objects.get(key="1").name == "1"
    done = bring_in(file(tmp_path, *ROWS))
    assert (done.rows_new, done.rows_changed, done.rows_unchanged) == (1, 2, 0)
    assert Customer.objects.get(key="1").name == "Ana Muñoz García"
    assert counts(bring_in(bought)) == (2, 0, 2, 0)
    assert Customer.objects.get(key="1").name == "Ana Muñoz García"


def test_names_in_one_column_are_parted(tmp_path: Path) -> None:
    rows = ["1;Ana Muñoz García", "2;Cruz, Bruno de la", "3;Carla", "4;null"]
    bring_in(file(tmp_path, *rows, header="id;nombre completo"), kind="customers")
    found = {c.key: (c.given_name, c.family_name) for c in Customer.objects.all()}
    assert found == {"1": ("Ana Muñoz", "García"), "2": ("Bruno de la", "Cruz"), "3": ("Carla", ""), "4": ("null", "")}


def test_people_without_a_number_are_told_apart_by_their_address(tmp_path: Path) -> None:
    path = file(tmp_path, "ana@example.com;Ana", "bea@example.com;Bea", header="email;nombre")
    seen = look(path)
    assert (seen.kind, seen.mapping) == ("customers", {"key": "email", "name": "nombre", "email": "email"})
    assert counts(bring_in(path)) == (2, 2, 0, 0)


cells = st.one_of(st.just(""), st.text("abcñ '-.@0123456789", max_size=12))
rows_of_people = st.lists(
    st.tuples(st.integers(1, 6), cells, cells, cells, cells, st.sampled_from(["", "yes", "no", "maybe"])),
    min_size=1,
    max_size=20,
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_people)
def test_any_file_of_people_read_twice_changes_nothing(rows: list[tuple[Any, ...]]) -> None:
    header = ("customer id", "first name", "last name", "email", "phone", "newsletter")
    mapping = dict(zip(("key", "given_name", "family_name", "email", "phone", "consent_email"), header, strict=True))
    told = {"delimiter": ",", "encoding": "utf-8", "has_header": True}
    with fresh() as folder:
        path = write(folder, "t.csv", table(header, [(key, *(f'"{cell}"' for cell in rest)) for key, *rest in rows]))
        first = bring_in(path, kind="customers", mapping=mapping, file_format=told)
        assert (first.status, first.rows_read, first.rows_new) == ("done", len(rows), len(rows))
        before = people()
        assert len(before) == len({row[0] for row in rows})
        again = bring_in(path, kind="customers", mapping=mapping, file_format=told)
        assert (again.rows_new, again.rows_changed, again.rows_unchanged) == (0, 0, len(rows))
        assert people() == before
