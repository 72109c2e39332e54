"""What an SMTP reply, or the lack of one, says about a message: one table for all stages."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crm.channels.base import Outcome, OutcomeKind


class Stage(StrEnum):
    """How far a hand-over got."""

    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    FINAL = "final"


_ENHANCED = re.compile(rb"\A([245]\.\d{1,3}\.\d{1,3})(?:\s|\Z)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code (-1 when it was no SMTP reply) and its text."""

    code: int
    text: bytes = b""

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), like `5.1.1`, or an empty string."""
        found = _ENHANCED.match(self.text)
        return found[1].decode("ascii") if found else ""


_RETRY, _PERMANENT, _POLICY = OutcomeKind.RETRY_LATER, OutcomeKind.PERMANENT, OutcomeKind.POLICY
_CONTENT, _AUTH, _UNKNOWN = OutcomeKind.CONTENT, OutcomeKind.AUTH, OutcomeKind.UNKNOWN

#: Enhanced codes that decide alone, longest prefix first (RFC 3463, 5248, 7372, 7505 and the big providers' own).
_BY_ENHANCED: Final = (
    ("5.7.515", _AUTH),  # Outlook.com: the sender's domain is not authenticated.
    ("5.7.26", _AUTH),  # Neither SPF nor DKIM passed.
    ("5.7.30", _AUTH),  # Microsoft: no more passwords here.
    ("5.7.501", _AUTH),  # Microsoft: the account is closed because of spam, as the next three.
    ("5.7.502", _AUTH),
    ("5.7.503", _AUTH),
    ("5.7.705", _AUTH),
    ("5.7.708", _AUTH),  # Microsoft: nothing is taken from this sender's server.
    ("5.1.90", _AUTH),  # Microsoft: the account has reached its recipients of the day.
    ("5.4.5", _AUTH),  # Google: the account has reached its messages of the day.
    ("5.7.60", _AUTH),  # Microsoft: not allowed to send as this address.
    ("5.7.8", _AUTH),
    ("5.7.9", _AUTH),
    ("5.7.0", _AUTH),
    ("5.1.7", _AUTH),  # The sender's address is malformed.
    ("5.1.8", _AUTH),  # The sender's domain does not exist.
    ("5.1.", _PERMANENT),
    ("5.2.1", _PERMANENT),
    ("5.2.2", _RETRY),  # Mailbox full: final for the server, but people empty their mailboxes.
    ("5.2.3", _CONTENT),
    ("5.3.4", _CONTENT),
    ("5.6.", _CONTENT),
    ("5.7.", _POLICY),
    ("5.4.", _PERMANENT),  # No route to the recipient's domain.
)
#: Where the enhanced code is missing or silent.
_BY_CODE: Final = {
    (Stage.MAIL, 530): _AUTH,
    (Stage.MAIL, 552): _CONTENT,
    (Stage.RCPT, 530): _AUTH,
    (Stage.RCPT, 535): _AUTH,
    (Stage.RCPT, 552): _RETRY,
    (Stage.RCPT, 554): _POLICY,
    (Stage.RCPT, 503): _RETRY,
    (Stage.DATA, 503): _RETRY,
    (Stage.DATA, 530): _AUTH,
    (Stage.FINAL, 552): _CONTENT,
}
_DEFAULT: Final = {
    Stage.GREETING: _AUTH,
    Stage.EHLO: _AUTH,
    Stage.STARTTLS: _AUTH,
    Stage.AUTH: _AUTH,
    Stage.MAIL: _AUTH,
    Stage.RCPT: _PERMANENT,
    Stage.DATA: _POLICY,
    # A refusal of the content says nothing against the address, so the contact is kept.
    Stage.FINAL: _POLICY,
}


def outcome_of_reply(stage: Stage, reply: Reply) -> Outcome:
    """Classify a reply that was not the expected one.

    Before the final dot nothing can have left. After it a plain 4xx or 5xx is the server's refusal to take
    responsibility (RFC 5321, 4.2.5), but 421 and 4.4.x are what a proxy says when it lost the server behind it
    after passing the message on (RFC 1047), so those are unknown.
    """
    code = f"{stage}_{reply.code}" if reply.code > 0 else f"{stage}_nonsense"
    return Outcome(kind=_kind(stage, reply), code=code, detail=reply.enhanced)


def outcome_of_loss(stage: Stage, reason: str) -> Outcome:
    """Classify a stage that ended without a reply; only after the content went out may a copy have left."""
    kind = _UNKNOWN if stage is Stage.FINAL else _RETRY
    return Outcome(kind=kind, code=f"{stage}_{reason}")


def _kind(stage: Stage, reply: Reply) -> OutcomeKind:
    hundreds = reply.code // 100
    if stage is Stage.FINAL and (
        hundreds not in {4, 5} or reply.code == 421 or reply.enhanced.startswith("4.4.")  # noqa: PLR2004
    ):
        return _UNKNOWN
    if hundreds != 5:  # noqa: PLR2004
        # 4xx, and before the final dot also nonsense or an unexpected success.
        return _RETRY
    if stage in {Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.FINAL}:
        for prefix, kind in _BY_ENHANCED:
            if reply.enhanced == prefix or (prefix.endswith(".") and reply.enhanced.startswith(prefix)):
                return kind if stage is not Stage.MAIL or kind is _CONTENT else _AUTH
        return _BY_CODE.get((stage, reply.code), _DEFAULT[stage])
    return _DEFAULT[stage]
