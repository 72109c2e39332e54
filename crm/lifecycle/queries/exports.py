"""Reads of exports: whom a filter means, their rows as they are written, and the exports that somebody asked for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, false, select, true
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.models import Progress
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.custom_rules import FieldShape, Value, written
from crm.contacts.fields import SUBJECT
from crm.contacts.kinds import CustomSubject, CustomType, Importance, Lifecycle
from crm.contacts.models import Contact
from crm.contacts.queries import ContactFilter
from crm.contacts.values import birthday_of
from crm.db import among
from crm.errors import InvalidInputError, NotFoundError, worded
from crm.filters.compiler import condition
from crm.filters.schema import RuleError, parse
from crm.lifecycle.export_models import Export
from crm.lifecycle.rules.columns import ADDRESSES, Meaning, Own, Target
from crm.lifecycle.rules.writing import Row
from crm.segments import queries as segments
from crm.web.paging import Page, decode_cursor, page_of

#: The words of an address of the list of people that narrow it.
WORDS: Final = ("owner", "tag", "lifecycle", "importance", "quiet", "segment", "rule")
MOST_DAYS: Final = 9_999
_PLAIN: Final = (
    Target.FIRST_NAME, Target.LAST_NAME, Target.TITLE, Target.LANGUAGE, Target.ADDRESS_FORM, Target.TIME_ZONE,
    Target.STREET, Target.CITY, Target.COUNTRY, Target.INTERESTS, Target.CAME_FROM, Target.IMPORTANCE, Target.LIFECYCLE,
)  # fmt: skip


class ExportNotFoundError(NotFoundError):
    """No such export of this actor."""

    code = "export_not_found"


@dataclass(frozen=True, slots=True)
class ExportView:
    """An export and the state of its work."""

    row: Export
    progress: Progress | None


def whom(session: Session, actor: Actor, *, query: Mapping[str, str], now: datetime) -> ContactFilter:
    """The people that the words of a list's address mean, for `actor`.

    Raises `InvalidInputError` for words that can't be read, and the errors of segments and rules.
    """
    try:
        owner, days = query.get("owner", ""), query.get("quiet", "")
        segment_id = UUID(query["segment"]) if query.get("segment") else None
        return ContactFilter(
            owner_id=actor.user_id if owner == "me" else UUID(owner) if owner else None,
            tag_id=UUID(query["tag"]) if query.get("tag") else None,
            lifecycle=Lifecycle(query["lifecycle"]) if query.get("lifecycle") else "",
            importance=Importance(query["importance"]) if query.get("importance") else "",
            quiet_since=now - timedelta(days=min(int(days), MOST_DAYS)) if days else None,
            also=(*_segment(session, actor, segment_id, now), *_rule(session, actor, query.get("rule", ""), now)),
        )
    except (ValueError, RuleError) as error:
        sentence = worded("This filter can’t be read.")
        raise InvalidInputError(sentence, fields={"query": sentence}) from error


def _segment(session: Session, actor: Actor, segment_id: UUID | None, now: datetime) -> tuple[ColumnElement[bool], ...]:
    if segment_id is None:
        return ()
    segment = segments.segment(session, actor, segment_id=segment_id)
    return (segments.condition_of(session, segments.context_of(session, actor, now=now), segment),)


def _rule(session: Session, actor: Actor, text: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    if not text:
        return ()
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise ValueError(text) from error
    bound = segments.bound_rule(session, parse(document), workspace_id=actor.workspace_id)
    segments.check_choices(bound, segments.choices_in(session, actor, bound))
    return (condition(bound, segments.context_of(session, actor, now=now), SUBJECT),)


def own_columns(session: Session, actor: Actor) -> tuple[FieldShape, ...]:
    """The workspace's own fields that are written behind the others."""
    return contacts.custom_fields(session, actor, subject=CustomSubject.CONTACT)


def rows(session: Session, actor: Actor, *, people: Sequence[Contact], own: Sequence[FieldShape] = ()) -> list[Row]:
    """The people as they are written, in their order; the number of queries does not depend on theirs."""
    ids = [person.id for person in people]
    handles = contacts.handles_of(session, actor, contact_ids=ids)
    tags = contacts.tags_of(session, actor, contact_ids=ids)
    values = contacts.custom_values_of(session, actor, fields=own, contact_ids=ids)
    named = _references(session, actor, [value for each in values.values() for value in each.values()])
    return [
        {
            **_row(person, handles.get(person.id, ()), sorted(tag.name for tag in tags.get(person.id, ()))),
            **_own_cells(own, values.get(person.id, {}), named),
        }
        for person in people
    ]


def _own_cells(own: Sequence[FieldShape], values: Mapping[str, Value], named: Mapping[str, str]) -> dict[Meaning, str]:
    return {
        Own(field.key): named.get(value.text, "") if field.type is CustomType.CONTACT else written(field, value)
        for field in own
        if (value := values.get(field.key))
    }


def _references(session: Session, actor: Actor, values: Sequence[Value]) -> dict[str, str]:
    """By what an import finds the visible people that values refer to: e-mail address, or the code that we write."""
    ids = {row["ref_id"] for value in values for row in value.rows if row.get("ref_id")}
    if not ids:
        return {}
    wanted = select(Contact.id, Contact.email, Contact.external_id)
    found = session.execute(wanted.where(among(Contact.id, list(ids)), contacts.alive(actor)))
    return {str(person_id): email or code or str(person_id) for person_id, email, code in found}


def _row(person: Contact, handles: Sequence[Any], tags: Sequence[str]) -> dict[Meaning, str | Sequence[str]]:
    row: dict[Meaning, str | Sequence[str]] = {target: getattr(person, target.value) for target in _PLAIN}
    row |= {
        # Where no other program gave a code our own id stands: with it a later import finds the same person.
        Target.EXTERNAL_ID: person.external_id or str(person.id),
        Target.BIRTHDAY: birthday_of(person),
        Target.COMPANY: person.company.name if person.company else "",
        Target.TAGS: tags,
    }
    for target in ADDRESSES:
        found = [handle.address for handle in handles if handle.channel == target.value]
        if found:
            row[target] = found
    return row


def export(session: Session, actor: Actor, *, export_id: UUID, lock: bool = False) -> Export:
    """The export, for who asked for it (the system, too); raises `ExportNotFoundError`."""
    wanted = select(Export).where(Export.id == export_id, _own(actor))
    row = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None:
        raise ExportNotFoundError(worded("There is no such export."))
    return row


def export_view(session: Session, actor: Actor, *, export_id: UUID) -> ExportView:
    """The export with its progress."""
    row = export(session, actor, export_id=export_id)
    return ExportView(row, session.get(Progress, row.progress_id) if row.progress_id else None)


def exports(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[Export]:
    """What the actor asked for, newest first (ids are ordered by time)."""
    actor.require(Permission.EXPORT)
    wanted = select(Export).where(_own(actor)).order_by(Export.id.desc()).limit(limit + 1)
    if after:
        wanted = wanted.where(Export.id < decode_cursor(after, UUID)[0])
    return page_of(session.scalars(wanted).all(), limit=limit, key=lambda row: (row.id,))


def _own(actor: Actor) -> ColumnElement[bool]:
    if actor.kind is ActorKind.SYSTEM:
        return true()
    if not actor.may(Permission.EXPORT):
        return false()
    if actor.user_id is not None:
        return Export.created_by_id == actor.user_id
    return Export.token_id == actor.token_id if actor.token_id is not None else false()
