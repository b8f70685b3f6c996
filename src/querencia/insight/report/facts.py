"""Everything the report says, as plain data: what JSON knows, never NaN. Shares have four decimals, days are ISO dates,
money is text in units of the currency, so that no reader loses a cent."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import narwhals as nw

from querencia.insight import defection, gates, notebook, pareto, rfm, rhythm, wording
from querencia.insight.engine import Frame, frame_of, rows, whole, windowed
from querencia.insight.keeping import kept
from querencia.insight.language import gettext as _
from querencia.insight.report import figures, outlook
from querencia.insight.report.figures import Facts, Look
from querencia.insight.tables import Day, as_days, date_of, day_number

# A year where the log holds two: one to learn from, one to check on. Else as far as it allows.
HORIZONS = (365, 182, 91, 28)
GATED = ("rfm", "pareto", "cohorts", "defection", "retention", "forecast", "value")


class Report(dict[str, Any]):
    """The facts of a report: a dictionary, and in a notebook the figures that come first."""

    def _repr_html_(self) -> str:
        def written(amount: str) -> str:
            places = wording.decimals(self["currency"] or "")
            return wording.money(float(amount) * 10**places, self["currency"] or "")

        rows = [(_("Customers"), wording.number(self["customers"]), ""), (_("Revenue"), written(self["revenue"]), "")]
        if kept_rate := self["retention"]:
            ends = notebook.between(*(wording.percent(kept_rate[end], 1) for end in ("low", "high")))
            rows.append((_("Retention"), wording.percent(kept_rate["rate"], 1), ends))
        if staked := self["at_stake"]:
            ends = notebook.between(*(written(staked[end]) for end in ("low", "high")))
            rows.append((_("Revenue at risk"), written(staked["amount"]), ends))
        reasons = dict.fromkeys(reason for reasons in self["withheld"].values() for reason in reasons)
        return notebook.card(self["as_of"] or "", *reasons, rows=rows)


def build(
    purchases: Any,
    *,
    currency: str = "",
    as_of: Day | None = None,
    rows_read: int | None = None,
    rows_later: int = 0,
    rejected: Sequence[Mapping[str, Any]] = (),
    sources: Sequence[Mapping[str, Any]] = (),
    named: Callable[[Sequence[Any]], Sequence[str]] | None = None,
) -> Report:
    """The facts of a table of canonical purchases (:func:`querencia.insight.tables.purchases`).

    ``currency``: ISO 4217, empty where nobody knows it. ``as_of``: by default the last day of the log. ``rows_read``,
    ``rows_later`` (after the day looked at), ``rejected`` (``reason, count, row, example``) and ``sources`` (``file,
    rows, columns, guessed, notes``) are what reading the log found, told along. ``named`` gives customers the ids by
    which readers know them. What the data are too thin for is null; ``withheld`` says why, figure by figure.

    >>> from querencia.insight import report, samples
    >>> facts = report.build(samples.cdnow().head(300), currency="USD")
    >>> facts["customers"], facts["revenue"], facts["currency"]
    (111, '10200.13', 'USD')
    """
    log = windowed(frame_of(purchases))
    counted = rows(log.select(nw.len().alias("rows"), nw.col("day").max().alias("last")))[0]
    today = whole(counted["last"]) if as_of is None else day_number(as_of)
    left_out = sum(int(one["count"]) for one in rejected)
    head: Facts = {
        "rows": whole(counted["rows"]) + left_out if rows_read is None else rows_read,
        "rows_rejected": left_out,
        "rows_later": rows_later,
        "currency": currency.upper() or None,
        "as_of": date_of(today).isoformat() if whole(counted["rows"]) or as_of is not None else None,
    }
    tail: Facts = {"rejected": [dict(one) for one in rejected], "sources": [dict(one) for one in sources]}
    with kept(log) as keep:
        look = _look(log, today, currency.upper(), keep)
        refunds = figures.refunds(look, log)
        return Report({**head, **figures.totals(look), **_gated(look, named), "refunds": refunds, **tail})


def _look(log: Frame, today: int, currency: str, keep: Callable[[Frame], Frame]) -> Look:
    days = keep(as_days(log, as_of=today))
    summary = keep(rfm.as_summary(days, as_of=today))
    found = rows(summary.select(nw.len().alias("customers"), nw.col("first_day").min().alias("first")))[0]
    first = whole(found["first"]) if whole(found["customers"]) else today
    horizon = next((ahead for ahead in HORIZONS if today - first + 1 >= gates.HORIZONS_MIN * ahead), HORIZONS[-1])
    checked = gates.check(days, as_of=today, horizon_days=horizon)
    return Look(days, summary, first, today, horizon, currency, checked, keep)


def _gated(look: Look, named: Callable[[Sequence[Any]], Sequence[str]] | None) -> Facts:
    """The figures for which there is enough to go by, and the reasons for those that are missing."""
    withheld = {figure: [gate.reason for gate in gates.closed(look.gates, figure)] for figure in GATED}
    withheld = {figure: reasons for figure, reasons in withheld.items() if reasons}
    is_shown = {figure: figure not in withheld for figure in GATED}
    classed = look.keep(frame_of(pareto.classify(look.summary))) if is_shown["pareto"] else None
    known = rhythm.population(look.days, today=look.today) if is_shown["defection"] else None
    states = look.keep(frame_of(defection.status(look.days, as_of=look.today, known=known))) if known else None
    ahead = outlook.prepare(look) if is_shown["forecast"] else None
    return {
        **figures.concentration(look, classed),
        "retention": figures.retention(look) if is_shown["retention"] else None,
        "cohorts": figures.cohorts(look) if is_shown["cohorts"] else {"period": None, "rows": []},
        "defections": figures.defections(look, known) if known else {"period": None, "rows": []},
        "segments": figures.segments(look) if is_shown["rfm"] else [],
        "stages": figures.stages(states) if states is not None else None,
        "model": outlook.model(look, ahead) if ahead else None,
        "forecast": outlook.expected(look, ahead) if ahead else None,
        **outlook.stakes(look, ahead, states if is_shown["value"] else None, classed, named),
        "gates": [{"name": gate.name, "is_open": gate.is_open, "reason": gate.reason} for gate in look.gates],
        "withheld": withheld,
    }
