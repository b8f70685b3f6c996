"""Dates and moments in the many ways files write them: seconds since 1970 (UTC), and the day where the business is."""

import datetime
import re
from collections.abc import Sequence

import polars as pl

YMD, DMY, MDY = "ymd", "dmy", "mdy"
ORDERS = (YMD, DMY, MDY)
TIME = (
    r"(?:[t ,]+(?<hour>\d{1,2})[:.h](?<minute>\d{2})(?:[:.](?<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?:(?<half>[ap])\.?\s?m\.?)?\s*(?<zone>z|utc|gmt|[-+]\d{2}:?\d{2}|[-+]\d{2})?)?$"
)
YEAR_FIRST = r"^(?<a>\d{4})[-/. ](?<b>\d{1,2})[-/. ](?<c>\d{1,2})" + TIME
YEAR_LAST = r"^(?<a>\d{1,2})[-/. ](?<b>\d{1,2})[-/. ](?<c>\d{4}|\d{2})" + TIME
# A month alone is taken for its first day.
MONTH_FIRST = r"^(?<b>\d{1,2})[-/. ]+(?<a>\d{4})$"
MONTH_LAST = r"^(?<a>\d{4})[-/. ]+(?<b>\d{1,2})$"
MONTH_ALONE = re.compile(r"\s*(?:\d{1,2}[-/. ]\d{4}|\d{4}[-/. ]\d{1,2})\s*")
COMPACT = (
    r"^(?<a>\d{4})(?<b>\d{2})(?<c>\d{2})(?:[t ]?(?<hour>\d{2}):?(?<minute>\d{2})(?::?(?<second>\d{2}))?)?(?<zone>z)?$"
)
LOOKS = re.compile(
    r"^\s*(?:\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:\d{4}|\d{2})"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01]))"
    r"(?:[T ,].*|\d{4,6})?\s*$"
)
PARTED = re.compile(r"^\s*(\d{1,4})[-/. ](\d{1,2})[-/. ](\d{1,4})")
MONTHS = (
    "jan january ene enero janeiro", "feb february febrero fev fevereiro", "mar march marzo março marco",
    "apr april abr abril", "may mayo mai maio", "jun june junio junho", "jul july julio julho",
    "aug august ago agosto", "sep sept september septiembre setiembre set setembro", "oct october octubre out outubro",
    "nov november noviembre novembro", "dec december dic diciembre dez dezembro",
)  # fmt: skip
MONTH_NUMBERS = {name: str(number) for number, names in enumerate(MONTHS, 1) for name in names.split()}
# The longest first, so that "mar" does not eat the beginning of "marzo".
MONTH_NAMES = sorted(MONTH_NUMBERS, key=len, reverse=True)
LETTERS = re.compile(rf"(?i)\b(?:{'|'.join(MONTH_NAMES)})\b")
LENGTH_MAX = 60  # of a date, however it is written
SERIAL_DAYS = 25_569  # 1970-01-01 in Excel's count
SERIALS = (10_000, 80_000)  # 1927 to 2119
EPOCH_SECONDS, EPOCH_MILLISECONDS = r"^1\d{9}$", r"^1\d{12}$"
SECONDS_A_DAY = 86_400
# Plain notations of one length, which polars reads at a third of the price.
CLOCKS = {r"": "", r"[ T]\d{2}:\d{2}": "%H:%M", r"[ T]\d{2}:\d{2}:\d{2}": "%H:%M:%S"}
PLAIN = re.compile(r"(?P<year>\d{4}(?P<a>[-/.])\d{2}(?P=a)\d{2}|\d{8})|\d{2}(?P<b>[-/.])\d{2}(?P=b)\d{4}")


def looks_like_date(value: str) -> bool:
    if len(value) > LENGTH_MAX:
        return False
    return bool(LOOKS.match(value)) or bool(LETTERS.search(value) and re.search(r"\b\d{4}\b", value))


def order_of(values: Sequence[str]) -> tuple[str, bool]:
    """The order in which the values write day, month and year, and whether the values themselves show it.

    Only numbers above 12 tell days from months: ``3/4/2024`` alone could be either.
    """
    votes = {YMD: 0, DMY: 0, MDY: 0}
    written = 0
    for value in values:
        if LETTERS.search(value):
            votes[DMY] += 1
        elif found := PARTED.match(value):
            written += 1
            first, second = found.group(1), found.group(2)
            if len(first) == 4:
                votes[YMD] += 1
            elif int(first) > 12:
                votes[DMY] += 1
            elif int(second) > 12:
                votes[MDY] += 1
    order = max(ORDERS, key=lambda name: votes[name])
    return order, votes[order] > 0 or not written


def assumed_order(language: str, country: str, currency: str) -> str:
    """The order people write where the business is, for files that do not show theirs."""
    american = country == "US" or (not country and language == "en" and currency == "USD")
    return MDY if american else DMY


