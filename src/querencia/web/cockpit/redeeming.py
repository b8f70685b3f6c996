"""A reward for a member at the counter: who did it is written down with it."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from querencia.common.time import now
from querencia.loyalty import actions, queries
from querencia.loyalty.queries import rewards as catalogue
from querencia.web import rewards_words as words
from querencia.web.access import Request, needs
from querencia.web.cockpit.loyalty import found
from querencia.web.cockpit.points import number_of, person


@require_POST
@needs("points")
def redeem(request: Request, pk: int) -> HttpResponse:
    """Once, however often the button is pressed."""
    who, programme = person(pk), found(number_of(request.POST.get("programme", "")))
    members = queries.members_of(programme, [who.pk])[who.pk]
    key = request.POST.get("key", "")[:64]
    if not members or not key:
        raise Http404
    here = next((each for each in members if each.left_at is None), members[0])
    asked = actions.NewRedemption(
        here.pk,
        number_of(request.POST.get("reward", "")),
        f"cockpit:{key}",
        number_of(request.POST.get("points", "")) or None,
        is_handed_over=request.POST.get("handed_over") == "1",
    )
    [done] = actions.redeem(programme=programme, redemptions=[asked], at=now(), staff=request.user)
    if not done.is_done:
        messages.error(request, words.refused(done.result))
        return redirect("customer", who.pk)
    row = catalogue.redemptions_by_id([done.redemption_id])[done.redemption_id]
    voucher, name = catalogue.shown_code(row, at=now()), words.name(catalogue.terms_of(row.version))
    said = _("Redeemed: %(reward)s.") % {"reward": name}
    if voucher and voucher.uses == 0:
        said += " " + _("The code is %(code)s.") % {"code": voucher.written}
    messages.success(request, said)
    return redirect("customer", who.pk)
