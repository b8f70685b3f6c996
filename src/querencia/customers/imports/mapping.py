"""Which column tells what: guessed from headers in three languages and from what the columns hold, or as told."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from querencia.customers import names
from querencia.customers.imports import dates, vocabulary
from querencia.customers.imports.formats import digits_of
from querencia.customers.imports.formulas import Formula, parse
from querencia.customers.imports.problems import Unreadable, listed

TEXT, NUMERIC, DATE, EMPTY = "text", "number", "date", "empty"
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
CLOCK = re.compile(r"\s*\d{1,2}[:.h]\d{2}")
PHONE = re.compile(r"[-+()\d\s./]{6,}")


@dataclass(frozen=True)
class Known:
    """What a sample tells of a column."""

    name: str
    values: Sequence[str]  # blanks left out
    is_native_date: bool = False

    @cached_property
    def kind(self) -> str:
        if self.is_native_date:
            return DATE
        if not self.values:
            return EMPTY
        if self.share(dates.looks_like_date) >= 0.8:
            return DATE
        return NUMERIC if self.share(digits_of) >= 0.8 else TEXT

    def share(self, test: Callable[[str], object]) -> float:
        part = self.values[:500]
        return sum(bool(test(value)) for value in part) / len(part) if part else 0.0

    @property
    def repeats(self) -> bool:
        return len(set(self.values)) < len(self.values)


def folded(header: str) -> str:
    """``CustomerID``, ``customer_id`` and ``Customer Id`` are one header: ``customer id``."""
    return " ".join(re.findall(r"[^\W_]+", names.fold(CAMEL.sub(" ", header).replace("º", " ").replace("°", " "))))


def guess(kind: str, columns: Sequence[Known]) -> dict[str, str]:
    """Field -> column (or formula), the best reading of the headers that the contents do not contradict."""
    scored = sorted(
        (
            (score, -place, field.name, column.name)
            for field in vocabulary.fields(kind)
            for place, column in enumerate(columns)
            if (score := _score(field, column)) > 0
        ),
        reverse=True,
    )
    found: dict[str, str] = {}
    for *_rank, field, column in scored:
        if field not in found and column not in found.values():
            found[field] = column
    known = {column.name: column for column in columns}
    _complete_date("at" if kind == vocabulary.PURCHASES else "created_at", kind, found, known)
    if kind == vocabulary.PURCHASES:
        _complete_purchases(found, known)
    elif "key" not in found and "email" in found:
        found["key"] = found["email"]
    if kind == vocabulary.CUSTOMERS and "given_name" in found and "family_name" not in found and "name" not in found:
        found["name"] = found.pop("given_name")
    order = [field.name for field in vocabulary.fields(kind)]
    return {name: found[name] for name in order if name in found}


def _score(field: vocabulary.Field, column: Known) -> float:
    header = folded(column.name)
    if not header or not _may_hold(field.name, column):
        return 0
    if header in field.headers:
        return 1000 - field.headers.index(header)
    if field in vocabulary.OF_PURCHASES and header in vocabulary.PERSONAL:
        return 0
    words = f" {header} "
    inside = [place for place, said in enumerate(field.headers) if len(said) > 3 and f" {said} " in words]
    if field.name == "amount" and not all(word in vocabulary.OF_MONEY for word in header.split()):
        inside = [place for place in inside if field.headers[place] not in vocabulary.VAGUE]
    longest = max((len(field.headers[place]) for place in inside), default=0)
    return 100 + longest if inside else 0


def _may_hold(field: str, column: Known) -> bool:
    """Whether the contents allow the reading that the header suggests."""
    kind = column.kind
    if kind == EMPTY:
        return False
    if field in ("at", "birthday", "created_at"):
        return kind == DATE or (field == "at" and kind == NUMERIC and column.share(_is_serial_or_epoch) > 0.9)
    if field in ("amount", "cost", "quantity"):
        return kind == NUMERIC
    if field == "email":
        return column.share(lambda value: "@" in value) > 0.5
    if field == "phone":
        return column.share(PHONE.fullmatch) > 0.5
    if field == "currency":
        return column.share(lambda value: len(value.strip()) == 3) > 0.5
    if field in ("customer_key", "key", "sku") and kind == DATE:
        return column.share(str.isdigit) > 0.9 and field != "customer_key"
    return True


def _is_serial_or_epoch(value: str) -> bool:
    return bool(re.fullmatch(r"[2-7]\d{4}(\.\d+)?|1\d{9}|1\d{12}", value))


def _complete_date(field: str, kind: str, found: dict[str, str], known: dict[str, Known]) -> None:
    """A date in several columns: year and month, and what else there is; or a day, and the hour beside it."""
    free = [column for column in known.values() if column.name not in found.values()]
    if field not in found:
        said = vocabulary.field(kind, field)
        parts: dict[str, dict[int, str]] = {}
        for column in free:
            for place, prefix in _date_part(column):
                parts.setdefault(prefix, {}).setdefault(place, column.name)
        for prefix, places in parts.items():
            words = {f"{prefix} {word}".strip() for word in vocabulary.DATE_WORDS}
            words |= {f"{word} {prefix}".strip() for word in vocabulary.DATE_WORDS}
            if 0 in places and 1 in places and said and (words & set(said.headers) or not prefix):
                found[field] = "+".join(quoted(places[place]) for place in sorted(places))
                return
    elif not known[found[field]].share(lambda value: ":" in value):
        clocks = (column for column in free if folded(column.name) in vocabulary.CLOCK)
        clock = next((column for column in clocks if column.share(CLOCK.match) > 0.8), None)
        if clock:
            found[field] = f"{quoted(found[field])}+{quoted(clock.name)}"


def _date_part(column: Known) -> list[tuple[int, str]]:
    """Which part of a date (year 0, month 1, day 2) the column is named for, and the rest of its name."""
    words = folded(column.name).split()
    found = [place for place, said in enumerate(vocabulary.DATE_PARTS) if words and words[-1] in said]
    if found:
        return [(found[0], " ".join(words[:-1]))] if column.kind == NUMERIC else []
    found = [place for place, said in enumerate(vocabulary.DATE_PARTS) if words and words[0] in said]
    return [(found[0], " ".join(words[1:]))] if found and column.kind == NUMERIC else []


def _complete_purchases(found: dict[str, str], known: dict[str, Known]) -> None:
    price = next((name for name in known if folded(name) in vocabulary.UNIT_PRICE and known[name].kind == NUMERIC), "")
    if "amount" not in found and price:
        quantity = found.get("quantity", "")
        found["amount"] = f"{quoted(quantity)}*{quoted(price)}" if quantity else price
    used = set(found.values())
    if "key" not in found:
        for name, column in known.items():
            is_numbered = folded(name) in ("id", "no", "n", "number", "numero", "num", "uuid", "code", "codigo")
            if is_numbered and name not in used and column.values and not column.repeats:
                found["key"] = name
                break
    # Without headers (columns are numbered then) contents must do.
    if known and all(re.fullmatch(r"column \d+", name) for name in known):
        _by_contents(found, known)


def _by_contents(found: dict[str, str], known: dict[str, Known]) -> None:
    free = [column for column in known.values() if column.name not in found.values()]
    tests: dict[str, Callable[[Known], bool]] = {
        "at": lambda c: c.kind == DATE,
        "amount": lambda c: c.kind == NUMERIC and c.share(lambda v: re.search(r"[.,]\d{1,2}\D*$", v)) > 0.3,
        "customer_key": lambda c: c.kind in (TEXT, NUMERIC) and c.repeats and c.share(lambda v: " " not in v) > 0.9,
    }
    for field, test in tests.items():
        fitting = next((column for column in free if field not in found and test(column)), None)
        if fitting:
            found[field] = fitting.name
            free.remove(fitting)


def quoted(column: str) -> str:
    """A column's name as a formula writes it."""
    return column if re.fullmatch(r"[^\W\d]\w*", column) else f"`{column}`"


