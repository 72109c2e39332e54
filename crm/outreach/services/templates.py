"""Owns templates: texts that are used again, checked when they are saved."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose
from crm.contacts.inputs import Input, Line
from crm.errors import ConflictError, NotFoundError
from crm.outreach.content import MAX_SUBJECT, MAX_TEMPLATE
from crm.outreach.models import Template
from crm.outreach.services.review import flag_changed
from crm.outreach.variables import check_fields


class TemplateNotFoundError(NotFoundError):
    """No such template in this workspace."""

    code = "template_not_found"


class TemplateInput(Input):
    """One text: what it is for, on which channel, in which language."""

    name: Annotated[Line, Field(min_length=1)]
    purpose: Purpose = Purpose.PERSONAL
    channel: ChannelKind = ChannelKind.EMAIL
    language: Annotated[str, Field(pattern="^(it|en)$")] = "it"
    subject: Annotated[Line, Field(max_length=MAX_SUBJECT)] = ""
    body: Annotated[str, Field(min_length=1, max_length=MAX_TEMPLATE)]


def load(session: Session, template_id: UUID, *, lock: bool = False) -> Template:
    """The live template; raises `TemplateNotFoundError`."""
    wanted = select(Template).where(Template.id == template_id, Template.deleted_at.is_(None))
    found = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if found is None:
        raise TemplateNotFoundError(N_("There is no such template."))
    return found


def create_template(session: Session, actor: Actor, *, data: TemplateInput, now: datetime) -> Template:
    """A new template; raises `InvalidInputError` on the field that is no valid Liquid."""
    actor.require(Permission.WRITE)
    check_fields(subject=data.subject, body=data.body)
    template = Template(created_at=now, updated_at=now, **data.model_dump(mode="json"))
    session.add(template)
    session.flush()
    return template


def update_template(
    session: Session,
    actor: Actor,
    *,
    template_id: UUID,
    data: TemplateInput,
    expected_version: int | None = None,
    now: datetime,
) -> Template:
    """Change a template. Drafts made from it keep their words and are flagged for another look."""
    actor.require(Permission.WRITE)
    template = load(session, template_id, lock=True)
    if expected_version is not None and template.version != expected_version:
        raise ConflictError(N_("Somebody else has changed this meanwhile."), code="changed")
    check_fields(subject=data.subject, body=data.body)
    changed = (template.subject, template.body) != (data.subject, data.body)
    for name, value in data.model_dump(mode="json").items():
        setattr(template, name, value)
    template.updated_at = now
    if changed:
        template.approved_by_id = None
        flag_changed(session, actor, template_id=template_id, now=now)
    session.flush()
    return template


def delete_template(session: Session, actor: Actor, *, template_id: UUID, now: datetime) -> None:
    """Out of the list; what was written from it stays."""
    actor.require(Permission.WRITE)
    load(session, template_id, lock=True).deleted_at = now
    session.flush()
