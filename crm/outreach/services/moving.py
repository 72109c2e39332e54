"""Owns moving one message to another time, unless it is leaving already."""

from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.errors import ConflictError
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message
from crm.outreach.moments import check_moment
from crm.outreach.services.drafts import load
from crm.outreach.services.transitions import move

_S = MessageState
#: A person may choose another time for these, once their words are approved.
MOVABLE: Final = (_S.APPROVED, _S.SCHEDULED, _S.HELD)

_WHY_NOT: Final = MappingProxyType(
    {
        _S.CLAIMED: N_("It is too late: this message is leaving right now."),
        _S.SENDING: N_("It is too late: this message is leaving right now."),
        _S.SENT: N_("It is too late: this message has left."),
        _S.UNCERTAIN: N_("It may have left already: decide first whether it arrived."),
        _S.DRAFT: N_("Its words are not approved yet: it can be planned after the review."),
        _S.IN_REVIEW: N_("Its words are not approved yet: it can be planned after the review."),
        _S.HELD: N_("Its words are not approved yet: it can be planned after the review."),
    }
)


class NotMovableError(ConflictError):
    """The message is under way, has left, or will never leave."""

    code = "not_movable"


def reschedule(session: Session, actor: Actor, *, message_id: UUID, at: datetime, now: datetime) -> Message:
    """Let a message leave at `at`; one that is held is planned again with it.

    One conditional UPDATE: whoever begins to send it at the same moment wins. Raises `NotMovableError` with the reason,
    `InvalidInputError` for a time in the past or beyond a year, and the message's not-found error.
    """
    actor.require(Permission.WRITE)
    check_moment(at, now=now, field="at")
    load(session, actor, message_id)
    moved = move(
        session,
        actor,
        message_ids=[message_id],
        when=MOVABLE,
        to=_S.SCHEDULED,
        now=now,
        where=[Message.approved_hash.is_not(None)],
        reason="",
        planned_at=max(at, now),
        due_at=max(at, now),
        held_until=None,
        late_accepted=False,
    )
    found = session.get_one(Message, message_id, populate_existing=True)
    if not moved:
        general = N_("This message will not leave any more, so it can’t be moved.")
        raise NotMovableError(_WHY_NOT.get(MessageState(found.state), general))
    return found