def resolve(kind: str, mapping: dict[str, str], columns: Sequence[str]) -> dict[str, str | Formula]:
    """Field -> column or formula. Raises Unreadable for unknown fields and columns. Blank ones are left out."""
    found: dict[str, str | Formula] = {}
    for name, given in mapping.items():
        field = vocabulary.field(kind, name)
        if field is None:
            raise Unreadable(
                "unknown_field", name=name, fields=listed([known.name for known in vocabulary.fields(kind)], 30)
            )
        if not given:
            continue
        if given in columns:
            found[name] = given
        elif name in vocabulary.DATES:
            found[name] = _joint(given, field, columns)
        elif field.takes_formula and re.search(r"[-+*/()`]|^[\d.]+$", given):
            found[name] = parse(given, columns)
        elif re.search(r"[-+*/()]", given):
            raise Unreadable("no_formula", field=field.label, name=given, columns=listed(list(columns)))
        else:
            raise Unreadable("unknown_column", name=given, columns=listed(list(columns)))
    return found


def _joint(given: str, field: vocabulary.Field, columns: Sequence[str]) -> Formula:
    """Columns that together tell one moment: ``Date+Time``."""
    if "+" in given:
        found = parse(given, columns)
        if all(kind == "column" or what == "+" for kind, what in found.steps):
            return found
    elif not re.search(r"[-*/()]", given):
        raise Unreadable("unknown_column", name=given, columns=listed(list(columns)))
    raise Unreadable("no_joint", field=field.label, name=given, columns=listed(list(columns)))


def columns_of(resolved: dict[str, str | Formula]) -> list[str]:
    """The columns that have to be read, each once."""
    needed = [
        name for given in resolved.values() for name in (given.columns if isinstance(given, Formula) else [given])
    ]
    return list(dict.fromkeys(needed))
