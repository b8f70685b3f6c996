"""What members were told of points that are to lapse."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.loyalty.models.members import Member


class ExpiryNotice(models.Model):
    """That a member was told, so many days before: once for each moment at which points lapse."""

    class Mail(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("mail", "Is to be sent")
        SENT = "sent", pgettext_lazy("mail", "Sent")
        REFUSED = "refused", pgettext_lazy("mail", "Not wanted, or no address")
        FAILED = "failed", pgettext_lazy("mail", "Could not be sent")
        LATE = "late", pgettext_lazy("mail", "Not sent in time")

    member = models.ForeignKey(Member, models.PROTECT, related_name="notices", db_index=False)
    expires_at = models.DateTimeField(_("lapses"))
    days = models.PositiveSmallIntegerField(_("days before"))
    points = models.BigIntegerField(_("points"))
    told_at = models.DateTimeField(_("when"))
    mail = models.CharField(_("by mail"), max_length=7, choices=Mail, default=Mail.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = _("notice of points that lapse")
        verbose_name_plural = _("notices of points that lapse")
        indexes = [models.Index(fields=["id"], name="expiry_notice_waiting", condition=Q(mail="waiting"))]
        constraints = [
            models.UniqueConstraint(fields=["member", "expires_at", "days"], name="expiry_notice_once"),
            models.CheckConstraint(condition=Q(points__gt=0) & Q(days__gt=0), name="expiry_notice_of_something"),
            models.CheckConstraint(
                condition=Q(mail__in=["waiting", "sent", "refused", "failed", "late"]), name="expiry_notice_mail_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.points}"
