"""REST: sender accounts; credentials go in and never come out."""

from datetime import datetime
from uuid import UUID

from flask import Response
from pydantic import Field, SecretStr

from crm.accounts.guards import current_actor
from crm.channels.smtp import Mechanism, Security
from crm.outreach import queries, services
from crm.outreach.api.blueprint import blueprint, may_manage
from crm.outreach.models import SenderAccount
from crm.web.api import ApiModel, answer, etag, expected_version, operation, page_answer, page_model, parsed, read_json
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

SERVER = (
    "host",
    "port",
    "security",
    "username",
    "mechanism",
    "imap_host",
    "imap_port",
    "imap_security",
    "imap_username",
    "imap_folder",
    "files_sent",
    "plus_address",
)
OWN = (
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


class AccountOut(ApiModel):
    """One sender account; the password is never part of an answer."""

    id: UUID
    channel: str
    name: str
    address: str
    display_name: str
    owner_id: UUID | None
    is_sandbox: bool
    host: str
    port: int
    security: Security
    username: str
    mechanism: Mechanism
    imap_host: str
    imap_port: int
    imap_security: Security
    imap_username: str
    imap_folder: str
    files_sent: bool
    plus_address: bool
    has_password: bool
    signature: str
    per_minute: int | None
    per_hour: int | None
    per_day: int | None
    per_domain: int | None = Field(description="At most so many a minute to one mail domain.")
    time_zone: str
    state: str
    reason: str = Field(description="Why it is held; empty while it works.")
    last_ok_at: datetime | None
    last_error_at: datetime | None
    version: int
    created_at: datetime


class AccountSettings(ApiModel):
    """What can be said of a mailbox at its making and later; its name, address and secrets stand beside it."""

    display_name: str = ""
    owner_id: UUID | None = None
    is_sandbox: bool = False
    host: str = ""
    port: int = Field(587, ge=1, le=65535)
    security: Security = Security.STARTTLS
    username: str = ""
    mechanism: Mechanism = Mechanism.PASSWORD
    imap_host: str = Field("", description="Where uncertain messages are looked for among the sent mail; optional.")
    imap_port: int = Field(993, ge=1, le=65535)
    imap_security: Security = Security.TLS
    imap_username: str = ""
    imap_folder: str = Field("", description="Empty: found by its mark or its usual name.")
    files_sent: bool = Field(False, description="The server keeps a copy of whatever it sends.")
    plus_address: bool = False
    signature: str = ""
    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    per_domain: int | None = None
    time_zone: str = "Europe/Rome"


class AccountCreate(AccountSettings):
    """A mailbox; a sandbox needs no server."""

    name: str
    address: str
    password: SecretStr | None = Field(None, description="Password or token; written, never read.")
    imap_password: SecretStr | None = Field(None, description="Only where the mailbox has another one.")


class AccountPatch(AccountSettings):
    """What is not named stays; `null` removes a limit or the owner."""

    name: str = ""
    address: str = ""
    password: SecretStr | None = None
    imap_password: SecretStr | None = Field(None, description="An empty one is forgotten.")


class CheckOut(ApiModel):
    """Whether the server answered and let us in."""

    ok: bool
    code: str
    detail: str


@blueprint.get("/sender-accounts")
@may_manage
@operation(tag="sender-accounts", returns=page_model(AccountOut))
def list_accounts() -> Response:
    """List sender accounts, oldest first."""
    return page_answer(Page(queries.accounts(current_session(), current_actor()), None), _shown)


@blueprint.post("/sender-accounts")
@may_manage
@operation(tag="sender-accounts", body=AccountCreate, returns=AccountOut, status=201)
def create_account() -> Response:
    """Make an e-mail account; check its connection before the first message."""
    given, session, actor = read_json(AccountCreate), current_session(), current_actor()
    data = parsed(services.AccountInput, given.model_dump(exclude={"password", "imap_password"}))
    row = services.create_account(session, actor, data=data, now=request_now())
    _keep_secret(row, given)
    return _one(row, 201, Location=f"/api/v1/sender-accounts/{row.id}")


@blueprint.get("/sender-accounts/<uuid:account_id>")
@may_manage
@operation(tag="sender-accounts", returns=AccountOut, refuses=(404,))
def read_account(account_id: UUID) -> Response:
    """Read a sender account; the ETag names the version."""
    return _one(queries.account(current_session(), current_actor(), account_id=account_id))


@blueprint.patch("/sender-accounts/<uuid:account_id>")
@may_manage
@operation(tag="sender-accounts", body=AccountPatch, returns=AccountOut, refuses=(404, 409))
def change_account(account_id: UUID) -> Response:
    """Change a sender account; with If-Match only on that version."""
    given, session, actor = read_json(AccountPatch), current_session(), current_actor()
    row = queries.account(session, actor, account_id=account_id)
    changes = given.model_dump(exclude={"password", "imap_password"}, exclude_unset=True)
    data = parsed(services.AccountInput, {**_data(row), **changes})
    row = services.update_account(session, actor, account_id=account_id, data=data, expected_version=expected_version())
    _keep_secret(row, given)
    return _one(row)


@blueprint.delete("/sender-accounts/<uuid:account_id>")
@may_manage
@operation(tag="sender-accounts", status=204, refuses=(404,))
def delete_account(account_id: UUID) -> Response:
    """Retire an account and its credentials; what waited on it is held."""
    services.delete_account(current_session(), current_actor(), account_id=account_id, now=request_now())
    return Response(status=204)


@blueprint.post("/sender-accounts/<uuid:account_id>/check")
@may_manage
@operation(tag="sender-accounts", returns=CheckOut, refuses=(404,))
def check_account(account_id: UUID) -> Response:
    """Sign in to the server and send nothing."""
    result = services.check_account(current_session(), current_actor(), account_id=account_id)
    return answer(CheckOut(ok=result.ok, code=result.code, detail=result.detail))


@blueprint.post("/sender-accounts/<uuid:account_id>/pause")
@may_manage
@operation(tag="sender-accounts", returns=AccountOut, refuses=(404,))
def pause_account(account_id: UUID) -> Response:
    """Nothing leaves from this account until it is resumed."""
    return _one(services.pause_account(current_session(), current_actor(), account_id=account_id))


@blueprint.post("/sender-accounts/<uuid:account_id>/resume")
@may_manage
@operation(tag="sender-accounts", returns=AccountOut, refuses=(404,))
def resume_account(account_id: UUID) -> Response:
    """Let a paused or held account send again; late messages are held, never a burst."""
    return _one(services.resume_account(current_session(), current_actor(), account_id=account_id))


def _keep_secret(row: SenderAccount, given: AccountCreate | AccountPatch) -> None:
    named = {"secret": given.password, "imap_secret": given.imap_password}
    secret = {name: value.get_secret_value() for name, value in named.items() if value is not None}
    if secret:
        services.set_secret(current_session(), current_actor(), account_id=row.id, secret=secret)


def _data(row: SenderAccount) -> dict[str, object]:
    """The account as its input describes it."""
    server = {name: row.config[name] for name in SERVER if name in row.config}
    return {**{name: getattr(row, name) for name in OWN}, **server}


def _one(row: SenderAccount, status: int = 200, **headers: str) -> Response:
    return answer(_shown(row), status, {"ETag": etag(row.version), **headers})


def _shown(row: SenderAccount) -> AccountOut:
    data = parsed(services.AccountInput, _data(row))
    return AccountOut(
        id=row.id,
        channel=row.channel,
        has_password=row.secret is not None,
        state=row.state,
        reason=row.hold_reason,
        last_ok_at=row.last_ok_at,
        last_error_at=row.last_error_at,
        version=row.version,
        created_at=row.created_at,
        **data.model_dump(),
    )
