"""Spanish and Portuguese: whole, sound, and with no English left on a page."""

import gettext
import io
import re
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from importlib import import_module
from itertools import product
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import polars as pl
import pytest
from babel.messages.mofile import write_mo
from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import translation

from querencia.business import actions as business
from querencia.business.models import Staff
from querencia.common import home
from querencia.common.time import day_number
from querencia.customers import imports
from querencia.customers.models import (
    Consent,
    ContactPoint,
    Customer,
    Event,
    Identifier,
    Import,
    Purchase,
    PurchaseLine,
)
from querencia.flows import imports as flow
from querencia.insight import explain, forecast, language, report, tables, wording
from querencia.measures import actions as measuring
from querencia.measures.models import Run
from querencia.web.cockpit.customers import COLUMNS
from querencia.web.templatetags import house
from tests.measures import shop
from tools import messages

CATALOGS = list(product(messages.ROOTS, messages.LANGUAGES))
NO_BREAK = "\u00a0"
FORMAL = re.compile(r"\b([Uu]sted|Pulse|Elija|Escriba|Indique|Introduzca|Seleccione|Vuelva|Espere|Abra|Corrija)\b")


def translated(domain: str, code: str) -> Iterator[tuple[Any, str]]:
    """Every text with each form of its translation."""
    for message in messages.load(domain, code):
        if message.id:
            forms = message.string if isinstance(message.string, tuple) else [message.string]
            yield from ((message, text) for text in forms if text)


# -- the catalogs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("domain", "code"), CATALOGS)
def test_every_text_is_translated_and_keeps_its_placeholders(domain: str, code: str) -> None:
    assert not messages.faults(domain, code), "Run `make messages` and fill in what is empty or broken"


@pytest.mark.parametrize(("domain", "code"), CATALOGS)
def test_collecting_again_changes_nothing(domain: str, code: str) -> None:
    kept = messages.path_of(domain, code).read_bytes()
    assert messages.updated(domain, code) == kept, "Run `make messages` and commit what it writes"


@pytest.mark.parametrize(("domain", "code"), CATALOGS)
def test_compiled_texts_are_those_of_the_source(domain: str, code: str) -> None:
    with messages.path_of(domain, code).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message, text in translated(domain, code):
        if isinstance(message.id, tuple):
            said = [compiled.ngettext(*message.id, count) for count in (1, 2)]
        else:
            said = [compiled.pgettext(message.context, message.id) if message.context else compiled.gettext(message.id)]
        assert text in said, "Run `make setup`, which compiles them"


def test_no_text_of_a_page_is_overlooked() -> None:
    collected = [message.id for message in messages.collected("django") if message.id]
    known = {text for one in collected for text in (one if isinstance(one, tuple) else (one,))}
    tag = re.compile(r"""\{%\s*translate\s+(?:"([^"]+)"|'([^']+)')""")
    block = re.compile(r"\{%\s*blocktranslate\b[^%]*%\}(.*?)\{%\s*(?:plural|endblocktranslate)\s*%\}", re.DOTALL)
    seen = set()
    for page in (messages.SOURCE / "web" / "templates").rglob("*.html"):
        source = page.read_text()
        texts = [a or b for a, b in tag.findall(source)]
        texts += [re.sub(r"\{\{\s*(\w+)\s*\}\}", r"%(\1)s", " ".join(found.split())) for found in block.findall(source)]
        seen |= {text.replace("%", "%%").replace("%%(", "%(") for text in texts}
    assert len(seen) > 200
    assert not seen - known


@pytest.mark.parametrize(
    ("id", "string", "said"),
    [
        ("Nobody", "", "not translated"),
        ("%(name)s left", "Se fue", "should hold ['name']"),
        ("%(name)s left", "%(nombre)s se fue", "should hold ['name']"),
        ("Row ", "Fila", "end with a space"),
        (("%(n)s day", "%(n)s days"), ("%(n)s día", ""), "not translated"),
        (("%(n)s day", "%(n)s days"), ("%(n)s día", "días"), "should hold ['n']"),
        (("%(n)s day", "%(n)s days"), ("%(n)s día",), "plural forms"),
    ],
)
def test_a_broken_translation_is_named(id: Any, string: Any, said: str) -> None:
    found = messages.fault(messages.Message(id, string), messages.load("django", "es"))
    assert found is not None
    assert said in found


