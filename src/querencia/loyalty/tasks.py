"""What the worker does for the programme by itself."""

from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from querencia.common.time import now
from querencia.loyalty import actions, queries
from querencia.loyalty.queries.programmes import begun


@db_periodic_task(crontab(minute="7"))  # type: ignore[untyped-decorator]
def keep_books() -> None:
    """Every hour, and once at start: book what lapsed and what became usable. Balances are right without it."""
    for programme in queries.programmes():
        actions.lapse_redemptions(programme=programme, at=now())
        actions.expire(programme=programme, at=now())
        actions.sum_months(programme=programme, at=now())


@db_periodic_task(crontab(minute="57"))  # type: ignore[untyped-decorator]
def draw_audiences() -> None:
    """Every hour, of which the last of a day where the programme is does it: who belongs to campaigns that begin, or
    that take members in as they go."""
    at = now()
    for programme in begun(at=at):
        actions.keep_audiences(programme=programme, at=at)


@db_periodic_task(crontab(hour="4", minute="10"))  # type: ignore[untyped-decorator]
def judge_tiers() -> None:
    """Every night: who goes up, and whose period is over."""
    at = now()
    for programme in queries.running(at=at):
        actions.judge_tiers(programme=programme, at=at)


@db_periodic_task(crontab(minute="37"))  # type: ignore[untyped-decorator]
def settle_referrals() -> None:
    """Every hour: whose return window is over is rewarded, and whoever gave everything back is not."""
    at = now()
    for programme in begun(at=at):
        actions.settle_referrals(programme=programme, at=at)


@db_periodic_task(crontab(minute="47"))  # type: ignore[untyped-decorator]
def make_gestures() -> None:
    """Every hour, of which one makes the gestures of the day that has begun where the programme is."""
    at = now()
    for programme in queries.running(at=at):
        actions.catch_up_gestures(programme=programme, at=at)
