"""Reads what a workspace has set up, for its records of processing activities: in codes, without words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission, RecordAccess, Role
from crm.accounts.models import Membership, Workspace
from crm.accounts.rules import Actor
from crm.campaigns.models import Campaign
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose
from crm.consent.models import ConsentState
from crm.consent.rules import policy_of
from crm.contacts.custom_models import CustomField
from crm.deals.models import Deal
from crm.enrichment.kinds import SourceName
from crm.enrichment.models import EnrichmentSource
from crm.interactions.kinds import HistoryFormat
from crm.interactions.timeline_models import HistoryFile
from crm.lifecycle.models import Import
from crm.lifecycle.privacy_models import ProcessingRecord
from crm.lifecycle.queries.erasures import days_of
from crm.lifecycle.rules.records import Activity, OwnText
from crm.lifecycle.rules.retention import DataClass
from crm.loyalty.models import Program
from crm.outreach.models import SenderAccount

#: Names of one kind that are listed one by one; what is beyond is said as a number.
MOST: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """An account from which messages leave: its channel, its address, and the server that carries them."""

    channel: str
    address: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is set up in a workspace, as far as its records of processing need it; `texts` is what it wrote itself."""

    house: str
    postal_address: str
    time_zone: str
    texts: Mapping[OwnText, str]
    updated_at: datetime | None
    activities: Sequence[Activity]
    senders: Sequence[Sender]
    sources: Sequence[str]
    more_sources: int
    histories: Sequence[HistoryFormat]
    lookups: Sequence[SourceName]
    custom_fields: Sequence[str]
    has_deals: bool
    import_bases: Sequence[Basis]
    promotional: Mapping[str, Sequence[Basis]]
    personal: Sequence[Basis]
    profiling: bool
    days: Mapping[DataClass, int | None]
    points_months: Sequence[int | None]
    colleagues: Mapping[Role, int]
    record_access: Mapping[str, RecordAccess]
    needs_second_factor: bool


def setup(session: Session, actor: Actor) -> Setup:
    """All of it, in a bounded number of statements; raises `ForbiddenError`."""
    actor.require(Permission.MANAGE_WORKSPACE)
    house = session.get_one(Workspace, actor.workspace_id)
    own = session.scalars(select(ProcessingRecord)).one_or_none()
    policy = policy_of(house.basis_policy)
    sources = session.scalars(select(Import.source).where(Import.source != "").distinct().order_by(Import.source)).all()
    lookups = select(EnrichmentSource.source).where(EnrichmentSource.is_on).order_by(EnrichmentSource.source)
    senders = _senders(session)
    on = [SourceName(name) for name in session.scalars(lookups) if name in set(SourceName)]
    months = session.scalars(select(Program.validity_months).distinct()).all()
    purposes = _consented(session)
    has_promotions = ConsentPurpose.PROMOTIONAL in purposes or _any(session, Campaign)
    return Setup(
        house=house.name,
        postal_address=house.postal_address,
        time_zone=house.time_zone,
        texts={name: getattr(own, name) if own else "" for name in OwnText},
        updated_at=own.updated_at if own else None,
        activities=[
            Activity.RELATIONS,
            Activity.CORRESPONDENCE,
            *([Activity.PROMOTIONS] if has_promotions else []),
            *([Activity.LOYALTY] if months else []),
            *([Activity.LOOKUPS] if on else []),
            Activity.PROFILING,
            Activity.COLLEAGUES,
            Activity.REQUESTS,
        ],
        senders=senders,
        sources=sources[:MOST],
        more_sources=max(0, len(sources) - MOST),
        histories=[HistoryFormat(name) for name in session.scalars(select(HistoryFile.format).distinct())],
        lookups=on,
        custom_fields=session.scalars(
            select(CustomField.label)
            .where(CustomField.archived_at.is_(None), CustomField.subject == "contact")
            .order_by(CustomField.label)
            .limit(MOST)
        ).all(),
        has_deals=_any(session, Deal),
        import_bases=_known(set(session.scalars(select(Import.basis).distinct()))),
        promotional={channel: _known(bases) for channel, bases in policy.allowed.get(Purpose.PROMOTIONAL, {}).items()},
        personal=_known(policy.carries(Purpose.PERSONAL, "")),
        profiling=ConsentPurpose.PROFILING in purposes,
        days=days_of(session),
        points_months=months,
        colleagues=_colleagues(session),
        record_access={role: RecordAccess(reach) for role, reach in house.record_access.items()},
        needs_second_factor=house.require_second_factor,
    )


def _any(session: Session, table: type[Campaign | Deal]) -> bool:
    return session.scalar(select(table.id).where(table.deleted_at.is_(None)).limit(1)) is not None


def _known(bases: frozenset[Basis] | set[str]) -> list[Basis]:
    """The bases in the order of the law; that nobody knows one is no basis."""
    return [basis for basis in Basis if basis.value in bases and basis is not Basis.UNKNOWN]


def _consented(session: Session) -> frozenset[str]:
    """The purposes for which somebody gave a consent that holds."""
    return frozenset(
        purpose
        for purpose in ConsentPurpose
        if session.scalar(
            select(ConsentState.id)
            .where(ConsentState.purpose == purpose, ConsentState.action == ConsentAction.GRANTED)
            .limit(1)
        )
    )


def _senders(session: Session) -> list[Sender]:
    wanted = select(SenderAccount).where(SenderAccount.is_sandbox.is_(False), SenderAccount.deleted_at.is_(None))
    return [
        Sender(channel=row.channel, address=row.address, server=str(row.config.get("host", "")))
        for row in session.scalars(wanted.order_by(SenderAccount.channel, SenderAccount.address).limit(MOST))
    ]


def _colleagues(session: Session) -> dict[Role, int]:
    wanted = select(Membership.role, func.count()).where(Membership.ended_at.is_(None)).group_by(Membership.role)
    found = {Role(role): count for role, count in session.execute(wanted)}
    return {role: found[role] for role in Role if role in found}
