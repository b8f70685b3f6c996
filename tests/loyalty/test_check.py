"""`querencia check` says whether the books agree."""

import json

import pytest
from typer.testing import CliRunner

from querencia.cli import app
from querencia.loyalty.models import Lot, Programme
from tests.loyalty import shop

pytestmark = pytest.mark.django_db


def test_books_that_agree_and_books_that_do_not(programme: Programme) -> None:
    shop.earns(shop.member(programme), 1_000)
    well = CliRunner().invoke(app, ["check"])
    assert (well.exit_code, well.output) == (0, "Club: all agree.\n")
    Lot.objects.update(remaining=7)
    wrong = CliRunner().invoke(app, ["check"])
    assert wrong.exit_code == 1
    assert "remaining: 7 is said, 10 reckoned." in wrong.output
    told = json.loads(CliRunner().invoke(app, ["check", "--json"]).output)
    assert len(told["differences"]) == 2
