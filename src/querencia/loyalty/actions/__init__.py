"""Everything that changes a programme. Every action takes many, is one transaction, and is told the time; said again,
it changes nothing.

The programme: `set_up`, `change_programme`, `start`, `stop`.
Members, rules and tiers: `enrol`, `publish_rules`, `publish_tiers`, `judge_tiers`.
Points: `earn` and `refund` follow purchases; `give` what is no purchase; `hold`, then `capture` or `release`; `restore`
what was spent; `transfer`; `adjust`, `approve`, `refuse`; `expire` books what time has done.
Friends: `publish_referral_terms`, `share` a link, `claim` by whom one came, `settle_referrals`, `review_referrals`.
"""

from querencia.loyalty.actions.adjusting import NewAdjustment, adjust, approve, refuse
from querencia.loyalty.actions.earning import Earned, earn
from querencia.loyalty.actions.giving import Gift, NewTransfer, give, transfer
from querencia.loyalty.actions.holding import Capture, NewHold, capture, hold, release
from querencia.loyalty.actions.members import NewMember, enrol, leave
from querencia.loyalty.actions.policy import change_programme, set_up, start, stop
from querencia.loyalty.actions.programmes import create_programme, publish_rules, publish_tiers
from querencia.loyalty.actions.reclaiming import take_back
from querencia.loyalty.actions.referring import Claimed, NewClaim, claim, publish_referral_terms, share
from querencia.loyalty.actions.refunding import Refunded, refund
from querencia.loyalty.actions.restoring import NewRestore, restore
from querencia.loyalty.actions.results import Done
from querencia.loyalty.actions.settling import review_referrals, settle_referrals
from querencia.loyalty.actions.standings import judge_tiers
from querencia.loyalty.actions.sweeping import expire

__all__ = [
    "Capture",
    "Claimed",
    "Done",
    "Earned",
    "Gift",
    "NewAdjustment",
    "NewClaim",
    "NewHold",
    "NewMember",
    "NewRestore",
    "NewTransfer",
    "Refunded",
    "adjust",
    "approve",
    "capture",
    "change_programme",
    "claim",
    "create_programme",
    "earn",
    "enrol",
    "expire",
    "give",
    "hold",
    "judge_tiers",
    "leave",
    "publish_referral_terms",
    "publish_rules",
    "publish_tiers",
    "refund",
    "refuse",
    "release",
    "restore",
    "review_referrals",
    "set_up",
    "settle_referrals",
    "share",
    "start",
    "stop",
    "take_back",
    "transfer",
]
