"""Loyalty: programmes, members and their points, for tills and shops."""

<<<<<<< HEAD
from querencia.api.rest.loyalty import friends, holds, members, points, programmes

ROUTERS = (programmes.router, members.router, points.router, holds.router, friends.router)
=======
from querencia.api.rest.loyalty import holds, members, points, programmes, rewards, vouchers

ROUTERS = (programmes.router, members.router, points.router, holds.router, rewards.router, vouchers.router)
>>>>>>> e5816b8 (Rewards over REST: what a member can have, redeeming in one step or two, codes at the till, and baskets quoted with either)
