"""The way of a shopkeeper with a phone: from a file of the till to the customer to call, in Spanish."""

import csv
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import files
from tests.browser.conftest import OWNER, House, Open
from tests.browser.walker import PHONE, Window, hand_over

pytestmark = pytest.mark.browser
A_WHILE = 60_000
ON_A_PHONE = {"viewport": PHONE, "locale": "es-ES", "has_touch": True, "is_mobile": True}


def test_from_an_empty_house_to_the_customer_to_call(new_house: tuple[str, str], walk: Open, tmp_path: Path) -> None:
    url, link = new_house
    window = walk(url, **ON_A_PHONE)
    _set_up(window, link)
    page = window.log_in(OWNER["email"], OWNER["password"])
    expect(page.locator("h1")).to_have_text("Aquí verás quién se queda, quién se va y cuánto cuesta.")
    page.get_by_role("link", name="Entregar un archivo").click()
    expect(page).to_have_url(f"{url}/imports/")

    people = files.people(tmp_path / "clientes.csv")
    hand_over(page, url, tmp_path / "clientes.csv")
    expect(page.locator("#kind")).to_have_value("customers")
    assert _mapping(page)["phone"] == "Teléfono móvil"
    _import(page, rows=people)

    until = date.today() - timedelta(days=1)
    rows, _cents = files.purchases(tmp_path / "compras.csv", until)
    hand_over(page, url, tmp_path / "compras.csv")
    _look_at_purchases(page)
    _import(page, rows=rows)

    page.locator("main form[action='/measures/now/'] button").click()
    expect(page).to_have_url(f"{url}/measures/")
    expect(page.locator("#runs tbody tr").first).to_contain_text("Hecho", timeout=A_WHILE)
    _call_the_first(page, url)


def _set_up(window: Window, link: str) -> None:
    page = window.go("/")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.locator("h1")).to_have_text("Esta instalación espera a su titular.")
    page = window.go(link)
    page.fill("input[name=name]", "Ferretería Ana")
    page.select_option("select[name=currency]", "EUR")
    page.select_option("select[name=time_zone]", "Europe/Madrid")
    page.select_option("select[name=country]", "ES")
    expect(page.locator("select[name=language]")).to_have_value("es")
    for name, value in OWNER.items():
        page.fill(f"input[name={name}]", value)
    page.locator("main form button.primary").click()
    expect(page).to_have_url(re.compile("/accounts/login/"))


def _look_at_purchases(page: Page) -> None:
    """What was found out by looking at the file, and its first rows as they are understood."""
    expect(page.locator("#kind")).to_have_value("purchases")
    expect(page.locator("#format-delimiter")).to_have_value(";")
    expect(page.locator("#format-encoding")).to_have_value(re.compile("1252"))
    expect(page.locator("#format-decimal")).to_have_value(",")
    expect(page.locator("#format-date_order")).to_have_value("dmy")
    found = _mapping(page)
    assert {name: column for name, column in found.items() if column} == {
        "customer_key": "Nº cliente",
        "at": "Fecha",
        "amount": "Importe",
        "key": "Nº ticket",
    }
    preview = page.locator("section[aria-labelledby=preview] tbody tr")
    expect(preview).to_have_count(20)
    assert not [row for row in preview.locator("td.bad").all_inner_texts() if row]


def _mapping(page: Page) -> dict[str, str]:
    fields = page.locator("#reading [name^=field-]")
    return {
        str(field.get_attribute("name")).removeprefix("field-"): field.input_value()
        for field in fields.element_handles()
    }


def _import(page: Page, *, rows: int) -> None:
    page.get_by_role("button", name="Importarlo").click()
    expect(page.locator("#status")).to_have_text("Hecho", timeout=A_WHILE)
    assert _summary(page)[:2] == [rows, rows]  # read, new


def _summary(page: Page) -> list[int]:
    """The figures under an import: rows read, new, …"""
    return [int(re.sub(r"\D", "", text)) for text in page.locator("#state dd").all_inner_texts()]


def _call_the_first(page: Page, url: str) -> None:
    page.goto(f"{url}/")
    expect(page).to_have_url(f"{url}/overview/")
    expect(page.locator("h1")).to_contain_text(re.compile(r"se fue|se fueron|Nadie se fue"))
    calls = page.locator("section[aria-labelledby=calls] tbody tr")
    expect(calls.first.get_by_role("link", name=re.compile("^Llamar a "))).to_have_attribute(
        "href", re.compile(r"^tel:\+346\d{8}$")
    )
    name = calls.first.locator("th a").inner_text()
    calls.first.locator("th a").click()
    expect(page.locator("h1")).to_have_text(name)
    expect(page.get_by_role("link", name="Llamar")).to_have_attribute("href", re.compile(r"^tel:\+346\d{8}$"))
    expect(page.locator("section[aria-labelledby=bought] .say")).to_contain_text(re.compile("días"))


def test_a_file_with_too_many_bad_rows_is_stopped_and_then_allowed(house: House, walk: Open, tmp_path: Path) -> None:
    good, bad = files.damaged(tmp_path / "dañado.csv")
    page = walk(house, **ON_A_PHONE).page
    hand_over(page, house.url, tmp_path / "dañado.csv")
    page.locator("#reading button.primary").click()
    allow = page.locator("#state input[name=take_all] ~ button")
    expect(allow).to_be_visible(timeout=A_WHILE)
    rejected = _rejects(page, tmp_path / "stopped.csv")
    assert len(rejected) == bad
    assert {row["valor"] for row in rejected} == {"31/02/2025"}
    allow.click()
    expect(page.locator("#status")).to_have_text("Hecho", timeout=A_WHILE)
    expect(page.locator("section[aria-labelledby=reasons] li")).to_have_count(1)
    assert _summary(page)[:2] == [good + bad, good]
    assert len(_rejects(page, tmp_path / "done.csv")) == bad


def _rejects(page: Page, path: Path) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.locator("a[href$='/rejects/']").click()
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
