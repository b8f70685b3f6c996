"""One column of somebody's file as ours: text, customer keys and exact numbers, whatever the file keeps them as.

Numbers are scaled integers: `Decimal(38, scale)` read as its digits. Nothing goes through floating point except what
the file itself keeps so (Excel, Parquet), which is taken for the shortest decimal it stands for.
"""

import polars as pl

from querencia.common import money

# Kept in step with `common.money`, which reads one value where this reads a column.
SPACES = r"[\s\x{a0}\x{202f}'’]"
PLAIN = {".": r"^[-+]?\d+(?:\.\d+)?$", ",": r"^[-+]?\d+(?:,\d+)?$"}
GROUPED = {
    ".": r"^[-+]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)$",
    ",": r"^[-+]?(?:(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?|,\d+)$",
}
WHOLE_FLOAT = r"^-?\d+\.0+$"
BLANK = ("null", "NULL", "nan", "NaN", "NAN", "None", "#N/A", "N/A", "n/a", "<NA>", "NaT")
NOBODY = (
    "0",
    "-1",
    "null",
    "nan",
    "none",
    "anonymous",
    "anonymus",
    "anonimo",
    "anónimo",
    "anônimo",
    "n/a",
    "#n/a",
    "na",
    "<na>",
    "-",
    "--",
)
DIGITS_MAX = 38


def text(given: pl.Series) -> pl.Series:
    """Stripped text, null where blank; numbers without the ``.0`` that tables with gaps put behind whole ones."""
    if given.dtype.is_float():
        whole = given.cast(pl.Int64, strict=False)
        number = pl.when(given == whole).then(whole.cast(pl.String)).otherwise(given.cast(pl.String))
        return pl.select(pl.when(given.is_not_nan()).then(number)).to_series()
    if given.dtype != pl.String:
        given = given.cast(pl.String, strict=False)
    bare = given.str.strip_chars().str.replace_all("\x00", "", literal=True)
    return pl.select(pl.when(bare != "").then(bare)).to_series()


def label(given: pl.Series) -> pl.Series:
    """Text in which the words programs write for nothing are nothing."""
    written = text(given)
    return pl.select(pl.when(~pl.lit(written).is_in(BLANK)).then(written)).to_series()


def customer_key(given: pl.Series) -> pl.Series:
    """Whose: null for nobody (empty, 0, -1, null, anonymous, …); ``17850.0`` is 17850."""
    written = text(given)
    if given.dtype == pl.String and written.str.contains(WHOLE_FLOAT).any():
        short = written.str.replace(r"^(-?\d+)\.0+$", "$1")
        written = short.zip_with(written.str.contains(WHOLE_FLOAT).fill_null(False), written)
    nobody = pl.lit(written).str.to_lowercase().is_in(NOBODY)
    return pl.select(pl.when(~nobody).then(written)).to_series()


def scaled(given: pl.Series, *, decimal: str, scale: int) -> pl.Series:
    """The number times 10^scale as Int128, half to even; null where it is no number."""
    kind = given.dtype
    if kind.is_integer():
        exact = given.cast(pl.Decimal(DIGITS_MAX, 0))
    elif kind.is_float():
        exact = given.cast(pl.String).cast(pl.Decimal(DIGITS_MAX, scale), strict=False)
    elif isinstance(kind, pl.Decimal):
        exact = given
    elif kind == pl.String:
        exact = _written(given, decimal).cast(pl.Decimal(DIGITS_MAX, scale), strict=False)
    else:
        return pl.Series(given.name, [None] * len(given), dtype=pl.Int128)
    return exact.cast(pl.Decimal(DIGITS_MAX, scale), strict=False).to_physical().cast(pl.Int128)


def _written(given: pl.Series, decimal: str) -> pl.Series:
    """Numbers as people write them, as the decimals that a cast understands; null for anything else."""
    bare = given.str.strip_chars()
    plain = bare.str.contains(PLAIN[decimal])
    number = bare if decimal == "." else bare.str.replace(",", ".", literal=True)
    if plain.fill_null(True).all():
        return number
    other = bare.str.replace_all(SPACES, "").str.replace_all("−", "-", literal=True)
    brackets = other.str.contains(r"^\([^()+-]*\)$")
    other = other.str.strip_chars_start("(").str.strip_chars_end(")").zip_with(brackets.fill_null(False), other)
    mark = money.MARK
    other = other.str.replace(rf"^([-+]?)(?:{mark})([-+]?[\d.,])", "$1$2").str.replace(
        rf"([\d.,]-?)(?:{mark})(-?)$", "$1$2"
    )
    after = other.str.contains(r"^[\d.,]+-$").fill_null(False)
    other = other.str.replace(r"^(.*)-$", "-$1").zip_with(after, other)
    grouped = other.str.contains(GROUPED[decimal])
    thousands = "," if decimal == "." else "."
    other = other.str.replace_all(thousands, "", literal=True).str.replace(",", ".", literal=True)
    sign = pl.when(brackets).then(pl.lit("-")).otherwise(pl.lit(""))
    cleaned = pl.select(pl.when(grouped).then(pl.concat_str(sign, pl.lit(other)))).to_series()
    return number.zip_with(plain.fill_null(False), cleaned)


def rounded(number: pl.Expr, digits: int) -> pl.Expr:
    """A scaled integer with so many digits fewer, half to even."""
    if digits <= 0:
        return number * _whole(10**-digits) if digits else number
    size = 10**digits
    quotient = number // _whole(size)
    rest = number - quotient * _whole(size)
    odd = quotient % _whole(2) != _whole(0)
    up = (rest > _whole(size // 2)) | ((rest == _whole(size // 2)) & odd)
    return quotient + pl.when(up).then(_whole(1)).otherwise(_whole(0))


def _whole(number: int) -> pl.Expr:
    return pl.lit(number, dtype=pl.Int128)


def fits(number: pl.Series, maximum: int = money.MINOR_MAX) -> pl.Series:
    """Int64 where the number is within the bounds, else null."""
    bound = _whole(maximum)
    inside = (pl.lit(number) <= bound) & (pl.lit(number) >= -bound)
    return pl.select(pl.when(inside).then(number).cast(pl.Int64)).to_series()


def shortened(given: pl.Series, length: int) -> pl.Series:
    """Text of at most so many letters."""
    return given.str.slice(0, length)
