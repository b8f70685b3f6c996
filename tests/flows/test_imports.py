"""A file handed over in a page: looked at, confirmed, read by the worker, and the business measured anew."""

import io
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from huey.contrib.djhuey import HUEY

from querencia.business.actions import add_staff, set_business
from querencia.customers import actions
from querencia.customers.imports.folder import Folder
from querencia.customers.models import Customer, Import, Purchase
from querencia.customers.queries import imports as queries
from querencia.flows import imports as flow
from querencia.flows import tasks
from querencia.measures.models import Run

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
SPANISH = "cliente;fecha;importe\n" + "".join(f"c{n % 5};{n % 28 + 1:02}/01/2026;{n},50\n" for n in range(40))


@pytest.fixture(autouse=True)
def shop() -> Iterator[None]:
    set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    HUEY.flush()
    yield
    HUEY.flush()
    shutil.rmtree(settings.IMPORTS_FOLDER, ignore_errors=True)


def handed(text: str = SPANISH, name: str = "ventas.csv") -> Import:
    return flow.hand_over(file=SimpleUploadedFile(name, text.encode()), file_name=name, at=AT)


def confirmed(imported: Import, **how: object) -> Import:
    told = {"mapping": imported.mapping, "file_format": imported.file_format, "at": AT, **how}
    return flow.confirm(imported, **told)  # type: ignore[arg-type]


def work_off() -> int:
    """What a worker would do with what waits in the queue; how many messages it was."""
    count = 0
    while task := HUEY.dequeue():
        HUEY.execute(task)
        count += 1
    return count


def test_from_the_upload_to_figures(tmp_path: Path) -> None:
    ana = add_staff(email="ana@example.com", password="correct horse battery", role="owner", language="es")
    imported = flow.hand_over(
        file=SimpleUploadedFile("v.csv", SPANISH.encode()), file_name="v.csv", at=AT, started_by=ana
    )
    assert (imported.status, imported.kind, imported.rows_total) == ("uploaded", "purchases", 40)
    assert imported.mapping == {"customer_key": "cliente", "at": "fecha", "amount": "importe"}
    seen = flow.look_at(imported, at=AT)
    assert (len(seen.preview), seen.rows_estimated, seen.is_ready) == (20, 40, True)
    assert not Purchase.objects.exists()
    assert confirmed(imported).status == Import.Status.QUEUED
    assert queries.waiting() == [imported]
    assert work_off() >= 1
    imported.refresh_from_db()
    assert (imported.status, imported.rows_new, queries.progress_of(imported)) == ("done", 40, 1.0)
    assert Purchase.objects.count() == 40
    assert list(Run.objects.values_list("trigger", "status")) == [("import", "done")]
    assert queries.waiting() == []
    assert not queries.file_path(imported).exists(), "a file that was imported is kept no longer"


