"""The job of the morning digest: one mail to one colleague, taken before it is sent so that it is never sent twice."""

from uuid import UUID

import structlog

from crm.accounts import postbox
from crm.channels.base import OutcomeKind
from crm.db import database_now
from crm.outreach.letters import digest_letter, language_of
from crm.outreach.services.notices import take_digest
from workers import Runtime

log = structlog.get_logger(__name__)


def send_digest(runtime: Runtime, *, workspace_id: str, user_id: str) -> None:
    """Take the digest that is due, commit, and send it."""
    settings = runtime.settings
    with runtime.database.scope(UUID(workspace_id)) as session:
        now = database_now(session)
        found = take_digest(session, workspace_id=UUID(workspace_id), user_id=UUID(user_id), now=now)
    if found is None or not postbox.is_ready(settings):
        return
    home = settings.public_url
    subject, text = digest_letter(
        locale=found.locale,
        name=found.to_name or found.to_address,
        house=found.house,
        parts={"answers": found.answers, "complaints": found.complaints, "promises": found.promises},
        url=f"{home}/inbox",
        settings=f"{home}/settings/inbox",
    )
    outcome = postbox.send(
        settings,
        to_address=found.to_address,
        to_name=found.to_name,
        subject=subject,
        text=text,
        language=language_of(found.locale),
        now=now,
    )
    if outcome.kind is not OutcomeKind.ACCEPTED:
        log.warning("digest_not_sent", user_id=user_id, code=outcome.code)
