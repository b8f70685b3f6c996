"""The kinds of events that this house records itself, and how they are called. Other systems send their own."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


@dataclass(frozen=True)
class Kind:
    """``text`` is what a timeline says; ``meaning`` is for whoever has to choose kinds."""

    name: str
    text: str | Promise
    meaning: str | Promise


CUSTOMER_CREATED = "customer.created"
CUSTOMER_CHANGED = "customer.changed"
CUSTOMER_MERGED = "customer.merged"
CUSTOMER_PARTED = "customer.parted"
CUSTOMER_LATE = "customer.late"
CUSTOMER_LEFT = "customer.left"
CUSTOMER_RETURNED = "customer.returned"
CONSENT_CHANGED = "consent.changed"
CUSTOMERS_EXPORTED = "customers.exported"
PERSON_EXPORTED = "person.exported"
PERSON_ERASED = "person.erased"
IMPORT_DONE = "import.done"
MEASURES_DONE = "measures.done"
PURCHASES_RECORDED = "purchases.recorded"
MEMBER_JOINED = "member.joined"
MEMBER_LEFT = "member.left"
CARD_REPLACED = "member.card_replaced"
TIER_CHANGED = "member.tier_changed"
POINTS_EARNED = "points.earned"
POINTS_REDEEMED = "points.redeemed"
POINTS_EXPIRED = "points.expired"
POINTS_EXPIRING = "points.expiring"
REFERRAL_CLAIMED = "referral.claimed"
REFERRAL_QUALIFIED = "referral.qualified"
REFERRAL_REWARDED = "referral.rewarded"
REFERRAL_REJECTED = "referral.rejected"
REFERRAL_REVERSED = "referral.reversed"
REWARD_REDEEMED = "reward.redeemed"
REWARD_GIVEN = "reward.given"
REWARD_CONFIRMED = "reward.confirmed"
REWARD_CANCELLED = "reward.cancelled"
VOUCHER_USED = "voucher.used"
VOUCHER_RESTORED = "voucher.restored"

# What the house calls itself where it records them. Who else called themselves so could take a key of its events, and
# have one never told.
SOURCES = frozenset(
    {
        *("cockpit", "command", "identity", "imports", "loyalty", "measures", "preferences", "privacy", "purchases"),
        *("segment", "staff"),
    }
)

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            CUSTOMER_CREATED,
            pgettext_lazy("event", "Written down"),
            _("A customer was created, by hand or by another system"),
        ),
        Kind(
            CUSTOMER_CHANGED,
            pgettext_lazy("event", "Details changed"),
            _("A customer was changed, by hand or by another system"),
        ),
        Kind(CUSTOMER_MERGED, pgettext_lazy("event", "Records joined"), _("Two customers became one person")),
        Kind(CUSTOMER_PARTED, pgettext_lazy("event", "Records parted"), _("A joined person became two again")),
        Kind(CUSTOMER_LATE, pgettext_lazy("event", "Is late"), _("A customer has been silent for longer than usual")),
        Kind(CUSTOMER_LEFT, pgettext_lazy("event", "Left"), _("A customer left, judged by their own rhythm")),
        Kind(CUSTOMER_RETURNED, pgettext_lazy("event", "Came back"), _("A customer who had left bought again")),
        Kind(CONSENT_CHANGED, pgettext_lazy("event", "Consent changed"), _("A customer allowed or forbade something")),
        Kind(CUSTOMERS_EXPORTED, pgettext_lazy("event", "List exported"), _("Somebody exported a list of customers")),
        Kind(
            PERSON_EXPORTED, pgettext_lazy("event", "Handed out what is known"), _("Somebody exported a person's data")
        ),
        Kind(PERSON_ERASED, pgettext_lazy("event", "Erased"), _("A person was erased: other systems should follow")),
        Kind(IMPORT_DONE, pgettext_lazy("event", "File imported"), _("A file was imported to its end")),
        Kind(MEASURES_DONE, pgettext_lazy("event", "Business measured"), _("Everybody was scored, the day measured")),
        Kind(
            PURCHASES_RECORDED,
            pgettext_lazy("event", "Purchases recorded"),
            _("Purchases or refunds were taken in as they happened; not those of files"),
        ),
        Kind(MEMBER_JOINED, pgettext_lazy("event", "Joined the programme"), _("A customer joined a programme")),
        Kind(MEMBER_LEFT, pgettext_lazy("event", "Left the programme"), _("A customer left a programme")),
        Kind(CARD_REPLACED, pgettext_lazy("event", "Got another card"), _("A member's card was lost and replaced")),
        Kind(TIER_CHANGED, pgettext_lazy("event", "Changed tier"), _("A member went up or down a tier")),
        Kind(POINTS_EARNED, pgettext_lazy("event", "Points earned"), _("Members earned points, or were given some")),
        Kind(POINTS_REDEEMED, pgettext_lazy("event", "Points spent"), _("Members spent points")),
        Kind(POINTS_EXPIRED, pgettext_lazy("event", "Points lapsed"), _("Points of members lapsed")),
        Kind(POINTS_EXPIRING, pgettext_lazy("event", "Points are to lapse"), _("Points of members are to lapse soon")),
        Kind(REFERRAL_CLAIMED, pgettext_lazy("event", "Brought a friend"), _("A friend joined by a member's link")),
        Kind(
            REFERRAL_QUALIFIED,
            pgettext_lazy("event", "Their friend bought"),
            _("A friend who was brought bought enough; the return window is open"),
        ),
        Kind(
            REFERRAL_REWARDED,
            pgettext_lazy("event", "Rewarded for a friend"),
            _("A member and the friend they brought were rewarded"),
        ),
        Kind(
            REFERRAL_REJECTED,
            pgettext_lazy("event", "A friend does not count"),
            _("A friend who was brought earns nobody a reward"),
        ),
        Kind(
            REFERRAL_REVERSED,
            pgettext_lazy("event", "Reward for a friend taken back"),
            _("A friend gave back what they bought, after the reward"),
        ),
        Kind(REWARD_REDEEMED, pgettext_lazy("event", "Reward redeemed"), _("A member asked for a reward for points")),
        Kind(REWARD_GIVEN, pgettext_lazy("event", "Reward given"), _("A member was given a reward for no points")),
        Kind(
            REWARD_CONFIRMED,
            pgettext_lazy("event", "Reward handed over"),
            _("A reward that waited was handed over, or is sure now"),
        ),
        Kind(
            REWARD_CANCELLED,
            pgettext_lazy("event", "Reward cancelled"),
            _("A redemption was cancelled, or waited for too long: points and stock are back"),
        ),
        Kind(VOUCHER_USED, pgettext_lazy("event", "Code used"), _("A code was used for an order")),
        Kind(
            VOUCHER_RESTORED,
            pgettext_lazy("event", "Code given back"),
            _("An order was given back, and with it what was used for it"),
        ),
    )
}


def text_of(name: str) -> str:
    """What a timeline says of a kind, in the active language; kinds of other systems are said as they were sent."""
    return str(KINDS[name].text) if name in KINDS else name
