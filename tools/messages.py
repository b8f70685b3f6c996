"""Collect, check and compile the translations, without GNU gettext.

Two catalogs: ``querencia/locale`` (domain ``django``) for what the application says, ``querencia/insight/locale``
(domain ``insight``) for the analytic library, which stands alone.
"""

import ast
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog, Message, TranslationError
from babel.messages.checkers import num_plurals
from babel.messages.extract import extract, extract_python
from babel.messages.mofile import write_mo
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).parent.parent / "src" / "querencia"
ROOTS = {"django": SOURCE, "insight": SOURCE / "insight"}
# Whose docstrings people read too.
REFERENCE = SOURCE / "api" / "rest"
LANGUAGES = ("es", "pt")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "N_": None,
}
TEXT = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
CALL = re.compile(rf"(?<!\w)(?:_|n?p?gettext)\({TEXT}(?:, *{TEXT})*(?:, *count)?\)")
PLACEHOLDER = re.compile(r"%\((\w+)\)[a-z]|(?<!%)(?:%%)*(%[sd])|\{(\w*)[^{}]*\}")
# Without dates and names: collecting twice leaves the files as they are.
HEAD = """\
# Querencia in {name}. Words: GLOSSARY.md.
msgid ""
msgstr ""
"Language: {code}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals={plural.num_plurals}; plural={plural.plural_expr};\\n"

"""


def extract_template(fileobj, keywords, comment_tags, options) -> Iterator[tuple]:
    """The texts of a Django template. What Django turns it into is calls amid filling that is not Python."""
    from django.utils.translation.template import templatize

    calls = CALL.findall(templatize(fileobj.read().decode("utf-8")))
    yield from extract_python(io.BytesIO("\n".join(calls).encode("utf-8")), keywords, comment_tags, options)


def extract_docstrings(path: Path) -> Iterator[str]:
    """What operations and their fields say of themselves: the reference of the API shows it to people."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and any(_is_endpoint(each) for each in node.decorator_list):
            yield " ".join((ast.get_docstring(node) or "").split())
        elif isinstance(node, ast.ClassDef):
            yield from (" ".join(each.value.value.split()) for each in node.body[1:] if _is_text(each))


def _is_endpoint(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "endpoint"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def extract_jinja(fileobj, keywords, comment_tags, options) -> Iterator[tuple]:
    from jinja2.ext import babel_extract

    yield from babel_extract(fileobj, keywords, comment_tags, {**options, "newstyle_gettext": "true"})


def collected(domain: str) -> Catalog:
    """Every text of the source, without translations."""
    root = ROOTS[domain]
    catalog = Catalog(charset="utf-8", fuzzy=False)
    methods = {".py": "python", ".html": extract_template if domain == "django" else extract_jinja}
    for path in sorted(root.rglob("*")):
        if path.suffix not in methods or (domain == "django" and path.is_relative_to(ROOTS["insight"])):
            continue
        with path.open("rb") as file:
            found = extract(methods[path.suffix], file, keywords=KEYWORDS, comment_tags=("Translators:",))
            for _line, text, comments, context in found:
                if text:
                    catalog.add(text, auto_comments=comments, context=context)
        for text in extract_docstrings(path) if path.is_relative_to(REFERENCE) and path.suffix == ".py" else ():
            catalog.add(text)
    return catalog


def path_of(domain: str, language: str) -> Path:
    return ROOTS[domain] / "locale" / language / "LC_MESSAGES" / f"{domain}.po"


def load(domain: str, language: str) -> Catalog:
    path = path_of(domain, language)
    if not path.exists():
        return Catalog(locale=language, domain=domain, charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=domain)


def updated(domain: str, language: str) -> bytes:
    """The file as it should be: today's texts with the translations there are."""
    catalog = load(domain, language)
    catalog.update(collected(domain), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    name = Locale.parse(language).english_name
    head = HEAD.format(name=name, code=language, plural=get_plural(language))
    written = io.BytesIO()
    write_po(written, catalog, width=110, sort_output=True, no_location=True, omit_header=True)
    return head.encode("utf-8") + written.getvalue()


def collect() -> int:
    for domain in ROOTS:
        for language in LANGUAGES:
            path = path_of(domain, language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(updated(domain, language))
    return 0


def compile_all() -> int:
    for domain in ROOTS:
        for language in LANGUAGES:
            if path_of(domain, language).exists():
                with path_of(domain, language).with_suffix(".mo").open("wb") as file:
                    write_mo(file, load(domain, language))
    return 0


def fault(message: Message, catalog: Catalog) -> str | None:
    """What is wrong with a translation; nothing if it may be shown."""
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    if not all(texts):
        return "not translated"
    try:
        num_plurals(catalog, message)
    except TranslationError as wrong:
        return str(wrong)
    ids = message.id if isinstance(message.id, tuple) else (message.id,)
    wanted = _placeholders(ids[-1])
    for form, text in enumerate(texts):
        held = _placeholders(text)
        # "Another is late": the form for one thing may leave its number out.
        if not (held <= wanted if form == 0 and len(texts) > 1 else held == wanted):
            return f"{text!r} should hold {sorted(wanted)}"
        if any(text[0].isspace() != one[0].isspace() or text[-1].isspace() != one[-1].isspace() for one in ids):
            return f"{text!r} should begin and end with a space where the English does"
    return None


def _placeholders(text: str) -> set[str]:
    return {"".join(found) for found in PLACEHOLDER.findall(text)}


def faults(domain: str, language: str) -> list[str]:
    """Every text of the source that has no sound translation."""
    catalog = load(domain, language)
    found = []
    for message in collected(domain):
        if message.id:
            translated = catalog.get(message.id, message.context)
            if wrong := fault(translated, catalog) if translated else "not collected":
                said = f"{message.id!r} ({message.context})" if message.context else repr(message.id)
                found.append(f"{domain} {language}: {said}: {wrong}")
    return found


def check() -> int:
    """Fail when a text a user sees has no Spanish or no Portuguese, or a translation breaks a placeholder."""
    problems = [problem for domain in ROOTS for language in LANGUAGES for problem in faults(domain, language)]
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problems: run `make messages`, then mend the texts under src/querencia/**/locale/")
    return 1 if problems else 0


if __name__ == "__main__":
    actions = {"collect": collect, "compile": compile_all, "check": check}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        raise SystemExit(f"usage: messages.py {'|'.join(actions)}")
    raise SystemExit(actions[sys.argv[1]]())
