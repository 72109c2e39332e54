"""Owns how the timeline is put into words and icons."""

from dataclasses import dataclass
from typing import Final

from crm.accounts.places import Words
from crm.channels.sentences import N_
from crm.contacts.words import CHANNEL_ICONS, CHANNEL_WORDS
from crm.interactions.kinds import (
    Direction,
    HistoryFormat,
    HistoryState,
    InteractionKind,
    LeftOut,
    Sentiment,
    StandardLabel,
    Tone,
    Visibility,
)
from crm.interactions.queries import Exchange, TimelineEntry
from crm.interactions.timeline_models import HistoryFile
from crm.web.i18n import _, lazy, ngettext

KIND_LABELS: Final = {
    InteractionKind.MESSAGE_SENT: lazy("Message from us"),
    InteractionKind.MESSAGE_RECEIVED: lazy("Message from them"),
    InteractionKind.MESSAGE_IN_GROUP: lazy("Message in a group"),
    InteractionKind.CALL: lazy("Call"),
    InteractionKind.MEETING: lazy("Meeting"),
    InteractionKind.NOTE: lazy("Note"),
    InteractionKind.COMMENT: lazy("Comment"),
    InteractionKind.MENTION: lazy("Mention"),
    InteractionKind.LIKE: lazy("Like"),
    InteractionKind.SHARE: lazy("Share"),
    InteractionKind.FOLLOW: lazy("New follower"),
    InteractionKind.REVIEW: lazy("Public review"),
    InteractionKind.PURCHASE: lazy("Purchase"),
    InteractionKind.VISIT: lazy("Visit"),
    InteractionKind.POINTS_EARNED: lazy("Points earned"),
    InteractionKind.POINTS_SPENT: lazy("Points spent"),
    InteractionKind.OFFER_GIVEN: lazy("Offer given"),
    InteractionKind.OFFER_REDEEMED: lazy("Offer used"),
    InteractionKind.FIELD_CHANGED: lazy("Value changed"),
    InteractionKind.CONSENT_CHANGED: lazy("Consent changed"),
    InteractionKind.DEAL_CREATED: lazy("New deal"),
    InteractionKind.DEAL_MOVED: lazy("Deal moved on"),
    InteractionKind.DEAL_WON: lazy("Deal won"),
    InteractionKind.DEAL_LOST: lazy("Deal lost"),
}
KIND_ICONS: Final = {
    InteractionKind.MESSAGE_SENT: "send",
    InteractionKind.MESSAGE_RECEIVED: "mail",
    InteractionKind.MESSAGE_IN_GROUP: "users",
    InteractionKind.CALL: "phone",
    InteractionKind.MEETING: "users",
    InteractionKind.NOTE: "note",
    InteractionKind.COMMENT: "message-circle",
    InteractionKind.MENTION: "at",
    InteractionKind.LIKE: "heart",
    InteractionKind.SHARE: "share",
    InteractionKind.FOLLOW: "user-plus",
    InteractionKind.REVIEW: "star",
    InteractionKind.PURCHASE: "shopping-bag",
    InteractionKind.VISIT: "building-store",
    InteractionKind.POINTS_EARNED: "coins",
    InteractionKind.POINTS_SPENT: "coins",
    InteractionKind.OFFER_GIVEN: "gift",
    InteractionKind.OFFER_REDEEMED: "gift",
    InteractionKind.FIELD_CHANGED: "pencil",
    InteractionKind.CONSENT_CHANGED: "shield-check",
    InteractionKind.DEAL_CREATED: "briefcase",
    InteractionKind.DEAL_MOVED: "briefcase",
    InteractionKind.DEAL_WON: "trophy",
    InteractionKind.DEAL_LOST: "briefcase-off",
}
#: What a person writes down by hand, in the order in which it is offered; own kinds follow.
LOGGED: Final = (
    InteractionKind.NOTE,
    InteractionKind.CALL,
    InteractionKind.MEETING,
    InteractionKind.COMMENT,
    InteractionKind.MENTION,
    InteractionKind.REVIEW,
    InteractionKind.VISIT,
    InteractionKind.PURCHASE,
    InteractionKind.MESSAGE_RECEIVED,
    InteractionKind.MESSAGE_SENT,
    InteractionKind.LIKE,
    InteractionKind.SHARE,
    InteractionKind.FOLLOW,
)
SENTIMENT_LABELS: Final = {
    Sentiment.POSITIVE: lazy("positive"),
    Sentiment.NEUTRAL: lazy("neutral"),
    Sentiment.NEGATIVE: lazy("negative"),
}
#: The names under which the labels that every workspace has are made; afterwards they may be called otherwise.
LABEL_NAMES: Final = {StandardLabel.FEEDBACK: lazy("Feedback"), StandardLabel.COMPLAINT: lazy("Complaint")}
TONE_LABELS: Final = {
    Tone.PLAIN: lazy("grey"),
    Tone.ACCENT: lazy("blue"),
    Tone.OK: lazy("green"),
    Tone.WAIT: lazy("amber"),
    Tone.BAD: lazy("red"),
}
HISTORY_FORMATS: Final = {
    HistoryFormat.WHATSAPP: lazy("WhatsApp chat"),
    HistoryFormat.LINKEDIN: lazy("LinkedIn messages"),
    HistoryFormat.INSTAGRAM: lazy("Instagram messages"),
    HistoryFormat.CALENDAR: lazy("Calendar"),
}
HISTORY_STATES: Final = {
    HistoryState.UPLOADED: (lazy("waits for you"), "wait"),
    HistoryState.QUEUED: (lazy("waits for a worker"), "plain"),
    HistoryState.RUNNING: (lazy("runs"), "accent"),
    HistoryState.DONE: (lazy("done"), "ok"),
    HistoryState.FAILED: (lazy("failed"), "bad"),
}
#: How the bell tells what this domain has to say.
TOLD: Final = {
    "history": Words(lazy("History"), "history"),
    "history.started": Words(lazy("Brought history in"), "history"),
    "note.mentioned": Words(lazy("%(who)s mentioned you in a note"), "at"),
    "contact.handed_over": Words(lazy("%(who)s handed %(name)s over to you"), "user-plus"),
    "negatives.spike": Words(lazy("%(count)s unhappy people today; usual are %(usual)s."), "alert-circle"),
}
#: The filters of the timeline: name, label, kinds.
TIMELINE_FILTERS: Final = (
    ("", lazy("All"), ()),
    (
        "messages",
        lazy("Messages"),
        (InteractionKind.MESSAGE_SENT, InteractionKind.MESSAGE_RECEIVED, InteractionKind.MESSAGE_IN_GROUP),
    ),
    ("calls", lazy("Calls and meetings"), (InteractionKind.CALL, InteractionKind.MEETING)),
    ("notes", lazy("Notes"), (InteractionKind.NOTE,)),
    ("comments", lazy("Comments"), (InteractionKind.COMMENT, InteractionKind.MENTION, InteractionKind.REVIEW)),
    ("purchases", lazy("Purchases"), (InteractionKind.PURCHASE, InteractionKind.VISIT)),
    (
        "deals",
        lazy("Deals"),
        (
            InteractionKind.DEAL_CREATED,
            InteractionKind.DEAL_MOVED,
            InteractionKind.DEAL_WON,
            InteractionKind.DEAL_LOST,
        ),
    ),
    (
        "points",
        lazy("Points"),
        (
            InteractionKind.POINTS_EARNED,
            InteractionKind.POINTS_SPENT,
            InteractionKind.OFFER_GIVEN,
            InteractionKind.OFFER_REDEEMED,
        ),
    ),
)


