"""`querencia up`: pages and background work begin together and end together, however they end."""

import os
import signal
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from querencia.business import actions as business
from querencia.business.models import Role
from querencia.common.time import now
from querencia.customers.models import Score
from querencia.measures import actions, queries
from querencia.measures.models import Run
from tests.cli import serving
from tests.cli.serving import Visitor, is_alive, served, until
from tests.measures import shop

pytestmark = pytest.mark.slow

WELCOME = r"Begin here: \S+(/welcome/\?token=\S+)"
OWNER = {"owner_name": "Ana", "email": "ana@example.com", "password": "queda-en-casa-2026"}
BUSINESS = {"name": "La Tienda", "currency": "EUR", "time_zone": "Europe/Madrid", "language": "es", "country": "ES"}


def test_a_first_start_leads_to_a_house_of_ones_own(tmp_path: Path) -> None:
    with served(tmp_path, "up") as house:
        house.until_healthy()
        link = house.until_said(WELCOME).group(1)
        visitor = Visitor(house.url)
        assert 'name="password"' in visitor.get(link)
        token = link.partition("=")[2]
        visitor.post("/welcome/", token=token, **BUSINESS, **OWNER)
        page = visitor.log_in(OWNER["email"], OWNER["password"]).get("/")
        assert "La Tienda" in page
        children = house.children()
        assert len(children) == 2
        assert house.stop() == 0
        assert house.said().rstrip().endswith("Stopped.")
        assert not any(is_alive(pid) for pid in children)
    with served(tmp_path, "up", port=house.port) as again:
        again.until_healthy()
        assert "Begin here" not in again.said()


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    with served(tmp_path, "up") as house:
        house.until_healthy()
        children = house.children()
        assert house.stop(signal.SIGINT) == 0
        until(lambda: not any(is_alive(pid) for pid in children))


def test_killed_outright_it_takes_its_children_with_it(tmp_path: Path) -> None:
    with served(tmp_path, "up") as house:
        house.until_healthy()
        children = house.children()
        house.process.kill()
        house.process.wait()
        until(lambda: not any(is_alive(pid) for pid in children), seconds=20)
        until(lambda: _is_free(house.port), seconds=20)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_where_one_part_ends_by_itself_the_other_does_not_stay_behind(tmp_path: Path) -> None:
    with served(tmp_path, "up") as house:
        house.until_healthy()
        web, worker = house.children()
        os.kill(worker, signal.SIGKILL)
        assert house.process.wait(serving.STOP_SECONDS) == 1
        assert "Stopped, because the worker ended by itself" in house.said()
        assert not is_alive(web)


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = serving.run(tmp_path, "up", "--port", str(port))
    assert done.returncode == 2
    assert f"Port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_that_start_at_once_in_an_empty_folder_both_serve(tmp_path: Path) -> None:
    with served(tmp_path, "up") as one, served(tmp_path, "up") as other:
        one.until_healthy()
        other.until_healthy()
        links = {house.until_said(WELCOME).group(1) for house in (one, other)}
        assert len(links) == 1
        for house in (one, other):
            assert "Traceback" not in house.said()
            assert 'name="password"' in Visitor(house.url).get(links.copy().pop())


# -- what waits is done, and the night is not forgotten ----------------------------------------------------------------


@pytest.fixture
def database() -> dict[str, str]:
    return {"DATABASE_URL": shop.environment()["DATABASE_URL"]}


def settled(run: Run) -> bool:
    run.refresh_from_db()
    return run.status in (Run.Status.DONE, Run.Status.FAILED)


def around_noon() -> str:
    """A time zone in which it is about noon now: past the hour of the nightly run, far from midnight."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+}" if ahead else "UTC"


def recent_trade(customers: int = 60) -> list[shop.Bought]:
    """Three years of the shop, moved so that they end yesterday."""
    sold = shop.trade(customers)
    yesterday = queries.yesterday(now())
    shift = yesterday - max(day for _key, day, _amount in sold)
    return [(key, day + shift, amount) for key, day, amount in sold]


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_the_nights_run_and_what_a_button_asks_for(tmp_path: Path, database: dict[str, str]) -> None:
    shop.open_business(time_zone=around_noon())
    owner = business.add_staff(email=OWNER["email"], password=OWNER["password"], role=Role.OWNER)
    shop.sell(recent_trade())
    with served(tmp_path, "up", "--workers", "1", **database) as house:
        night = until(lambda: Run.objects.filter(trigger=Run.Trigger.SCHEDULE).first(), house)
        until(lambda: settled(night), house)
        assert (night.status, night.error) == (Run.Status.DONE, "")
        assert night.customers == Score.objects.count() > 50
        visitor = Visitor(house.until_healthy().url).log_in(owner.email, OWNER["password"])
        visitor.post("/measures/now/")
        pressed = Run.objects.get(trigger=Run.Trigger.BUTTON)
        assert pressed.started_by == owner
        until(lambda: settled(pressed), house)
        assert pressed.status == Run.Status.DONE
        assert Run.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_run_that_dies_with_its_worker_is_declared_failed_and_changes_nothing(
    tmp_path: Path, database: dict[str, str]
) -> None:
    shop.open_business(time_zone=around_noon())
    shop.sell(recent_trade(1_500))
    first = actions.run(at=now() - timedelta(days=1))
    assert first.status == Run.Status.DONE
    before = list(Score.objects.order_by("pk").values())
    with served(tmp_path, "up", "--workers", "1", **database) as house:
        night = until(lambda: Run.objects.filter(status=Run.Status.RUNNING).first(), house)
        _web, worker = house.children()
        os.kill(worker, signal.SIGKILL)
        house.process.wait(serving.STOP_SECONDS)
    night.refresh_from_db()
    assert night.status == Run.Status.RUNNING  # whoever died cannot say so
    assert list(Score.objects.order_by("pk").values()) == before
    asked = actions.request_run(trigger=Run.Trigger.BUTTON, at=now())
    # Nobody wakes the worker here: it looks for itself when it starts, and every minute.
    with served(tmp_path, "up", "--workers", "1", **database) as house:
        until(lambda: settled(night), house)
        assert night.status == Run.Status.FAILED
        assert "process that did it ended" in queries.why(night)
        until(lambda: settled(asked), house)
        assert asked.status == Run.Status.DONE
        assert {score.as_of for score in Score.objects.all()} == {queries.yesterday(now())}
