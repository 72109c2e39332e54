"""The words of outreach in the reader's language: channels, purposes, states and what can be done about them."""

from datetime import date, datetime
from typing import Any, NamedTuple

from babel.dates import format_timedelta
from flask_babel import format_date

from crm.channels.base import ChannelKind
from crm.channels.imap import ABSENT, FOUND
from crm.channels.sentences import RULE_SENTENCES
from crm.clock import utc_now
from crm.consent.kinds import Purpose
from crm.outreach.kinds import AccountState, ConversationState, DeliveryState, MailboxState, MessageState, NotSent
from crm.outreach.moments import Timed, is_moved
from crm.outreach.queries.messages import READ_BACK, AttemptLine
from crm.outreach.reasons import sentence, way_sentence
from crm.outreach.rules import Way
from crm.web.formats import moment
from crm.web.i18n import _, lazy, locale_code, translated

CHANNELS: dict[ChannelKind, Any] = {
    ChannelKind.EMAIL: lazy("E-mail"),
    ChannelKind.PHONE: lazy("Phone"),
    ChannelKind.WHATSAPP: "WhatsApp",
    ChannelKind.INSTAGRAM: "Instagram",
    ChannelKind.MESSENGER: "Messenger",
    ChannelKind.LINKEDIN: "LinkedIn",
    ChannelKind.X: "X",
    ChannelKind.TELEGRAM: "Telegram",
    ChannelKind.MASTODON: "Mastodon",
    ChannelKind.BLUESKY: "Bluesky",
    ChannelKind.SMS: "SMS",
    ChannelKind.WEBHOOK: "Webhook",
}

#: Icons of channels, by their full Tabler names.
ICONS: dict[ChannelKind, str] = {
    ChannelKind.EMAIL: "mail",
    ChannelKind.PHONE: "phone",
    ChannelKind.WHATSAPP: "brand-whatsapp",
    ChannelKind.INSTAGRAM: "brand-instagram",
    ChannelKind.MESSENGER: "brand-messenger",
    ChannelKind.LINKEDIN: "brand-linkedin",
    ChannelKind.X: "brand-x",
    ChannelKind.TELEGRAM: "brand-telegram",
    ChannelKind.MASTODON: "brand-mastodon",
    ChannelKind.BLUESKY: "brand-bluesky",
    ChannelKind.SMS: "message",
    ChannelKind.WEBHOOK: "webhook",
}


class ChannelNote(NamedTuple):
    """What a channel is for, and what its use needs, as the page of all channels says it."""

    can: Any
    needs: Any


CHANNEL_NOTES: dict[ChannelKind, ChannelNote] = {
    ChannelKind.EMAIL: ChannelNote(
        lazy("Letters and promotions; answers, bounces and unsubscribes come back by themselves."),
        lazy("An address and its password."),
    ),
    ChannelKind.TELEGRAM: ChannelNote(
        lazy("A bot that writes to those who pressed Start, and hears them."), lazy("A bot from BotFather, free.")
    ),
    ChannelKind.WHATSAPP: ChannelNote(
        lazy("A number of your own over the API of Meta: templates first, free text for a day after they wrote."),
        lazy("A business account at Meta and a number that no phone uses."),
    ),
    ChannelKind.WEBHOOK: ChannelNote(
        lazy("Your own programs: they get what you send and hand in what they hear, signed."),
        lazy("Somebody who programs."),
    ),
    ChannelKind.INSTAGRAM: ChannelNote(
        lazy("The text is copied and the chat opens; you send it."), lazy("The person’s Instagram name.")
    ),
    ChannelKind.MESSENGER: ChannelNote(
        lazy("The text is copied and the chat opens; you send it."), lazy("The name of their Facebook profile.")
    ),
    ChannelKind.LINKEDIN: ChannelNote(
        lazy("The text is copied and the profile opens; you send it."), lazy("The address of their profile.")
    ),
    ChannelKind.X: ChannelNote(lazy("The text is copied and the chat opens; you send it."), lazy("Their name on X.")),
    ChannelKind.MASTODON: ChannelNote(
        lazy("The text is copied and the profile opens; you send it."), lazy("Their name with its server.")
    ),
    ChannelKind.BLUESKY: ChannelNote(
        lazy("The text is copied and the profile opens; you send it."), lazy("Their name on Bluesky.")
    ),
    ChannelKind.SMS: ChannelNote(
        lazy("The message opens on the phone you hold, with the text in it."), lazy("Their mobile number.")
    ),
    ChannelKind.PHONE: ChannelNote(
        lazy("What you want to say stands before you, and the phone dials."), lazy("Their number.")
    ),
}

PURPOSES: dict[Purpose, Any] = {
    Purpose.PERSONAL: lazy("Personal message"),
    Purpose.PROMOTIONAL: lazy("Private promotion"),
    Purpose.SERVICE: lazy("Service: order, points, voucher"),
    Purpose.REPLY: lazy("Answer"),
    Purpose.SYSTEM: lazy("System"),
}

STATES: dict[MessageState, tuple[Any, str]] = {
    MessageState.DRAFT: (lazy("draft"), "plain"),
    MessageState.IN_REVIEW: (lazy("to review"), "accent"),
    MessageState.APPROVED: (lazy("approved"), "plain"),
    MessageState.SCHEDULED: (lazy("planned"), "plain"),
    MessageState.CLAIMED: (lazy("about to leave"), "plain"),
    MessageState.SENDING: (lazy("leaving"), "plain"),
    MessageState.SENT: (lazy("sent"), "ok"),
    MessageState.HELD: (lazy("waits"), "wait"),
    MessageState.SKIPPED: (lazy("not sent"), "plain"),
    MessageState.REJECTED: (lazy("rejected"), "plain"),
    MessageState.CANCELLED: (lazy("cancelled"), "plain"),
    MessageState.FAILED: (lazy("refused"), "bad"),
    MessageState.UNCERTAIN: (lazy("uncertain"), "wait"),
    MessageState.RECEIVED: (lazy("received"), "ok"),
}

