"""Owns tags and what is done to many people at once: tagging and changing the owner."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.inputs import ContactInput, parsed
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import CompanyTag, Contact, ContactTag, Tag
from crm.contacts.services.facts import write_facts
from crm.contacts.services.owners import check_owner
from crm.db import new_id
from crm.errors import InvalidInputError, NotFoundError
from crm.filters.text import normalise

#: One bulk action works on one screenful of choices, in one transaction.
BULK_LIMIT = 500


class TagNotFoundError(NotFoundError):
    """No such tag in this workspace."""

    code = "tag_not_found"


def tag_named(session: Session, actor: Actor, *, name: str, now: datetime) -> Tag:
    """The tag of this name, made when there is none; names are compared without case and accents."""
    actor.require(Permission.EDIT)
    clean = parsed(ContactInput, {"tags": [name]}).tags[0]
    if not clean:
        sentence = N_("Write the name of the tag.")
        raise InvalidInputError(sentence, fields={"name": sentence})
    row = {
        "id": new_id(),
        "workspace_id": actor.workspace_id,
        "name": clean,
        "name_norm": normalise(clean),
        "created_at": now,
    }
    session.execute(insert(Tag).values(**row).on_conflict_do_nothing())
    return session.scalars(select(Tag).where(Tag.name_norm == row["name_norm"])).one()


def tag(session: Session, actor: Actor, *, tag_id: UUID) -> Tag:
    """The tag; raises `TagNotFoundError`."""
    found = session.get(Tag, tag_id) if queries.scope(actor) is not queries.Scope.NOTHING else None
    if found is None:
        raise TagNotFoundError(N_("There is no such tag."))
    return found


def rename_tag(session: Session, actor: Actor, *, tag_id: UUID, name: str) -> Tag:
    """Give a tag another name; a name that exists already is refused."""
    actor.require(Permission.EDIT)
    found = tag(session, actor, tag_id=tag_id)
    other = session.scalars(select(Tag).where(Tag.name_norm == normalise(name))).one_or_none()
    if other is not None and other.id != found.id:
        sentence = N_("There is already a tag with this name.")
        raise InvalidInputError(sentence, fields={"name": sentence})
    found.name, found.name_norm = name.strip(), normalise(name)
    session.flush()
    return found


def delete_tag(session: Session, actor: Actor, *, tag_id: UUID) -> None:
    """Take a tag off everybody and away; needs the right to edit in bulk."""
    actor.require(Permission.BULK_EDIT)
    session.delete(tag(session, actor, tag_id=tag_id))
    session.flush()


def set_tags(session: Session, actor: Actor, *, contact_id: UUID, names: Sequence[str], now: datetime) -> list[Tag]:
    """Give a contact exactly these tags."""
    actor.require(Permission.EDIT)
    queries.contact(session, actor, contact_id=contact_id)
    wanted = [tag_named(session, actor, name=name, now=now) for name in names if name.strip()]
    ids = {row.id for row in wanted}
    session.execute(delete(ContactTag).where(ContactTag.contact_id == contact_id, ContactTag.tag_id.not_in(list(ids))))
    _attach(session, actor, ContactTag, [{"contact_id": contact_id, "tag_id": tag_id} for tag_id in ids])
    return sorted(set(wanted), key=lambda row: row.name_norm)


def set_company_tags(
    session: Session, actor: Actor, *, company_id: UUID, names: Sequence[str], now: datetime
) -> list[Tag]:
    """Give a company exactly these tags."""
    actor.require(Permission.EDIT)
    queries.company(session, actor, company_id=company_id)
    wanted = [tag_named(session, actor, name=name, now=now) for name in names if name.strip()]
    ids = {row.id for row in wanted}
    session.execute(delete(CompanyTag).where(CompanyTag.company_id == company_id, CompanyTag.tag_id.not_in(list(ids))))
    _attach(session, actor, CompanyTag, [{"company_id": company_id, "tag_id": tag_id} for tag_id in ids])
    return sorted(set(wanted), key=lambda row: row.name_norm)


def _attach(session: Session, actor: Actor, table: type[Any], rows: list[dict[str, Any]]) -> None:
    if rows:
        full = [{"id": new_id(), "workspace_id": actor.workspace_id, **row} for row in rows]
        session.execute(insert(table).values(full).on_conflict_do_nothing())


def tag_many(session: Session, actor: Actor, *, contact_ids: Collection[UUID], name: str, now: datetime) -> int:
    """Put one tag on several people; how many of them exist for the actor."""
    found = _chosen(session, actor, contact_ids)
    row = tag_named(session, actor, name=name, now=now)
    rows = [{"contact_id": person.id, "tag_id": row.id} for person in found]
    _attach(session, actor, ContactTag, rows)
    return len(found)


def untag_many(session: Session, actor: Actor, *, contact_ids: Collection[UUID], tag_id: UUID) -> int:
    """Take one tag off several people; how many of them exist for the actor."""
    found = _chosen(session, actor, contact_ids)
    ids = [person.id for person in found]
    session.execute(delete(ContactTag).where(ContactTag.tag_id == tag_id, ContactTag.contact_id.in_(ids)))
    return len(found)


def assign_many(
    session: Session, actor: Actor, *, contact_ids: Collection[UUID], owner_id: UUID | None, now: datetime
) -> int:
    """Give several people to one owner (None: to nobody); how many changed. Needs the right to assign."""
    found = [person for person in _chosen(session, actor, contact_ids) if person.owner_id != owner_id]
    for current in {person.owner_id for person in found}:
        check_owner(session, actor, current=current, wanted=owner_id)
    for person in found:
        write_facts(
            session,
            actor,
            subject=person,
            values={"owner_id": str(owner_id) if owner_id else ""},
            origin=FactOrigin.TYPED,
            source="",
            now=now,
        )
        before, person.owner_id, person.updated_at = person.owner_id, owner_id, now
        audit.record(
            session,
            actor,
            action="contact.assigned",
            object_kind="contact",
            object_id=person.id,
            before={"owner_id": str(before) if before else None},
            after={"owner_id": str(owner_id) if owner_id else None},
        )
    session.flush()
    return len(found)


def _chosen(session: Session, actor: Actor, contact_ids: Collection[UUID]) -> Sequence[Contact]:
    """The chosen people that the actor may see, locked in one order so that two bulk edits can't block each other."""
    actor.require(Permission.BULK_EDIT if len(contact_ids) > 1 else Permission.EDIT)
    if len(contact_ids) > BULK_LIMIT:
        raise InvalidInputError(N_("Choose fewer people at once."), code="too_many_chosen")
    wanted = select(Contact).where(Contact.id.in_(list(contact_ids)), queries.alive(actor)).order_by(Contact.id)
    return session.scalars(wanted.with_for_update(of=Contact).execution_options(populate_existing=True)).all()
