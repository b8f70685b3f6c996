"""Collect, check and compile the translations, without GNU gettext.

Two catalogs: ``querencia/locale`` (domain ``django``) for what the application says, ``querencia/insight/locale``
(domain ``insight``) for the analytic library, which stands alone.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).parent.parent / "src" / "querencia"
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
# Babel's extractor and Django's template reader speak the same language once a template is turned into calls.
CATALOGS = {
    "django": (SOURCE, [("insight/**", "ignore"), ("**.py", "python"), ("**.html", "messages:extract_template")]),
    "insight": (SOURCE / "insight", [("**.py", "python"), ("**.html", "messages:extract_jinja")]),
}


def extract_template(fileobj, keywords, comment_tags, options) -> Iterator[tuple]:
    from django.utils.translation.template import templatize

    source = templatize(fileobj.read().decode("utf-8"))
    yield from extract_python(io.BytesIO(source.encode("utf-8")), keywords, comment_tags, options)


def extract_jinja(fileobj, keywords, comment_tags, options) -> Iterator[tuple]:
    from jinja2.ext import babel_extract

    yield from babel_extract(fileobj, keywords, comment_tags, {**options, "newstyle_gettext": "true"})


def collected(domain: str) -> Catalog:
    root, methods = CATALOGS[domain]
    catalog = Catalog(project="Querencia", charset="utf-8", fuzzy=False)
    named = {"python": "python", "ignore": "ignore"}
    method_map = [(pattern, named.get(how, _import_path(how))) for pattern, how in methods]
    for name, _line, message, comments, context in extract_from_dir(
        root, method_map=method_map, keywords=KEYWORDS, comment_tags=("Translators:",)
    ):
        if message:
            catalog.add(message, locations=[(name, None)], auto_comments=comments, context=context)
    return catalog


def _import_path(how: str):
    return {"messages:extract_template": extract_template, "messages:extract_jinja": extract_jinja}.get(how, how)


def path_of(domain: str, language: str) -> Path:
    return CATALOGS[domain][0] / "locale" / language / "LC_MESSAGES" / f"{domain}.po"


def load(domain: str, language: str) -> Catalog:
    path = path_of(domain, language)
    if not path.exists():
        return Catalog(locale=language, domain=domain, charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=domain)


def collect() -> int:
    for domain in CATALOGS:
        template = collected(domain)
        for language in LANGUAGES:
            catalog = load(domain, language)
            catalog.update(template, no_fuzzy_matching=True)
            catalog.obsolete.clear()
            catalog.fuzzy = False
            path = path_of(domain, language)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                write_po(file, catalog, width=110, sort_output=True, no_location=True, omit_header=False)
    return 0


def compile_all() -> int:
    for domain in CATALOGS:
        for language in LANGUAGES:
            if path_of(domain, language).exists():
                with path_of(domain, language).with_suffix(".mo").open("wb") as file:
                    write_mo(file, load(domain, language))
    return 0


def check() -> int:
    """Fail when a text a user sees has no Spanish or no Portuguese, or a translation breaks a placeholder."""
    problems = 0
    for domain in CATALOGS:
        template = collected(domain)
        for language in LANGUAGES:
            catalog = load(domain, language)
            for message in template:
                if not message.id:
                    continue
                translated = catalog.get(message.id, message.context)
                texts = translated.string if translated else ""
                texts = texts if isinstance(texts, tuple) else (texts,)
                if not all(texts):
                    problems += 1
                    print(f"{domain} {language}: not translated: {message.id!r}")
                elif errors := list(translated.check(catalog)):
                    problems += 1
                    print(f"{domain} {language}: {message.id!r}: {errors[0]}")
    if problems:
        print(f"{problems} problems: run `make messages`, then fill in the empty texts under src/querencia/**/locale/")
    return 1 if problems else 0


if __name__ == "__main__":
    actions = {"collect": collect, "compile": compile_all, "check": check}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        raise SystemExit(f"usage: messages.py {'|'.join(actions)}")
    raise SystemExit(actions[sys.argv[1]]())
