"""Owns what outreach needs from the installation's settings: keys, links, folders, derived once per process."""

import hashlib
import hmac
from functools import cache
from pathlib import Path

from crm.outreach.links import Links
from crm.outreach.secrets import Keyring
from crm.settings import current


@cache
def links() -> Links:
    """The maker of preference links and reply tokens; their key is derived, so that it is no session key."""
    settings = current()
    key = hmac.digest(settings.secret("secret_key").encode(), b"outreach links", hashlib.sha256)
    return Links(settings.public_url, key)


@cache
def keyring() -> Keyring:
    """The keys of channel credentials."""
    return Keyring.of(current().secret("channel_key"))


def files_folder() -> Path:
    """Where the files of entries are kept."""
    return current().home / "files"
