"""Owns sender accounts: making and changing them, their write-only credentials, pausing and resuming them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind, CheckResult
from crm.channels.sentences import N_
from crm.channels.smtp import Mechanism, Security
from crm.clock import UnknownZoneError, zone
from crm.contacts.inputs import Input, Line
from crm.db import new_id
from crm.errors import ConflictError, NotFoundError
from crm.outreach.adapters import SIGN_IN_SETTINGS, connect, spec_of
from crm.outreach.kinds import AccountState, MessageState
from crm.outreach.models import Message, SenderAccount
from crm.outreach.secrets import SecretError
from crm.outreach.services.transitions import move
from crm.outreach.setup import keyring


class AccountNotFoundError(NotFoundError):
    """No such sender account in this workspace."""

    code = "account_not_found"


def _zone(value: str) -> str:
    try:
        zone(value)
    except UnknownZoneError as error:
        raise ValueError(N_("This is not a time zone like Europe/Rome.")) from error
    return value


def _email(value: str) -> str:
    try:
        return normalise(ChannelKind.EMAIL, value).address
    except AddressError as error:
        raise ValueError(error.sentence) from error


Cap = Annotated[int | None, Field(ge=1, le=1_000_000)]


class AccountInput(Input):
    """One e-mail account as a person describes it; the password goes by `set_secret`, never here."""

    name: Annotated[Line, Field(min_length=1)]
    address: Annotated[Line, AfterValidator(_email)]
    display_name: Line = ""
    owner_id: UUID | None = None
    is_sandbox: bool = False
    host: Line = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Security = Security.STARTTLS
    username: Line = ""
    mechanism: Mechanism = Mechanism.PASSWORD
    imap_host: Line = ""
    imap_port: Annotated[int, Field(ge=1, le=65535)] = 993
    imap_security: Security = Security.TLS
    imap_username: Line = ""
    imap_folder: Annotated[Line, Field(max_length=250)] = ""
    files_sent: bool = False
    plus_address: bool = False
    signature: Annotated[str, Field(max_length=2000)] = ""
    per_minute: Cap = None
    per_hour: Cap = None
    per_day: Cap = None
    per_domain: Cap = None
    time_zone: Annotated[Line, AfterValidator(_zone)] = "Europe/Rome"

    @model_validator(mode="after")
    def _needs_server(self) -> "AccountInput":
        if not self.is_sandbox and not self.host:
            raise ValueError(N_("Write the name of the mail server."))
        return self

    @model_validator(mode="after")
    def _reads_encrypted(self) -> "AccountInput":
        if self.imap_host and self.imap_security is Security.NONE:
            raise ValueError(N_("A password is never sent over a connection that isn't encrypted."))
        if self.imap_host and not (self.imap_username or self.username):
            raise ValueError(N_("To look into the mailbox, a user name is needed."))
        return self

    def config(self) -> dict[str, object]:
        """What the adapter needs, as the row keeps it."""
        return {
            "host": self.host,
            "port": self.port,
            "security": self.security.value,
            "username": self.username,
            "mechanism": self.mechanism.value,
            "imap_host": self.imap_host,
            "imap_port": self.imap_port,
            "imap_security": self.imap_security.value,
            "imap_username": self.imap_username,
            "imap_folder": self.imap_folder,
            "files_sent": self.files_sent,
            "plus_address": self.plus_address,
        }


_COLUMNS = (
    "name",
    "address",
    "display_name",
    "owner_id",
    "is_sandbox",
    "signature",
    "per_minute",
    "per_hour",
    "per_day",
    "per_domain",
    "time_zone",
)


def load(session: Session, account_id: UUID, *, lock: bool = False) -> SenderAccount:
    """The live account; raises `AccountNotFoundError`."""
    wanted = select(SenderAccount).where(SenderAccount.id == account_id, SenderAccount.deleted_at.is_(None))
    found = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if found is None:
        raise AccountNotFoundError(N_("There is no such sender account."))
    return found


def create_account(session: Session, actor: Actor, *, data: AccountInput, now: datetime) -> SenderAccount:
    """A new e-mail account, active at once; credentials follow by `set_secret`."""
    actor.require(Permission.MANAGE_CHANNELS)
    account = SenderAccount(
        id=new_id(),
        channel=ChannelKind.EMAIL,
        config=data.config(),
        created_at=now,
        **{name: getattr(data, name) for name in _COLUMNS},
    )
    session.add(account)
    session.flush()
    _noted(session, actor, account, "sender.created", after=_told(account))
    return account


def update_account(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID,
    data: AccountInput,
    expected_version: int | None = None,
) -> SenderAccount:
    """Change an account; raises `ConflictError` when somebody else changed it since `expected_version`."""
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    if expected_version is not None and account.version != expected_version:
        raise ConflictError(N_("Somebody else has changed this meanwhile."), code="changed")
    told = _told(account)
    # With which application it signs in is set elsewhere.
    account.config = {**{key: account.config[key] for key in SIGN_IN_SETTINGS & set(account.config)}, **data.config()}
    for name in _COLUMNS:
        setattr(account, name, getattr(data, name))
    session.flush()
    before, after = audit.changes(told, _told(account))
    if after:
        _noted(session, actor, account, "sender.changed", before=before, after=after)
    return account


def set_secret(session: Session, actor: Actor, *, account_id: UUID, secret: dict[str, str]) -> None:
    """Replace credentials, which nobody can read back; a held account goes on.

    `secret` is the password or token, `imap_secret` the mailbox's own where it differs. What is not named stays, and an
    empty one is forgotten.
    """
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    kept = {**_known_secret(account), **secret}
    account.secret = keyring().seal(
        {name: value for name, value in kept.items() if value}, workspace_id=account.workspace_id, row_id=account.id
    )
    if account.state == AccountState.HELD:
        activate(account)
    account.last_error_code = ""
    session.flush()
    _noted(session, actor, account, "sender.credentials_changed")


def _told(account: SenderAccount) -> dict[str, Any]:
    """What the audit log keeps of an account: from whom it writes and to which servers it speaks."""
    own = {name: getattr(account, name) for name in ("name", "address", "is_sandbox")}
    servers = ("host", "port", "security", "username", "imap_host", "imap_port", "imap_username")
    return {**own, **{name: account.config.get(name) for name in servers}}


def _noted(session: Session, actor: Actor, account: SenderAccount, action: str, **values: dict[str, Any]) -> None:
    audit.record(session, actor, action=action, object_kind="sender_account", object_id=account.id, **values)


def _known_secret(account: SenderAccount) -> dict[str, str]:
    """What the account has; nothing when it can't be read, so that new credentials always mend it."""
    if account.secret is None:
        return {}
    try:
        return keyring().open(account.secret, workspace_id=account.workspace_id, row_id=account.id)
    except SecretError:
        return {}


