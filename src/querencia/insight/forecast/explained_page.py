"""The page that explains a forecast: one file, no script, light and dark, to print and to mail."""

from functools import partial
from typing import Any

from querencia.insight import explain, language, plot, wording
from querencia.insight.forecast.explained import Facts
from querencia.insight.language import gettext as _
from querencia.insight.plot.trusting import held
from querencia.insight.report.page import environment

WIDTH = 340
BEATS_MIN = 0.0005  # less is nothing at the one decimal that is shown


def html(facts: Facts, *, language: str = "en", title: str = "") -> str:
    """The page for the facts of :func:`querencia.insight.forecast.explained.explain`, in English, Spanish or
    Portuguese.

    >>> from querencia.insight import forecast, samples
    >>> from querencia.insight.forecast.explained import explain
    >>> chosen = forecast.prepare(samples.cdnow().head(40), as_of=samples.CDNOW_END, horizon_days=90)
    >>> page = html(explain(chosen, currency="USD"), language="pt")
    >>> page.startswith("<!doctype html>"), 'lang="pt"' in page
    (True, True)
    """
    from querencia.insight.language import spoken

    with spoken(language):
        made = environment(facts["currency"])
        made.filters |= {"minor": partial(wording.money, currency=facts["currency"]), "signed": signed}
        return made.get_template("explained.html").render(_context(facts, title))


def signed(share: float) -> str:
    """``+3.1%``, ``-0.4%``, of a share."""
    return ("+" if share >= BEATS_MIN else "") + wording.percent(round(share, 4) + 0.0, 1)


def _context(facts: Facts, title: str) -> dict[str, Any]:
    questions = {question["name"]: question for question in facts["questions"]}
    return {
        "f": facts,
        "title": title,
        "language": language.current(),
        "questions": [{**question, **_words(question)} for question in facts["questions"]],
        "count": questions.get("count"),
        "absent": [(_reason(one["reason"]), list(map(explain.model_name, one["names"]))) for one in facts["absent"]],
        "ranked_by": list(dict.fromkeys(map(explain.model_name, facts["ranked_by"]))),
        "withheld": _withheld(facts),
        "named": explain.model_name,
        "kinds": {"rule": _("rule of thumb"), "model": _("model"), "learned": _("learned from the log")},
        "held": held(facts["calibration"]),
        "pictures": _pictures(facts),
    }


def _pictures(facts: Facts) -> dict[str, str]:
    if not facts["calibration"]:
        return {}
    charts = {"calibration": plot.calibration, "lift": plot.lift}
    return {name: plot.svg(draw(facts[name], width=WIDTH)) for name, draw in charts.items()}


def _words(question: Facts) -> dict[str, str]:
    """The question as readers ask it, and how it was decided."""
    asked = {
        "chance": _("Will they buy?"),
        "count": _("How many times?"),
        "amount": _("How much will a purchase bring?"),
    }
    return {"asked": asked[question["name"]], "verdict": _verdict(question)}


def _verdict(question: Facts) -> str:
    winner, rule, beats = question["winner"], question["rule"], question["beats_rule_by"]
    name = explain.model_name(winner)
    facts = {"winner": name[:1].upper() + name[1:], "rule": explain.model_name(rule)}
    if winner == rule:
        return _("No candidate clearly beat the best rule of thumb, so that rule answers: %(rule)s.") % facts
    if beats is None:
        return _("%(winner)s answers; what it erred cannot be set against a rule of thumb that did not err.") % facts
    facts["share"] = wording.percent(abs(beats), 1)
    if beats >= BEATS_MIN:
        return _("%(winner)s answers: its error was %(share)s below that of the best rule of thumb (%(rule)s).") % facts
    if question["name"] == "amount":
        return (
            _(
                "%(winner)s answers, though it did not beat the rule of thumb (%(rule)s): its error was %(share)s "
                "above. That rule names no amount of a purchase."
            )
            % facts
        )
    return (
        _(
            "%(winner)s answers, though it did not beat the best rule of thumb (%(rule)s): its error was %(share)s "
            "above. A rule knows no doubt, and answers only where it wins by 3 points."
        )
        % facts
    )


def _reason(code: str) -> str:
    return {
        "lessons": _("They learn from what followed on earlier days, and the history holds too few of those."),
        "histories": _("There are more different histories than there is time for."),
    }[code]


def _withheld(facts: Facts) -> list[tuple[str, list[str]]]:
    """The reasons with the figures that they keep from being trusted."""
    names = {"forecast": _("the next days"), "value": _("revenue")}
    found: dict[str, list[str]] = {}
    for figure, reasons in facts["withheld"].items():
        for reason in reasons:
            found.setdefault(reason, []).append(names[figure])
    return list(found.items())
