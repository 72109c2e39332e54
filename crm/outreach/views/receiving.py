"""Telling a platform where to call us, once its account is saved; where it can't, we ask."""

from urllib.parse import urlsplit
from uuid import UUID

from crm.accounts.guards import current_actor
from crm.channels.telegram import TelegramAdapter
from crm.db import commit
from crm.outreach import services
from crm.outreach.adapters import connect
from crm.web.sessions import current_session


def let_it_call(account_id: UUID, url: str) -> None:
    """Have the platform of an account call `url`, where it takes an address from us (Telegram) and can reach it.

    The network is waited for between two transactions. Nothing is told: we ask where the platform can't call.
    """
    session, actor = current_session(), current_actor()
    spec = services.prepare_calls(session, actor, account_id=account_id)
    commit(session)
    adapter = connect(spec)
    if isinstance(adapter, TelegramAdapter):
        is_public = urlsplit(url).scheme == "https"
        is_called = is_public and adapter.set_webhook(url, secret=spec.adapter.secret[services.WEBHOOK_SECRET]).ok
        if not is_called:
            # Telegram answers nobody who asks while an older address is set.
            adapter.delete_webhook()
        services.note_receiving(session, actor, account_id=account_id, is_called=is_called)
    adapter.close()