def test_a_form_for_one_thing_may_leave_its_number_out() -> None:
    sound = messages.Message(("%(n)s is late", "%(n)s are late"), ("Otro tarda", "Otros %(n)s tardan"))
    assert messages.fault(sound, messages.load("django", "es")) is None


@pytest.mark.parametrize(("domain", "code"), CATALOGS)
def test_plural_forms_speak_of_one_and_of_many(domain: str, code: str) -> None:
    made = io.BytesIO()
    catalog = messages.load(domain, code)
    write_mo(made, catalog)
    made.seek(0)
    spoken = gettext.GNUTranslations(made)
    plurals = [message for message in catalog if isinstance(message.id, tuple) and all(message.string)]
    assert plurals
    for message in plurals:
        one, many = message.string
        said = [spoken.ngettext(*message.id, count) for count in (0, 1, 2, 21, 1_000_000)]
        assert said == [many, one, many, many, many]


@pytest.mark.parametrize(("domain", "code"), CATALOGS)
def test_nobody_shouts_and_signs_stand_as_the_language_sets_them(domain: str, code: str) -> None:
    for message, text in translated(domain, code):
        said = message.id if isinstance(message.id, str) else message.id[0]
        assert "!" not in text, text
        assert "  " not in text, text
        if said[0].isalpha() and text[0].isalpha():
            assert said[0].isupper() == text[0].isupper(), (said, text)
        assert set(re.findall(r"\d([^\d%]?)%", text)) <= {NO_BREAK if code == "es" else ""}, text
        if code == "es":
            assert text.count("?") == text.count("¿"), text
            assert "“" not in text, text
            assert not FORMAL.search(text), f"Spanish says tú: {text}"


# -- sentences ---------------------------------------------------------------------------------------------------------


SAID = {
    "es": [
        "Compra todos los días; su última compra fue hace 1 día.",
        "Compraba cada 24 días; lleva 100 sin venir.",
        "Compraba todos los días; lleva 5 días sin venir.",
        "Compró una vez, hace 1 día.",
        "Compró una vez, hace 90 días; quien vuelve no tarda más de 60 días.",
        "De 3 compras al mes a ninguna en 100 días.",
        "Probabilidad de compra en un plazo de 1 día: 38\u00a0%.",
        "Se espera que deje 1.235\u00a0€ en un plazo de 182 días.",
        "ritmo pasado; ningún otro acertó más en la prueba con el pasado.",
    ],
    "pt": [
        "Compra todos os dias; a última compra foi há 1 dia.",
        "Comprava a cada 24 dias; não vem há 100.",
        "Comprava todos os dias; não vem há 5 dias.",
        "Comprou uma vez, há 1 dia.",
        "Comprou uma vez, há 90 dias; quem volta não demora mais de 60 dias.",
        "De 3 compras por mês a nenhuma em 100 dias.",
        "Probabilidade de compra num prazo de 1 dia: 38%.",
        "Espera-se que deixe 1\u00a0235\u00a0€ num prazo de 182 dias.",
        "ritmo passado; nenhum outro acertou mais na prova com o passado.",
    ],
}


@pytest.mark.parametrize("code", messages.LANGUAGES)
def test_sentences_agree_with_their_numbers(code: str) -> None:
    once = "one_purchase_then_silence"
    with language.spoken(code):
        assert [
            explain.rhythm(1.2, 1),
            explain.rhythm(24, 100),
            explain.rhythm(1, 5),
            explain.call_reason(once, {"silent_days": 1, "rhythm_days": None}),
            explain.call_reason(once, {"silent_days": 90, "rhythm_days": None, "limit_days": 60}),
            explain.call_reason("dropped_frequency", {"silent_days": 100, "purchases_per_month": 3.2}),
            explain.chance(0.382, horizon_days=1),
            explain.spend(123_456, currency="EUR", horizon_days=182, low=None, high=None),
            explain.model("past rate", beats_simple_by=None, simple=None),
        ] == SAID[code]


