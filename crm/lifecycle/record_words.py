"""The words of the records of processing activities (GDPR, article 30), made from what a workspace has set up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from crm.accounts.kinds import RecordAccess
from crm.accounts.words import ROLES
from crm.consent.kinds import Basis
from crm.consent.rules import ANY
from crm.consent.words import BASIS_LABELS
from crm.contacts.words import CHANNEL_WORDS
from crm.interactions.words import HISTORY_FORMATS
from crm.lifecycle.queries.records import Setup
from crm.lifecycle.rules.records import Activity, OwnText
from crm.lifecycle.rules.retention import DataClass
from crm.web.i18n import _, lazy, ngettext

OWN_TEXTS: Final = {
    OwnText.CONTROLLER: (lazy("Controller"), lazy("Name, address and how to reach you, and any joint controller.")),
    OwnText.REPRESENTATIVE: (lazy("Representative"), lazy("Only for firms outside the European Union.")),
    OwnText.DPO: (lazy("Data protection officer"), lazy("Name and contact, where there is one.")),
    OwnText.RECIPIENTS: (
        lazy("Further recipients"),
        lazy("Whoever else gets data: hosting, accountant, agency. Your sender accounts are listed by themselves."),
    ),
    OwnText.TRANSFERS: (
        lazy("Transfers to third countries"),
        lazy("Which country, and on which safeguard; leave it empty when there is none."),
    ),
    OwnText.MEASURES: (
        lazy("Further security measures"),
        lazy("Locks, backups elsewhere, training: what this program can’t know."),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One activity in words; each field is a list of short texts."""

    activity: Activity
    name: str
    purposes: Sequence[str]
    people: Sequence[str]
    data: Sequence[str]
    bases: Sequence[str]
    sources: Sequence[str]
    recipients: Sequence[str]
    kept: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The whole record: what the house says of itself, one line for each activity, transfers, and measures."""

    house: str
    own: Mapping[OwnText, str]
    lines: Sequence[Line]
    transfers: Sequence[str]
    measures: Sequence[str]
    updated_at: datetime | None


#: The parts of a line, and what they are called.
PARTS: Final = {
    "purposes": lazy("Purposes"),
    "people": lazy("Whose data"),
    "data": lazy("Which data"),
    "bases": lazy("Legal basis"),
    "sources": lazy("Where they come from"),
    "recipients": lazy("Who gets them"),
    "kept": lazy("How long"),
}


def sheet(found: Setup, *, backup_days: int) -> Sheet:
    """The record in the reader's language; `backup_days` is how long the installation keeps backups."""
    own = dict(found.texts)
    own[OwnText.CONTROLLER] = own[OwnText.CONTROLLER] or "\n".join(filter(None, (found.house, found.postal_address)))
    return Sheet(
        house=found.house,
        own=own,
        lines=[_WRITERS[activity](found, backup_days) for activity in found.activities],
        transfers=_own(own[OwnText.TRANSFERS]) or [_("None that we know of.")],
        measures=[*_measures(found, backup_days), *_own(own[OwnText.MEASURES])],
        updated_at=found.updated_at,
    )


