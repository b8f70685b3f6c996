"""Who is in the audience of a campaign: written down when it is drawn, so that what moves later changes nothing."""

from django.db import models

from querencia.customers.models import Customer
from querencia.loyalty.models.programme import Programme


class Audience(models.Model):
    """The audience of one campaign, by the key of its rule. ``drawn_at``: when it was looked through last;
    ``is_listed``: who is in it was put there by hand."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="+", db_index=False)
    rule = models.SlugField(max_length=60, db_index=False)
    drawn_at = models.DateTimeField()
    is_listed = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["programme", "rule"], name="audience_once")]

    def __str__(self) -> str:
        return self.rule


class AudienceMember(models.Model):
    """That a person is in an audience since a moment, under the oldest of their records; whether the lot holds them
    out. Of records that were joined later, the oldest that is here speaks for the person."""

    audience = models.ForeignKey(Audience, models.CASCADE, related_name="members")
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+", db_index=False)
    since = models.DateTimeField()
    is_held_out = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "audience"], name="audience_member_once")]

    def __str__(self) -> str:
        return f"{self.audience_id} {self.customer_id}"