@pytest.mark.parametrize("code", messages.LANGUAGES)
def test_every_forecast_that_may_win_has_a_name(code: str) -> None:
    modules = [import_module(f"{forecast.__name__}.{one.name}") for one in iter_modules(forecast.__path__)]
    kinds = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    names = {kind.name for kind in kinds if isinstance(getattr(kind, "name", None), str)}
    assert len(names) > 5
    with language.spoken(code):
        assert not [name for name in names if name.islower() and explain.model_name(name) == name]


@pytest.mark.parametrize(
    ("code", "number", "percent", "money", "day"),
    [
        ("en", "1,234.5", "38.2%", "€1,235", "Jan 8, 2022"),
        ("es", "1.234,5", "38,2\u00a0%", "1.235\u00a0€", "8 ene 2022"),
        ("pt", "1\u00a0234,5", "38,2%", "1\u00a0235\u00a0€", "08/01/2022"),
    ],
)
def test_figures_are_written_as_readers_write_them(code: str, number: str, percent: str, money: str, day: str) -> None:
    on = day_number(date(2022, 1, 8))
    with language.spoken(code), translation.override(code):
        assert wording.number(1234.5, 1) == house.number(1234.5, 1) == number
        assert imports.count(1234) == house.number(1234)
        assert wording.percent(0.382, 1) == house.percent(0.382, 1) == percent
        assert wording.money(123_456, "EUR") == house.money(123_456, "EUR") == money
        assert wording.day(on) == house.day(on) == day


# -- pages -------------------------------------------------------------------------------------------------------------

# The same in every language: names, keys, signs of formats and models.
SAME = {
    "Querencia", "La Tienda", "La Tienda · Ana Ibáñez", "English", "Español", "Português", "Ana Ibáñez",
    "Rui Salgado", "Rui Salgado · Querencia", "once", "once · Querencia", "Bilbao", "Centro", "nowhere", "web",
    "Taza", "Cocina", "c1 · Bilbao", "Querencia · La Tienda", "EUR", "Portugal", "WhatsApp", "UTC", "CSV", "Parquet",
    "AUC", "querencia up", "windows-1252", "letter.posted · post",
}  # fmt: skip
DATA = re.compile(
    r"^([\w.]+@[\w.]+|c\d+-\d{4}-\d\d-\d\d-\d+|(cliente|fecha|importe)( \(.*)?|\w+\.csv( · Querencia)?|"
    r"[a-z]{3,4}-[\d-]+(-sig)?|[\w/]+NBD(-k)?)$"
)
FALSE_FRIENDS = {"pt": {"Data"}}  # a date
CITED = re.compile(r"\((?:19|20)\d\d\)")  # where formulas come from, as it was published
LISTS_OF_THE_WORLD = ("currency", "country", "time_zone")
MARGIN = " ·()–,.:;"


