"""Owns the links and tokens that leave in messages: preference links that work for ever, reply tokens, headers."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from crm.channels.base import ChannelKind

SIGNATURE_BYTES = 15
#: Stands for the token wherever colleagues read a text, and in drafts until they are approved.
STAND_IN = "personal"
_TOKEN_IN_ADDRESS = re.compile(r"(?<=/[pu]/)[A-Za-z0-9_-]{40,}")
#: A plus-address must fit into the 64 characters of a local part beside the mailbox's name.
SHORT_SIGNATURE_BYTES = 9
UUID_BYTES = 16


class TokenKind(IntEnum):
    """What a token was made for; part of what is signed."""

    PREFERENCES = 1
    REPLY = 2


@dataclass(frozen=True, slots=True)
class PreferenceToken:
    """Whose preferences a link opens, and on which channel it was sent: a capability, no sign-in needed."""

    workspace_id: UUID
    contact_id: UUID
    channel: ChannelKind


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and reads the signed links of one installation.

    The tokens never expire: a way out that stops working is none. They name the contact itself; after a merge the
    reader follows `merged_into_id`.
    """

    base_url: str
    key: bytes

    def preference_token(self, token: PreferenceToken) -> str:
        """The token of a preference link: 78 URL-safe characters at most."""
        body = bytes((TokenKind.PREFERENCES,)) + token.workspace_id.bytes + token.contact_id.bytes
        body += token.channel.value.encode()
        signed = body + _sign(body, self.key, SIGNATURE_BYTES)
        return _base64(signed)

    def read_preference_token(self, text: str) -> PreferenceToken | None:
        """What a token says, None for anything that we did not sign."""
        try:
            raw = base64.b64decode((text + "=" * (-len(text) % 4)).encode("ascii"), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error, UnicodeError):
            return None
        body = _checked(raw, self.key, SIGNATURE_BYTES) if _base64(raw) == text else None
        workspace_ends, contact_ends = 1 + UUID_BYTES, 1 + 2 * UUID_BYTES
        if body is None or len(body) <= contact_ends or body[0] != TokenKind.PREFERENCES:
            return None
        return PreferenceToken(
            workspace_id=UUID(bytes=body[1:workspace_ends]),
            contact_id=UUID(bytes=body[workspace_ends:contact_ends]),
            channel=ChannelKind(body[contact_ends:].decode()),
        )

    def preference_url(self, token: PreferenceToken) -> str:
        """The page on which a person chooses what to get: GET shows, POST acts."""
        return f"{self.base_url}/p/{self.preference_token(token)}"

    @property
    def stand_in_url(self) -> str:
        """What drafts hold in place of a preference link: it opens nothing, and is replaced at the approval."""
        return f"{self.base_url}/p/{STAND_IN}"

    def one_click_url(self, token: PreferenceToken) -> str:
        """Where a mail program posts the one-click unsubscription (RFC 8058)."""
        return f"{self.base_url}/u/{self.preference_token(token)}"

    def unsubscribe_headers(self, token: PreferenceToken) -> dict[str, str]:
        """The two headers of RFC 8058, section 3.1."""
        return {
            "List-Unsubscribe": f"<{self.one_click_url(token)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def reply_token(self, message_id: UUID) -> str:
        """The plus-address part that leads an answer back to its message; letters and digits only."""
        body = bytes((TokenKind.REPLY,)) + message_id.bytes
        signed = body + _sign(body, self.key, SHORT_SIGNATURE_BYTES)
        return _base32(signed)

    def read_reply_token(self, text: str) -> UUID | None:
        """The message a plus-address names, in any case of letters; None for anything that we did not sign."""
        try:
            raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
        except (ValueError, binascii.Error):
            return None
        body = _checked(raw, self.key, SHORT_SIGNATURE_BYTES) if _base32(raw) == text.lower() else None
        if body is None or len(body) != 1 + UUID_BYTES or body[0] != TokenKind.REPLY:
            return None
        return UUID(bytes=body[1:])


def hide_tokens(text: str) -> str:
    """`text` for the eyes of colleagues: whoever holds a token decides for its person, so none is shown."""
    return _TOKEN_IN_ADDRESS.sub(STAND_IN, text)


# The last letter of a token may carry bits that a decoder drops: one token has one spelling, so both readers compare.
def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _sign(body: bytes, key: bytes, size: int) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)[:size]


def _checked(raw: bytes, key: bytes, size: int) -> bytes | None:
    """The body of signed bytes, None when the signature is not ours."""
    body, signature = raw[:-size], raw[-size:]
    return body if hmac.compare_digest(_sign(body, key, size), signature) else None