def check_account(session: Session, actor: Actor, *, account_id: UUID) -> CheckResult:
    """Sign in to the server, and to the mailbox where one is named, and send nothing.

    Dials: close the transaction first, or accept that it waits.
    """
    actor.require(Permission.MANAGE_CHANNELS)
    spec = spec_of(load(session, account_id))
    connection = connect(spec)
    try:
        return connection.check()
    finally:
        connection.close()


def pause_account(session: Session, actor: Actor, *, account_id: UUID) -> SenderAccount:
    """Nothing leaves from this account until it is resumed."""
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    account.state, account.hold_reason, account.hold_until = AccountState.PAUSED.value, "", None
    session.flush()
    _noted(session, actor, account, "sender.paused")
    return account


def resume_account(session: Session, actor: Actor, *, account_id: UUID) -> SenderAccount:
    """Go on after a pause or a problem; what became too late meanwhile waits for a person, so there is no burst."""
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    activate(account)
    session.flush()
    _noted(session, actor, account, "sender.resumed")
    return account


def hold_account(session: Session, *, account_id: UUID, code: str, now: datetime) -> None:
    """The machine found the account unusable: nothing leaves until a person mends it, and nobody's try is burned."""
    account = load(session, account_id, lock=True)
    account.state, account.hold_reason, account.hold_until = AccountState.HELD.value, code, None
    account.last_error_at, account.last_error_code = now, code
    session.flush()


def activate(account: SenderAccount) -> None:
    """Let a locked account go on."""
    account.state, account.hold_reason, account.hold_until = AccountState.ACTIVE.value, "", None
    # Attendance begins anew, so that lateness is measured against the end of the pause.
    account.attended_at = None


def delete_account(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> int:
    """Retire an account and its credentials; what still waited on it is held. Returns how many messages that were."""
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    account.deleted_at, account.secret = now, None
    session.flush()
    _noted(session, actor, account, "sender.deleted", before=_told(account))
    return len(
        move(
            session,
            actor,
            message_ids=None,
            when=[MessageState.SCHEDULED],
            to=MessageState.HELD,
            now=now,
            where=[Message.account_id == account_id],
            reason="no_account",
            held_until=None,
        )
    )


def choose_account(
    session: Session, *, channel: ChannelKind, account_id: UUID | None, owner_id: UUID | None
) -> SenderAccount | None:
    """The account a message leaves from: the given one, else the writer's own, else the oldest shared one."""
    if account_id is not None:
        return load(session, account_id)
    accounts = session.scalars(
        select(SenderAccount)
        .where(SenderAccount.channel == channel, SenderAccount.deleted_at.is_(None))
        .order_by(SenderAccount.created_at, SenderAccount.id)
    ).all()
    mine = [account for account in accounts if owner_id is not None and account.owner_id == owner_id]
    shared = [account for account in accounts if account.owner_id is None]
    return next(iter([*mine, *shared, *accounts]), None)


def accounts_of_owners(session: Session, *, channel: ChannelKind) -> dict[UUID, SenderAccount]:
    """{colleague: the account of a channel that is theirs}, the oldest of several; paused and held ones too."""
    rows = session.scalars(
        select(SenderAccount)
        .where(
            SenderAccount.channel == channel, SenderAccount.deleted_at.is_(None), SenderAccount.owner_id.is_not(None)
        )
        .order_by(SenderAccount.created_at.desc(), SenderAccount.id.desc())
    )
    return {row.owner_id: row for row in rows if row.owner_id is not None}
