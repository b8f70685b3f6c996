"""The loyalty programme: its policy and rules, its members, the ledger of points, lots, holds, tiers. Entries, lots,
allocations, versions of rules and standings are append-only: a correction is another row."""

from querencia.loyalty.models.ledger import Allocation, Entry, Hold, Lot
from querencia.loyalty.models.members import Adjustment, CapUse, Member, Standing
from querencia.loyalty.models.programme import Partner, Programme, RuleVersion, TierScheme
from querencia.loyalty.models.referrals import Referral, ReferralCode, ReferralTerms

__all__ = [
    "Adjustment",
    "Allocation",
    "CapUse",
    "Entry",
    "Hold",
    "Lot",
    "Member",
    "Partner",
    "Programme",
    "Referral",
    "ReferralCode",
    "ReferralTerms",
    "RuleVersion",
    "Standing",
    "TierScheme",
]
