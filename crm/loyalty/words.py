"""Owns how loyalty is put into words: states of offers and codes, kinds of movements, what can earn points."""

from flask import Flask

from crm.accounts import places
from crm.accounts.places import Words
from crm.interactions.fields import KINDS
from crm.interactions.kinds import InteractionKind
from crm.loyalty.errors import REFUSALS
from crm.loyalty.kinds import EntryKind, OfferKind, VoucherState
from crm.loyalty.queries import OfferView, StatementLine, VoucherView
from crm.loyalty.rules.offers import Refusal
from crm.loyalty.services.earning import FORBIDDEN_BY_NETWORKS, NEVER_EARN
from crm.web.formats import money
from crm.web.i18n import _, lazy, lazy_p, translated

EARNING_KINDS = [
    *(choice for choice in ((str(kind.value), kind.label) for kind in KINDS)
      if choice[0] not in NEVER_EARN | FORBIDDEN_BY_NETWORKS),
    (InteractionKind.OFFER_REDEEMED.value, lazy("offer used at the till")),
]  # fmt: skip
"""(kind, label) of what an earning rule may reward."""

OFFER_KINDS = {
    OfferKind.PERCENT: lazy("Percent off"),
    OfferKind.AMOUNT: lazy("Sum off"),
    OfferKind.GIFT: lazy("Gift"),
}

ENTRY_KINDS = {
    EntryKind.EARN: lazy("Given"),
    EntryKind.SPEND: lazy("Spent"),
    EntryKind.EXPIRE: lazy("Expired"),
    EntryKind.ADJUST: lazy("Corrected"),
    EntryKind.REVERSE: lazy("Taken back"),
    EntryKind.MERGE: lazy("Brought over from a merged record"),
    EntryKind.CLAW_BACK: lazy("Taken back after it was spent"),
    EntryKind.CONFIRM: lazy("Confirmed"),
    EntryKind.VOID: lazy("Void before it counted"),
}

VOUCHER_STATES = {
    VoucherState.ALLOCATED: (lazy("not sent yet"), "plain"),
    VoucherState.ACTIVE: (lazy("active"), "ok"),
    VoucherState.ON_HOLD: (lazy("on hold"), "wait"),
    VoucherState.REDEEMED: (lazy("used"), "accent"),
    VoucherState.EXPIRED: (lazy("expired"), "plain"),
    VoucherState.WITHDRAWN: (lazy("offer withdrawn"), "bad"),
    VoucherState.RELEASED: (lazy("taken back"), "plain"),
}

OFFER_STATES = {
    None: (lazy("runs"), "ok"),
    Refusal.NOT_STARTED: (lazy("not begun yet"), "wait"),
    Refusal.EXPIRED: (lazy("ended"), "plain"),
    Refusal.WITHDRAWN: (lazy_p("offer", "withdrawn"), "bad"),
    Refusal.LIMIT_TOTAL: (lazy("used up"), "plain"),
}

WORDS = {"voucher.refused": Words(lazy("A code was refused at the till"), "ticket-off")}  # icon


def init_app(app: Flask) -> None:
    """Give templates the words, and the audit log its own."""
    places.add_words(app, WORDS)
    app.jinja_env.filters.update(
        offer_worth=worth, offer_state=offer_state, voucher_state=voucher_state, movement=movement, refusal=refusal_text
    )


def refusal_text(reason: Refusal) -> str:
    """Why a code was refused, for staff."""
    return translated(REFUSALS[reason])


def worth(offer: OfferView) -> str:
    """What an offer is worth: "20%", "€5.00 off" or the gift."""
    if offer.kind is OfferKind.PERCENT:
        return _("%(percent)s%% off", percent=offer.percent)
    if offer.kind is OfferKind.AMOUNT:
        return _("%(sum)s off", sum=money(offer.amount_minor, offer.currency))
    return _("Gift: %(gift)s", gift=offer.gift)


def offer_state(offer: OfferView) -> tuple[str, str]:
    """(word, tone) of an offer now."""
    word, tone = OFFER_STATES.get(offer.why_not, OFFER_STATES[None])
    return str(word), tone


def voucher_state(voucher: VoucherView) -> tuple[str, str]:
    """(word, tone) of a code now: what the till would say counts more than what is stored."""
    state = VoucherState.EXPIRED if voucher.refusal is Refusal.EXPIRED else voucher.state
    word, tone = VOUCHER_STATES[state]
    return str(word), tone


def movement(line: StatementLine) -> tuple[str, str]:
    """(what happened, the why) of a movement: the rule's name or what a person typed, else its kind alone."""
    kind = str(ENTRY_KINDS[line.kind])
    why = line.rule_name or line.note
    if line.kind is EntryKind.EARN and why:
        return why, _("waits for confirmation") if line.is_pending else ""
    return kind, why
