"""What is wrong with a whole file, in a sentence. Kept as code and facts: every reader reads their own language."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as N_

SENTENCES = {
    "missing": N_("There is no file %(path)s."),
    "folder": N_("%(path)s is a folder; name a file in it."),
    "forbidden": N_("%(path)s may not be read by this user."),
    "empty": N_("The file is empty."),
    "header_only": N_("The file has a header (%(columns)s) and not one row below it."),
    "binary": N_("This is no table: the file holds binary data, not text, Excel, Parquet or JSON lines."),
    "packed": N_("The file is packed with %(kind)s. Unpack it first, or pack it with gzip or zip."),
    "packed_twice": N_(
        "The %(kind)s file holds a workbook or a Parquet file, which are packed themselves. Unpack it first."
    ),
    "packed_broken": N_("The packed file is damaged and cannot be unpacked (%(message)s). Export it again."),
    "zip_empty": N_("The zip file holds no file."),
    "zip_several": N_("The zip file holds %(count)s files (%(names)s). Import them one by one."),
    "zip_locked": N_("The zip file is locked with a password. Unpack it first."),
    "excel_locked": N_("The workbook is locked with a password. Save it without one."),
    "excel_broken": N_("The workbook cannot be opened (%(message)s). Save it again as .xlsx or as CSV."),
    "excel_sheet": N_("The workbook has no sheet %(sheet)s; it has %(names)s."),
    "parquet_broken": N_("The Parquet file cannot be read (%(message)s)."),
    "json_array": N_("The file is one JSON list. Write one object a line (JSON lines)."),
    "markup": N_(
        "This is a web page or XML, whatever the file's name says. Save it from a spreadsheet as .xlsx or as CSV."
    ),
    "json_broken": N_("Row %(row)s is not a JSON object. Write one object a line (JSON lines)."),
    "encoding": N_(
        "Row %(row)s (byte %(offset)s of the file) cannot be read as %(encoding)s. Say the right encoding, for example "
        "windows-1252 for files out of older Windows programs."
    ),
    "encoding_unknown": N_(
        "There is no encoding named %(encoding)s. Known are utf-8, windows-1252, iso-8859-1 and utf-16."
    ),
    "one_column": N_(
        "The rows do not fall into columns: the file was read with %(delimiter)s between them. Say what stands between "
        "the columns, for example a semicolon."
    ),
    "duplicate_columns": N_("Two columns are named %(name)s (columns %(first)s and %(second)s). Rename one of them."),
    "quote": N_(
        "Near row %(row)s a quotation mark opens and never closes, or the row is longer than a megabyte. Correct that "
        "row and try again."
    ),
    "unreadable": N_("The file cannot be read near row %(row)s (%(message)s)."),
    "no_purchases": N_(
        "This file holds no purchases that can be counted: it lacks %(missing)s. Found: %(columns)s. If a column does "
        "hold it, say which one."
    ),
    "no_amounts": N_(
        "This file says who bought and when, but not for how much. Found: %(columns)s. Say which column holds the "
        "amount, or a formula such as Quantity*UnitPrice; where purchases carry no money, 0 counts visits alone."
    ),
    "summary": N_(
        "This is no log of purchases but a summary of one (%(columns)s): it says how often somebody bought, not when "
        "and for how much. Import the log that it was made of."
    ),
    "no_customers": N_(
        "This file holds no customers that can be told apart: it lacks %(missing)s. Found: %(columns)s. If a column "
        "does hold it, say which one."
    ),
    "unknown_column": N_("There is no column %(name)s. The file has: %(columns)s."),
    "unknown_field": N_("There is no field %(name)s. Known are: %(fields)s."),
    "formula": N_("The formula %(formula)s cannot be understood: %(message)s."),
    "no_joint": N_(
        "%(field)s takes a column, or several joined by +, such as Date+Time or Year+Month+Day; %(name)s is neither. "
        "The file has: %(columns)s."
    ),
    "no_formula": N_(
        "%(field)s takes a column, not a formula: there is no column %(name)s. The file has: %(columns)s."
    ),
    "no_business": N_(
        "The business is not set up yet: nobody knows its currency. Set it up first, or name the currency."
    ),
    "currency": N_("The business counts in %(business)s; amounts in %(file)s cannot be added to them."),
    "currency_unknown": N_("%(code)s is not an ISO 4217 currency; write three letters, such as EUR."),
    "disk_full": N_(
        "There is no room left on the disk. Free some space and start it again: it goes on where it stopped."
    ),
    "disk": N_("The disk does not answer as it should (%(message)s). Start it again: it goes on where it stopped."),
    "database": N_("The database broke off (%(message)s). Start it again: it goes on where it stopped."),
    "unexpected": N_("It failed unexpectedly (%(message)s). Start it again: it goes on where it stopped."),
    "gone": N_("The file is no longer where it was. Hand it over again."),
    "changed": N_("The file has changed since it was handed over. Hand it over again."),
    "erased": N_("The file named somebody who was erased, so it was thrown away. Hand it over again without them."),
    "same_key": N_(
        "More than %(count)s rows cannot be told apart: all of them are %(key)s. Do the columns mean what they were "
        "taken for?"
    ),
    "doubled": N_(
        "%(doubled)s of the first %(read)s purchases are stored already under other numbers: the same customers, "
        "moments and amounts. Was this log imported before, with other columns? Nothing was written. If they are "
        "purchases of their own, import them all the same."
    ),
    "rejects": N_(
        "%(rejected)s of %(read)s rows would be rejected (%(share)s; the limit is %(limit)s), so nothing was written. "
        "Correct the file or the columns, or allow more."
    ),
    "nothing_left": N_("Not one of the %(read)s rows can be used, so nothing was written."),
}


class Unreadable(ValueError):
    """The file as a whole cannot be taken. ``str()`` says why in the active language."""

    def __init__(self, code: str, /, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        return sentence(self.code, self.facts)


def sentence(code: str, facts: dict[str, Any]) -> str:
    """The problem in the active language; an unknown code (of another version) as it stands."""
    return _(SENTENCES[code]) % facts if code in SENTENCES else code


def listed(names: list[str], most: int = 12) -> str:
    """Names for a sentence, the first of them when they are many."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
