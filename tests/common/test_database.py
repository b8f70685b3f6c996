"""Lists in plain SQL: what goes in as a parameter is what the database finds."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from querencia.common.database import array, is_postgresql, listed, select, within

pytestmark = pytest.mark.django_db
ODD = [
    'a "quoted" word',
    "back\\slash\\",
    "{1,2}",
    "",
    "NULL",
    "null",
    " blank ",
    "two\nlines",
    "ñ – 日本",
    "it's",
    "%s",
]


def test_texts_of_any_kind_are_found_among_others() -> None:
    for text in ODD:
        asked = f"SELECT t.v FROM (SELECT %s AS v) t WHERE {within('t.v', 'text')}"
        assert select(asked, [text, listed([*ODD, "another"])]) == [(text,)]
        assert select(asked, [text, listed([each for each in ODD if each != text])]) == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ODD),
        ("bigint", [0, -5, 2**63 - 1, None]),
        ("boolean", [True, False, None]),
        ("date", [date(2026, 2, 28), date(1900, 1, 1)]),
        ("timestamptz", [datetime(2026, 5, 1, 10, 42, 7, 123456, tzinfo=UTC)]),
    ],
)
def test_lists_of_every_kind_arrive_as_they_were(kind: str, values: list[Any]) -> None:
    if not is_postgresql():
        pytest.skip("SQLite has no lists of its own")
    rows = select(f"SELECT v FROM unnest(%s::{kind}[]) WITH ORDINALITY t(v, n) ORDER BY n", [array(values)])
    assert [value for (value,) in rows] == values


def test_what_cannot_be_told_in_a_list_is_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        array([1.5])