DELIVERIES: dict[DeliveryState, tuple[Any, str]] = {
    DeliveryState.DELIVERED: (lazy("delivered"), "ok"),
    DeliveryState.READ: (lazy("read"), "ok"),
    DeliveryState.DELAYED: (lazy("delayed"), "wait"),
    DeliveryState.FAILED: (lazy("not delivered"), "bad"),
    DeliveryState.BOUNCED: (lazy("came back"), "bad"),
    DeliveryState.COMPLAINED: (lazy("reported as spam"), "bad"),
}

CONVERSATIONS: dict[ConversationState, Any] = {
    ConversationState.OPEN: lazy("Open"),
    ConversationState.WAITING: lazy("Waiting"),
    ConversationState.SNOOZED: lazy("Snoozed"),
    ConversationState.CLOSED: lazy("Closed"),
}

ACCOUNTS: dict[AccountState, tuple[Any, str]] = {
    AccountState.ACTIVE: (lazy("works"), "ok"),
    AccountState.PAUSED: (lazy("paused"), "wait"),
    AccountState.HELD: (lazy("needs you"), "bad"),
}


#: {state of a mailbox that is read: (label, tone)}
MAILBOXES: dict[MailboxState, tuple[Any, str]] = {
    MailboxState.ON: (lazy("is read"), "ok"),
    MailboxState.HELD: (lazy("needs you"), "bad"),
    MailboxState.STOPPED: (lazy("is not read"), "plain"),
}


class NotSentWords(NamedTuple):
    """Why a text did not go by hand, as its button says it, and what is told afterwards."""

    label: Any
    told: Any
    icon: str


NOT_SENT: dict[NotSent, NotSentWords] = {
    NotSent.LATER: NotSentWords(lazy("Later today"), lazy("It comes back in two hours."), "clock"),
    NotSent.TOMORROW: NotSentWords(lazy("Tomorrow"), lazy("It comes back tomorrow at this time."), "calendar"),
    NotSent.NOT_REACHED: NotSentWords(
        lazy("Could not reach them"), lazy("Noted. It comes back tomorrow at this time."), "clock-pause"
    ),
    NotSent.WRONG_ADDRESS: NotSentWords(
        lazy("Wrong number or name"), lazy("Noted: nobody writes to this address any more."), "ban"
    ),
    NotSent.SKIP: NotSentWords(lazy("Not this message"), lazy("Left out. The person stays as they are."), "x"),
    NotSent.NO_MORE: NotSentWords(
        lazy("They want none any more"), lazy("Noted as their no: only answers stay possible here."), "hand-stop"
    ),
}

#: What a text may use, with what it becomes; the values themselves come from `services.compose.values_of`.
VARIABLES: tuple[tuple[str, Any], ...] = (
    ("contact.first_name", lazy("first name")),
    ("contact.last_name", lazy("last name")),
    ("contact.title", lazy("role in the company")),
    ("contact.city", lazy("city")),
    ("company.name", lazy("company")),
    ("offer.name", lazy("the offer, in a campaign with one")),
    ("offer.until", lazy("its last day")),
    ("voucher.code", lazy("the personal code")),
    ("sender.name", lazy("who writes")),
    ("links.preferences", lazy("the page where they choose what to receive")),
)


def waited(since: datetime) -> str:
    """How long something has waited: "3 hr", "3 h" in Italian."""
    return format_timedelta(utc_now() - since, granularity="minute", format="short", locale=locale_code())


def reason_text(code: str) -> str:
    """The sentence of a machine reason, '' for none."""
    return translated(sentence(code)) if code else ""


def rule_text(code: str) -> str:
    """What a network allows, in words."""
    return translated(RULE_SENTENCES[code])


def attempt_text(line: AttemptLine, *, files_sent: bool) -> str:
    """One line of a message's life: a try and its end, what a look into the mailbox has shown, or a decision."""
    if line.stage == READ_BACK and line.code == ABSENT:
        if files_sent:
            return _("Looked: not among the sent mail. This server files what it sends, so it probably never left.")
        return _("Looked: not among the sent mail. That alone proves nothing: not every server files what it sends.")
    if line.stage == READ_BACK and line.code.startswith("imap_"):
        return _("Could not look among the sent mail. %(reason)s", reason=reason_text(line.code))
    if line.stage in {READ_BACK, "decided"} or line.code == FOUND:
        return reason_text(line.code)
    result = reason_text(line.code) or _("no answer known yet")
    return _("Try %(n)s: %(result)s", n=line.number, result=result)


def moved_text(line: Timed, reason: str) -> str:
    """Where a message leaves later than agreed: what was agreed, and why it waits; '' for all others."""
    if not is_moved(line):
        return ""
    return _("Planned for %(time)s. %(reason)s", time=moment(line.planned_at), reason=reason_text(reason)).strip()


def weekday(on: date, *, is_short: bool = False) -> str:
    """A day by its weekday: "Monday 23 November", or only "Mon"."""
    return format_date(on, "EEE" if is_short else "EEEE d MMMM", rebase=False)


def way_text(way: Way) -> str:
    """The lawful next step in words."""
    return translated(way_sentence(way))
