"""Events that the house has yet to look at."""

from django.db import models

from querencia.customers.models.facts import Event


class Outbox(models.Model):
    """An event that may set something off and that nobody has looked at yet. Written together with the event, and taken
    away by whoever notes what follows from it: one that commits late is simply still here (see
    ``docs/decisions/0010-an-outbox-is-emptied-not-read.md``). Imported history is never here."""

    event = models.OneToOneField(Event, models.CASCADE, primary_key=True, related_name="+")

    def __str__(self) -> str:
        return str(self.event_id)
