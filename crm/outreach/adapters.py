"""Makes the adapter of a sender account: configuration in clear, credentials decrypted for this moment."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from crm.channels.base import Adapter, ChannelKind
from crm.channels.mailbox import Mailbox
from crm.channels.registry import AccountSpec, adapter_for, mailbox_for
from crm.channels.sandbox import sandbox_port
from crm.net.guard import Guard
from crm.outreach.models import SenderAccount
from crm.outreach.setup import keyring
from crm.settings import current

#: What an account keeps for us beside the adapter's own settings.
OWN_SETTINGS = frozenset({"plus_address", "files_sent"})
#: With which application an account signs in at Google or Microsoft.
SIGN_IN_SETTINGS = frozenset({"oauth_provider", "oauth_client_id", "oauth_tenant", "oauth_base_url"})


@dataclass(frozen=True, slots=True)
class SenderSpec:
    """One sender account outside of the database; a new `version` makes kept connections out of date."""

    account_id: UUID
    version: int
    adapter: AccountSpec
    signs_in_by_token: bool = False


def spec_of(account: SenderAccount) -> SenderSpec:
    """The account with its credentials decrypted; raises `crm.outreach.secrets.SecretError`."""
    secret: dict[str, str] = {}
    if account.secret is not None:
        secret = keyring().open(account.secret, workspace_id=account.workspace_id, row_id=account.id)
    return SenderSpec(
        account_id=account.id,
        version=account.version,
        signs_in_by_token=bool(account.config.get("oauth_provider")),
        adapter=AccountSpec(
            channel=ChannelKind(account.channel),
            public_id=account.public_id,
            config={key: value for key, value in account.config.items() if key not in OWN_SETTINGS | SIGN_IN_SETTINGS},
            secret=secret,
            client_name=account.address.partition("@")[2] or "localhost",
            patience=current().smtp_patience,
            sandbox_port=sandbox_port(current()) if account.is_sandbox else None,
        ),
    )


def load_spec(session: Session, account_id: UUID) -> SenderSpec | None:
    """`spec_of` for an id; None when there is no such account any more."""
    account = session.get(SenderAccount, account_id)
    return None if account is None or account.deleted_at is not None else spec_of(account)


def connect_mailbox(spec: SenderSpec) -> Mailbox | None:
    """A reader of the account's mailbox, None where there is none; it dials on its first use. Raises `ConfigError`."""
    return mailbox_for(spec.adapter, Guard(allow=current().net_allow))


def connect(spec: SenderSpec) -> Adapter:
    """An adapter for one thread; it dials on its first use. Raises `ConfigError`, or `KeyError` without an adapter."""
    return adapter_for(spec.adapter, Guard(allow=current().net_allow))
