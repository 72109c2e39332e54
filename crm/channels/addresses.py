"""Addresses of people on each channel: one normal form to compare, one form to show, one link to open."""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import phonenumbers
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from crm.channels.base import ChannelKind
from crm.channels.sentences import ADDRESS_SENTENCES

MAX_ADDRESS: Final = 320
DEFAULT_REGION: Final = "IT"
#: The countries (ISO 3166) whose numbers can be read where they stand without a prefix.
REGIONS: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)
#: RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3.
MAX_LOCAL: Final = 64
MAX_EMAIL: Final = 254

_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")
_INSTAGRAM = re.compile(r"(?!.*\.\.)(?!\.)[A-Za-z0-9._]{1,30}(?<!\.)")
_MESSENGER = re.compile(r"[A-Za-z0-9.]{5,50}|[0-9]{5,20}")
_X = re.compile(r"[A-Za-z0-9_]{1,15}")
_TELEGRAM = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,30}[A-Za-z0-9]")
_LINKEDIN = re.compile(r"(in|company|school)/(\w[\w.&'’-]{1,149})")
_DOMAIN = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_MASTODON_USER = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?")
_PLATFORM_ID = re.compile(r"[A-Za-z0-9._:@+=/-]{1,200}")
_DID = re.compile(r"did:(?:plc:[a-z2-7]{24}|web:[A-Za-z0-9.%-]{4,200})")
_HANDLE_HOSTS: Final = {
    ChannelKind.INSTAGRAM: ("instagram.com", "ig.me/m"),
    ChannelKind.MESSENGER: ("facebook.com", "fb.com", "m.me", "messenger.com/t"),
    ChannelKind.X: ("x.com", "twitter.com"),
    ChannelKind.TELEGRAM: ("t.me", "telegram.me"),
}

_PROFILE_PAGES: Final = {
    ChannelKind.INSTAGRAM: "https://www.instagram.com/{}/",
    ChannelKind.MESSENGER: "https://www.facebook.com/{}",
    ChannelKind.X: "https://x.com/{}",
    ChannelKind.TELEGRAM: "https://t.me/{}",
    ChannelKind.LINKEDIN: "https://www.linkedin.com/{}/",
    ChannelKind.BLUESKY: "https://bsky.app/profile/{}",
}
_WHATSAPP_LINK = re.compile(
    r"(?:https?://)?(?:wa\.me/|(?:api\.)?whatsapp\.com/send/?\?phone=)\+?(\d{6,15})(?:[/?&].*)?"
)


#: How an address begins that is no name but the platform's immutable id, for people who never chose a name.
BY_ID: Final = "id:"
#: The channels where a person may have an id and nothing else.
_NAMELESS: Final = frozenset(
    {ChannelKind.TELEGRAM, ChannelKind.WHATSAPP, ChannelKind.MESSENGER, ChannelKind.INSTAGRAM, ChannelKind.X}
)


class Address(NamedTuple):
    """One address in the form people read and in the form that is compared."""

    address: str
    address_norm: str


