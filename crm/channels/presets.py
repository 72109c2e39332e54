"""The servers of mail providers that small Italian firms use, so that an address and a password are enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from crm.channels.sentences import N_
from crm.channels.smtp import Security


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """How the mailboxes of a provider are reached.

    `domains` are those of its own addresses; customers with a domain of their own choose it by `name`. `files_sent`:
    the server itself keeps a copy of what it sends. `note` says what to know before the password, marked with `N_`.
    """

    key: str
    name: str
    domains: Sequence[str]
    host: str
    imap_host: str
    port: int = 465
    security: Security = Security.TLS
    imap_port: int = 993
    imap_security: Security = Security.TLS
    files_sent: bool = False
    note: str = ""

    def servers(self) -> dict[str, object]:
        """The settings of an account, by the names that its configuration has."""
        return {
            "host": self.host,
            "port": self.port,
            "security": self.security.value,
            "imap_host": self.imap_host,
            "imap_port": self.imap_port,
            "imap_security": self.imap_security.value,
            "files_sent": self.files_sent,
        }


_PROVIDERS: Final = (
    Provider(
        key="aruba",
        name="Aruba",
        domains=("aruba.it", "technet.it"),
        host="smtps.aruba.it",
        imap_host="imaps.aruba.it",
    ),
    Provider(
        key="gmail",
        name="Gmail, Google Workspace",
        domains=("gmail.com", "googlemail.com"),
        host="smtp.gmail.com",
        imap_host="imap.gmail.com",
        files_sent=True,
        note=N_("Google asks for an app password: turn on two-step verification, then make one under “App passwords”."),
    ),
    Provider(
        key="microsoft",
        name="Microsoft 365",
        domains=(),
        host="smtp.office365.com",
        port=587,
        security=Security.STARTTLS,
        imap_host="outlook.office365.com",
        files_sent=True,
        note=N_("Microsoft ends sending with passwords in December 2026; until then your administrator can allow it."),
    ),
    Provider(
        key="outlook",
        name="Outlook.com, Hotmail",
        domains=("outlook.com", "outlook.it", "hotmail.com", "hotmail.it", "live.com", "live.it", "msn.com"),
        host="smtp-mail.outlook.com",
        port=587,
        security=Security.STARTTLS,
        imap_host="outlook.office365.com",
        files_sent=True,
        note=N_("Microsoft ends sending with passwords in December 2026; until then your administrator can allow it."),
    ),
    Provider(
        key="libero",
        name="Libero Mail",
        domains=("libero.it", "inwind.it", "iol.it", "blu.it", "giallo.it"),
        host="smtp.libero.it",
        imap_host="imapmail.libero.it",
        note=N_("Libero: turn on access from mail programs in its settings first."),
    ),
    Provider(
        key="tim",
        name="TIM Mail, Alice",
        domains=("tim.it", "alice.it", "virgilio.tim.it"),
        host="box.posta.tim.it",
        imap_host="box.posta.tim.it",
    ),
    Provider(
        key="register",
        name="Register.it",
        domains=("register.it",),
        host="authsmtp.securemail.pro",
        imap_host="imap.securemail.pro",
    ),
    Provider(
        key="virgilio",
        name="Virgilio Mail",
        domains=("virgilio.it",),
        host="out.virgilio.it",
        imap_host="in.virgilio.it",
    ),
    Provider(
        key="icloud",
        name="iCloud Mail",
        domains=("icloud.com", "me.com", "mac.com"),
        host="smtp.mail.me.com",
        port=587,
        security=Security.STARTTLS,
        imap_host="imap.mail.me.com",
        note=N_("Apple asks for an app-specific password: make one at account.apple.com."),
    ),
    Provider(
        key="yahoo",
        name="Yahoo Mail",
        domains=("yahoo.it", "yahoo.com", "ymail.com"),
        host="smtp.mail.yahoo.com",
        imap_host="imap.mail.yahoo.com",
        files_sent=True,
        note=N_("Yahoo asks for an app password: make one in the security settings of the account."),
    ),
)
PROVIDERS: Final = MappingProxyType({provider.key: provider for provider in _PROVIDERS})
_BY_DOMAIN: Final = {domain: provider for provider in _PROVIDERS for domain in provider.domains}

#: Providers of certified mail (PEC): a registered letter, no way to talk to people.
_CERTIFIED: Final = ("pec.it", "legalmail.it", "postacert.it.net", "postecert.it", "arubapec.it", "pecimprese.it")


def provider_of(address: str) -> Provider | None:
    """The provider whose own domain an address has; None for a firm's domain, which says nothing."""
    return _BY_DOMAIN.get(address.rpartition("@")[2].strip().lower())


def is_certified(address: str) -> bool:
    """Whether an address looks like a certified mailbox (PEC)."""
    domain = address.rpartition("@")[2].strip().lower()
    return any(domain == known or domain.endswith(f".{known}") for known in _CERTIFIED) or domain.startswith("pec.")