@pytest.mark.parametrize("way", ["upload", "large upload", "open file", "path"])
def test_a_file_however_it_arrives(way: str, tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text(SPANISH)
    large = TemporaryUploadedFile("v.csv", "text/csv", len(SPANISH), "utf-8")
    large.write(SPANISH.encode())
    large.seek(0)
    file = {"upload": SimpleUploadedFile("v.csv", SPANISH.encode()), "large upload": large,
            "open file": io.BytesIO(SPANISH.encode()), "path": path}[way]  # fmt: skip
    imported = flow.hand_over(file=file, file_name="v.csv", at=AT)
    assert queries.file_path(imported).read_text() == SPANISH
    assert path.exists()
    assert imported.rows_total == 40


def test_what_is_no_log_is_kept_until_somebody_says_how_to_read_it() -> None:
    imported = handed("cust,date\n1,2026-01-31\n2,2026-01-31\n")
    assert imported.status == Import.Status.UPLOADED
    with pytest.raises(ValidationError, match="not for how much"):
        confirmed(imported)
    imported.refresh_from_db()
    assert imported.status == Import.Status.UPLOADED
    confirmed(imported, mapping={**imported.mapping, "amount": "0"})
    work_off()
    assert Purchase.objects.count() == 2


def test_the_same_file_looked_at_another_way_writes_nothing() -> None:
    imported = handed()
    seen = flow.look_at(imported, at=AT, kind="customers", mapping={"key": "cliente"})
    assert (seen.kind, seen.is_ready) == ("customers", True)
    seen = flow.look_at(imported, at=AT, mapping={"customer_key": "fecha", "at": "fecha", "amount": "importe"},
                        file_format={**imported.file_format, "date_order": "mdy"})  # fmt: skip
    assert any(row.is_rejected for row in seen.preview)
    assert not Customer.objects.exists()


def test_too_many_rejects_stop_and_may_be_allowed() -> None:
    imported = handed(SPANISH + ";01/01/2026;1\n" * 10)
    confirmed(imported)
    work_off()
    imported.refresh_from_db()
    assert (imported.status, queries.problem_of(imported)) == ("stopped", "rejects")
    assert not Purchase.objects.exists()
    assert not Run.objects.exists()
    confirmed(imported, reject_limit=1.0)
    work_off()
    imported.refresh_from_db()
    assert (imported.status, imported.rows_new, imported.rows_rejected) == ("done", 40, 10)


def test_a_stopped_file_read_otherwise_is_read_anew() -> None:
    text = "cliente;fecha;importe;otro\n" + "".join(f";{n % 28 + 1:02}/01/2026;{n},50;c{n}\n" for n in range(40))
    imported = handed(text)
    confirmed(imported, mapping={"customer_key": "cliente", "at": "fecha", "amount": "importe"})
    work_off()
    imported.refresh_from_db()
    assert imported.status == Import.Status.STOPPED
    confirmed(imported, mapping={"customer_key": "otro", "at": "fecha", "amount": "importe"})
    work_off()
    imported.refresh_from_db()
    assert (imported.status, imported.rows_new, imported.rows_rejected, imported.reasons) == ("done", 40, 0, [])
    assert Customer.objects.count() == 40


def test_a_failed_import_goes_on_when_it_is_asked_to() -> None:
    imported = handed()
    confirmed(imported)
    kept = queries.file_path(imported)
    kept.rename(kept.with_name("aside"))
    work_off()
    imported.refresh_from_db()
    assert (imported.status, queries.problem_of(imported)) == ("failed", "gone")
    kept.with_name("aside").rename(kept)
    assert flow.again(imported, at=AT).status == Import.Status.QUEUED
    work_off()
    assert Purchase.objects.count() == 40
    imported.refresh_from_db()
    assert flow.again(imported, at=AT).status == Import.Status.DONE, "what is done stays done"
    with pytest.raises(ValidationError, match="imported already"):
        confirmed(imported)


def test_a_message_that_was_lost_costs_a_minute_and_no_import() -> None:
    imported = handed()
    confirmed(imported)
    HUEY.flush()
    tasks.attend_imports.call_local()
    work_off()
    imported.refresh_from_db()
    assert imported.status == Import.Status.DONE
    tasks.attend_imports.call_local()
    assert work_off() == 0


def test_a_message_that_comes_twice_does_nothing_twice() -> None:
    imported = handed()
    confirmed(imported)
    assert flow.carry_out(imported.pk, at=AT) is not None
    tasks.run_import.call_local(str(imported.pk))
    assert Purchase.objects.count() == 40
    assert flow.carry_out("00000000-0000-0000-0000-000000000000", at=AT) is None


def test_nothing_disturbs_an_import_somebody_is_at_work_on() -> None:
    imported = handed()
    confirmed(imported)
    with Folder.of(imported.pk).claimed():
        assert flow.carry_out(imported.pk, at=AT) is None
        assert queries.waiting() == []
        with pytest.raises(ValidationError, match="is being imported already"):
            confirmed(imported, mapping={**imported.mapping, "key": "importe"})
        with pytest.raises(actions.AlreadyRunning):
            actions.queue_import(imported=imported, kind="purchases", mapping={}, file_format={})
        assert flow.discard(imported) is False
        assert flow.again(imported, at=AT) == imported
    assert queries.waiting() == [imported]
    work_off()
    assert Purchase.objects.count() == 40


def test_a_file_of_which_nothing_was_written_can_be_forgotten() -> None:
    imported = handed()
    folder = Folder.of(imported.pk).path
    assert flow.discard(imported) is True
    assert not Import.objects.exists()
    assert not folder.exists()
    done = handed()
    confirmed(done)
    work_off()
    done.refresh_from_db()
    assert flow.discard(done) is False
    assert Import.objects.filter(pk=done.pk).exists()


def test_customers_are_no_reason_to_measure() -> None:
    imported = handed("id;nombre;email\n1;Ana Ruiz;ana@example.com\n2;Bea Gil;bea@example.com\n", "clientes.csv")
    assert imported.kind == Import.Kind.CUSTOMERS
    confirmed(imported)
    work_off()
    assert Customer.objects.count() == 2
    assert not Run.objects.exists()
