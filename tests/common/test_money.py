"""Money: what is written is what is counted, in every notation, to the last unit."""

import contextlib
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querencia.common import money

CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "BRL", "CLP"])
MINOR = st.integers(-money.MINOR_MAX, money.MINOR_MAX)


def written(minor: int, currency: str, *, thousands: str, decimal: str) -> str:
    places = money.exponent(currency)
    whole, part = divmod(abs(minor), 10**places)
    text = f"{whole:,}".replace(",", thousands) + (f"{decimal}{part:0{places}}" if places else "")
    return f"-{text}" if minor < 0 else text


@given(MINOR, CURRENCIES, st.sampled_from(["", ",", " ", "'", "\u00a0", "\u202f"]))
def test_what_is_written_with_a_point_is_read_back(minor: int, currency: str, thousands: str) -> None:
    text = written(minor, currency, thousands=thousands, decimal=".")
    assert money.to_minor(money.parse(text), currency) == minor


@given(MINOR, CURRENCIES, st.sampled_from(["", ".", " ", "\u202f"]))
def test_what_is_written_with_a_comma_is_read_back(minor: int, currency: str, thousands: str) -> None:
    text = written(minor, currency, thousands=thousands, decimal=",")
    assert money.to_minor(money.parse(text, decimal_comma=True), currency) == minor


@given(MINOR, CURRENCIES)
def test_decimals_and_minor_units_are_the_same_amount(minor: int, currency: str) -> None:
    assert money.to_minor(money.to_decimal(minor, currency), currency) == minor


@given(st.decimals("-1e9", "1e9", allow_nan=False, places=6), CURRENCIES)
def test_half_a_unit_goes_to_the_even_neighbour(amount: Decimal, currency: str) -> None:
    expected = (amount * 10 ** money.exponent(currency)).to_integral_value(ROUND_HALF_EVEN)
    assert money.to_minor(amount, currency) == expected


@pytest.mark.parametrize(
    ("text", "decimal_comma", "value"),
    [
        ("1.234,56 €", True, "1234.56"),
        ("R$ 1.234,56", True, "1234.56"),
        ("-$12.50", False, "-12.50"),
        ("$-12.50", False, "-12.50"),
        ("(3,00)", True, "-3.00"),
        ("12.50-", False, "-12.50"),
        ("USD 7", False, "7"),
        ("7 EUR", False, "7"),
        ("−5", False, "-5"),
        (".5", False, "0.5"),
        ("5.", False, "5"),
        ("1'234.50", False, "1234.50"),
    ],
)
def test_amounts_as_people_write_them(text: str, decimal_comma: bool, value: str) -> None:
    assert money.parse(text, decimal_comma=decimal_comma) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["1,5", "1,23,4", "1.2.3", "Room 12", "", "-", "()", "--5", "(-5)", "1e5", "nan", "12:30"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        money.parse(text)


@pytest.mark.parametrize("text", ["1.5", "1.23.4", "12.50"])
def test_a_point_is_not_taken_for_thousands(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        money.parse(text, decimal_comma=True)


@pytest.mark.parametrize("amount", ["1e30", "-1e30", "Infinity", "NaN"])
def test_amounts_beyond_all_reason_are_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"amount|beyond"):
        money.to_minor(Decimal(amount), "EUR")


@given(st.text(max_size=20), st.booleans())
def test_any_text_is_an_amount_or_a_value_error(text: str, decimal_comma: bool) -> None:
    with contextlib.suppress(ValueError):
        assert money.parse(text, decimal_comma=decimal_comma).is_finite()


def test_amounts_are_shown_as_readers_write_them() -> None:
    assert money.show(123456, "EUR", "es") == "1.235\u00a0€"
    assert money.show(123456, "USD", "en", cents=True) == "$1,234.56"
    assert money.show(-50, "USD", "en") == "-$0.50"
    assert money.show(99999, "USD", "en") == "$999.99"
