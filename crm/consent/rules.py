"""Owns the decisions about consent as pure functions: the state after events, what a basis allows, address hashes."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose

#: Key of a policy for every channel that has no line of its own.
ANY: Final = "*"


class Reason(StrEnum):
    """Why consent keeps a message from a person."""

    OPTED_OUT = "opted_out"
    NO_BASIS = "no_basis"
    BASIS_NOT_ENOUGH = "basis_not_enough"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What holds now for one purpose and channel, and since when."""

    action: ConsentAction
    basis: Basis
    since: datetime


#: By (purpose, channel), the channel '' standing for all of them.
States: TypeAlias = Mapping[tuple[ConsentPurpose, str], State]


#: Italy: electronic marketing needs prior consent; by e-mail own similar products may follow a sale (D.lgs. 196/2003,
#: art. 130 c. 1, 2 and 4). A one-to-one that somebody writes by hand is not marketing and may rest on any basis, also
#: one that was never written down (GDPR art. 6(1)(f)); an objection always ends it (art. 21).
STRICT: Final[Mapping[str, Mapping[str, frozenset[Basis]]]] = {
    Purpose.PROMOTIONAL: {
        ANY: frozenset({Basis.CONSENT}),
        "email": frozenset({Basis.CONSENT, Basis.SOFT_OPT_IN}),
    },
    Purpose.PERSONAL: {ANY: frozenset(Basis)},
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Which basis carries which purpose on which channel; what is not named falls back to `STRICT`."""

    allowed: Mapping[str, Mapping[str, frozenset[Basis]]] = field(default_factory=lambda: STRICT)

    def carries(self, purpose: Purpose, channel: str) -> frozenset[Basis]:
        """The bases that allow `purpose` on `channel`."""
        lines = self.allowed.get(purpose) or STRICT.get(purpose, {})
        return lines.get(channel) or lines.get(ANY, frozenset())


def policy_of(stored: Mapping[str, Any] | None) -> Policy:
    """The policy kept with a workspace, `{"promotional": {"*": ["consent"], "email": [...]}}`.

    Unknown words drop out.
    """
    allowed: dict[str, Mapping[str, frozenset[Basis]]] = dict(STRICT)
    known = {basis.value: basis for basis in Basis}
    for purpose, lines in (stored or {}).items():
        if purpose in {Purpose.PROMOTIONAL, Purpose.PERSONAL} and isinstance(lines, Mapping):
            allowed[purpose] = {
                channel: frozenset(known[name] for name in names if name in known) for channel, names in lines.items()
            }
    return Policy(allowed)


def latest(states: States, purpose: ConsentPurpose, channel: str) -> State | None:
    """What holds for a purpose on a channel: the newer of "on this channel" and "on every channel".

    At the same moment the withdrawal wins.
    """
    found = [state for state in (states.get((purpose, channel)), states.get((purpose, ""))) if state is not None]
    return max(found, key=_strictness) if found else None


def _strictness(state: State) -> tuple[datetime, bool]:
    return state.since, state.action is ConsentAction.WITHDRAWN


def verdict(purpose: Purpose, channel: str, states: States, policy: Policy) -> Reason | None:
    """Whether consent and basis allow a message of `purpose` on `channel`; None when they do.

    Replies, service and system messages need none of it. An objection to personal messages ends promotions too, unless
    the person agreed to promotions later.
    """
    if purpose not in {Purpose.PROMOTIONAL, Purpose.PERSONAL}:
        return None
    state = latest(states, ConsentPurpose(purpose), channel)
    if purpose is Purpose.PROMOTIONAL:
        personal = latest(states, ConsentPurpose.PERSONAL, channel)
        objected = personal is not None and personal.action is ConsentAction.WITHDRAWN
        if objected and personal is not None and (state is None or _strictness(personal) > _strictness(state)):
            return Reason.OPTED_OUT
    if state is not None and state.action is ConsentAction.WITHDRAWN:
        return Reason.OPTED_OUT
    basis = state.basis if state is not None else Basis.UNKNOWN
    if basis in policy.carries(purpose, channel):
        return None
    return Reason.NO_BASIS if basis is Basis.UNKNOWN else Reason.BASIS_NOT_ENOUGH


def follows(state: State, *, action: ConsentAction, happened_at: datetime) -> bool:
    """Whether an event replaces `state`: it happened later, or at the same moment and is a withdrawal."""
    if happened_at == state.since:
        return action is ConsentAction.WITHDRAWN
    return happened_at > state.since


def address_hash(key: str | bytes, channel: str, address_norm: str) -> str:
    """A keyed hash by which an address is recognised again without being kept (HMAC-SHA-256, hexadecimal)."""
    secret = key.encode() if isinstance(key, str) else key
    return hmac.new(secret, f"{channel}\0{address_norm}".encode(), hashlib.sha256).hexdigest()


def hint(address: str) -> str:
    """A few letters of an address for lists of suppressed ones: `g…@example.com`, `+39…678`."""
    local, at, domain = address.partition("@")
    if at and local:
        return f"{local[0]}…@{domain}"
    return f"{address[:3]}…{address[-3:]}" if len(address) > 8 else f"{address[:1]}…"  # noqa: PLR2004 - too short to show both ends.
