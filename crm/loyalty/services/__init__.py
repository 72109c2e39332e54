"""Use cases of loyalty, one module per noun; other domains and the edges call them through this package."""

from crm.loyalty.services.earning import (
    RuleInput,
    award,
    create_rule,
    retire_rule,
    take_back_for_interaction,
)
from crm.loyalty.services.ledger import adjust, confirm, earn, expire_due, rebuild, spend
from crm.loyalty.services.members import join, leave
from crm.loyalty.services.offers import OfferInput, create_offer, update_offer, withdraw_offer
from crm.loyalty.services.programs import ProgramInput, create_program, update_program
from crm.loyalty.services.public import PublicOffer, public_offer
from crm.loyalty.services.redemptions import redeem, undo_redemption
from crm.loyalty.services.reversing import reverse
from crm.loyalty.services.till import TillCheck, check_code
from crm.loyalty.services.vouchers import (
    activate_vouchers,
    allocate_vouchers,
    expire_vouchers,
    give_offer,
    release_vouchers,
)

__all__ = [
    "OfferInput",
    "ProgramInput",
    "PublicOffer",
    "RuleInput",
    "TillCheck",
    "activate_vouchers",
    "adjust",
    "allocate_vouchers",
    "award",
    "check_code",
    "confirm",
    "create_offer",
    "create_program",
    "create_rule",
    "earn",
    "expire_due",
    "expire_vouchers",
    "give_offer",
    "join",
    "leave",
    "public_offer",
    "rebuild",
    "redeem",
    "release_vouchers",
    "retire_rule",
    "reverse",
    "spend",
    "take_back_for_interaction",
    "undo_redemption",
    "update_offer",
    "update_program",
    "withdraw_offer",
]
