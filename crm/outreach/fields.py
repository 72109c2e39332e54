"""Owns what rules can ask about messages: what was sent, what is planned, who waits for an answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.consent.kinds import Purpose
from crm.contacts.fields import CHANNELS, fact
from crm.filters import sources
from crm.filters.catalogue import Ask, Field, Option, RuleContext
from crm.filters.evaluate import count_within
from crm.filters.schema import Op
from crm.filters.values import Choice, FieldType
from crm.outreach.kinds import ConversationState, MessageDirection, MessageState
from crm.outreach.models import Conversation, Message
from crm.web.i18n import lazy as _

PURPOSES: Final = (
    Choice(Purpose.REPLY, _("replies")),
    Choice(Purpose.PERSONAL, _("personal messages")),
    Choice(Purpose.PROMOTIONAL, _("promotions")),
    Choice(Purpose.SERVICE, _("service messages")),
)
_PLANNED: Final = (MessageState.APPROVED, MessageState.SCHEDULED, MessageState.HELD, MessageState.CLAIMED)


def _sent(ask: Ask) -> list[Any]:
    conditions = [
        Message.direction == MessageDirection.OUTBOUND,
        Message.state == MessageState.SENT,
        sources.within(Message.sent_at, sources.window_of(ask)),
    ]
    if purposes := ask.options.get("purpose"):
        conditions.append(Message.purpose.in_(purposes))
    if channels := ask.options.get("channel"):
        conditions.append(Message.channel.in_(channels))
    return conditions


def _messages(where: Any) -> sources.Rows:
    return sources.Rows(Message.__table__, Message.contact_id, Message.workspace_id, where)


_WAITING: Final = sources.Rows(
    Conversation.__table__,
    Conversation.contact_id,
    Conversation.workspace_id,
    lambda _ask: [Conversation.unanswered_since.is_not(None), Conversation.state != ConversationState.CLOSED],
)


def _count(facts: Mapping[str, Any], ask: Ask) -> int:
    purposes, channels = ask.options.get("purpose"), ask.options.get("channel")
    return count_within(
        [
            sent_at
            for purpose, channel, sent_at in facts["sent"]
            if (purposes is None or purpose in purposes) and (channels is None or channel in channels)
        ],
        sources.window_of(ask),
    )


_MESSAGES: Final = _("Messages")

FIELDS: Final = (
    Field(
        "messages_sent",
        FieldType.COUNT,
        _("Messages sent to them"),
        _MESSAGES,
        _("to whom we sent %(value)s messages"),
        sources.count_rows(_messages(_sent)),
        _count,
        options=(
            Option("purpose", "choice", _("Purpose"), PURPOSES, phrase=_("(%(value)s)")),
            Option("channel", "choice", _("Channel"), CHANNELS, phrase=_("by %(value)s")),
            Option("when", "window", _("When")),
        ),
        icon="send",
    ),
    Field(
        "message_planned",
        FieldType.BOOLEAN,
        _("Message planned"),
        _MESSAGES,
        _("with a planned message"),
        sources.has_row(_messages(lambda _ask: [Message.state.in_(_PLANNED)])),
        fact("message_planned"),
        phrases={Op.IS: _("with a planned message"), Op.IS_NOT: _("without a planned message")},
        icon="calendar-event",
    ),
    Field(
        "waits_for_answer",
        FieldType.BOOLEAN,
        _("Waits for our answer"),
        _MESSAGES,
        _("who wait for our answer"),
        sources.has_row(_WAITING),
        fact("waits_for_answer"),
        phrases={Op.IS: _("who wait for our answer"), Op.IS_NOT: _("who don't wait for an answer")},
        icon="corner-up-left",
    ),
    Field(
        "waiting_since",
        FieldType.DATETIME,
        _("Waiting since"),
        _MESSAGES,
        _("whose unanswered message"),
        sources.any_row(_WAITING, Conversation.unanswered_since),
        fact("waiting_since"),
        operators=(Op.IN_LAST, Op.NOT_IN_LAST, Op.BEFORE, Op.AFTER, Op.ON, Op.BETWEEN),
        icon="clock-pause",
    ),
)


def load_facts(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The facts that this module's fields read, by contact id."""
    facts: dict[UUID, dict[str, Any]] = {
        contact_id: {"sent": [], "message_planned": False, "waits_for_answer": False, "waiting_since": []}
        for contact_id in contact_ids
    }
    messages = select(Message.contact_id, Message.purpose, Message.channel, Message.state, Message.sent_at).where(
        Message.workspace_id == context.workspace_id,
        Message.contact_id.in_(contact_ids),
        Message.direction == MessageDirection.OUTBOUND,
    )
    for contact_id, purpose, channel, state, sent_at in session.execute(messages):
        if contact_id is None:
            continue
        if state == MessageState.SENT and sent_at is not None:
            facts[contact_id]["sent"].append((purpose, channel, sent_at))
        facts[contact_id]["message_planned"] |= state in _PLANNED
    waiting = select(Conversation.contact_id, Conversation.unanswered_since).where(
        Conversation.workspace_id == context.workspace_id,
        Conversation.contact_id.in_(contact_ids),
        Conversation.unanswered_since.is_not(None),
        Conversation.state != ConversationState.CLOSED,
    )
    for contact_id, since in session.execute(waiting):
        if contact_id is not None:
            facts[contact_id]["waits_for_answer"] = True
            facts[contact_id]["waiting_since"].append(since)
    return facts