def read(given: pl.Series, *, order: str, zone: str) -> pl.DataFrame:
    """Columns ``at`` (seconds since 1970-01-01 UTC), ``day`` (days since then where the business is) and ``wall``
    (seconds as the file writes them, the same wherever the business says it is), row by row.

    Null where the value is no moment. Moments without a zone are the business's own; an hour that the clocks skipped
    is read as the one after it, one that they repeated as the first.
    """
    kind = given.dtype
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is None:
            return _from_naive(given.dt.cast_time_unit("us"), zone)
        return _from_aware(given.dt.cast_time_unit("us").dt.convert_time_zone("UTC"), zone)
    if kind == pl.Date:
        return _from_naive(given.cast(pl.Datetime("us")), zone)
    text = as_text(given)
    quick = _quick(text, order, zone)
    return _slow(text, order, zone) if quick is None else quick


def as_text(given: pl.Series) -> pl.Series:
    """Any column as text that `read` understands; days without an hour as days alone."""
    if isinstance(given.dtype, pl.Datetime) and (given.dt.time().drop_nulls() == datetime.time()).all():
        return given.cast(pl.Date).cast(pl.String)
    if given.dtype.is_float():
        whole = given.cast(pl.Int64, strict=False)
        return pl.select(
            pl.when(given == whole).then(whole.cast(pl.String)).otherwise(given.cast(pl.String))
        ).to_series()
    return given if given.dtype == pl.String else given.cast(pl.String, strict=False)


def _quick(text: pl.Series, order: str, zone: str) -> "pl.DataFrame | None":
    """Whole batches in one plain notation, the common case."""
    first = text.drop_nulls().head(1).to_list()
    notation = _notation(first[0], order) if first else ""
    if not notation or not bool((text.str.len_bytes() == len(first[0])).all()):
        return None
    naive = text.str.to_datetime(notation, strict=False, time_unit="us")
    return _from_naive(naive, zone) if naive.null_count() == text.null_count() else None


def _notation(value: str, order: str) -> str:
    """The value's notation if it is a plain one, in the words of `strptime`; else nothing."""
    day = PLAIN.match(value)
    clock = next((said for shape, said in CLOCKS.items() if day and re.fullmatch(shape, value[day.end() :])), None)
    if day is None or clock is None:
        return ""
    if day["year"]:
        said = f"%Y{day['a'] or ''}%m{day['a'] or ''}%d"
    else:
        said = day["b"].join(("%m", "%d", "%Y") if order == MDY else ("%d", "%m", "%Y"))
    return said + (value[day.end()] if clock else "") + clock


def _slow(text: pl.Series, order: str, zone: str) -> pl.DataFrame:
    text = text.str.strip_chars().str.to_lowercase()
    named = text.str.contains(r"[a-zç]{3}")
    if named.any():
        text = _months_as_numbers(text, named)
    frame = pl.DataFrame({"text": text})
    notations = {
        YEAR_FIRST: ("a", "b", "c"),
        YEAR_LAST: ("c", "a", "b") if order == MDY else ("c", "b", "a"),
        COMPACT: ("a", "b", "c"),
        MONTH_LAST: ("a", "b", ""),
        MONTH_FIRST: ("a", "b", ""),
    }
    # To look whether a notation occurs at all costs a tenth of taking it apart.
    met = {shape: places for shape, places in notations.items() if text.str.contains(shape).any()}
    parts = [_parts(frame, shape, places) for shape, places in (met or notations).items()]
    naive = frame.select(pl.coalesce(*(_naive(part) for part in parts)).alias("naive"))["naive"]
    offset = frame.select(pl.coalesce(*(_offset(part) for part in parts)).alias("offset"))["offset"]
    numbers = frame.select(_from_number(pl.col("text")).alias("n"), _is_epoch(pl.col("text")).alias("epoch"))
    naive = pl.select(pl.coalesce(naive, numbers["n"])).to_series()
    offset = pl.select(pl.when(numbers["epoch"]).then(0).otherwise(offset)).to_series()
    local = _from_naive(naive, zone)
    if offset.null_count() == len(offset):
        return local
    moved = pl.select((pl.lit(naive) - pl.duration(seconds=pl.lit(offset))).dt.replace_time_zone("UTC")).to_series()
    aware = _from_aware(moved, zone)
    has_zone = offset.is_not_null()
    return pl.DataFrame({name: aware[name].zip_with(has_zone, local[name]) for name in local.columns})


def _months_as_numbers(text: pl.Series, named: pl.Series) -> pl.Series:
    """``12 de enero de 2024``, ``12-Jan-24``, ``jan 12, 2024`` as numbers with blanks between."""
    bare = text.str.replace_all(r"\b(?:de|del|of)\b|(?:st|nd|rd|th)\b", " ").str.replace_all(r"([a-zç])\.", "$1")
    bare = bare.str.replace(rf"^({'|'.join(MONTH_NAMES)})\b[ .-]*(\d{{1,2}})\b", "$2 $1")
    bare = bare.str.replace(rf"\b({'|'.join(MONTH_NAMES)})\b", " $1 ")
    for name in MONTH_NAMES:
        bare = bare.str.replace(rf" {name} ", f" {MONTH_NUMBERS[name]} ")
    bare = bare.str.replace(r"^(\d{1,2})[-/. ,]+(\d{1,2})[-/. ,]+(\d{4})\b", "$3-$2-$1")
    bare = bare.str.replace(r"^(\d{1,2})[-/. ,]+(\d{1,2})[-/. ,]+(\d{2})\b", "20$3-$2-$1").str.strip_chars()
    # Only where a month was named: the words for day and zone in other values stay untouched.
    return bare.zip_with(named & (bare != text), text)


