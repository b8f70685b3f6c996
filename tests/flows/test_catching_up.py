"""A file of purchases: what members bought while their programme ran earns by the rules of its day, once."""

import shutil
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from huey.contrib.djhuey import HUEY

from querencia.business.actions import add_staff, set_business
from querencia.common.time import now
from querencia.customers.actions import merging
from querencia.customers.models import Import
from querencia.flows import catching_up, tasks
from querencia.flows import imports as flow
from querencia.flows.models import CatchUp
from querencia.loyalty import actions
from querencia.loyalty.models import Entry, Member
from tests.loyalty import shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def house() -> Iterator[None]:
    set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    HUEY.flush()
    yield
    HUEY.flush()
    shutil.rmtree(settings.IMPORTS_FOLDER, ignore_errors=True)


def handed_over(*rows: str) -> Import:
    text = "pedido;cliente;fecha;importe;devolución de\n" + "".join(f"{row}\n" for row in rows)
    at = now()
    imported = flow.hand_over(file=SimpleUploadedFile("v.csv", text.encode()), file_name="v.csv", at=at)
    return flow.confirm(imported, mapping=imported.mapping, file_format=imported.file_format, at=at)


def worked_off(imported: Import) -> None:
    """What the worker does of it, but for measuring the business anew."""
    flow.carry_out(imported.pk, at=now())
    tasks.react.call_local()
    while task := HUEY.dequeue():
        if "catch_up" in task.name:
            HUEY.execute(task)


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_a_file_brings_of_members_earns_and_what_it_gives_back_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programme = shop.programme()  # it began a year before 2 March 2026, and these joined two months later
    double = {"base": {"then": {"points": 2, "per": 100}}}
    actions.publish_rules(programme=programme, documents=double, at=shop.AT)
    ana, bruno, carla = (shop.member(programme, name) for name in ("ana", "bruno", "carla"))
    alias, stranger = shop.customer("ana"), shop.customer("nobody")
    merging.merge(pairs=[(ana.customer_id, alias.pk)], staff=None, at=shop.AT, source="test")
    rows = [
        f"a1;{ana.customer.key};2026-02-01;100,00;",
        f"a2;{alias.key};2026-03-10;50,00;",
        f"b1;{bruno.customer.key};2026-02-01;30,00;",
        f"b2;{bruno.customer.key};2026-02-20;-10,00;b1",
        f"c1;{carla.customer.key};2025-04-01;70,00;",  # before she joined
        f"c2;{carla.customer.key};2024-04-01;70,00;",  # before there was a programme
        f"n1;{stranger.key};2026-02-01;90,00;",
    ]
    monkeypatch.setattr(catching_up, "MEMBERS", 1)
    imported = handed_over(*rows)
    flow.carry_out(imported.pk, at=now())
    tasks.outbox.drain(at=now())
    assert catching_up.step(at=now())
    assert list(Entry.objects.values_list("member_id", flat=True)) == [ana.pk, ana.pk]
    imported.refresh_from_db()
    assert 0 < (catching_up.share_done(imported) or 0) < 1
    # Whoever is killed in the midst of it goes on where it stopped: nothing of that piece was kept.
    with monkeypatch.context() as broken:
        broken.setattr(CatchUp, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            catching_up.step(at=now())
    assert Entry.objects.count() == 2
    worked_off(imported)
    assert not catching_up.is_waiting()
    has = {who.pk: shop.has(who, at=now()).available for who in (ana, bruno, carla)}
    assert has == {ana.pk: 100 + 2 * 50, bruno.pk: 20, carla.pk: 0}
    assert Member.objects.count() == 3
    before = Entry.objects.count()
    # The same rows in another file are known; new ones earn.
    worked_off(handed_over(*rows, f"c3;{carla.customer.key};2026-03-03;10,00;"))
    assert Entry.objects.count() == before + 1
    assert shop.has(carla, at=now()).available == 20
    assert shop.is_right(programme)
    owner = add_staff(email="ana@example.com", password="correct horse battery", role="owner")
    client = Client()
    client.force_login(owner)
    assert "lo que compraron los socios ya dio puntos" in client.get(f"/imports/{imported.pk}/").content.decode()


def test_without_a_programme_that_began_nobody_is_looked_through() -> None:
    shop.change(shop.programme(), starts_at=now() + timedelta(days=1))
    imported = handed_over("x;c;2026-02-01;1,00;", "y;c;2026-02-02;1,00;")
    worked_off(imported)
    assert catching_up.share_done(imported) is None
