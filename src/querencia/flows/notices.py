"""Before points lapse their members are mailed, where they did not refuse messages of service."""

from datetime import datetime, timedelta
from smtplib import SMTPException
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal
from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.translation import ngettext

from querencia.business.queries import business
from querencia.customers.queries import consents
from querencia.loyalty import actions
from querencia.loyalty.models import ExpiryNotice
from querencia.loyalty.queries import notices
from querencia.loyalty.queries.programmes import begun

TOGETHER = 500
Mail = ExpiryNotice.Mail


def tell(*, at: datetime) -> int:
    """Write down whoever is to be told now, and mail whoever waits; how many were mailed."""
    for programme in begun(at=at):
        actions.tell_expiring(programme=programme, at=at)
    sent = 0
    while can_mail() and (some := notices.to_be_mailed(limit=TOGETHER)):
        now_sent, is_stuck = _send(some, at)
        sent += now_sent
        if is_stuck or len(some) < TOGETHER:
            break
    for programme in begun(at=at):
        actions.put_off(programme=programme, at=at)
    return sent


def can_mail() -> bool:
    """Whether there is a mail server: what would only be written to a log names people, and reaches nobody."""
    return not str(settings.MAILERS["default"]["BACKEND"]).endswith("console.EmailBackend")


def _send(some: list[ExpiryNotice], at: datetime) -> tuple[int, bool]:
    late = [row for row in some if row.expires_at <= at]
    actions.close_notices(notices=late, mail=Mail.LATE)
    timely = [row for row in some if row not in late]
    may = consents.allowed([row.member.customer_id for row in timely], channel="email", purpose="service")
    wanted = {row.pk for row in timely if may[row.member.customer_id].is_allowed and row.member.left_at is None}
    refused = [row for row in timely if row.pk not in wanted]
    actions.close_notices(notices=refused, mail=Mail.REFUSED)
    sent, is_stuck = 0, False
    for row in timely:
        if row.pk in wanted and actions.take_notice(notice=row):
            try:
                _mail(row, may[row.member.customer_id].address)
                sent += 1
            except (OSError, SMTPException):
                actions.notice_failed(notice=row)
                is_stuck = True
    return sent, is_stuck


def _mail(row: ExpiryNotice, address: str) -> None:
    known, programme = business(), row.member.programme
    language = row.member.customer.language or (known.language if known else settings.LANGUAGE_CODE)
    spoken = language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
    with translation.override(spoken):
        last = (row.expires_at - timedelta(microseconds=1)).astimezone(ZoneInfo(programme.time_zone)).date()
        said = {
            "count": format_decimal(row.points, locale=spoken),
            "day": format_date(last, "long", locale=spoken),
            "programme": programme.name,
            "link": f"{settings.PUBLIC_URL}/club/",
            "business": known.name if known else "Querencia",
        }
        subject = ngettext("%(count)s point expires after %(day)s", "%(count)s points expire after %(day)s", row.points)
        text = ngettext(
            "You have %(count)s point in %(programme)s that expires after %(day)s.\n\nSee what you have: %(link)s\n\n"
            "%(business)s",
            "You have %(count)s points in %(programme)s that expire after %(day)s.\n\nSee what you have: %(link)s\n\n"
            "%(business)s",
            row.points,
        )
        EmailMessage(subject % said, text % said, to=[address]).send()
