"""Builders of people, companies and what happened with them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent import services as consent_services
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose
from crm.consent.models import ConsentEvent
from crm.contacts import services
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Company, Contact, Handle
from crm.interactions import services as interaction_services
from crm.interactions.models import Interaction, Task

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def contact(
    session: Session, actor: Actor, name: str = "Ann Bo", *, email: str = "", now: datetime = NOW, **fields: Any
) -> Contact:
    """A person called `name`, with an e-mail address when one is given; `fields` as `ContactInput`."""
    first, _, last = name.partition(" ")
    handles = [{"channel": "email", "address": email}] if email else []
    data = services.parsed(
        services.ContactInput, {"first_name": first, "last_name": last, "handles": handles, **fields}
    )
    return services.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)


def company(
    session: Session, actor: Actor, name: str = "Bo Ceramiche", *, now: datetime = NOW, **fields: Any
) -> Company:
    """A company called `name`; `fields` as `CompanyInput`."""
    data = services.parsed(services.CompanyInput, {"name": name, **fields})
    return services.create_company(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)


def handle(
    session: Session,
    actor: Actor,
    contact_id: UUID | None = None,
    *,
    channel: ChannelKind = ChannelKind.EMAIL,
    address: str = "ann@example.com",
    now: datetime = NOW,
    **fields: Any,
) -> Handle:
    """An address, of a contact or of nobody yet."""
    return services.add_handle(
        session, actor, channel=channel, address=address, contact_id=contact_id, now=now, **fields
    )


def interaction(
    session: Session,
    actor: Actor,
    contact_id: UUID | None,
    kind: str = "call",
    *,
    happened_at: datetime = NOW,
    now: datetime = NOW,
    **fields: Any,
) -> Interaction:
    """Something that happened with a person."""
    return interaction_services.log(
        session, actor, kind=kind, contact_id=contact_id, happened_at=happened_at, now=now, **fields
    )


def task(session: Session, actor: Actor, title: str = "Call back", *, now: datetime = NOW, **fields: Any) -> Task:
    """Something to do; `fields` as `TaskInput`."""
    data = services.parsed(interaction_services.TaskInput, {"title": title, **fields})
    return interaction_services.create_task(session, actor, data=data, now=now)


def consent(
    session: Session,
    actor: Actor,
    contact_id: UUID,
    *,
    purpose: ConsentPurpose = ConsentPurpose.PROMOTIONAL,
    channel: ChannelKind | None = ChannelKind.EMAIL,
    action: ConsentAction = ConsentAction.GRANTED,
    basis: Basis = Basis.CONSENT,
    source: str = "form at the fair",
    happened_at: datetime = NOW,
    now: datetime = NOW,
    **fields: Any,
) -> ConsentEvent:
    """A consent, by default to promotions by e-mail."""
    return consent_services.record(
        session,
        actor,
        contact_id=contact_id,
        purpose=purpose,
        channel=channel,
        action=action,
        basis=basis,
        source=source,
        happened_at=happened_at,
        now=now,
        **fields,
    )
