"""Imports every table, so that metadata is complete for migrations; owns nothing else."""

from crm.accounts import models as accounts
from crm.campaigns import models as campaigns
from crm.consent import models as consent
from crm.contacts import change_models as changes
from crm.contacts import custom_models as custom
from crm.contacts import domain_models as domains
from crm.contacts import limit_models as limits
from crm.contacts import models as contacts
from crm.contacts import view_models as views
from crm.db import Base
from crm.deals import models as deals
from crm.enrichment import models as enrichment
from crm.files import models as files
from crm.interactions import keeping_models as keeping
from crm.interactions import models as interactions
from crm.interactions import timeline_models as timeline
from crm.lifecycle import export_models as exports
from crm.lifecycle import merge_models as merges
from crm.lifecycle import models as lifecycle
from crm.lifecycle import privacy_models as privacy
from crm.loyalty import models as loyalty
from crm.outreach import clock_models as clock
from crm.outreach import inbound_models as inbound
from crm.outreach import inbox_models as inbox
from crm.outreach import letter_models as letters
from crm.outreach import mailbox_models as mailboxes
from crm.outreach import models as outreach
from crm.outreach import network_models as networks
from crm.outreach import pace_models as pace
from crm.segments import models as segments

DOMAINS = (
    accounts,
    files,
    contacts,
    changes,
    custom,
    domains,
    limits,
    views,
    interactions,
    keeping,
    timeline,
    consent,
    loyalty,
    enrichment,
    deals,
    clock,
    outreach,
    networks,
    pace,
    inbound,
    mailboxes,
    inbox,
    letters,
    segments,
    campaigns,
    exports,
    lifecycle,
    merges,
    privacy,
)

metadata = Base.metadata

__all__ = ["DOMAINS", "metadata"]
