"""Owns the plain facts about people that the plain evaluator and "why" read."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.channels.base import ChannelKind
from crm.contacts.fields.custom import FACT, load_custom_facts
from crm.contacts.kinds import HandleState
from crm.contacts.models import Company, CompanyTag, Contact, ContactLink, ContactTag, Handle
from crm.filters.catalogue import Ask, RuleContext
from crm.filters.evaluate import YearDay


def fact(name: str) -> Callable[[Mapping[str, Any], Ask], Any]:
    """Reads one fact by its name."""
    return lambda facts, _ask: facts[name]


def load_facts(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The facts that this module's fields read, by contact id; deleted contacts are left out."""
    rows = session.execute(
        select(Contact, Company)
        .outerjoin(
            Company,
            (Company.workspace_id == Contact.workspace_id)
            & (Company.id == Contact.company_id)
            & Company.deleted_at.is_(None),
        )
        .where(Contact.workspace_id == context.workspace_id, Contact.id.in_(contact_ids), Contact.deleted_at.is_(None))
    ).all()
    tags = _values(session, context, ContactTag.contact_id, ContactTag.tag_id, contact_ids)
    links = _values(session, context, ContactLink.contact_id, ContactLink.other_id, contact_ids)
    back = _values(session, context, ContactLink.other_id, ContactLink.contact_id, contact_ids)
    companies = [contact.company_id for contact, _company in rows if contact.company_id]
    company_tags = _values(session, context, CompanyTag.company_id, CompanyTag.tag_id, companies)
    channels, emails = _handles(session, context, contact_ids)
    custom = load_custom_facts(session, context, {contact.id: contact.company_id for contact, _company in rows})
    return {
        contact.id: {
            **_person_facts(contact),
            **_company_facts(company),
            "tags": tags[contact.id],
            "linked_to": links[contact.id] + back[contact.id],
            "company_tags": company_tags[contact.company_id],
            "channels": channels[contact.id],
            "emails": emails[contact.id],
            FACT: custom[contact.id],
        }
        for contact, company in rows
    }


def _person_facts(contact: Contact) -> dict[str, Any]:
    month, day = contact.birth_month, contact.birth_day
    return {
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "job_title": contact.title,
        "lifecycle": contact.lifecycle,
        "importance": contact.importance,
        "owner": contact.owner_id,
        "restricted": contact.restricted,
        "processing_limited": contact.limited_at is not None,
        "city": contact.city,
        "country": contact.country,
        "language": contact.language,
        "birthday": None if month is None or day is None else YearDay(month, day),
        "added": contact.created_at,
        "last_outbound_at": contact.last_outbound_at,
        "last_inbound_at": contact.last_inbound_at,
        "last_interaction_at": contact.last_interaction_at,
    }


def _company_facts(company: Company | None) -> dict[str, Any]:
    names = ("company", "company_kind", "company_city", "company_staff")
    if company is None:
        return dict.fromkeys(names)
    return dict(zip(names, (company.name, company.kind, company.city, company.staff), strict=True))


def _values(
    session: Session, context: RuleContext, key: Any, value: Any, ids: Sequence[UUID]
) -> defaultdict[UUID | None, list[UUID]]:
    found: defaultdict[UUID | None, list[UUID]] = defaultdict(list)
    wanted = select(key, value).where(key.class_.workspace_id == context.workspace_id, key.in_(ids))
    for owner, one in session.execute(wanted):
        found[owner].append(one)
    return found


def _handles(
    session: Session, context: RuleContext, contact_ids: Sequence[UUID]
) -> tuple[defaultdict[UUID | None, list[str]], defaultdict[UUID | None, list[str]]]:
    """Channels with a usable address, and all e-mail addresses."""
    channels: defaultdict[UUID | None, list[str]] = defaultdict(list)
    emails: defaultdict[UUID | None, list[str]] = defaultdict(list)
    wanted = select(Handle.contact_id, Handle.channel, Handle.state, Handle.address_norm).where(
        Handle.workspace_id == context.workspace_id, Handle.contact_id.in_(contact_ids), Handle.deleted_at.is_(None)
    )
    for contact_id, channel, state, address in session.execute(wanted):
        if state == HandleState.ACTIVE:
            channels[contact_id].append(channel)
        if channel == ChannelKind.EMAIL:
            emails[contact_id].append(address)
    return channels, emails
