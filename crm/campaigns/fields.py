"""Owns what rules can ask about campaigns: in which ones somebody took part."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import join, select
from sqlalchemy.orm import Session

from crm.campaigns.kinds import RecipientState
from crm.campaigns.models import Campaign, Recipient
from crm.contacts.fields import fact
from crm.filters import sources
from crm.filters.catalogue import Field, RuleContext
from crm.filters.schema import Op
from crm.filters.values import Choice, FieldType
from crm.web.i18n import lazy as _

_OUT: Final = (RecipientState.SKIPPED, RecipientState.HOLDOUT)


def load_campaigns(session: Session, workspace_id: UUID) -> Sequence[Choice]:
    """The campaigns of the workspace, the newest first."""
    rows = session.execute(
        select(Campaign.id, Campaign.name)
        .where(Campaign.workspace_id == workspace_id, Campaign.deleted_at.is_(None))
        .order_by(Campaign.created_at.desc(), Campaign.id)
        .limit(200)
    )
    return [Choice(str(row.id), row.name) for row in rows]


_TOOK_PART: Final = sources.Rows(
    join(
        Recipient,
        Campaign,
        (Recipient.workspace_id == Campaign.workspace_id) & (Recipient.campaign_id == Campaign.id),
    ),
    Recipient.contact_id,
    Recipient.workspace_id,
    lambda _ask: [Recipient.state.not_in(_OUT), Campaign.deleted_at.is_(None)],
)

FIELDS: Final = (
    Field(
        "campaign",
        FieldType.MULTI,
        _("Campaign"),
        _("Messages"),
        _("whose campaigns"),
        sources.any_row(_TOOK_PART, Recipient.campaign_id),
        fact("campaigns"),
        load_campaigns,
        phrases={
            Op.ANY_OF: _("in the campaign %(value)s"),
            Op.ALL_OF: _("in the campaigns %(value)s"),
            Op.NONE_OF: _("not in the campaign %(value)s"),
            Op.HAS_VALUE: _("who were in some campaign"),
            Op.NO_VALUE: _("who were never in a campaign"),
        },
        icon="send",
    ),
)


def load_facts(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The campaigns of each contact, by contact id."""
    facts: dict[UUID, dict[str, Any]] = {contact_id: {"campaigns": []} for contact_id in contact_ids}
    wanted = (
        select(Recipient.contact_id, Recipient.campaign_id)
        .join(Campaign, Campaign.id == Recipient.campaign_id)
        .where(
            Recipient.workspace_id == context.workspace_id,
            Recipient.contact_id.in_(contact_ids),
            Recipient.state.not_in(_OUT),
            Campaign.deleted_at.is_(None),
        )
    )
    for contact_id, campaign_id in session.execute(wanted):
        facts[contact_id]["campaigns"].append(campaign_id)
    return facts
