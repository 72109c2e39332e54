"""Owns the one table of events and their handlers and the one of rule fields, shared by web, workers, command line."""

from crm.accounts import handlers as accounts_handlers
from crm.accounts.events import ResetLinkAsked
from crm.campaigns import fields as campaigns
from crm.campaigns import handlers as campaigns_handlers
from crm.consent import fields as consent
from crm.contacts import fields as contacts
from crm.deals import fields as deals
from crm.deals import handlers as deals_handlers
from crm.events import (
    ContactDeleted,
    DealWon,
    Event,
    HandleLinked,
    Handler,
    Handlers,
    ImportanceChanged,
    InteractionLogged,
    InteractionRemoved,
    MessageStateChanged,
    OfferWithdrawn,
    OptedOut,
    ProcessingLimited,
    ProcessingResumed,
    ReplyReceived,
    TaskRepeated,
    VoucherRedeemed,
)
from crm.filters import registry
from crm.filters.catalogue import Catalogue, FactLoader, Field, join
from crm.interactions import fields as interactions
from crm.interactions import handlers as interactions_handlers
from crm.loyalty import fields as loyalty
from crm.loyalty import handlers as loyalty_handlers
from crm.outreach import fields as outreach
from crm.outreach import handlers as outreach_handlers
from crm.segments import fields as segments
from crm.segments import handlers as segments_handlers

FIELDS: tuple[tuple[tuple[Field, ...], FactLoader], ...] = (
    (contacts.FIELDS, contacts.load_facts),
    (interactions.FIELDS, interactions.load_facts),
    (consent.FIELDS, consent.load_facts),
    (loyalty.FIELDS, loyalty.load_facts),
    (deals.FIELDS, deals.load_facts),
    (outreach.FIELDS, outreach.load_facts),
    (campaigns.FIELDS, campaigns.load_facts),
    (segments.FIELDS, segments.load_facts),
)

EVENTS: tuple[tuple[type[Event], Handler], ...] = (
    (ContactDeleted, outreach_handlers.cancel_after_delete),
    (ContactDeleted, segments_handlers.leave_after_delete),
    (ProcessingLimited, outreach_handlers.hold_limited),
    (ProcessingResumed, interactions_handlers.warm_after_limit),
    (ProcessingResumed, outreach_handlers.go_on_after_limit),
    (HandleLinked, interactions_handlers.adopt_history),
    (HandleLinked, outreach_handlers.adopt_exchange),
    (ImportanceChanged, interactions_handlers.follow_importance),
    (InteractionLogged, loyalty_handlers.award_points),
    (InteractionRemoved, loyalty_handlers.take_points_back),
    (MessageStateChanged, loyalty_handlers.release_voucher),
    (OfferWithdrawn, outreach_handlers.cancel_withdrawn_offer),
    (OptedOut, outreach_handlers.skip_after_opt_out),
    (VoucherRedeemed, outreach_handlers.skip_redeemed),
    (ReplyReceived, campaigns_handlers.end_after_reply),
    (ReplyReceived, outreach_handlers.settle_answered),
    (ReplyReceived, outreach_handlers.alert_key_answer),
    (DealWon, campaigns_handlers.credit_won_deal),
    (TaskRepeated, deals_handlers.keep_next_task),
    (ResetLinkAsked, accounts_handlers.send_reset_link),
)


def handlers() -> Handlers:
    """The reactions of the whole product, in the order in which they run."""
    return Handlers(EVENTS)


def catalogue() -> Catalogue:
    """Everything that rules can ask about a contact."""
    return join(contacts.SUBJECT, *FIELDS)


registry.install(catalogue, contacts.custom_rule_fields)