def _own(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _bases(bases: Iterable[Basis]) -> list[str]:
    return [str(BASIS_LABELS[basis]) for basis in bases]


def _days(found: Setup, kind: DataClass, what: str) -> list[str]:
    days = found.days[kind]
    if days is None:
        return []
    return [ngettext("%(what)s: %(num)s day", "%(what)s: %(num)s days", days, what=what)]


def _channels(found: Setup) -> list[str]:
    """The accounts from which messages leave, with the server that carries them."""
    return [
        f"{CHANNEL_WORDS.get(one.channel, one.channel)}: {' / '.join(filter(None, (one.address, one.server)))}"
        for one in found.senders
    ]


def _recipients(found: Setup, *more: str) -> list[str]:
    return [*more, *_own(found.texts[OwnText.RECIPIENTS])] or [_("Nobody outside the house")]


def _sources(found: Setup) -> list[str]:
    named = [_("Imported: %(source)s", source=source) for source in found.sources]
    if found.more_sources:
        named.append(ngettext("%(num)s further import", "%(num)s further imports", found.more_sources))
    return [_("The people themselves"), _("Written down by colleagues"), *named]


def _relations(found: Setup, backup_days: int) -> Line:
    extra = [_("Own fields: %(names)s", names=", ".join(found.custom_fields))] if found.custom_fields else []
    if found.has_deals:
        extra.append(_("Deals: amount, stage, outcome"))
    return Line(
        activity=Activity.RELATIONS,
        name=_("Looking after relations"),
        purposes=[_("To know customers, prospects and partners and to look after the relation with them")],
        people=[_("Customers, prospects, partners, press, followers"), _("Contact persons of companies")],
        data=[
            _("Name, role, company, language, place, birthday, interests"),
            _("Addresses on each channel, with their history"),
            _("Notes, calls, meetings, tasks and promises"),
            *extra,
        ],
        bases=_bases(found.import_bases or [Basis.LEGITIMATE_INTEREST]),
        sources=_sources(found),
        recipients=_recipients(found),
        kept=[
            _("As long as the relation lasts, or until they ask for erasure"),
            *_days(found, DataClass.INACTIVE_LEADS, _("Followers, leads and prospects without any exchange")),
            *_days(found, DataClass.DELETED_PEOPLE, _("Deleted people, then erased")),
            *_days(found, DataClass.READ_FILES, _("Files that were imported")),
            *_days(found, DataClass.REFUSED_ROWS, _("Rows that an import refused")),
            *_days(found, DataClass.CHANGE_VALUES, _("Values before a change to many")),
            ngettext("Backups: %(num)s day", "Backups: %(num)s days", backup_days),
        ],
    )


def _correspondence(found: Setup, _backup_days: int) -> Line:
    histories = [str(HISTORY_FORMATS[one]) for one in found.histories]
    return Line(
        activity=Activity.CORRESPONDENCE,
        name=_("Correspondence"),
        purposes=[_("To write to people one by one, to answer them, and to know what was said")],
        people=[_("Whoever we write to, and whoever writes to us")],
        data=[_("Messages sent and received, comments and mentions, files"), _("Whether a message arrived")],
        bases=_bases(found.personal),
        sources=[_("The people themselves"), *histories],
        recipients=_recipients(found, *_channels(found)),
        kept=[
            _("As long as the relation lasts, or until they ask for erasure"),
            *_days(found, DataClass.RAW_MAILS, _("Mails as they came in")),
            *_days(found, DataClass.REMOVED_TEXTS, _("Texts of removed entries")),
            *_days(found, DataClass.CHAT_FILES, _("Files of chats and calendars")),
        ],
    )


def _channel(name: str) -> str:
    return _("Every other channel") if name == ANY else str(CHANNEL_WORDS.get(name, name))


def _promotions(found: Setup, _backup_days: int) -> Line:
    bases = [
        f"{_channel(channel)}: {', '.join(_bases(allowed))}"
        for channel, allowed in sorted(found.promotional.items(), reverse=True)
        if allowed
    ]
    return Line(
        activity=Activity.PROMOTIONS,
        name=_("Promotions one to few"),
        purposes=[_("To send news and offers to few people who agreed to it")],
        people=[_("Customers and prospects who agreed")],
        data=[
            _("Name, address, language, segment"),
            _("Consents and objections with wording, source and date"),
            _("What was sent, answered and redeemed"),
        ],
        bases=bases,
        sources=_sources(found),
        recipients=_recipients(found, *_channels(found)),
        kept=[
            _("Until they object or ask for erasure"),
            _("Proof of consents and objections: without end, without a name after an erasure"),
        ],
    )


def _loyalty(found: Setup, _backup_days: int) -> Line:
    months = [
        ngettext("Points: %(num)s month", "Points: %(num)s months", one) for one in found.points_months if one
    ] or [_("Points: as long as the programme runs")]
    return Line(
        activity=Activity.LOYALTY,
        name=_("Loyalty programme"),
        purposes=[_("To give points, offers and codes to members and to redeem them")],
        people=[_("Members of the programme")],
        data=[_("Membership, points with their reason, codes and when they were used")],
        bases=_bases([Basis.CONTRACT]),
        sources=[_("The people themselves"), _("What members do")],
        recipients=_recipients(found),
        kept=[*months, _("Movements of points: for the accounts, without a name after an erasure")],
    )


def _lookups(found: Setup, _backup_days: int) -> Line:
    names = ", ".join(found.lookups)
    return Line(
        activity=Activity.LOOKUPS,
        name=_("Looking up companies"),
        purposes=[_("To complete what is known of companies, as a suggestion that somebody accepts or not")],
        people=[_("Contact persons of companies")],
        data=[_("Address, phone and description of the company")],
        bases=_bases([Basis.LEGITIMATE_INTEREST]),
        sources=[_("Public sources: %(names)s", names=names)],
        recipients=_recipients(found),
        kept=[_("As long as the relation lasts, or until they ask for erasure")],
    )


def _profiling(found: Setup, _backup_days: int) -> Line:
    bases = [Basis.CONSENT, Basis.LEGITIMATE_INTEREST] if found.profiling else [Basis.LEGITIMATE_INTEREST]
    return Line(
        activity=Activity.PROFILING,
        name=_("Segments and warmth"),
        purposes=[
            _("To decide whom to write to, by rules that everybody can read; no decision is taken by a machine alone")
        ],
        people=[_("Customers, prospects, partners, press, followers")],
        data=[_("Segments, and a figure of how lively the exchange is, with its arithmetic")],
        bases=_bases(bases),
        sources=[_("Computed from the other data")],
        recipients=_recipients(found),
        kept=[_("As long as the data they are computed from")],
    )


def _colleagues(found: Setup, _backup_days: int) -> Line:
    return Line(
        activity=Activity.COLLEAGUES,
        name=_("Accounts of colleagues"),
        purposes=[_("To let colleagues sign in, and to know who did what")],
        people=[_("Whoever works with this program")],
        data=[_("Name, e-mail, role, sign-ins with address and device"), _("Audit log: who changed what, and when")],
        bases=_bases([Basis.CONTRACT, Basis.LEGITIMATE_INTEREST]),
        sources=[_("The people themselves")],
        recipients=_recipients(found),
        kept=[
            _("As long as they work here; who did what without end"),
            *_days(found, DataClass.AUDIT_VALUES, _("Values in the audit log")),
        ],
    )


def _requests(found: Setup, backup_days: int) -> Line:
    return Line(
        activity=Activity.REQUESTS,
        name=_("Rights of the people"),
        purposes=[_("To answer requests for a copy, erasure, limits and objections, and to keep to them")],
        people=[_("Whoever makes a request")],
        data=[
            _("Limits on processing with reason and date"),
            _("After an erasure a keyed fingerprint of each address, no name"),
            _("Addresses that get nothing any more, as a keyed fingerprint"),
        ],
        bases=[_("Legal obligation")],
        sources=[_("The people themselves")],
        recipients=_recipients(found),
        kept=[
            _("Without end, so that no import brings anybody back"),
            ngettext("Backups: %(num)s day", "Backups: %(num)s days", backup_days),
        ],
    )


_WRITERS: Final[Mapping[Activity, Callable[[Setup, int], Line]]] = {
    Activity.RELATIONS: _relations,
    Activity.CORRESPONDENCE: _correspondence,
    Activity.PROMOTIONS: _promotions,
    Activity.LOYALTY: _loyalty,
    Activity.LOOKUPS: _lookups,
    Activity.PROFILING: _profiling,
    Activity.COLLEAGUES: _colleagues,
    Activity.REQUESTS: _requests,
}

_REACH: Final = {
    RecordAccess.OWN: lazy("their own people"),
    RecordAccess.TEAM: lazy("the people of their team"),
}


def _measures(found: Setup, backup_days: int) -> list[str]:
    """The security measures that this program takes, as they are set here."""
    roles = ", ".join(f"{ROLES[role]} {count}" for role, count in found.colleagues.items())
    reaches = {role: found.record_access.get(role.value, RecordAccess.ALL) for role in found.colleagues}
    narrowed = [
        _("%(role)s sees %(people)s", role=ROLES[role], people=_REACH[reach])
        for role, reach in reaches.items()
        if reach is not RecordAccess.ALL
    ]
    return [
        _("Second factor at sign-in: required for everybody")
        if found.needs_second_factor
        else _("Second factor at sign-in: everybody’s own choice"),
        _("Passwords are kept as argon2id digests; too many tries are slowed down"),
        _("Rights by role: %(roles)s", roles=roles),
        *narrowed,
        _("The database itself keeps workspaces apart, row by row"),
        _("Passwords of mailboxes and keys of channels are encrypted"),
        _("An audit log that nobody can change says who did what"),
        _("Each message passes a gate that checks consent, objections and limits at the moment of sending"),
        ngettext(
            "Backups are kept for %(num)s day; a restore erases again who was erased",
            "Backups are kept for %(num)s days; a restore erases again who was erased",
            backup_days,
        ),
    ]
