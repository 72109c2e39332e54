"""Owns secrets: passwords under argon2id, and the keys of links, sessions and tokens that are kept as hashes."""

import hashlib
import secrets
import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from crm.accounts.rules import password_refusal
from crm.errors import InvalidInputError

TOKEN_PREFIX = "fd_"

# RFC 9106, second recommended option with 64 MiB; the suite lowers it, because it signs in thousands of times.
COSTS = {
    "normal": PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4),
    "test": PasswordHasher(time_cost=1, memory_cost=64, parallelism=1),
}


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that passed the rules, already hashed; services take this and never the plain text."""

    hashed: str


class Passwords:
    """Makes and checks password hashes at one cost ("normal" or "test")."""

    def __init__(self, cost: str) -> None:
        self._hasher = COSTS[cost]

    def new(self, plain: str, *, about: tuple[str, ...] = ()) -> NewPassword:
        """Hash `plain`; raises `InvalidInputError` with the field `password` when it is too easy to guess.

        `about` holds what others know of the person (address, name).
        """
        refusal = password_refusal(plain, about=about)
        if refusal:
            raise InvalidInputError(refusal, code="weak_password", fields={"password": refusal})
        return NewPassword(self._hasher.hash(_canonical(plain)))

    def matches(self, plain: str, stored: str | None) -> bool:
        """True when `plain` is the password; takes as long for a person without one."""
        if not stored:
            self._hasher.hash(_canonical(plain))
            return False
        try:
            return self._hasher.verify(stored, _canonical(plain))
        except (Argon2Error, InvalidHashError):
            return False

    def renewed(self, plain: str, stored: str) -> str | None:
        """A new hash when `stored` was made at another cost, else None."""
        return self._hasher.hash(_canonical(plain)) if self._hasher.check_needs_rehash(stored) else None


def new_secret(prefix: str = "") -> str:
    """A fresh secret of 256 random bits, safe in addresses and headers."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """SHA-256 in hex: what is stored in place of a secret that already has 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hint(secret: str) -> str:
    """The last four signs, by which a person tells two tokens apart."""
    return secret[-4:]


def _canonical(plain: str) -> str:
    # The same letter typed on two keyboards can be two code point sequences (NIST SP 800-63B, 3.1.1.2).
    return unicodedata.normalize("NFKC", plain)
