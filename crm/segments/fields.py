"""Owns what rules can ask about segments: who is in another one."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from crm.contacts.fields import SUBJECT, fact
from crm.filters.catalogue import Ask, Field, RuleContext
from crm.filters.schema import Op
from crm.filters.values import Choice, FieldType
from crm.segments.models import Segment
from crm.web.i18n import lazy as _


def load_segments(session: Session, workspace_id: UUID) -> Sequence[Choice]:
    """The segments of the workspace, by name."""
    rows = session.execute(
        select(Segment.id, Segment.name)
        .where(Segment.workspace_id == workspace_id, Segment.deleted_at.is_(None))
        .order_by(Segment.name, Segment.id)
    )
    return [Choice(str(row.id), row.name) for row in rows]


def _compile(ask: Ask) -> ColumnElement[bool]:
    nested = ask.context.nested
    if nested is None:
        return false()
    parts = [nested(UUID(value)) for value in ask.value]
    return and_(*parts) if ask.op is Op.ALL_OF else or_(*parts)


FIELDS: Final = (
    Field(
        "segment",
        FieldType.MULTI,
        _("Segment"),
        _("Other"),
        _("whose segments"),
        _compile,
        fact("segments"),
        load_segments,
        operators=(Op.ANY_OF, Op.ALL_OF, Op.NONE_OF),
        phrases={
            Op.ANY_OF: _("in the segment %(value)s"),
            Op.ALL_OF: _("in the segments %(value)s"),
            Op.NONE_OF: _("not in the segment %(value)s"),
        },
        icon="filter",
    ),
)


def load_facts(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The segments that each contact is in by today's rules, by contact id."""
    facts: dict[UUID, dict[str, Any]] = {contact_id: {"segments": []} for contact_id in contact_ids}
    nested = context.nested
    if nested is None:
        return facts
    for choice in load_segments(session, context.workspace_id):
        inside = select(SUBJECT.id).where(
            SUBJECT.workspace == context.workspace_id, SUBJECT.id.in_(contact_ids), nested(UUID(choice.value))
        )
        for contact_id in session.scalars(inside):
            facts[contact_id]["segments"].append(UUID(choice.value))
    return facts
