"""Loyalty: programmes, members and their points, for tills and shops."""

from querencia.api.rest.loyalty import (
    campaigns,
    closes,
    friends,
    gestures,
    holds,
    members,
    partners,
    points,
    programmes,
    rewards,
    vouchers,
)

ROUTERS = (
    *(programmes.router, members.router, points.router, holds.router, friends.router),
    *(rewards.router, vouchers.router, gestures.router, closes.router, partners.router, campaigns.router),
)
