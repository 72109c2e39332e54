"""Rings for the sender of an account once a request is committed, so that nothing waits for the clock."""

from flask import current_app

from crm.db import after_commit
from crm.outreach.models import Message
from crm.web.sessions import current_session


def wake(message: Message) -> None:
    """Ring for the sender of this message's account once the request is committed; the clock finds it anyway."""
    account_id, workspace_id, jobs = message.account_id, message.workspace_id, current_app.extensions["crm_jobs"]
    if account_id is not None:
        after_commit(current_session(), lambda: jobs.wake(account_id, workspace_id=workspace_id))