class Texts(HTMLParser):
    """Everything that a page says: its texts, and what is read aloud or shown in their stead."""

    SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-label")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.silent = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style") or (tag == "select" and dict(attrs).get("name") in LISTS_OF_THE_WORLD):
            self.silent = tag
        self.said += [value for name, value in attrs if name in self.SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        self.silent = "" if tag == self.silent else self.silent

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.said.append(data)


def words(page: str) -> set[str]:
    """The texts of a page that hold a word of some language."""
    texts = {" ".join(said.split()).strip(MARGIN) for said in Texts(page).said}
    return {
        text
        for text in texts
        if re.search(r"[^\W\d_]{2,}", text) and text not in SAME and not DATA.match(text) and not CITED.search(text)
    }


def same_words(code: str) -> set[str]:
    """Words that a language shares with English: whoever translated them wrote them again."""
    same = {text for domain in messages.ROOTS for message, text in translated(domain, code) if text == message.id}
    return same | FALSE_FRIENDS.get(code, set())


def left_in_english(pages: dict[str, dict[str, str]]) -> list[str]:
    """Texts that are the same in English and in another language, page by page."""
    return sorted(
        f"{code} {place}: {text}"
        for code in messages.LANGUAGES
        for place, page in pages[code].items()
        for text in words(page) & words(pages["en"][place]) - same_words(code)
    )


def seen(client: Client, places: dict[str, str], staff: Staff | None = None) -> dict[str, dict[str, str]]:
    """The same pages in each language."""
    found: dict[str, dict[str, str]] = {}
    for code in language.LANGUAGES:
        client.cookies["querencia_language"] = code
        if staff:
            business.set_language(staff=staff, language=code)
        answers = {place: client.get(url) for place, url in places.items()}
        assert {answer.headers["Content-Language"] for answer in answers.values()} == {code}
        found[code] = {place: answer.content.decode() for place, answer in answers.items()}
    return found


@pytest.fixture
def owner(client: Client) -> Staff:
    shop.open_business()
    staff = business.add_staff(email="ana@example.com", password="un-hilo-de-lana", name="Ana Ibáñez", role="owner")
    client.force_login(staff, backend="allauth.account.auth_backends.AuthenticationBackend")
    return staff


def known_well() -> Customer:
    """A customer about whom there is something of everything."""
    ana = shop.customer("c1")
    for name, value in {"given_name": "Rui", "family_name": "Salgado", "city": "Bilbao", "language": "pt"}.items():
        setattr(ana, name, value)
    ana.country, ana.birthday, ana.is_invented = "PT", date(1980, 5, 17), True
    ana.save()
    bought = Purchase.objects.filter(customer=ana).order_by("day")[0]
    line = {"name": "Taza", "category": "Cocina", "quantity": 2, "amount": bought.amount}
    PurchaseLine.objects.create(purchase=bought, number=1, **line)
    shop.sell([("c1", date(2026, 2, 27), -500)], key="T-1", refund_of=bought.key)
    addresses = {"email": "rui@example.com", "phone": "+34600111222", "post": "C/ 1", "whatsapp": "+34600"}
    for kind, value in addresses.items():
        ContactPoint.objects.create(customer=ana, kind=kind, value=value, bounced_at=shop.NOW, opted_out_at=shop.NOW)
    for status, purpose in zip(Consent.Status.values, Consent.Purpose.values, strict=False):
        said = {"purpose": purpose, "status": status, "source": "web"}
        Consent.objects.create(customer=ana, channel="email", at=shop.NOW, **said)
    for kind in Identifier.Kind.values:
        Identifier.objects.create(customer=ana, kind=kind, value="4000123")
    happened = {"kind": "letter.posted", "channel": "post", "key": "1", "source": "web"}
    Event.objects.create(customer=ana, occurred_at=shop.NOW, recorded_at=shop.NOW, **happened)
    return ana


def handed_over(folder: Path, name: str, rows: list[str]) -> Import:
    path = folder / name
    path.write_text("cliente;fecha;importe\n" + "\n".join(rows) + "\n")
    return flow.hand_over(file=path, file_name=name, at=shop.NOW)


def carried_out(imported: Import, **how: Any) -> Import:
    flow.confirm(imported, mapping=imported.mapping, file_format=imported.file_format, at=shop.NOW, **how)
    done = flow.carry_out(imported.pk, at=shop.NOW)
    assert done is not None
    return done


@pytest.mark.parametrize("code", messages.LANGUAGES)
def test_every_list_of_the_back_office_has_a_name(code: str) -> None:
    ours = [model._meta for model in admin.site._registry if model.__module__.startswith("querencia.")]
    names = {str(meta.verbose_name) for meta in ours} | {str(meta.verbose_name_plural) for meta in ours}
    assert len(ours) > 5
    with translation.override(code):
        said = {str(meta.verbose_name) for meta in ours} | {str(meta.verbose_name_plural) for meta in ours}
    assert not said & names - same_words(code)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_no_page_of_the_house_says_anything_in_english_only(client: Client, owner: Staff, tmp_path: Path) -> None:
    shop.sell(shop.trade(120), branch="Centro", channel="web")
    shop.sell([("once", date(2026, 1, 9), 900)])
    customer = known_well()
    run = measuring.run(at=shop.NOW)
    assert run.status == Run.Status.DONE, run.error
    waiting = handed_over(tmp_path, "a.csv", ["c1;03/04/2025;10,00", "c2;05/06/2025;mucho", ";07/08/2025;1,00"])
    good = [f"c{number};13/04/2025;{number},50" for number in range(30)]
    done = carried_out(handed_over(tmp_path, "b.csv", [*good, "c1;ayer;3,00", "c1;13/04/2025"]))
    stopped = carried_out(handed_over(tmp_path, "c.csv", [*good[:3], "c9;nunca;1,00", "c9;14/04/2025;x"]))
    assert [done.status, stopped.status] == ["done", "stopped"]
    client.post(reverse("customers_columns"), {"column": list(COLUMNS)})
    Run.objects.create(status="failed", trigger="schedule", as_of=run.as_of, created_at=shop.NOW, error="disk_full")
    places = {
        "overview": reverse("overview"),
        "how": reverse("how"),
        "economics": reverse("economics") + "?points=5&acquiring=30&cost=2&margin=40",
        "nonsense": reverse("economics") + "?points=500",
        "customers": reverse("customers"),
        "arrived": reverse("customers") + "?first_from=2023-01-01&first_to=2026-01-01",
        "gone": reverse("customers") + "?left_from=2023-01-01&left_to=2026-03-01&stake=1",
        "none": reverse("customers") + "?abc=A&abc=B&branch=nowhere",
        "found": reverse("customers") + "?q=4000123",
        "nobody": reverse("customers") + "?q=0000",
        "customer": reverse("customer", args=[customer.pk]),
        "bought once": reverse("customer", args=[shop.customer("once").pk]),
        "imports": reverse("imports"),
        "look": reverse("import", args=[waiting.pk]),
        "done": reverse("import", args=[done.pk]),
        "stopped": reverse("import", args=[stopped.pk]),
        "measures": reverse("measures"),
        "settings": reverse("settings"),
        "log out": reverse("account_logout"),
        "no such page": "/nowhere/",
    }  # fmt: skip
    pages = seen(client, places, owner)
    assert all(len(words(page)) > 3 for page in pages["en"].values())
    assert left_in_english(pages) == []


@pytest.mark.django_db(transaction=True)
def test_no_page_before_the_first_run_says_anything_in_english_only(client: Client) -> None:
    token = home.welcome_token(settings.HOME)
    places = {"closed": "/welcome/", "welcome": f"/welcome/?token={token}"}
    assert left_in_english(seen(client, places)) == []
    shop.open_business()
    staff = business.add_staff(email="ana@example.com", password="un-hilo-de-lana", name="Ana Ibáñez", role="owner")
    assert left_in_english(seen(client, {"log in": reverse("account_login")})) == []
    client.force_login(staff, backend="allauth.account.auth_backends.AuthenticationBackend")
    empty = {name: reverse(name) for name in ("overview", "economics", "customers", "imports", "measures", "how")}
    assert left_in_english(seen(client, empty, staff)) == []
    shop.sell(shop.trade(3))
    assert left_in_english(seen(client, {"customers": reverse("customers")}, staff)) == []


@pytest.mark.slow
@pytest.mark.parametrize("customers", [0, 5, 120])
def test_no_report_says_anything_in_english_only(customers: int) -> None:
    bought = [(key, day_number(day), amount) for key, day, amount in shop.trade(customers)]
    log = pl.DataFrame(bought, schema={"customer_id": pl.String, "day": pl.Int64, "amount": pl.Int64}, orient="row")
    pages = {}
    for code in language.LANGUAGES:
        with language.spoken(code):
            facts = report.build(tables.purchases(log, unit="minor"), currency="EUR")
        pages[code] = {"report": report.html(facts, language=code, title="La Tienda")}
    assert len(words(pages["en"]["report"])) > (10 if customers else 1)
    assert left_in_english(pages) == []
