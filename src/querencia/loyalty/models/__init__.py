"""The loyalty programme: its policy and rules, its members, the ledger of points, lots, holds, tiers, rewards. Entries,
lots, allocations, versions and standings are append-only: a correction is another row."""

from querencia.loyalty.models.audiences import Audience, AudienceMember
from querencia.loyalty.models.closing import Close, MonthSum
from querencia.loyalty.models.gestures import Gesture, GestureDay, GestureKind, GestureTerms
from querencia.loyalty.models.ledger import Allocation, Entry, Hold, Lot
from querencia.loyalty.models.members import Adjustment, CapUse, Member, Standing
from querencia.loyalty.models.notices import ExpiryNotice
from querencia.loyalty.models.partners import Agreement, Statement
from querencia.loyalty.models.programme import BudgetUse, Partner, Programme, RuleVersion, TierScheme
from querencia.loyalty.models.referrals import Referral, ReferralCode, ReferralTerms
from querencia.loyalty.models.rewards import Redemption, Reward, RewardVersion, Voucher, VoucherUse

__all__ = [
    "Adjustment",
    "Agreement",
    "Allocation",
    "Audience",
    "AudienceMember",
    "BudgetUse",
    "CapUse",
    "Close",
    "Entry",
    "ExpiryNotice",
    "Gesture",
    "GestureDay",
    "GestureKind",
    "GestureTerms",
    "Hold",
    "Lot",
    "Member",
    "MonthSum",
    "Partner",
    "Programme",
    "Redemption",
    "Referral",
    "ReferralCode",
    "ReferralTerms",
    "Reward",
    "RewardVersion",
    "RuleVersion",
    "Standing",
    "Statement",
    "TierScheme",
    "Voucher",
    "VoucherUse",
]
