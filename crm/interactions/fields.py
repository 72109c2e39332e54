"""Owns what rules can ask about the history with a person: counts in a window, first and last, what is open."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.contacts.fields import CHANNELS, fact
from crm.contacts.models import Contact
from crm.filters import sources
from crm.filters.catalogue import Ask, Field, Option, RuleContext
from crm.filters.evaluate import count_within
from crm.filters.schema import Op
from crm.filters.values import Choice, FieldType
from crm.interactions.keeping_models import Warmth
from crm.interactions.kinds import Direction, InteractionKind, Sentiment, Visibility
from crm.interactions.models import Interaction, Task
from crm.web.i18n import lazy as _

KINDS: Final = (
    Choice(InteractionKind.MESSAGE_SENT, _("message from us")),
    Choice(InteractionKind.MESSAGE_RECEIVED, _("message to us")),
    Choice(InteractionKind.CALL, _("call")),
    Choice(InteractionKind.MEETING, _("meeting")),
    Choice(InteractionKind.COMMENT, _("comment")),
    Choice(InteractionKind.MENTION, _("mention")),
    Choice(InteractionKind.LIKE, _("like")),
    Choice(InteractionKind.SHARE, _("share")),
    Choice(InteractionKind.FOLLOW, _("follow")),
    Choice(InteractionKind.REVIEW, _("review")),
    Choice(InteractionKind.PURCHASE, _("purchase")),
    Choice(InteractionKind.VISIT, _("visit")),
)
DIRECTIONS: Final = (
    Choice(Direction.INBOUND, _("from them")),
    Choice(Direction.OUTBOUND, _("from us")),
    Choice(Direction.NONE, _("without direction")),
)
# Notes, points and changed fields are written by us about the person: they are no exchange with the person. Naming the
# kinds always also lets every count use the index by kind and time.
_EXCHANGES: Final = tuple(choice.value for choice in KINDS)


def _alive(_ask: Ask) -> list[Any]:
    """A segment is the same for all who see it, so what is private to one colleague does not count."""
    return [Interaction.removed_at.is_(None), Interaction.visibility != sources.fixed(Visibility.PRIVATE)]


def _chosen(ask: Ask) -> list[Any]:
    conditions = [
        Interaction.kind.in_(ask.options.get("kind") or _EXCHANGES),
        sources.within(Interaction.happened_at, sources.window_of(ask)),
        *_alive(ask),
    ]
    if directions := ask.options.get("direction"):
        conditions.append(Interaction.direction.in_(directions))
    if channels := ask.options.get("channel"):
        conditions.append(Interaction.channel.in_(channels))
    return conditions


def _of_kind(kind: InteractionKind) -> Callable[[Ask], list[Any]]:
    return lambda ask: [
        Interaction.kind == kind,
        sources.within(Interaction.happened_at, sources.window_of(ask)),
        *_alive(ask),
    ]


def _rows(where: Callable[[Ask], list[Any]]) -> sources.Rows:
    return sources.Rows(Interaction.__table__, Interaction.contact_id, Interaction.workspace_id, where)


def _count(facts: Mapping[str, Any], ask: Ask) -> int:
    kinds = ask.options.get("kind") or _EXCHANGES
    directions, channels = ask.options.get("direction"), ask.options.get("channel")
    return count_within(
        [
            happened_at
            for kind, direction, channel, happened_at in facts["interactions"]
            if kind in kinds
            and (directions is None or direction in directions)
            and (channels is None or channel in channels)
        ],
        sources.window_of(ask),
    )


def _purchases(facts: Mapping[str, Any], ask: Ask) -> int:
    happened = [at for kind, _direction, _channel, at in facts["interactions"] if kind == InteractionKind.PURCHASE]
    return count_within(happened, sources.window_of(ask))


def _first(facts: Mapping[str, Any], _ask: Ask) -> Any:
    return min((at for kind, _direction, _channel, at in facts["interactions"] if kind in _EXCHANGES), default=None)


_EXCHANGE_ROWS: Final = _rows(lambda ask: [Interaction.kind.in_(_EXCHANGES), *_alive(ask)])
_COMPLAINTS: Final = _rows(
    lambda ask: [
        Interaction.direction == sources.fixed(Direction.INBOUND),
        Interaction.sentiment == sources.fixed(Sentiment.NEGATIVE),
        Interaction.answered_at.is_(None),
        *_alive(ask),
    ]
)


def _tasks(*conditions: Any) -> sources.Rows:
    return sources.Rows(
        Task.__table__, Task.contact_id, Task.workspace_id, lambda _ask: [Task.done_at.is_(None), *conditions]
    )


_WARMTH: Final = sources.Rows(
    Warmth.__table__, Warmth.contact_id, Warmth.workspace_id, lambda _ask: [Warmth.user_id.is_(None)]
)
_HISTORY: Final = _("History")
_WHEN: Final = Option("when", "window", _("When"))

FIELDS: Final = (
    Field(
        "interactions",
        FieldType.COUNT,
        _("Number of exchanges"),
        _HISTORY,
        _("with %(value)s exchanges"),
        sources.count_rows(_rows(_chosen)),
        _count,
        options=(
            Option("kind", "choice", _("Kind"), KINDS, phrase=_("(%(value)s)")),
            Option("direction", "choice", _("Direction"), DIRECTIONS, phrase="%(value)s"),
            Option("channel", "choice", _("Channel"), CHANNELS, phrase=_("by %(value)s")),
            _WHEN,
        ),
        icon="messages",
    ),
    Field(
        "purchases",
        FieldType.COUNT,
        _("Number of purchases"),
        _HISTORY,
        _("with %(value)s purchases"),
        sources.count_rows(_rows(_of_kind(InteractionKind.PURCHASE))),
        _purchases,
        options=(_WHEN,),
        icon="shopping-bag",
    ),
    Field(
        "last_outbound",
        FieldType.DATETIME,
        _("Last contact by us"),
        _HISTORY,
        _("whose last contact by us"),
        sources.column(Contact.last_outbound_at),
        fact("last_outbound_at"),
        phrases={
            Op.IN_LAST: _("whom we contacted in the last %(value)s"),
            Op.NOT_IN_LAST: _("whom we did not contact in the last %(value)s %(never)s"),
            Op.HAS_VALUE: _("whom we contacted at some time"),
            Op.NO_VALUE: _("whom we never contacted"),
        },
        operators=(
            Op.NOT_IN_LAST,
            Op.IN_LAST,
            Op.ON,
            Op.BEFORE,
            Op.AFTER,
            Op.BETWEEN,
            Op.HAS_VALUE,
            Op.NO_VALUE,
        ),
        icon="clock",
    ),
    Field(
        "last_inbound",
        FieldType.DATETIME,
        _("Last contact by them"),
        _HISTORY,
        _("whose last contact with us"),
        sources.column(Contact.last_inbound_at),
        fact("last_inbound_at"),
        phrases={
            Op.IN_LAST: _("who contacted us in the last %(value)s"),
            Op.NOT_IN_LAST: _("who did not contact us in the last %(value)s %(never)s"),
            Op.HAS_VALUE: _("who contacted us at some time"),
            Op.NO_VALUE: _("who never contacted us"),
        },
        operators=(
            Op.IN_LAST,
            Op.NOT_IN_LAST,
            Op.ON,
            Op.BEFORE,
            Op.AFTER,
            Op.BETWEEN,
            Op.HAS_VALUE,
            Op.NO_VALUE,
        ),
        icon="clock",
    ),
    Field(
        "last_interaction",
        FieldType.DATETIME,
        _("Last exchange"),
        _HISTORY,
        _("whose last exchange"),
        sources.column(Contact.last_interaction_at),
        fact("last_interaction_at"),
        phrases={Op.HAS_VALUE: _("with some history"), Op.NO_VALUE: _("without any history")},
        operators=(
            Op.IN_LAST,
            Op.NOT_IN_LAST,
            Op.ON,
            Op.BEFORE,
            Op.AFTER,
            Op.BETWEEN,
            Op.HAS_VALUE,
            Op.NO_VALUE,
        ),
        icon="history",
    ),
    Field(
        "first_interaction",
        FieldType.DATETIME,
        _("First exchange"),
        _HISTORY,
        _("whose first exchange"),
        sources.first_row(_EXCHANGE_ROWS, Interaction.happened_at),
        _first,
        operators=(Op.IN_LAST, Op.NOT_IN_LAST, Op.ON, Op.BEFORE, Op.AFTER, Op.BETWEEN),
        icon="history",
    ),
    Field(
        "warmth",
        FieldType.COUNT,
        _("Warmth"),
        _HISTORY,
        _("with a warmth of %(value)s"),
        sources.sum_rows(_WARMTH, Warmth.score),
        fact("warmth"),
        icon="flame",
    ),
    Field(
        "open_complaint",
        FieldType.BOOLEAN,
        _("Open complaint"),
        _HISTORY,
        _("with an open complaint"),
        sources.has_row(_COMPLAINTS),
        fact("open_complaint"),
        phrases={Op.IS: _("with an open complaint"), Op.IS_NOT: _("without an open complaint")},
        icon="alert-circle",
    ),
    Field(
        "open_task",
        FieldType.BOOLEAN,
        _("Open task"),
        _HISTORY,
        _("with an open task"),
        sources.has_row(_tasks()),
        fact("open_task"),
        phrases={Op.IS: _("with an open task"), Op.IS_NOT: _("without an open task")},
        icon="circle-check",
    ),
    Field(
        "open_promise",
        FieldType.BOOLEAN,
        _("Open promise"),
        _HISTORY,
        _("to whom we promised something"),
        sources.has_row(_tasks(Task.is_promise.is_(True))),
        fact("open_promise"),
        phrases={
            Op.IS: _("to whom we promised something"),
            Op.IS_NOT: _("to whom we promised nothing that is still open"),
        },
        icon="flag",
    ),
)


def _scores(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(Warmth.contact_id, Warmth.score).where(
            Warmth.workspace_id == context.workspace_id, Warmth.contact_id.in_(contact_ids), Warmth.user_id.is_(None)
        )
    )
    return {row.contact_id: row.score for row in rows}


def load_facts(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The facts that this module's fields read, by contact id."""
    scores = _scores(session, context, contact_ids)
    facts: dict[UUID, dict[str, Any]] = {
        contact_id: {
            "interactions": [],
            "open_complaint": False,
            "open_task": False,
            "open_promise": False,
            "warmth": scores.get(contact_id, 0),
        }
        for contact_id in contact_ids
    }
    rows = session.execute(
        select(
            Interaction.contact_id,
            Interaction.kind,
            Interaction.direction,
            Interaction.channel,
            Interaction.happened_at,
            Interaction.sentiment,
            Interaction.answered_at,
        ).where(
            Interaction.workspace_id == context.workspace_id,
            Interaction.contact_id.in_(contact_ids),
            Interaction.removed_at.is_(None),
            Interaction.visibility != Visibility.PRIVATE,
        )
    )
    for contact_id, kind, direction, channel, happened_at, sentiment, answered_at in rows:
        if contact_id is None:
            continue
        facts[contact_id]["interactions"].append((kind, direction, channel, happened_at))
        if direction == Direction.INBOUND and sentiment == Sentiment.NEGATIVE and answered_at is None:
            facts[contact_id]["open_complaint"] = True
    tasks = select(Task.contact_id, Task.is_promise).where(
        Task.workspace_id == context.workspace_id, Task.contact_id.in_(contact_ids), Task.done_at.is_(None)
    )
    for contact_id, is_promise in session.execute(tasks):
        if contact_id is None:
            continue
        facts[contact_id]["open_task"] = True
        facts[contact_id]["open_promise"] |= is_promise
    return facts
