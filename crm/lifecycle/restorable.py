"""Owns what an undo may touch: the tables and columns of change sets, and which rows make a new person stay."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from crm.campaigns.models import CampaignPick, Recipient
from crm.consent.models import ConsentState
from crm.contacts.custom_models import CustomValue
from crm.contacts.limit_models import ProcessingLimit
from crm.contacts.models import (
    Affiliation,
    Company,
    CompanyTag,
    Contact,
    ContactAccess,
    ContactLink,
    ContactTag,
    Fact,
    Handle,
)
from crm.db import Base
from crm.deals.models import DealContact
from crm.enrichment.models import EnrichmentRun
from crm.interactions.keeping_models import Cadence, SetAside
from crm.interactions.models import Interaction, Task, TaskLink
from crm.lifecycle.merge_models import NotSame
from crm.loyalty.models import Lot, Member, Redemption, Voucher
from crm.outreach.inbound_models import StartLink
from crm.outreach.models import BudgetUse, Conversation, Message
from crm.segments.models import SegmentChange, SegmentMember, SegmentPick

#: Never put back: identity, what the database makes itself, and what only counts upward.
_FIXED: Final = frozenset({"id", "workspace_id", "version", "created_at", "updated_at", "erased_at"})


@dataclass(frozen=True, slots=True)
class Restorable:
    """A table of which an undo may put values back.

    `is_soft`: an inserted row is marked as deleted instead of going away. `unless` is a condition in SQL under which a
    row is left as it is, with `t` for the row and `f.before` for the values that would come back (jsonb). `not_again`
    is one under which a row `r` that was taken away stays away.
    """

    model: type[Base]
    is_soft: bool = False
    unless: str = ""
    not_again: str = ""

    @property
    def table(self) -> Table:
        """The table itself."""
        return self.model.__table__

    @property
    def columns(self) -> dict[str, str]:
        """{column that may be put back: its type in SQL}."""
        return _columns(self.table)


@cache
def _columns(table: Table) -> dict[str, str]:
    dialect: Any = postgresql.dialect()
    return {
        column.name: column.type.compile(dialect)
        for column in table.columns
        if column.name not in _FIXED and column.computed is None and column.identity is None
    }


# Another one is the primary place by now, or another row has the address: that one was there later and stays.
_PLACE_TAKEN: Final = (
    "(f.before->>'is_primary')::boolean and not (f.before ? 'contact_id') and exists (select 1 from affiliation o"
    " where o.workspace_id = t.workspace_id and o.contact_id = t.contact_id and o.id <> t.id and o.is_primary"
    " and o.ended_on is null)"
)
_ADDRESS_TAKEN: Final = (
    "f.before ? 'deleted_at' and f.before->>'deleted_at' is null and exists (select 1 from handle o"
    " where o.workspace_id = t.workspace_id and o.channel = t.channel and o.address_norm = t.address_norm"
    " and o.id <> t.id and o.deleted_at is null)"
)
_VALUE_TAKEN: Final = (
    "f.before ? 'contact_id' and exists (select 1 from custom_value o where o.workspace_id = t.workspace_id"
    " and o.contact_id = (f.before->>'contact_id')::uuid and o.field_id = t.field_id"
    " and o.choice_id is not distinct from t.choice_id and o.id <> t.id)"
)

# Whoever says something else of the field by now holds all of its chosen values.
_VALUE_LATER: Final = (
    "exists (select 1 from fact o join custom_field d on d.workspace_id = o.workspace_id"
    " and o.field = 'custom.' || d.key where d.id = r.field_id and d.workspace_id = r.workspace_id"
    " and o.contact_id = r.contact_id and o.state = 'current' and o.id not in (select c.row_id from change c"
    " where c.workspace_id = r.workspace_id and c.change_set_id = :change_set and c.table_name = 'fact'))"
)

_PART_TAKEN: Final = (
    "f.before ? 'contact_id' and exists (select 1 from deal_contact o where o.workspace_id = t.workspace_id"
    " and o.deal_id = t.deal_id and o.contact_id = (f.before->>'contact_id')::uuid and o.id <> t.id)"
)

_FACT_LATER: Final = (
    "f.before->>'state' = 'current' and not (f.before ? 'contact_id') and exists (select 1 from fact o"
    " where o.workspace_id = t.workspace_id and o.contact_id = t.contact_id and o.field = t.field and o.id <> t.id"
    " and o.state = 'current')"
)

#: Every table whose rows a change set may name. A further one is one line here.
TABLES: Final[dict[str, Restorable]] = {
    entry.table.name: entry
    for entry in (
        Restorable(Contact, is_soft=True),
        Restorable(Company, is_soft=True),
        Restorable(Handle, is_soft=True, unless=_ADDRESS_TAKEN),
        Restorable(Affiliation, unless=_PLACE_TAKEN),
        Restorable(ContactLink),
        Restorable(ContactTag),
        Restorable(ContactAccess),
        Restorable(ProcessingLimit),
        Restorable(NotSame),
        Restorable(CompanyTag),
        Restorable(Fact, unless=_FACT_LATER),
        Restorable(CustomValue, unless=_VALUE_TAKEN, not_again=_VALUE_LATER),
        Restorable(Interaction),
        Restorable(Task),
        Restorable(TaskLink),
        Restorable(Cadence),
        Restorable(SetAside),
        Restorable(ConsentState),
        Restorable(Member),
        Restorable(Lot),
        Restorable(Voucher),
        Restorable(Redemption),
        Restorable(EnrichmentRun),
        Restorable(Conversation),
        Restorable(Message),
        Restorable(BudgetUse),
        Restorable(StartLink),
        Restorable(SegmentPick),
        Restorable(SegmentMember),
        Restorable(SegmentChange),
        Restorable(DealContact, unless=_PART_TAKEN),
        Restorable(CampaignPick),
        Restorable(Recipient),
    )
}

#: Tables of which a row comes along with a new person or company: it is no reason to keep them. Any other reference
#: is one. Of interactions those count that a person or a platform told, not what the software noted itself.
COMES_ALONG: Final = frozenset(
    {
        *(
            "affiliation",
            "company_domain",
            "not_same",
            "warmth",
            "handle",
            "fact",
            "custom_value",
            "contact_tag",
            "company_tag",
            "consent_event",
            "consent_state",
        ),
        *("segment_member", "segment_change", "enrichment_run"),
    }
)
