"""Everything that changes a programme. Every action takes many, is one transaction, and is told the time; said again,
it changes nothing.

The programme: `set_up`, `change_programme`, `start`, `stop`.
Members, rules and tiers: `enrol`, `publish_rules`, `publish_tiers`, `judge_tiers`. Audiences of campaigns:
`keep_audiences`, `refresh_audience`, `list_in`.
Points: `earn` and `refund` follow purchases; `give` what is no purchase; `hold`, then `capture` or `release`; `restore`
what was spent; `transfer`; `adjust`, `approve`, `refuse`; `expire` books what time has done; `tell_expiring` before,
and `put_off` what nobody could be told of.
Gestures: `publish_gesture`, `make_gestures` of a day, `catch_up_gestures`, `welcome`.
Friends: `publish_referral_terms`, `share` a link, `claim` by whom one came, `settle_referrals`, `review_referrals`.
Rewards: `publish_rewards`, `change_stock`, `import_codes`, `share_code`; `redeem` for points or `issue` for none, then
`confirm` or `cancel`; `use` codes at the till, `restore_uses` when an order is given back.
The books: `close` months, `set_accounting`. Partners: `create_partner`, `agree`, and `settle` a closed month.
"""

from querencia.loyalty.actions.adjusting import NewAdjustment, adjust, approve, refuse
from querencia.loyalty.actions.audiences import Listed, keep_audiences, list_in, refresh_audience
from querencia.loyalty.actions.cards import replace_cards
from querencia.loyalty.actions.catalogue import change_stock, import_codes, publish_rewards, share_code
from querencia.loyalty.actions.closing import Closed, close, set_accounting
from querencia.loyalty.actions.earning import Earned, earn
from querencia.loyalty.actions.gestures import catch_up_gestures, make_gestures, publish_gesture, welcome
from querencia.loyalty.actions.giving import Gift, NewTransfer, give, transfer
from querencia.loyalty.actions.holding import Capture, NewHold, capture, hold, release
from querencia.loyalty.actions.members import NewMember, enrol, leave
from querencia.loyalty.actions.notices import close_notices, notice_failed, put_off, take_notice, tell_expiring
from querencia.loyalty.actions.partners import Issued, agree, create_partner, settle
from querencia.loyalty.actions.policy import change_programme, set_up, start, stop
from querencia.loyalty.actions.programmes import create_programme, publish_rules, publish_tiers
from querencia.loyalty.actions.reclaiming import take_back
from querencia.loyalty.actions.redeeming import NewRedemption, NewVoucher, Redeemed, confirm, issue, redeem
from querencia.loyalty.actions.referring import Claimed, NewClaim, claim, publish_referral_terms, share
from querencia.loyalty.actions.refunding import Refunded, refund
from querencia.loyalty.actions.releasing import cancel
from querencia.loyalty.actions.restoring import NewRestore, restore
from querencia.loyalty.actions.results import Done
from querencia.loyalty.actions.settling import review_referrals, settle_referrals
from querencia.loyalty.actions.standings import judge_tiers
from querencia.loyalty.actions.stock import lapse_redemptions
from querencia.loyalty.actions.summing import sum_months
from querencia.loyalty.actions.sweeping import expire
from querencia.loyalty.actions.vouchers import NewReturn, NewUse, Used, restore_uses, use

__all__ = [
    "Capture",
    "Claimed",
    "Closed",
    "Done",
    "Earned",
    "Gift",
    "Issued",
    "Listed",
    "NewAdjustment",
    "NewClaim",
    "NewHold",
    "NewMember",
    "NewRedemption",
    "NewRestore",
    "NewReturn",
    "NewTransfer",
    "NewUse",
    "NewVoucher",
    "Redeemed",
    "Refunded",
    "Used",
    "adjust",
    "agree",
    "approve",
    "cancel",
    "capture",
    "catch_up_gestures",
    "change_programme",
    "change_stock",
    "claim",
    "close",
    "close_notices",
    "confirm",
    "create_partner",
    "create_programme",
    "earn",
    "enrol",
    "expire",
    "give",
    "hold",
    "import_codes",
    "issue",
    "judge_tiers",
    "keep_audiences",
    "lapse_redemptions",
    "leave",
    "list_in",
    "make_gestures",
    "notice_failed",
    "publish_gesture",
    "publish_referral_terms",
    "publish_rewards",
    "publish_rules",
    "publish_tiers",
    "put_off",
    "redeem",
    "refresh_audience",
    "refund",
    "refuse",
    "release",
    "replace_cards",
    "restore",
    "restore_uses",
    "review_referrals",
    "set_accounting",
    "set_up",
    "settle",
    "settle_referrals",
    "share",
    "share_code",
    "start",
    "stop",
    "sum_months",
    "take_back",
    "take_notice",
    "tell_expiring",
    "transfer",
    "use",
    "welcome",
]
