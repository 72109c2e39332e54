"""Owns what accounts does about its own events: the mail with the link for a new password."""

from typing import Final

import structlog
from sqlalchemy.orm import Session

from crm.accounts import postbox
from crm.accounts.events import ResetLinkAsked
from crm.channels.base import OutcomeKind
from crm.db import after_commit
from crm.settings import current

log = structlog.get_logger(__name__)

#: The reader may have no session, so these are not in the catalogues: {language: (subject, text)}.
_WORDS: Final = {
    "en": (
        "A new password for Filodiretto",
        """Hello {name},

somebody, hopefully you, asked for a new password. Set it here within ten minutes:

{url}

The link works once. If it was not you, do nothing: your password stays as it is.
""",
    ),
    "it": (
        "Una nuova password per Filodiretto",
        """Ciao {name},

qualcuno, speriamo tu, ha chiesto una nuova password. Impostala qui entro dieci minuti:

{url}

Il link funziona una volta sola. Se non l’hai chiesto tu, non fare nulla: la password resta com’è.
""",
    ),
}


def send_reset_link(session: Session, event: ResetLinkAsked) -> None:
    """Send the link once the transaction that made it has ended; a failure is told in the log, without the link."""
    settings = current()
    subject, text = _WORDS["it" if event.locale.startswith("it") else "en"]

    def hand_over() -> None:
        outcome = postbox.send(
            settings,
            to_address=event.email,
            to_name=event.name,
            subject=subject,
            text=text.format(name=event.name or event.email, url=event.url),
            language=event.locale,
            now=event.now,
        )
        if outcome.kind is not OutcomeKind.ACCEPTED:
            log.error("reset_link_not_sent", user_id=str(event.user_id), code=outcome.code)

    after_commit(session, hand_over)
