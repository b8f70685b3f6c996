"""Partners, what is agreed with them, and the statement of each month."""

from dataclasses import dataclass
from datetime import date, datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from querencia.business.models import Staff
from querencia.loyalty import closing, settling
from querencia.loyalty.actions.results import CREATED, UNCHANGED
from querencia.loyalty.models import Agreement, Close, Partner, Programme, Statement
from querencia.loyalty.queries import partners as reading


@dataclass(frozen=True)
class Issued:
    """``created`` now, ``unchanged`` since it was before, or why not: ``not_closed`` (the month), ``no_agreement``,
    ``differs`` (the partner's account is not what the closed month says)."""

    partner: Partner
    result: str
    row: Statement | None = None


@transaction.atomic
def create_partner(*, programme: Programme, name: str, at: datetime, key: str = "") -> Partner:
    """A partner of a programme; ``key`` is what rules call it. One that is called so already is that one. Raises
    ValidationError."""
    Programme.objects.select_for_update(no_key=True).get(pk=programme.pk)
    made = Partner(programme=programme, key=key or slugify(name)[:60], name=name.strip(), created_at=at)
    known = Partner.objects.filter(programme=programme, key=made.key, name=made.name).first()
    if known is not None:
        return known
    made.full_clean()
    made.save(force_insert=True)
    return made


@transaction.atomic
def agree(
    *,
    partner: Partner,
    funds_per_thousand: int,
    takes_per_thousand: int,
    starts_on: date,
    ends_on: date | None = None,
    at: datetime,
    staff: Staff | None = None,
) -> Agreement:
    """A new version of what is agreed, in whole months; what stands already as it is said gets none. Months that have a
    statement keep what was agreed for them. Raises ValidationError."""
    Programme.objects.select_for_update(no_key=True).get(pk=partner.programme_id)
    said = (starts_on, ends_on, funds_per_thousand, takes_per_thousand)
    newest = Agreement.objects.filter(partner=partner).order_by("-version").first()
    if newest and said == (newest.starts_on, newest.ends_on, newest.funds_per_thousand, newest.takes_per_thousand):
        return newest
    if starts_on.day != 1 or (ends_on is not None and (ends_on.day != 1 or ends_on <= starts_on)):
        raise ValidationError({"starts_on": _("An agreement counts for whole months, and begins before it ends.")})
    if Statement.objects.filter(partner=partner, month__gte=starts_on).exists():
        raise ValidationError({"starts_on": _("There is a statement for that month already: begin after it.")})
    made = Agreement(
        partner=partner,
        version=newest.version + 1 if newest else 1,
        starts_on=starts_on,
        ends_on=ends_on,
        funds_per_thousand=funds_per_thousand,
        takes_per_thousand=takes_per_thousand,
        published_at=at,
        published_by=staff,
    )
    made.full_clean()
    made.save(force_insert=True)
    return made


@transaction.atomic
def settle(*, programme: Programme, month: date, at: datetime, staff: Staff | None = None) -> list[Issued]:
    """The statement of a closed month for each partner at whose expense, or to whom, points moved; what became of
    each. All that there was is asked for anew and changes nothing."""
    Programme.objects.select_for_update(no_key=True).get(pk=programme.pk)
    close = Close.objects.filter(programme=programme, month=month).first()
    everybody = {each.pk: each for each in reading.partners(programme)}
    if close is None:
        return [Issued(each, "not_closed") for each in everybody.values()]
    moved = {int(pk): kinds for pk, kinds in close.document["partners"].items()}
    known = {each.partner_id: each for each in Statement.objects.filter(programme=programme, month=month)}
    terms = reading.agreed(moved, month)
    newest = Statement.objects.filter(programme=programme).order_by("-number").values_list("number", flat=True).first()
    number, found = (newest or 0) + 1, []
    for pk in sorted(moved):
        done = _issue(everybody[pk], close, moved[pk], known.get(pk), terms.get(pk), number, at, staff)
        number += done.result == CREATED
        found.append(done)
    return found


def _issue(
    partner: Partner,
    close: Close,
    moved: dict[str, int],
    known: Statement | None,
    agreement: Agreement | None,
    number: int,
    at: datetime,
    staff: Staff | None,
) -> Issued:
    if known is not None:
        return Issued(partner, UNCHANGED, known)
    if agreement is None:
        return Issued(partner, "no_agreement")
    before, after = (reading.account(partner.pk, close, until=until) for until in (False, True))
    settled = settling.settle(
        before,
        moved,
        funds_per_thousand=agreement.funds_per_thousand,
        takes_per_thousand=agreement.takes_per_thousand,
    )
    if settled.closing != -after:
        return Issued(partner, "differs")
    document = {
        **settled.told(),
        "number": number,
        "programme": close.document["name"],
        "partner": partner.name,
        "key": partner.key,
        "month": closing.said(close.month),
        "currency": close.document["currency"],
        "closed": close.fingerprint,
    }
    made = Statement.objects.create(
        programme_id=close.programme_id,
        partner=partner,
        close=close,
        agreement=agreement,
        number=number,
        month=close.month,
        document=document,
        fingerprint=closing.fingerprint(document),
        issued_at=at,
        issued_by=staff,
    )
    return Issued(partner, CREATED, made)
