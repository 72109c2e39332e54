"""Owns the one table of purposes: what a message of each needs before it may leave."""

from dataclasses import dataclass
from enum import StrEnum

from crm.consent.kinds import Purpose


class Binding(StrEnum):
    """How strong a limit is for a purpose."""

    NONE = "none"
    WARNS = "warns"
    BINDS = "binds"


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeNeeds:
    """What a message of one purpose needs before it may leave."""

    consent: bool
    suppression: bool
    window: Binding
    budget: Binding
    #: An open complaint, and what colleagues planned or sent these days.
    care: Binding
    conversation: bool
    way_out: bool
    promotional_pause: bool
    reachable: bool = True


PURPOSES: dict[Purpose, PurposeNeeds] = {
    # Answers an open conversation: the person asked.
    Purpose.REPLY: PurposeNeeds(
        consent=False,
        suppression=False,
        window=Binding.WARNS,
        budget=Binding.NONE,
        care=Binding.NONE,
        conversation=False,
        way_out=False,
        promotional_pause=False,
    ),
    # A hand-written one-to-one; the hour is the writer's own decision.
    Purpose.PERSONAL: PurposeNeeds(
        consent=True,
        suppression=True,
        window=Binding.WARNS,
        budget=Binding.WARNS,
        care=Binding.WARNS,
        conversation=False,
        way_out=False,
        promotional_pause=False,
    ),
    Purpose.PROMOTIONAL: PurposeNeeds(
        consent=True,
        suppression=True,
        window=Binding.BINDS,
        budget=Binding.BINDS,
        care=Binding.BINDS,
        conversation=True,
        way_out=True,
        promotional_pause=True,
    ),
    # Owed by contract (points that expire, a voucher that was bought): the contract is the basis.
    Purpose.SERVICE: PurposeNeeds(
        consent=False,
        suppression=True,
        window=Binding.BINDS,
        budget=Binding.NONE,
        care=Binding.NONE,
        conversation=False,
        way_out=True,
        promotional_pause=False,
    ),
    # Magic links, invitations: what the person just asked for goes out whatever else holds.
    Purpose.SYSTEM: PurposeNeeds(
        consent=False,
        suppression=False,
        window=Binding.NONE,
        budget=Binding.NONE,
        care=Binding.NONE,
        conversation=False,
        way_out=False,
        promotional_pause=False,
        reachable=False,
    ),
}
