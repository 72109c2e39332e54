"""Owns tags: of the workspace, of people and of companies."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.inputs import ContactInput, parsed
from crm.contacts.models import CompanyTag, ContactTag, Tag
from crm.db import new_id
from crm.errors import InvalidInputError, NotFoundError
from crm.filters.text import normalise


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
