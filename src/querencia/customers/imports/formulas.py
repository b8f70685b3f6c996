"""Formulas that make one number out of columns: ``Quantity*UnitPrice``, ``(`Unit price` - Discount) * 1.21``.

Columns, numbers, ``+ - * /`` and brackets; names with blanks stand in backticks. Reckoned in scaled integers: a sum or
a product of decimals is exact, a quotient to twelve decimals.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from django.utils.translation import gettext as _

from querencia.customers.imports import values
from querencia.customers.imports.problems import Unreadable

TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?)|`(?P<quoted>[^`]+)`|(?P<name>[^\W\d]\w*)|(?P<sign>[-+*/()]))")
COLUMN_SCALE = 6
SCALE_MAX = 12
DEPTH_MAX = 40


@dataclass(frozen=True)
class Formula:
    """A formula in reverse Polish order: columns, numbers and signs."""

    text: str
    steps: tuple[tuple[str, str], ...]

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(what for kind, what in self.steps if kind == "column"))

    def reckon(self, numbers: dict[str, pl.Series], digits: int) -> pl.Series:
        """The value times 10^digits as Int64, half to even; null where a column is, by zero, or beyond all bounds.

        `numbers` are the columns as scaled integers (:data:`COLUMN_SCALE`).
        """
        length = max((len(series) for series in numbers.values()), default=1)
        frame = (
            pl.DataFrame({f"c{i}": numbers[name] for i, name in enumerate(self.columns)})
            if numbers
            else pl.DataFrame({"c": [0] * length})
        )
        places = {name: f"c{i}" for i, name in enumerate(self.columns)}
        exact, scale = self._exact(places)
        made = frame.select(
            exact=values.rounded(exact, scale - digits) + pl.lit(0, dtype=pl.Int128) * pl.first().cast(pl.Int128),
            near=self._near(places) * 10**digits,
        )
        # Beyond 128 bits integers wrap around without a word; the floating value tells.
        sound = (made["exact"].cast(pl.Float64) - made["near"]).abs() <= 1 + made["near"].abs() * 1e-9
        return pl.select(pl.when(sound).then(values.fits(made["exact"]))).to_series()

    def _exact(self, places: dict[str, str]) -> tuple[pl.Expr, int]:
        stack: list[tuple[pl.Expr, int]] = []
        for kind, what in self.steps:
            if kind == "column":
                stack.append((pl.col(places[what]), COLUMN_SCALE))
            elif kind == "number":
                whole, _point, part = what.partition(".")
                stack.append((pl.lit(int(whole + part), dtype=pl.Int128), len(part)))
            elif what == "negate":
                number, scale = stack.pop()
                stack.append((pl.lit(0, dtype=pl.Int128) - number, scale))
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(_joined(what, left, right))
        return stack[0]

    def _near(self, places: dict[str, str]) -> pl.Expr:
        stack: list[pl.Expr] = []
        for kind, what in self.steps:
            if kind == "column":
                stack.append(pl.col(places[what]).cast(pl.Float64) / 10**COLUMN_SCALE)
            elif kind == "number":
                stack.append(pl.lit(float(what)))
            elif what == "negate":
                stack.append(-stack.pop())
            else:
                right, left = stack.pop(), stack.pop()
                stack.append({"+": left + right, "-": left - right, "*": left * right, "/": left / right}[what])
        return stack[0]


def _joined(sign: str, left: tuple[pl.Expr, int], right: tuple[pl.Expr, int]) -> tuple[pl.Expr, int]:
    (a, a_scale), (b, b_scale) = left, right
    if sign == "*":
        scale = a_scale + b_scale
        return (values.rounded(a * b, scale - SCALE_MAX), SCALE_MAX) if scale > SCALE_MAX else (a * b, scale)
    if sign == "/":
        numerator = values.rounded(a, a_scale - b_scale - SCALE_MAX)
        safe = pl.when(b != pl.lit(0, dtype=pl.Int128)).then(b)
        return numerator // safe, SCALE_MAX
    scale = max(a_scale, b_scale)
    a, b = values.rounded(a, a_scale - scale), values.rounded(b, b_scale - scale)
    return (a + b if sign == "+" else a - b), scale


def parse(text: str, columns: Sequence[str]) -> Formula:
    """Raises Unreadable, naming the place, when the text is no formula over these columns."""
    tokens = _tokens(text)
    reader = _Reader(text, tokens, columns)
    reader.sum(0)
    if reader.next() is not None:
        reader.refuse(_("“%(token)s” is not expected there") % {"token": reader.next()[1]})  # type: ignore[index]
    return Formula(text, tuple(reader.steps))


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while text[place:].strip():
        match = TOKEN.match(text, place)
        if not match or not match.lastgroup:
            problem = _("“%(token)s” is not expected there") % {"token": text[place:].strip()[:20]}
            raise Unreadable("formula", formula=text, message=problem)
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Reader:
    """Reads sums of products of terms, writing the steps in the order in which they are reckoned."""

    def __init__(self, text: str, tokens: list[tuple[str, str]], columns: Sequence[str]) -> None:
        self.text, self.tokens, self.columns = text, tokens, columns
        self.place = 0
        self.steps: list[tuple[str, str]] = []

    def next(self) -> tuple[str, str] | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self, *signs: str) -> str:
        token = self.next()
        if token and token[0] == "sign" and token[1] in signs:
            self.place += 1
            return token[1]
        return ""

    def refuse(self, message: str) -> None:
        raise Unreadable("formula", formula=self.text, message=message)

    def sum(self, depth: int) -> None:
        if depth > DEPTH_MAX:
            self.refuse(_("it is nested too deeply"))
        self.product(depth)
        while sign := self.take("+", "-"):
            self.product(depth)
            self.steps.append(("sign", sign))

    def product(self, depth: int) -> None:
        self.term(depth)
        while sign := self.take("*", "/"):
            self.term(depth)
            self.steps.append(("sign", sign))

    def term(self, depth: int) -> None:
        if sign := self.take("-", "+"):
            if depth > DEPTH_MAX:
                self.refuse(_("it is nested too deeply"))
            self.term(depth + 1)
            if sign == "-":
                self.steps.append(("sign", "negate"))
        elif self.take("("):
            self.sum(depth + 1)
            if not self.take(")"):
                self.refuse(_("a bracket is not closed"))
        else:
            self.operand()

    def operand(self) -> None:
        token = self.next()
        if token is None:
            self.refuse(_("it ends too early"))
            return
        self.place += 1
        kind, what = token
        if kind == "number":
            self.steps.append(("number", what))
        elif kind in ("name", "quoted") and what in self.columns:
            self.steps.append(("column", what))
        elif kind == "sign":
            self.refuse(_("“%(token)s” is not expected there") % {"token": what})
        else:
            self.refuse(_("there is no column %(name)s") % {"name": what})
