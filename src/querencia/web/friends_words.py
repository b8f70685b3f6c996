"""Friends who were brought, in words: what it is worth, how far one has come, why one does not count."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from querencia.common import money
from querencia.loyalty.models import Referral
from querencia.loyalty.referring import Terms
from querencia.web.points_words import last_day, points
from querencia.web.templatetags.house import day, locale

State = Referral.State


def promise(terms: Terms, currency: str) -> list[str]:
    """What both get, and after what: sentences for whoever is to bring somebody."""
    said = []
    if terms.advocate_points and terms.friend_points:
        both = {"mine": points(terms.advocate_points), "theirs": points(terms.friend_points)}
        said.append(_("You get %(mine)s, your friend gets %(theirs)s.") % both)
    elif terms.advocate_points:
        said.append(_("You get %(points)s for each friend.") % {"points": points(terms.advocate_points)})
    else:
        said.append(_("Your friend gets %(points)s.") % {"points": points(terms.friend_points)})
    said.append(_when(terms, currency))
    return said


def invitation(terms: Terms, currency: str) -> str:
    """The same for whoever is invited."""
    if not terms.friend_points:
        return _("A friend invites you.")
    if not terms.order_min:
        return _("A friend invites you: your first purchase brings you %(points)s.") % {
            "points": points(terms.friend_points)
        }
    return _("A friend invites you: your first purchase of %(amount)s or more brings you %(points)s.") % {
        "points": points(terms.friend_points),
        "amount": money.show(terms.order_min, currency, locale().language),
    }


def _when(terms: Terms, currency: str) -> str:
    amount = money.show(terms.order_min, currency, locale().language) if terms.order_min else ""
    if terms.return_days:
        within = ngettext("%(count)s day", "%(count)s days", terms.return_days) % {"count": terms.return_days}
        if amount:
            return _("They come once your friend bought for %(amount)s or more and %(days)s have passed.") % {
                "amount": amount,
                "days": within,
            }
        return _("They come once your friend bought something and %(days)s have passed.") % {"days": within}
    if amount:
        return _("They come once your friend bought for %(amount)s or more.") % {"amount": amount}
    return _("They come with your friend's first purchase.")


def limits(terms: Terms) -> list[str]:
    """The small print, for staff."""
    said = []
    if terms.buy_days:
        within = ngettext("%(count)s day", "%(count)s days", terms.buy_days) % {"count": terms.buy_days}
        said.append(_("The friend has to buy within %(days)s.") % {"days": within})
    if terms.cap is not None:
        period = {
            "month": _("a month"),
            "quarter": _("a quarter"),
            "half": _("a half-year"),
            "year": _("a year"),
            "ever": _("in all"),
        }
        friends = ngettext("%(count)s friend", "%(count)s friends", terms.cap) % {"count": terms.cap}
        said.append(_("At most %(friends)s %(period)s.") % {"friends": friends, "period": period[terms.per]})
    if terms.starts_on:
        said.append(_("From %(day)s on.") % {"day": day(terms.starts_on)})
    if terms.ends_on:
        said.append(_("Before %(day)s.") % {"day": day(terms.ends_on)})
    return said


# -- one friend --------------------------------------------------------------------------------------------------------


def name(row: Referral) -> str:
    """What the advocate may read: the first name, where the friend allows it."""
    return (row.friend.customer.given_name if row.shows_name else "") or _("A friend")


def to_advocate(row: Referral, zone: str) -> str:
    """How far a friend has come, and no more of them than that."""
    if row.state == State.CLAIMED:
        return _("Has joined. Your points come once they buy.")
    if row.state == State.QUALIFIED:
        if row.review == Referral.Review.WAITING:
            return _("Has bought. We look at it, and then your points come.")
        return _("Has bought. Your points come after %(day)s.") % {"day": _until(row, zone)}
    if row.state == State.REWARDED:
        if not row.advocate_points:
            return _("Has bought. Thank you.")
        return _("Brought you %(points)s.") % {"points": points(row.advocate_points)}
    if row.state == State.REVERSED:
        return _("Gave back what they bought, so the points went back, too.")
    return _("Does not count. Ask us why.")


def to_friend(row: Referral, zone: str) -> str:
    """What becomes of the points that a friend was promised."""
    if row.state == State.QUALIFIED and row.review != Referral.Review.WAITING:
        return _("A friend invited you. Your points for it come after %(day)s.") % {"day": _until(row, zone)}
    if row.state in (State.CLAIMED, State.QUALIFIED):
        return _("A friend invited you. Your points for it are on their way.")
    return ""


def to_staff(row: Referral, zone: str) -> str:
    """The same with the reason."""
    if row.state == State.QUALIFIED:
        return _("Bought. On hold until %(day)s, when nothing can be given back any more.") % {"day": _until(row, zone)}
    if row.state == State.REJECTED:
        return faults().get(row.why, str(row.get_state_display()))
    return str(row.get_state_display())


def _until(row: Referral, zone: str) -> str:
    assert row.due_at
    return day(last_day(row.due_at, zone), "long")


def faults() -> dict[str, str]:
    """Why a friend is none, or does not count, by the word for it."""
    return {
        "same_person": _("Both are the same person."),
        "existing_customer": _("Bought here before: this is for new customers."),
        "other_advocate": _("Came by somebody else's code already."),
        "brings_friends": _("Has brought others already, and so is not new."),
        "cap": _("Whoever shared the code has brought as many friends as count."),
        "no_terms": _("Bringing friends earns nothing at present."),
        "unknown_code": _("Nobody has this code, or not any more."),
        "no_member": _("Only members come by a code."),
        "too_late": _("Did not buy in time."),
        "returned": _("Gave back what they bought."),
        "left": _("Both have left the programme."),
        "review": _("Somebody looked at it and said no."),
        "erased": _("The friend was forgotten."),
    }


def signals(row: Referral) -> list[str]:
    """What speaks against it, for whoever is to look."""
    said = {
        "same_email": _("Their e-mail addresses are one, but for dots or what follows a plus."),
        "same_phone": _("They have the same phone."),
        "same_post": _("They live at the same address."),
        "burst": _("Many friends came by this code within a day."),
        "at_once": _("Bought minutes after having joined by the link."),
    }
    return [said.get(each, each) for each in row.signals]
