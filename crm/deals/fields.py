"""Owns what rules can ask about deals: open ones with their stage and amount, and how many were won when."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import join, select
from sqlalchemy.orm import Session

from crm.contacts.fields import fact
from crm.deals.kinds import StageKind
from crm.deals.models import Deal, DealContact, DealStage, Pipeline
from crm.filters import sources
from crm.filters.catalogue import Ask, Field, Option, RuleContext
from crm.filters.evaluate import count_within
from crm.filters.schema import Op
from crm.filters.values import Choice, FieldType, Money
from crm.web.i18n import lazy as _


def load_stages(session: Session, workspace_id: UUID) -> Sequence[Choice]:
    """The open stages in use, in the order of the boards."""
    rows = session.execute(
        select(DealStage.id, DealStage.name)
        .join(Pipeline, Pipeline.id == DealStage.pipeline_id)
        .where(
            DealStage.workspace_id == workspace_id,
            DealStage.kind == StageKind.OPEN,
            DealStage.archived_at.is_(None),
            Pipeline.archived_at.is_(None),
        )
        .order_by(Pipeline.position, Pipeline.id, DealStage.position, DealStage.id)
    )
    return [Choice(str(row.id), row.name) for row in rows]


_SOURCE: Final = join(
    DealContact, Deal, (DealContact.workspace_id == Deal.workspace_id) & (DealContact.deal_id == Deal.id)
)


def _open(ask: Ask) -> list[sources.Condition]:
    chosen = ask.options.get("stage")
    in_stage = [Deal.stage_id.in_([UUID(stage) for stage in chosen])] if chosen else []
    return [Deal.deleted_at.is_(None), Deal.state == StageKind.OPEN, *in_stage]


_OPEN: Final = sources.Rows(_SOURCE, DealContact.contact_id, DealContact.workspace_id, _open)
_WON: Final = sources.Rows(
    _SOURCE,
    DealContact.contact_id,
    DealContact.workspace_id,
    lambda ask: [
        Deal.deleted_at.is_(None),
        Deal.state == StageKind.WON,
        sources.within(Deal.closed_at, sources.window_of(ask)),
    ],
)


def _with_amount(ask: Ask) -> sources.Condition:
    return sources.exists_row(_OPEN, ask, sources.money(Deal.amount_minor, Deal.currency)(ask))


def _has_open(facts: Mapping[str, Any], ask: Ask) -> bool:
    chosen = ask.options.get("stage")
    return any(chosen is None or str(stage_id) in chosen for stage_id in facts["deal_stages"])


def _won(facts: Mapping[str, Any], ask: Ask) -> int:
    return count_within(facts["deals_won"], sources.window_of(ask))


_DEALS: Final = _("Deals")

FIELDS: Final = (
    Field(
        "open_deal",
        FieldType.BOOLEAN,
        _("Open deal"),
        _DEALS,
        _("with an open deal"),
        sources.has_row(_OPEN),
        _has_open,
        options=(Option("stage", "choice", _("Stage"), load_stages, phrase=_("in %(value)s")),),
        phrases={Op.IS: _("with an open deal"), Op.IS_NOT: _("without an open deal")},
        icon="briefcase",
    ),
    Field(
        "deal_amount",
        FieldType.MONEY,
        _("Amount of an open deal"),
        _DEALS,
        _("with an open deal of %(value)s"),
        _with_amount,
        fact("deal_amount"),
        icon="briefcase",
    ),
    Field(
        "deal_stage",
        FieldType.CHOICE,
        _("Stage of an open deal"),
        _DEALS,
        _("with an open deal in %(value)s"),
        sources.any_row(_OPEN, Deal.stage_id),
        fact("deal_stage"),
        choices=load_stages,
        icon="layout-kanban",
    ),
    Field(
        "deals_won",
        FieldType.COUNT,
        _("Won deals"),
        _DEALS,
        _("with %(value)s won deals"),
        sources.count_rows(_WON),
        _won,
        options=(Option("when", "window", _("When")),),
        icon="trophy",
    ),
)


def load_facts(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The facts that this module's fields read, by contact id."""
    facts: dict[UUID, dict[str, Any]] = {
        contact_id: {"deal_stages": [], "deal_amount": [], "deal_stage": [], "deals_won": []}
        for contact_id in contact_ids
    }
    rows = select(
        DealContact.contact_id, Deal.state, Deal.stage_id, Deal.amount_minor, Deal.currency, Deal.closed_at
    ).join(Deal, Deal.id == DealContact.deal_id)
    rows = rows.where(
        DealContact.workspace_id == context.workspace_id,
        DealContact.contact_id.in_(contact_ids),
        Deal.deleted_at.is_(None),
    )
    for row in session.execute(rows):
        found = facts[row.contact_id]
        if row.state == StageKind.OPEN:
            found["deal_stages"].append(row.stage_id)
            found["deal_stage"].append(str(row.stage_id))
            found["deal_amount"].append(Money(amount=row.amount_minor, currency=row.currency))
        elif row.state == StageKind.WON:
            found["deals_won"].append(row.closed_at)
    return facts
