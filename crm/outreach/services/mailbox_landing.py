"""Owns what the mail of a mailbox becomes: entries dated when it happened, answered conversations, settled messages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from crm.accounts.models import Membership, User
from crm.accounts.rules import Actor
from crm.channels.base import Attachment, AutoReply, ChannelKind, Reply
from crm.consent import erased
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose
from crm.contacts.models import Contact, Handle
from crm.db import among
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind
from crm.interactions.models import Interaction
from crm.interactions.services import copies
from crm.interactions.services.landing import backfill
from crm.outreach.kinds import ConversationState
from crm.outreach.links import hide_tokens
from crm.outreach.models import Conversation, Message, SenderAccount
from crm.outreach.services.mailbox_turns import Turn
from crm.outreach.setup import files_folder, links
from crm.outreach.sifting import Letter, Place, Surroundings, is_known, norm

#: Entries point at their mailbox by this.
SOURCE_KIND: Final = "mailbox"
_CHANNEL: Final = ChannelKind.EMAIL.value
#: Characters of an old mail that are kept; what is longer has other people's words below.
MOST_TEXT: Final = 100_000
#: Addresses of machines, which nobody wants to add as people.
_MACHINES: Final = ("noreply", "no-reply", "donotreply", "do-not-reply", "mailer-daemon", "bounce", "notification")


@dataclass(frozen=True, slots=True)
class Words:
    """What is kept of a mail that was fetched: small, so that a page of them is, too."""

    letter: Letter
    event_id: str
    subject: str
    text: str
    is_automatic: bool
    opt_out: bool
    files: tuple[Attachment, ...] = ()

    @classmethod
    def of(cls, letter: Letter, parsed: Reply, *, with_files: bool) -> "Words":
        """The words of a mail; its files only where they are wanted."""
        return cls(
            letter=letter,
            event_id=letter.message_id or parsed.event_id,
            subject=parsed.subject[:200],
            text=hide_tokens(parsed.text[:MOST_TEXT]),
            is_automatic=isinstance(parsed, AutoReply),
            opt_out=parsed.opt_out,
            files=tuple(one for one in parsed.attachments if not one.is_inline) if with_files else (),
        )


def surroundings(session: Session, actor: Actor, *, letters: Sequence[Letter]) -> Surroundings:
    """What is known here of the people, ids and tokens in a page, in a handful of questions."""
    people = sorted({address for letter in letters for address in letter.people})
    ids = sorted({one for letter in letters for one in (letter.message_id, *letter.names) if one})
    colleagues = _colleagues(session, people)
    unknown = set(people) - colleagues
    places = _places(session, people)
    entries = [letter.message_id for letter in letters if letter.message_id]
    entries += [f"{letter.message_id}#{one}" for letter in letters for one in letter.recipients if letter.message_id]
    return Surroundings(
        places=places,
        colleagues=colleagues,
        erased={one for _, one in erased.known(session, actor, pairs=[(_CHANNEL, one) for one in unknown])},
        ours={one for one in session.scalars(select(Message.reference).where(among(Message.reference, ids))) if one},
        tokens=_live_tokens(session, {token for letter in letters for token in letter.tokens}),
        logged=_logged(session, entries),
    )


def _colleagues(session: Session, people: Collection[str]) -> set[str]:
    users = (
        select(User.email_norm)
        .join(Membership, Membership.user_id == User.id)
        .where(among(User.email_norm, people), Membership.ended_at.is_(None))
    )
    own = select(func.lower(SenderAccount.address)).where(SenderAccount.deleted_at.is_(None))
    known = set(session.scalars(users))
    return known | {norm(one) for one in session.scalars(own) if norm(one) in set(people)}


def _places(session: Session, people: Collection[str]) -> dict[str, Place]:
    """Live addresses; those of people who were deleted have no timeline."""
    rows = session.execute(
        select(Handle.address_norm, Handle.id, Handle.contact_id, Handle.company_id, Contact.deleted_at)
        .outerjoin(Contact, Contact.id == Handle.contact_id)
        .where(Handle.channel == ChannelKind.EMAIL, among(Handle.address_norm, people), Handle.deleted_at.is_(None))
    )
    return {row.address_norm: Place(row.id, row.contact_id, row.company_id) for row in rows if row.deleted_at is None}


def _live_tokens(session: Session, tokens: Collection[str]) -> set[str]:
    """Those that name a message that we sent, or the address for copies of a colleague."""
    live = {token for token in tokens if copies.holder_of(session, tokens=[token.lower()]) is not None}
    named = {token: links().read_reply_token(token) for token in set(tokens) - live}
    found = set(session.scalars(select(Message.id).where(among(Message.id, [one for one in named.values() if one]))))
    return live | {token for token, message_id in named.items() if message_id in found}


def is_ours(session: Session, *, reference: str | None, token: str | None) -> bool:
    """Whether a report is about a message of ours, by the Message-ID or the token that it names."""
    if reference and session.scalars(select(Message.id).where(Message.reference == reference)).first() is not None:
        return True
    return bool(token) and bool(_live_tokens(session, {token or ""}))


def _logged(session: Session, ids: Collection[str]) -> set[str]:
    rows = session.scalars(
        select(Interaction.external_id).where(Interaction.channel == _CHANNEL, among(Interaction.external_id, ids))
    )
    return {one for one in rows if one}


def land_history(
    session: Session, actor: Actor, turn: Turn, *, brought: Sequence[Words], around: Surroundings, now: datetime
) -> int:
    """Put old mail that we received on the timelines of its authors; how much was new.

    It is dated when it happened and tells nobody: no conversation waits, no campaign ends, no bell rings. Only a no
    counts, however old it is: whoever wrote STOP to us did so in good faith, and a newer yes outweighs it by its date.
    """
    entries = [_received(turn, words, around.places[words.letter.author]) for words in brought]
    added = backfill(session, actor, entries=entries, now=now)
    for words in brought:
        contact_id = around.places[words.letter.author].contact_id
        if words.opt_out and contact_id is not None:
            _said_no(session, actor, contact_id, words, now=now)
    return added


def _received(turn: Turn, words: Words, place: Place) -> interactions.Entry:
    return interactions.Entry(
        kind=InteractionKind.MESSAGE_RECEIVED,
        direction=Direction.INBOUND,
        contact_id=place.contact_id,
        company_id=None if place.contact_id else place.company_id,
        handle_id=place.handle_id,
        channel=_CHANNEL,
        happened_at=words.letter.at,
        subject=words.subject,
        body=words.text,
        external_id=words.event_id,
        source_kind=SOURCE_KIND,
        source_id=turn.mailbox_id,
        is_automatic=words.is_automatic,
    )


def _said_no(session: Session, actor: Actor, contact_id: UUID, words: Words, *, now: datetime) -> None:
    for purpose in (ConsentPurpose.PROMOTIONAL, ConsentPurpose.PERSONAL):
        consent.record(
            session,
            actor,
            contact_id=contact_id,
            purpose=purpose,
            channel=ChannelKind.EMAIL,
            action=ConsentAction.WITHDRAWN,
            basis=Basis.CONSENT,
            source="stop_word",
            wording=words.text[:200],
            happened_at=words.letter.at,
            now=now,
        )


def land_sent(
    session: Session,
    actor: Actor,
    turn: Turn,
    *,
    sent: Sequence[Words],
    around: Surroundings,
    is_fresh: bool,
    now: datetime,
) -> int:
    """Put mail that somebody wrote in another program on the timelines of all known recipients; how many entries.

    It answers what these people wrote to us before. Whoever is told of new entries hears of fresh ones only.
    """
    added = 0
    entries: list[interactions.Entry] = []
    for words in sent:
        author_id = _author(session, words.letter.author) or turn.user_id
        own = [
            _sent_to(turn, words, one, place, author_id)
            for one, place in _recipients(words.letter, turn, around).items()
        ]
        if is_fresh:
            rows = interactions.log_many(session, actor, entries=own, now=now)
            interactions.attach_copies(
                session,
                actor,
                entry_ids=[row.id for row in rows],
                files=[(one.filename, one.content_type, one.content) for one in words.files],
                folder=files_folder(),
                created_by_id=author_id,
            )
            added += len(rows)
        entries += own
    if not is_fresh:
        added = backfill(session, actor, entries=entries, now=now)
    _answered(session, entries)
    return added


def _recipients(letter: Letter, turn: Turn, around: Surroundings) -> Mapping[str, Place]:
    """The known recipients, each person or company once however many of their addresses are named."""
    found: dict[object, tuple[str, Place]] = {}
    for one in letter.recipients:
        if one != letter.author and is_known(one, turn.rules, around):
            place = around.places[one]
            found.setdefault(place.contact_id or place.company_id or place.handle_id, (one, place))
    return dict(found.values())


def _sent_to(turn: Turn, words: Words, address: str, place: Place, author_id: UUID | None) -> interactions.Entry:
    return interactions.Entry(
        kind=InteractionKind.MESSAGE_SENT,
        direction=Direction.OUTBOUND,
        contact_id=place.contact_id,
        company_id=None if place.contact_id else place.company_id,
        handle_id=place.handle_id,
        channel=_CHANNEL,
        happened_at=words.letter.at,
        subject=words.subject,
        body=words.text,
        # As of a copy sent to the address for the history, so that both are one.
        external_id=f"{words.event_id}#{address}",
        source_kind=SOURCE_KIND,
        source_id=turn.mailbox_id,
        is_automatic=words.is_automatic,
        author_id=author_id,
    )


def _author(session: Session, address: str) -> UUID | None:
    """The colleague who wrote, by their own address."""
    wanted = (
        select(User.id)
        .join(Membership, Membership.user_id == User.id)
        .where(User.email_norm == address, Membership.ended_at.is_(None))
    )
    return session.scalars(wanted.limit(1)).first()


def _answered(session: Session, entries: Sequence[interactions.Entry]) -> None:
    """Nobody waits any more who was written to after they wrote, from whatever program."""
    latest: dict[UUID, datetime] = {}
    for entry in entries:
        whom = entry.contact_id or entry.handle_id
        if whom is not None and not entry.is_automatic:
            latest[whom] = max(latest.get(whom, entry.happened_at), entry.happened_at)
    for whom, at in sorted(latest.items()):
        _settle(session, (Conversation.contact_id == whom) | (Conversation.handle_id == whom), at=at)


def _settle(session: Session, which: ColumnElement[bool], *, at: datetime) -> None:
    session.execute(
        update(Conversation)
        .where(which, Conversation.channel == _CHANNEL, Conversation.unanswered_since <= at)
        .values(
            last_outbound_at=func.greatest(Conversation.last_outbound_at, at),
            last_at=func.greatest(Conversation.last_at, at),
            unanswered_since=None,
            snoozed_until=None,
            state=ConversationState.WAITING.value,
        )
        # Who holds one of them reads it again.
        .execution_options(synchronize_session="fetch")
    )


def answered_since(session: Session, *, conversation_id: UUID, contact_id: UUID) -> bool:
    """Note that a conversation waits no more, when a mail written elsewhere came to us before what it answers."""
    waits = select(Conversation.unanswered_since).where(
        Conversation.id == conversation_id, Conversation.channel == _CHANNEL
    )
    since = session.scalar(waits.with_for_update())
    if since is None:
        return False
    answer = session.scalar(
        select(func.max(Interaction.happened_at)).where(
            Interaction.contact_id == contact_id,
            Interaction.happened_at >= since,
            Interaction.kind == InteractionKind.MESSAGE_SENT,
            Interaction.source_kind == SOURCE_KIND,
            Interaction.removed_at.is_(None),
            Interaction.is_automatic.is_(False),
        )
    )
    if answer is not None:
        _settle(session, Conversation.id == conversation_id, at=answer)
    return answer is not None


def note_strangers(
    session: Session,
    actor: Actor,
    turn: Turn,
    *,
    letters: Sequence[tuple[Letter, bool]],
    around: Surroundings,
    again: bool,
) -> None:
    """List those whom nobody knows for the mailbox's owner; `letters` are (letter, whether we sent it).

    What is read `again` is listed and not counted twice.
    """
    if turn.user_id is None:
        return
    seen: dict[str, copies.Seen] = {}
    for letter, is_sent in letters:
        people = dict.fromkeys(letter.recipients, "") if is_sent else {letter.author: letter.author_name}
        for one, name in people.items():
            if one in around.places or one in around.colleagues or one in around.erased or not _is_person(one, turn):
                continue
            known = seen.get(one)
            last_at = max(known.last_at, letter.at) if known else letter.at
            seen[one] = copies.Seen(name or (known.name if known else ""), (known.mails if known else 0) + 1, last_at)
    copies.note_seen(session, actor, user_id=turn.user_id, people=seen, again=again)


def _is_person(address: str, turn: Turn) -> bool:
    return bool(address) and address != turn.rules.own_address and not address.startswith(_MACHINES)