#: What was done, as a line says it.
_DID: Final = {
    InteractionKind.MESSAGE_SENT: lazy("wrote"),
    InteractionKind.MESSAGE_RECEIVED: lazy("answered"),
    InteractionKind.MESSAGE_IN_GROUP: lazy("wrote in a group"),
    InteractionKind.CALL: lazy("called"),
    InteractionKind.MEETING: lazy("met in person"),
    InteractionKind.NOTE: lazy("noted"),
    InteractionKind.COMMENT: lazy("commented"),
    InteractionKind.MENTION: lazy("mentioned us"),
    InteractionKind.LIKE: lazy("liked a post"),
    InteractionKind.SHARE: lazy("shared a post"),
    InteractionKind.FOLLOW: lazy("began to follow us"),
    InteractionKind.REVIEW: lazy("wrote a review"),
    InteractionKind.PURCHASE: lazy("bought something"),
    InteractionKind.VISIT: lazy("came by"),
    InteractionKind.OFFER_GIVEN: lazy("gave an offer"),
    InteractionKind.OFFER_REDEEMED: lazy("made use of an offer"),
    InteractionKind.FIELD_CHANGED: lazy("value changed"),
    InteractionKind.CONSENT_CHANGED: lazy("consent changed"),
    InteractionKind.DEAL_CREATED: lazy("began a deal"),
    InteractionKind.DEAL_MOVED: lazy("moved a deal"),
    InteractionKind.DEAL_WON: lazy("won a deal"),
    InteractionKind.DEAL_LOST: lazy("lost a deal"),
}
#: The same where the channel is known.
_DID_ON: Final = {
    InteractionKind.MESSAGE_SENT: N_("wrote by %(channel)s"),
    InteractionKind.MESSAGE_RECEIVED: N_("answered by %(channel)s"),
    InteractionKind.MESSAGE_IN_GROUP: N_("wrote in a group on %(channel)s"),
    InteractionKind.COMMENT: N_("commented on %(channel)s"),
    InteractionKind.MENTION: N_("mentioned us on %(channel)s"),
}
_POINTS: Final = {
    InteractionKind.POINTS_EARNED: N_("earned %(points)s points"),
    InteractionKind.POINTS_SPENT: N_("spent %(points)s points"),
}
#: What somebody of the house does; a program or a rule does it in the name of all.
_OURS: Final = frozenset(
    {
        InteractionKind.MESSAGE_SENT,
        InteractionKind.CALL,
        InteractionKind.MEETING,
        InteractionKind.NOTE,
        InteractionKind.OFFER_GIVEN,
        InteractionKind.DEAL_CREATED,
        InteractionKind.DEAL_MOVED,
        InteractionKind.DEAL_WON,
        InteractionKind.DEAL_LOST,
    }
)
#: How two people last had to do with each other, behind the date.
_EXCHANGED: Final = {
    InteractionKind.MESSAGE_SENT: lazy("you wrote"),
    InteractionKind.MESSAGE_RECEIVED: lazy("wrote to us"),
    InteractionKind.CALL: lazy("by phone"),
    InteractionKind.MEETING: lazy("met in person"),
    InteractionKind.COMMENT: lazy("commented"),
    InteractionKind.MENTION: lazy("mentioned us"),
    InteractionKind.REVIEW: lazy("wrote a review"),
    InteractionKind.PURCHASE: lazy("bought something"),
    InteractionKind.VISIT: lazy("came by"),
    InteractionKind.OFFER_REDEEMED: lazy("used an offer"),
}
_EXCHANGED_BY: Final = {
    InteractionKind.MESSAGE_SENT: N_("you wrote by %(channel)s"),
    InteractionKind.MESSAGE_RECEIVED: N_("by %(channel)s"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in words: who did what, on which side of the thread, with which icon."""

    side: str
    who: str
    did: str
    icon: str
    tags: tuple[tuple[str, str], ...] = ()


def line(entry: TimelineEntry, *, viewer_id: object, about: str = "") -> Line:
    """The entry as one line; `about` is said where the page isn't the person's own (on a company's page)."""
    inbound = entry.direction == Direction.INBOUND
    person = entry.contact_name or entry.address or _("Somebody")
    us = _("You") if entry.author_id and entry.author_id == viewer_id else entry.author_name
    if not us and entry.kind in _OURS:
        us = _("We")
    icon = entry.own_icon or KIND_ICONS.get(entry.kind, "point")  # type: ignore[call-overload]
    if entry.kind in {InteractionKind.MESSAGE_SENT, InteractionKind.MESSAGE_RECEIVED}:
        icon = CHANNEL_ICONS.get(entry.channel, icon)  # type: ignore[call-overload]
    side = "them" if inbound else "us" if entry.body or entry.subject else "event"
    if inbound and not (entry.body or entry.subject):
        side = "event"
    who = person if inbound or entry.kind in _POINTS else us
    did = _did(entry)
    if about and not inbound and entry.kind not in _POINTS:
        did = _("%(did)s, with %(name)s", did=did, name=about)
    return Line(side, who, did, icon, _tags(entry))


def _did(entry: TimelineEntry) -> str:
    channel = CHANNEL_WORDS.get(entry.channel or "")
    if channel and entry.kind in _DID_ON:
        said = _(_DID_ON[entry.kind], channel=channel)  # type: ignore[index]
    elif entry.kind in _POINTS:
        said = _(_POINTS[entry.kind], points=abs(entry.points or 0))  # type: ignore[index]
    else:
        said = entry.own_name or str(_DID.get(entry.kind, entry.kind))  # type: ignore[call-overload]
    return _("%(did)s, %(num)s minutes", did=said, num=entry.duration_minutes) if entry.duration_minutes else said


def _tags(entry: TimelineEntry) -> tuple[tuple[str, str], ...]:
    tags = []
    if entry.is_automatic and entry.direction == Direction.INBOUND:
        tags.append((_("automatic"), "plain"))
    if entry.sentiment == Sentiment.NEGATIVE:
        is_open = entry.direction == Direction.INBOUND and entry.answered_at is None
        tags.append((_("negative, unanswered") if is_open else _("negative"), "bad"))
    elif entry.sentiment == Sentiment.POSITIVE:
        tags.append((_("positive"), "ok"))
    tags += [(label.name, label.tone.value) for label in entry.labels]
    if entry.edited_at is not None:
        tags.append((_("edited"), "plain"))
    if entry.visibility == Visibility.PRIVATE:
        tags.append((_("only you"), "plain"))
    return tuple(tags)


def history_sentences(row: HistoryFile) -> list[str]:
    """What became of the rest of a brought-in history: why things were left out, and which files were kept."""
    counts = {reason: int(row.left_why.get(reason.value, 0)) for reason in LeftOut}
    found = [
        (
            counts[LeftOut.NOBODY],
            ngettext(
                "%(num)d entry names nobody you chose.",
                "%(num)d entries name nobody you chose.",
                counts[LeftOut.NOBODY],
            ),
        ),
        (
            counts[LeftOut.GROUP],
            ngettext(
                "%(num)d message of yours went to a large group, and is on nobody’s timeline.",
                "%(num)d messages of yours went to a large group, and are on nobody’s timeline.",
                counts[LeftOut.GROUP],
            ),
        ),
        (
            counts[LeftOut.AHEAD],
            ngettext("%(num)d entry lies in the future.", "%(num)d entries lie in the future.", counts[LeftOut.AHEAD]),
        ),
        (
            row.files_kept,
            ngettext("%(num)d file is beside its message.", "%(num)d files are beside their messages.", row.files_kept),
        ),
        (
            row.files_left,
            ngettext(
                "%(num)d file is too large, damaged or one too many, and was not kept.",
                "%(num)d files are too large, damaged or too many, and were not kept.",
                row.files_left,
            ),
        ),
    ]
    return [sentence for count, sentence in found if count]


def exchange_text(exchange: Exchange) -> str:
    """How the last exchange happened, behind its date: "by e-mail", "commented", "met in person"."""
    channel = CHANNEL_WORDS.get(exchange.channel or "")
    if channel and exchange.kind in _EXCHANGED_BY:
        return _(_EXCHANGED_BY[exchange.kind], channel=channel)  # type: ignore[index]
    return str(_EXCHANGED.get(exchange.kind, ""))  # type: ignore[call-overload]
