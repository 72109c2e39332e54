"""Owns making and changing people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.inputs import ContactInput, parsed
from crm.contacts.kinds import FactOrigin, Importance
from crm.contacts.models import Contact, Handle
from crm.contacts.rules import CONTACT_FIELDS
from crm.contacts.services.affiliations import set_company
from crm.contacts.services.companies import find_or_create_company
from crm.contacts.services.conflicts import check_version
from crm.contacts.services.custom_values import changed_values, write_custom
from crm.contacts.services.domains import suggest_employer
from crm.contacts.services.facts import write_facts
from crm.contacts.services.handles import HandleTakenError, add_handle
from crm.contacts.services.owners import check_owner
from crm.contacts.services.tags import set_tags
from crm.contacts.values import set_values, text_of
from crm.errors import InvalidInputError
from crm.events import ContactCreated, ImportanceChanged, publish


def create(
    session: Session, actor: Actor, *, data: ContactInput, origin: FactOrigin, source: str, now: datetime
) -> Contact:
    """A new person with handles, company and tags; publishes `ContactCreated`.

    A user becomes the owner of whom they type in. Raises `InvalidInputError` without any name or handle, and
    `HandleTakenError` (field `handles.N.address`) when an address is somebody else's.
    """
    actor.require(Permission.EDIT)
    if not (data.first_name or data.last_name or data.handles):
        sentence = N_("Write a name or an address.")
        raise InvalidInputError(sentence, fields={"first_name": sentence})
    owner_id = data.owner_id
    if owner_id is None and actor.kind is ActorKind.USER and origin is FactOrigin.TYPED:
        owner_id = actor.user_id
    check_owner(session, actor, current=None, wanted=owner_id)
    person = Contact(workspace_id=actor.workspace_id, created_at=now, updated_at=now, version=1, email="")
    plain = {field: getattr(data, field) for field in CONTACT_FIELDS if field not in {"company_id", "owner_id"}}
    fallback = data.handles[0].address if data.handles else ""
    set_values(person, {**plain, "owner_id": owner_id}, fallback=fallback)
    session.add(person)
    session.flush()
    company_id = _company_id(session, actor, data, origin=origin, source=source, now=now)
    if company_id is not None:
        set_company(session, contact=person, company_id=company_id, now=now)
    facts = {field: text_of(person, field) for field in CONTACT_FIELDS if text_of(person, field)}
    for fact in write_facts(session, actor, subject=person, values=facts, origin=origin, source=source, now=now):
        fact.version = person.version
    publish(session, ContactCreated(workspace_id=actor.workspace_id, now=now, contact_id=person.id))
    if person.importance != Importance.NORMAL:
        _tell_importance(session, person, now=now)
    _add_handles(session, actor, person, data, now=now)
    if data.tags:
        set_tags(session, actor, contact_id=person.id, names=data.tags, now=now)
    session.flush()
    suggest_employer(session, actor, person=person, now=now)
    if data.custom:
        fresh = changed_values(session, actor, subject=person, values=data.custom)
        write_custom(session, actor, subject=person, fresh=fresh, origin=origin, source=source, now=now)
    return person


def _company_id(
    session: Session, actor: Actor, data: ContactInput, *, origin: FactOrigin, source: str, now: datetime
) -> UUID | None:
    if data.company_id is not None:
        return queries.company(session, actor, company_id=data.company_id).id
    if data.company_name:
        return find_or_create_company(session, actor, name=data.company_name, origin=origin, source=source, now=now).id
    return None


def _add_handles(session: Session, actor: Actor, person: Contact, data: ContactInput, *, now: datetime) -> None:
    for index, item in enumerate(data.handles):
        try:
            add_handle(
                session,
                actor,
                channel=item.channel,
                address=item.address,
                contact_id=person.id,
                label=item.label,
                is_primary=item.is_primary,
                now=now,
            )
        except (HandleTakenError, InvalidInputError) as error:
            error.fields = {f"handles.{index}.address": error.message}
            raise


def update_contact(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    changes: Mapping[str, Any],
    expected_version: int | None = None,
    merge: bool = True,
    now: datetime,
) -> Contact:
    """Change some fields of a person; `changes` holds fields of `ContactInput` but for `handles`.

    Values that are the same already change nothing. With `expected_version` (the version that the editor saw) edits of
    different fields merge and the same field raises `EditConflictError`; `merge=False` refuses every older version.
    """
    actor.require(Permission.EDIT)
    if "handles" in changes:
        sentence = N_("Addresses are added and removed one by one.")
        raise InvalidInputError(sentence, fields={"handles": sentence})
    data = parsed(ContactInput, changes)
    person = queries.contact(session, actor, contact_id=contact_id, lock=True)
    given = {field: getattr(data, field) for field in CONTACT_FIELDS if field in changes}
    if "company_name" in changes and "company_id" not in changes:
        given["company_id"] = _company_id(session, actor, data, origin=FactOrigin.TYPED, source="", now=now)
    elif given.get("company_id") is not None:
        queries.company(session, actor, company_id=given["company_id"])
    fresh = {field: value for field, value in given.items() if text_of(person, field) != _text(value)}
    custom = changed_values(session, actor, subject=person, values=data.custom)
    asked = [*fresh, *(field.name for field in custom)]
    check_version(session, subject=person, fields=asked, expected_version=expected_version, merge=merge)
    if "owner_id" in fresh:
        check_owner(session, actor, current=person.owner_id, wanted=fresh["owner_id"])
    _refuse_nameless(session, person, fresh)
    if fresh:
        write_facts(
            session,
            actor,
            subject=person,
            values={field: _text(value) for field, value in fresh.items()},
            origin=FactOrigin.TYPED,
            source="",
            now=now,
        )
        plain = {field: value for field, value in fresh.items() if field != "company_id"}
        set_values(person, plain)
        person.updated_at = now
        session.flush()
        if "importance" in fresh:
            _tell_importance(session, person, now=now)
        if "company_id" in fresh:
            set_company(session, contact=person, company_id=fresh["company_id"], now=now)
    write_custom(session, actor, subject=person, fresh=custom, origin=FactOrigin.TYPED, source="", now=now)
    if "tags" in changes:
        set_tags(session, actor, contact_id=person.id, names=data.tags, now=now)
    return person


def _tell_importance(session: Session, person: Contact, *, now: datetime) -> None:
    publish(session, ImportanceChanged(workspace_id=person.workspace_id, now=now, contact_ids=(person.id,)))


def _refuse_nameless(session: Session, person: Contact, fresh: Mapping[str, Any]) -> None:
    """The last name may go only when an address remains by which the person is known."""
    first = fresh.get("first_name", person.first_name)
    last = fresh.get("last_name", person.last_name)
    if first or last or not {"first_name", "last_name"} & fresh.keys() or person.email:
        return
    handles = select(Handle.id).where(Handle.contact_id == person.id, Handle.deleted_at.is_(None)).limit(1)
    if session.scalars(handles).first() is None:
        sentence = N_("Write a name or an address.")
        raise InvalidInputError(sentence, fields={"first_name": sentence})


def _text(value: Any) -> str:
    return "" if value is None else str(value)
