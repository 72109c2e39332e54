"""Owns the encryption of channel credentials: AES-GCM, bound to the workspace and the row they belong to."""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = b"\x01"
KEY_ID_BYTES = 4
NONCE_BYTES = 12
KEY_BYTES = 32


class SecretError(Exception):
    """The credentials can't be read: another key, another row, or damaged bytes."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys for credentials: the first one encrypts, every one decrypts, so that a key can be replaced in use."""

    keys: tuple[bytes, ...]

    @classmethod
    def of(cls, setting: str) -> "Keyring":
        """Read the setting: keys separated by commas, newest first."""
        return cls(tuple(_key(part.strip()) for part in setting.split(",") if part.strip()))

    def seal(self, secret: Mapping[str, str], *, workspace_id: UUID, row_id: UUID) -> bytes:
        """Encrypt `secret` for one row: format, key id, nonce, ciphertext with its tag."""
        key = self.keys[0]
        nonce = os.urandom(NONCE_BYTES)
        plain = json.dumps(dict(secret), sort_keys=True).encode()
        return FORMAT + _key_id(key) + nonce + AESGCM(key).encrypt(nonce, plain, _bound(workspace_id, row_id))

    def open(self, blob: bytes, *, workspace_id: UUID, row_id: UUID) -> dict[str, str]:
        """Decrypt what `seal` made for the same row; raises `SecretError` for anything else."""
        head = len(FORMAT) + KEY_ID_BYTES
        if blob[: len(FORMAT)] != FORMAT:
            raise SecretError("unknown format")
        key = next((key for key in self.keys if _key_id(key) == blob[len(FORMAT) : head]), None)
        if key is None:
            raise SecretError("no such key")
        nonce, sealed = blob[head : head + NONCE_BYTES], blob[head + NONCE_BYTES :]
        try:
            return json.loads(AESGCM(key).decrypt(nonce, sealed, _bound(workspace_id, row_id)))
        except InvalidTag as error:
            raise SecretError("not for this row") from error

    def is_current(self, blob: bytes) -> bool:
        """Whether the newest key encrypted `blob`; the rotation command seals the others again."""
        return blob[len(FORMAT) : len(FORMAT) + KEY_ID_BYTES] == _key_id(self.keys[0])


def _bound(workspace_id: UUID, row_id: UUID) -> bytes:
    return workspace_id.bytes + row_id.bytes


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"key id" + key).digest()[:KEY_ID_BYTES]


def _key(text: str) -> bytes:
    """The 32 bytes of a base64 key; any other text is stretched by a hash, so that a passphrase isn't refused."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    return raw if len(raw) == KEY_BYTES else hashlib.sha256(text.encode()).digest()
