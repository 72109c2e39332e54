"""Reads the templates that a network approved for an account."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.outreach.network_models import NetworkTemplate

#: What the networks call a template that may be sent.
APPROVED = "approved"


def network_templates(session: Session, *, account_id: UUID) -> list[NetworkTemplate]:
    """All templates of an account by name, also those that may not be sent."""
    return list(
        session.scalars(
            select(NetworkTemplate)
            .where(NetworkTemplate.account_id == account_id)
            .order_by(NetworkTemplate.name, NetworkTemplate.language, NetworkTemplate.id)
        )
    )


def may_be_sent(template: NetworkTemplate) -> bool:
    """Whether the network lets it go, and its gaps can be filled here."""
    return template.status == APPROVED and template.is_plain


def sendable_templates(session: Session, *, account_id: UUID) -> list[NetworkTemplate]:
    """Those that may be sent, and whose gaps can be filled here."""
    return [one for one in network_templates(session, account_id=account_id) if may_be_sent(one)]