class AddressError(ValueError):
    """A string that is no address of this channel. `code` is stable, `sentence` is English for gettext."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = ADDRESS_SENTENCES[code]


def normalise(channel: ChannelKind, raw: str, *, region: str = DEFAULT_REGION) -> Address:
    """Read what somebody typed or imported as an address of `channel`.

    `region` is the ISO country whose numbers may be written without a prefix. Profile
    links are accepted where a channel has them. No network, no DNS. Raises `AddressError`.
    """
    text = raw.strip()
    if not text:
        raise AddressError("address_empty")
    if len(text) > MAX_ADDRESS:
        raise AddressError("address_too_long")
    if _CONTROL.search(text):
        raise AddressError("address_control_character")
    if text.startswith(BY_ID) and channel in _NAMELESS and _PLATFORM_ID.fullmatch(text.removeprefix(BY_ID)):
        return Address(text, text)
    return _PARSERS[channel](text, region)


def profile_url(channel: ChannelKind, address_norm: str) -> str | None:
    """Give the public page of a normalised address, or None where a channel has none."""
    if address_norm.startswith(BY_ID):
        return None
    if channel is ChannelKind.WHATSAPP:
        return f"https://wa.me/{address_norm.removeprefix('+')}"
    if channel is ChannelKind.MASTODON:
        user, _, domain = address_norm.partition("@")
        return f"https://{domain}/@{user}"
    template = _PROFILE_PAGES.get(channel)
    return template.format(quote(address_norm, safe="/:")) if template else None


def channel_of_url(url: str) -> tuple[ChannelKind, Address] | None:
    """Recognise a profile link (as found on a website) as an address on a channel, or give None.

    Only hosts that belong to one network are recognised; a Mastodon link can't be told from
    any other page by its form alone.
    """
    host, path = _host_and_path(url)
    for channel, hosts in (
        (ChannelKind.LINKEDIN, ("linkedin.com",)),
        (ChannelKind.BLUESKY, ("bsky.app",)),
        (ChannelKind.WHATSAPP, ("wa.me",)),
        *_HANDLE_HOSTS.items(),
    ):
        if any(host == candidate.partition("/")[0] for candidate in hosts) and path:
            try:
                return channel, normalise(channel, url)
            except AddressError:
                return None
    return None


def _email(text: str, _region: str) -> Address:
    text = text.removeprefix("mailto:")
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressError("email_no_at")
    if not local.isascii():
        raise AddressError("email_local_non_ascii")
    if len(local) <= MAX_LOCAL and _PLAIN_LOCAL.fullmatch(local) and len(text) <= MAX_EMAIL:
        # Nearly every address of an import; the costly part, its domain, is the same for many.
        shown, ascii_domain = _email_domain(domain)
        return Address(f"{local}@{shown}", f"{local}@{ascii_domain}".lower())
    try:
        valid = _valid_email(text)
    except EmailNotValidError as error:
        local_is_good = re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}", local)
        raise AddressError("email_domain" if local_is_good and domain else "email_local") from error
    ascii_email = f"{valid.ascii_local_part}@{valid.ascii_domain}"
    return Address(valid.normalized, ascii_email.lower())


@lru_cache(maxsize=4096)
def _email_domain(domain: str) -> tuple[str, str]:
    """The domain of an address as people read it and in ASCII; raises `AddressError` for an impossible one."""
    try:
        valid = _valid_email(f"a@{domain}")
    except EmailNotValidError as error:
        raise AddressError("email_domain" if domain else "email_local") from error
    return valid.domain, valid.ascii_domain or valid.domain


def _valid_email(text: str) -> ValidatedEmail:
    # `.test` is reserved and never delivered; it is accepted so that trials need no real domain.
    return validate_email(text, check_deliverability=False, allow_smtputf8=False, test_environment=True)


def _phone(text: str, region: str) -> Address:
    digits = _WHATSAPP_LINK.fullmatch(text)
    number = f"+{digits[1]}" if digits else text.removeprefix("tel:")
    try:
        parsed = phonenumbers.parse(number, region.upper())
    except phonenumbers.NumberParseException as error:
        raise AddressError("phone_invalid") from error
    if not phonenumbers.is_valid_number(parsed) or parsed.extension:
        raise AddressError("phone_invalid")
    shown = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return Address(shown, phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _host_and_path(text: str) -> tuple[str, str]:
    """Split a link into its host without www and its path; a plain name gives two empty strings."""
    candidate = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(candidate)
        host = (parts.hostname or "").lower()
    except ValueError:
        return "", ""
    return re.sub(r"^(?:www|m|mobile|[a-z]{2})\.(?=[^.]+\.[a-z]+$)", "", host), parts.path.strip("/")


def _handle_text(channel: ChannelKind, text: str) -> str:
    """Take the name out of a profile link, or the text itself without its @."""
    host, path = _host_and_path(text)
    for candidate in _HANDLE_HOSTS[channel]:
        known_host, _, prefix = candidate.partition("/")
        if host == known_host and path:
            segments = path.split("/")
            if prefix and segments[0] == prefix and len(segments) > 1:
                return segments[1]
            if not prefix:
                return segments[0].removeprefix("@")
    return text.removeprefix("@")


def _handle(channel: ChannelKind, pattern: re.Pattern[str], code: str) -> Callable[[str, str], Address]:
    """Build the parser of a channel whose address is one plain name."""

    def parse(text: str, _region: str) -> Address:
        handle = _handle_text(channel, text)
        if not pattern.fullmatch(handle):
            raise AddressError(code)
        return Address(f"@{handle}", handle.lower())

    return parse


def _messenger(text: str, _region: str) -> Address:
    query = re.search(r"facebook\.com/profile\.php\?(?:.*&)?id=(\d{5,20})", text)
    handle = query[1] if query else _handle_text(ChannelKind.MESSENGER, text)
    if not _MESSENGER.fullmatch(handle):
        raise AddressError("messenger_handle")
    # Facebook ignores dots and case in names, so they can't tell two people apart.
    return Address(handle, handle.lower().replace(".", ""))


def _linkedin(text: str, _region: str) -> Address:
    host, path = _host_and_path(text)
    rest = path if host == "linkedin.com" else text.strip("/")
    if "/" not in rest:
        rest = f"in/{rest}" if host != "linkedin.com" else ""
    found = _LINKEDIN.match(unquote(rest))
    if found is None or (found.end() < len(unquote(rest)) and unquote(rest)[found.end()] != "/"):
        raise AddressError("linkedin_profile")
    shown = f"{found[1]}/{found[2]}"
    return Address(f"linkedin.com/{shown}", shown.lower())


def _mastodon(text: str, _region: str) -> Address:
    host, path = _host_and_path(text)
    if "://" in text and path.startswith("@"):
        user, _, domain = path.split("/")[0].removeprefix("@").partition("@")
        domain = domain or host
    else:
        user, _, domain = text.removeprefix("acct:").removeprefix("@").partition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise AddressError("mastodon_account") from error
    if not _MASTODON_USER.fullmatch(user) or not _DOMAIN.fullmatch(ascii_domain):
        raise AddressError("mastodon_account")
    return Address(f"@{user}@{ascii_domain}", f"{user}@{ascii_domain}".lower())


def _bluesky(text: str, _region: str) -> Address:
    host, path = _host_and_path(text)
    if host == "bsky.app" and path.startswith("profile/"):
        text = path.split("/")[1]
    if _DID.fullmatch(text):
        return Address(text, text)
    handle = text.removeprefix("@").lower()
    if not _DOMAIN.fullmatch(handle):
        raise AddressError("bluesky_handle")
    return Address(f"@{handle}", handle)


def _named_outside(text: str, _region: str) -> Address:
    """What the other side of a webhook calls a person: a name of its own, compared to the letter."""
    name = unicodedata.normalize("NFC", text)
    if not name.isprintable():
        raise AddressError("address_control_character")
    return Address(name, name)


_PARSERS: Final[dict[ChannelKind, Callable[[str, str], Address]]] = {
    ChannelKind.EMAIL: _email,
    ChannelKind.PHONE: _phone,
    ChannelKind.SMS: _phone,
    ChannelKind.WHATSAPP: _phone,
    ChannelKind.INSTAGRAM: _handle(ChannelKind.INSTAGRAM, _INSTAGRAM, "instagram_handle"),
    ChannelKind.MESSENGER: _messenger,
    ChannelKind.X: _handle(ChannelKind.X, _X, "x_handle"),
    ChannelKind.TELEGRAM: _handle(ChannelKind.TELEGRAM, _TELEGRAM, "telegram_handle"),
    ChannelKind.LINKEDIN: _linkedin,
    ChannelKind.MASTODON: _mastodon,
    ChannelKind.BLUESKY: _bluesky,
    ChannelKind.WEBHOOK: _named_outside,
}