def _parts(frame: pl.DataFrame, pattern: str, order: tuple[str, str, str]) -> dict[str, pl.Series]:
    fields = frame["text"].str.extract_groups(pattern).struct.unnest()
    year, month = (fields[name].cast(pl.Int32, strict=False) for name in order[:2])
    day = fields[order[2]].cast(pl.Int32, strict=False) if order[2] else year * 0 + 1
    # Years of two digits: 70 to 99 are of the last century.
    short = pl.select(
        pl.when(fields[order[0]].str.len_bytes() == 2).then(pl.when(year >= 70).then(1900).otherwise(2000))
    )
    year = year + short.to_series().fill_null(0).cast(pl.Int32)
    found = {"year": year, "month": month, "day": day}
    for name in ("hour", "minute", "second"):
        found[name] = fields[name].cast(pl.Int32, strict=False).fill_null(0) if name in fields.columns else year * 0
    for name in ("half", "zone"):
        found[name] = fields[name] if name in fields.columns else pl.Series([None] * len(frame), dtype=pl.String)
    return found


def _naive(parts: dict[str, pl.Series]) -> pl.Expr:
    lit = {name: pl.lit(part) for name, part in parts.items()}
    year, month, day = lit["year"], lit["month"], lit["day"]
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    length = (
        pl.when(month == 2)
        .then(pl.when(leap).then(29).otherwise(28))
        .when(month.is_in([4, 6, 9, 11]))
        .then(30)
        .otherwise(31)
    )
    hour = (
        pl.when(lit["half"] == "p")
        .then(lit["hour"] % 12 + 12)
        .when(lit["half"] == "a")
        .then(lit["hour"] % 12)
        .otherwise(lit["hour"])
    )
    usable = month.is_between(1, 12) & (day >= 1) & (day <= length) & (year >= 1) & (hour < 24) & (lit["minute"] < 60)
    second = pl.min_horizontal(lit["second"], pl.lit(59))  # a leap second is not worth a rejected row
    usable_parts = (pl.when(usable).then(part) for part in (year, month, day, hour, lit["minute"], second))
    return pl.datetime(*usable_parts)


def _offset(parts: dict[str, pl.Series]) -> pl.Expr:
    """Seconds east of Greenwich, null where no zone is named."""
    zone = pl.lit(parts["zone"])
    digits = zone.str.replace_all(":", "")
    hours = digits.str.slice(1, 2).cast(pl.Int32, strict=False)
    minutes = digits.str.slice(3, 2).cast(pl.Int32, strict=False).fill_null(0)
    seconds = hours * 3600 + minutes * 60
    signed = pl.when(digits.str.starts_with("-")).then(-seconds).otherwise(seconds)
    return pl.when(zone.is_in(["z", "utc", "gmt"])).then(0).otherwise(signed)


def _is_epoch(text: pl.Expr) -> pl.Expr:
    return text.str.contains(EPOCH_SECONDS) | text.str.contains(EPOCH_MILLISECONDS)


def _from_number(text: pl.Expr) -> pl.Expr:
    """Excel's days since 1899-12-30, and seconds or milliseconds since 1970."""
    number = text.cast(pl.Float64, strict=False)
    plain = text.str.contains(r"^\d{5}(\.\d+)?$") & number.is_between(*SERIALS)
    seconds = (
        pl.when(plain)
        .then(((number - SERIAL_DAYS) * SECONDS_A_DAY).round())
        .when(text.str.contains(EPOCH_SECONDS))
        .then(number)
        .when(text.str.contains(EPOCH_MILLISECONDS))
        .then((number / 1000).floor())
    )
    return pl.from_epoch(seconds.cast(pl.Int64, strict=False), time_unit="s").cast(pl.Datetime("us"))


def _from_naive(naive: pl.Series, zone: str) -> pl.DataFrame:
    day = naive.dt.date()
    here = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    if here.null_count() > naive.null_count():
        later = naive.dt.offset_by("1h").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        here = pl.select(pl.coalesce(here, later)).to_series()
    return pl.DataFrame({"at": here.dt.epoch("s"), "day": day.cast(pl.Int32), "wall": naive.dt.epoch("s")})


def _from_aware(moment: pl.Series, zone: str) -> pl.DataFrame:
    day = moment.dt.convert_time_zone(zone).dt.date().cast(pl.Int32)
    return pl.DataFrame({"at": moment.dt.epoch("s"), "day": day, "wall": moment.dt.epoch("s")})
