"""The door for deliveries of platforms: proven over the raw bytes, stored, answered at once; nothing else happens here.

Whatever is wrong before the proof - no such account, another channel, a forged signature - is the same 403 with
nothing in it, so that nobody learns which accounts there are.
"""

from typing import Final
from uuid import UUID

import structlog
from flask import Blueprint, Response, current_app, request
from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.accounts.guards import public
from crm.accounts.limits import limiter
from crm.accounts.rules import system_actor
from crm.channels.base import ChannelKind, Door, SignatureError
from crm.channels.registry import DOORS
from crm.db import after_commit, enter_workspace
from crm.jobs import JobName
from crm.outreach.adapters import spec_of
from crm.outreach.models import SenderAccount
from crm.outreach.secrets import SecretError
from crm.outreach.services.receive import store_pieces
from crm.web.sessions import current_session, request_now

log = structlog.get_logger(__name__)

blueprint = Blueprint("hooks", __name__)

#: Platforms send a few kilobytes; a batch of Meta's stays below this, too.
MAX_BODY: Final = 1024 * 1024
#: For one account. A platform repeats what was refused, so a burst only takes longer.
DELIVERIES: Final = "12000 per minute"
CHALLENGES: Final = "60 per minute"


def _whose() -> str:
    return f"hook:{(request.view_args or {}).get('public_id')}"


@blueprint.url_value_preprocessor
def _bound(_endpoint: str | None, _values: dict[str, object] | None) -> None:
    """Before anything looks at the body: more than this is refused without being read."""
    request.max_content_length = MAX_BODY


@blueprint.get("/hooks/<channel>/<uuid:public_id>")
@public
@limiter.limit(CHALLENGES, key_func=_whose)
def challenge(channel: str, public_id: UUID) -> Response:
    """Answer the platform's question whether this address is ours."""
    door = _door(channel)
    account = _account(current_session(), channel, public_id) if door else None
    try:
        answer = door.challenge(request.args.to_dict(), secret=_secret(account)) if door and account else None
    except SecretError:
        return _unavailable(public_id)
    if answer is None:
        return _refused()
    return Response(answer, mimetype="text/plain")


@blueprint.post("/hooks/<channel>/<uuid:public_id>")
@public
@limiter.limit(DELIVERIES, key_func=_whose)
def deliver(channel: str, public_id: UUID) -> Response:
    """Prove a delivery, store its events, wake a worker after the commit."""
    body = request.get_data(cache=False)
    session, door, now = current_session(), _door(channel), request_now()
    account = _account(session, channel, public_id) if door else None
    if door is None or account is None:
        return _refused()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        door.verify(body, headers, secret=_secret(account), now=now)
    except SignatureError as error:
        log.info("delivery_refused", account=str(account.id), code=error.code)
        return _refused()
    except SecretError:
        return _unavailable(public_id)
    if request.mimetype != "application/json":
        return Response(status=415)
    pieces = door.split(body, headers, config=account.config)
    stored = store_pieces(session, system_actor(account.workspace_id), account_id=account.id, pieces=pieces, now=now)
    if stored:
        jobs, account_id, workspace_id = current_app.extensions["crm_jobs"], account.id, account.workspace_id
        after_commit(
            session,
            lambda: jobs.enqueue(
                JobName.RECEIVE, id=f"account:{account_id}", workspace_id=workspace_id, account_id=account_id
            ),
        )
    return Response(status=200)


def _door(channel: str) -> Door | None:
    try:
        return DOORS.get(ChannelKind(channel))
    except ValueError:
        return None


def _account(session: Session, channel: str, public_id: UUID) -> SenderAccount | None:
    """The live account of this channel, in its workspace from here on.

    One that is paused or held hears as well: somebody may write STOP.
    """
    found = session.execute(
        text("select workspace_id, account_id from crm_hook_account(:wanted)"), {"wanted": public_id}
    ).one_or_none()
    if found is None:
        return None
    enter_workspace(session, found.workspace_id)
    account = session.get(SenderAccount, found.account_id)
    return account if account is not None and account.channel == channel and account.deleted_at is None else None


def _secret(account: SenderAccount) -> dict[str, str]:
    """The credentials, decrypted. Raises `SecretError`."""
    return dict(spec_of(account).adapter.secret)


def _refused() -> Response:
    return Response(status=403)


def _unavailable(public_id: UUID) -> Response:
    """The key for the credentials is not here: the platform tries again, and the operator reads why in the log."""
    log.error("credentials_unreadable", public_id=str(public_id))
    return Response(status=503)
