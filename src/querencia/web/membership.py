"""What a person has in a programme, in words: for their page in the cockpit and for their own."""

from typing import Any

from querencia.common.time import now
from querencia.loyalty import queries
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries import notices, referrals, standings, telling
from querencia.loyalty.queries.standings import Place
from querencia.loyalty.referring import Terms
from querencia.web import friends_words, points_words
from querencia.web.templatetags.house import signed

SHOWN = 10


def card(programme: Programme, members: list[Member], *, size: int = SHOWN) -> dict[str, Any]:
    """What a person has in a programme, in words: for their page in the cockpit and for their own."""
    at = now()
    first = next((each for each in members if each.left_at is None), members[0])
    has = queries.balances([first.pk], at=at)[first.pk]
    moves = [each for each in queries.history(first, size=3 * size) if each.points or each.kind == "adjust"][:size]
    place = standings.progress([first], at=at).get(first.pk)
    terms = referrals.in_force(programme, at=at)
    return {
        "programme": programme,
        "member": first,
        "has_left": all(each.left_at is not None for each in members),
        "has": has,
        "balance": points_words.balance(has, programme.time_zone),
        "besides": points_words.besides(has),
        "standing": points_words.standing(place, programme.currency) if place else [],
        "way": _way(place) if place else None,
        "notices": [points_words.notice(row, programme.time_zone) for row in notices.of_members([first.pk], at=at)],
        "friends": _friends(programme, first, terms[1] if terms else None),
        "moves": [
            {
                "moved": each.moved,
                "change": signed(each.moved.points),
                "why": points_words.why(each),
                "reasons": points_words.reasons(each),
            }
            for each in telling.told(programme, moves)
        ],
    }


def _friends(programme: Programme, member: Member, terms: Terms | None) -> dict[str, Any] | None:
    """Whom they brought, how far each has come, and what it is worth; nothing, where it is worth nothing and was so."""
    brought, by = referrals.brought(member, size=SHOWN), referrals.brought_by(member)
    if terms is None and not brought and by is None:
        return None
    mine = referrals.codes([member.pk]).get(member.pk)
    return {
        "promise": friends_words.promise(terms, programme.currency) if terms else [],
        "code": mine.code if mine and terms else "",
        "brought": [
            {"row": row, "name": friends_words.name(row), "said": friends_words.to_advocate(row, programme.time_zone)}
            for row in brought
        ],
        "by": by,
        "own": friends_words.to_friend(by, programme.time_zone) if by else "",
    }


def _way(place: Place) -> dict[str, Any] | None:
    """How far it is to the next tier, as parts of what it needs."""
    scheme, ahead = place.scheme, place.ahead
    if not ahead.next_tier:
        return None
    needs_all = scheme.tiers[scheme.rank(ahead.next_tier)].reach
    name = scheme.names.get(ahead.next_tier, ahead.next_tier)
    return {"done": max(0, needs_all - ahead.missing), "of": needs_all, "next": name} if needs_all else None
