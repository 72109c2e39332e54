"""Reads conversations: the inbox by key with its filters and counts, and one of them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, and_, any_, column, false, func, literal, or_, select, true, tuple_, values
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.expression import ColumnElement

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle
from crm.db import among
from crm.errors import NotFoundError
from crm.interactions.kinds import Visibility
from crm.interactions.models import Interaction
from crm.interactions.queries import open_complaints
from crm.interactions.queries.timeline import OPEN_COMPLAINT
from crm.outreach.content import write_out
from crm.outreach.inbox_models import ConversationSeen
from crm.outreach.kinds import ConversationState, MessageDirection, MessageState
from crm.outreach.models import Conversation, Message, MessageText
from crm.outreach.queries.finding import find_threads
from crm.web.paging import Page, decode_cursor, page_of

#: Counts stop here: "99+" says as much as any number above it.
MOST_COUNTED: Final = 100
#: Unread conversations are looked for among so many of the newest, whoever may see them.
NEWEST: Final = 1_000
#: Letters of the last message that a line of the list can show.
PREVIEW: Final = 160
#: Hits of a search in the inbox, and people with an open complaint, that are looked at.
MOST_FOUND: Final = 200
#: What the last words of a conversation may be: nothing that was never said.
_SAID: Final = ("sent", "received", "scheduled", "claimed", "sending", "uncertain", "held")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationLine:
    """One conversation as the inbox shows it; `contact_id` None is somebody not yet known.

    `is_unread` is the reader's own; `last_words` the beginning of the newest message and `last_by` who wrote it ('' for
    them); `negative_since` since when something negative of this person waits. The last three are filled in lists.
    """

    id: UUID
    channel: ChannelKind
    account_id: UUID | None
    contact_id: UUID | None
    handle_id: UUID | None
    name: str
    address: str
    subject: str
    state: ConversationState
    visibility: str
    post_url: str
    assignee_id: UUID | None
    assignee_name: str
    unanswered_since: datetime | None
    last_at: datetime
    snoozed_until: datetime | None
    merged_into_id: UUID | None
    is_unread: bool
    last_words: str = ""
    last_by: str = ""
    last_by_id: UUID | None = None
    is_last_ours: bool = False
    negative_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxFilter:
    """What the inbox is narrowed to; everything given must hold."""

    state: ConversationState | None = None
    contact_id: UUID | None = None
    is_mine: bool = False
    is_unassigned: bool = False
    #: The actor's, or nobody's of a person whom nobody else looks after.
    is_concerning: bool = False
    is_unread: bool = False
    is_public: bool = False
    is_negative: bool = False
    only_unanswered: bool = False
    channel: ChannelKind | None = None
    text: str = ""


EVERYTHING: Final = InboxFilter()


def _seen_by(user_id: Any) -> Select[datetime]:
    return (
        select(ConversationSeen.seen_at)
        .where(ConversationSeen.conversation_id == Conversation.id, ConversationSeen.user_id == user_id)
        .correlate(Conversation)
    )


def _unread(user_id: Any) -> ColumnElement[bool]:
    """They wrote after the reader last looked."""
    seen = _seen_by(user_id).where(ConversationSeen.seen_at >= Conversation.last_inbound_at)
    return and_(Conversation.last_inbound_at.is_not(None), ~seen.exists())


def _lines(actor: Actor) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Conversation,
            Contact.display_name,
            Handle.address,
            Handle.display_name,
            User.name,
            _seen_by(actor.user_id).scalar_subquery(),
        )
        .outerjoin(Contact, Contact.id == Conversation.contact_id)
        .outerjoin(Handle, Handle.id == Conversation.handle_id)
        .outerjoin(User, User.id == Conversation.assignee_id)
        .where(contacts.about_visible(actor, Conversation.contact_id))
    )


def _line(row: Any) -> ConversationLine:
    found, contact_name, address, handle_name, assignee_name, seen_at = row
    return ConversationLine(
        id=found.id,
        channel=ChannelKind(found.channel),
        account_id=found.account_id,
        contact_id=found.contact_id,
        handle_id=found.handle_id,
        name=contact_name or handle_name or address or "",
        address=address or "",
        subject=found.subject,
        state=ConversationState(found.state),
        visibility=found.visibility,
        post_url=found.post_url,
        assignee_id=found.assignee_id,
        assignee_name=assignee_name or "",
        unanswered_since=found.unanswered_since,
        last_at=found.last_at,
        snoozed_until=found.snoozed_until,
        merged_into_id=found.merged_into_id,
        is_unread=found.last_inbound_at is not None and (seen_at is None or found.last_inbound_at > seen_at),
    )


def _where(session: Session, actor: Actor, wanted: InboxFilter) -> list[ColumnElement[bool]]:
    """The conditions of a filter, but for its state."""
    found: list[ColumnElement[bool]] = [Conversation.merged_into_id.is_(None)]
    simple = (
        (wanted.contact_id is not None, Conversation.contact_id == wanted.contact_id),
        (wanted.only_unanswered, Conversation.unanswered_since.is_not(None)),
        (wanted.is_mine, Conversation.assignee_id == actor.user_id),
        (wanted.is_unassigned, Conversation.assignee_id.is_(None)),
        (wanted.is_public, Conversation.visibility == Visibility.PUBLIC),
        (wanted.channel is not None, Conversation.channel == wanted.channel),
    )
    found += [condition for is_wanted, condition in simple if is_wanted]
    if wanted.is_concerning:
        owner = aliased(Contact)
        elsewhere = select(owner.id).where(owner.id == Conversation.contact_id, owner.owner_id != actor.user_id)
        nobody = and_(Conversation.assignee_id.is_(None), ~elsewhere.correlate(Conversation).exists())
        found.append(or_(Conversation.assignee_id == actor.user_id, nobody))
    if wanted.is_unread:
        newest = aliased(Conversation)
        ids = select(newest.id).order_by(newest.last_at.desc(), newest.id.desc()).limit(NEWEST)
        if wanted.state is not None:
            ids = ids.where(newest.state == wanted.state)
        found += [Conversation.id == any_(_array(ids)), _unread(actor.user_id)]
    if wanted.is_negative:
        unhappy = select(Interaction.contact_id).where(OPEN_COMPLAINT, Interaction.contact_id.is_not(None))
        found.append(Conversation.contact_id == any_(_array(unhappy.limit(MOST_FOUND))))
    if wanted.text.strip():
        threads = [hit.id for hit in find_threads(session, actor, text=wanted.text, limit=MOST_FOUND)]
        people = list(contacts.search_contacts(session, actor, text=wanted.text, limit=MOST_FOUND))
        found.append(or_(among(Conversation.id, threads), among(Conversation.contact_id, people)))
    return found


def _array(ids: Select[Any]) -> Any:
    """The ids as one array, looked up once for a statement."""
    return func.array(ids.correlate(None).scalar_subquery(), type_=ARRAY(Uuid()))


def conversations(
    session: Session,
    actor: Actor,
    *,
    where: InboxFilter = EVERYTHING,
    after: str | None = None,
    limit: int = 50,
) -> Page[ConversationLine]:
    """A page of the inbox, the newest exchange first, with the last words of each and who is unhappy."""
    wanted = _lines(actor).where(*_where(session, actor, where))
    if where.state is not None:
        wanted = wanted.where(Conversation.state == where.state)
    if after:
        at, last_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(Conversation.last_at, Conversation.id) < (at, last_id))
    wanted = wanted.order_by(Conversation.last_at.desc(), Conversation.id.desc()).limit(limit + 1)
    rows = [_line(row) for row in session.execute(wanted)]
    page = page_of(rows, limit=limit, key=lambda line: (line.last_at, line.id))
    return Page(_with_words(session, actor, page.items), page.next)


def counts_by_state(
    session: Session, actor: Actor, *, where: InboxFilter = EVERYTHING
) -> Mapping[ConversationState, int]:
    """How many conversations of each state there are, `MOST_COUNTED` when that many or more; one statement."""
    conditions = (*_where(session, actor, where), contacts.about_visible(actor, Conversation.contact_id))
    numbers = [
        select(func.count())
        .select_from(
            select(literal(1))
            .select_from(Conversation)
            .where(Conversation.state == state, *conditions)
            .limit(MOST_COUNTED)
            .subquery()
        )
        .scalar_subquery()
        for state in ConversationState
    ]
    return dict(zip(ConversationState, session.execute(select(*numbers)).one(), strict=True))


def counting_unread(
    actor: Actor, *, unless: Callable[[Any, Any], ColumnElement[bool]] = lambda _id, _heard_at: false()
) -> Select[int]:
    """The statement that counts open conversations the actor has not read and that are theirs or nobody's.

    `unless` says of a conversation's id and of when it was last heard of that it doesn't count.
    """
    newest = (
        select(Conversation.id, Conversation.contact_id, Conversation.assignee_id, Conversation.last_inbound_at)
        .where(Conversation.state == ConversationState.OPEN)
        .order_by(Conversation.last_at.desc(), Conversation.id.desc())
        .limit(NEWEST)
        .subquery()
    )
    owner = aliased(Contact)
    seen = aliased(ConversationSeen)
    mine = or_(
        newest.c.assignee_id == actor.user_id,
        and_(newest.c.assignee_id.is_(None), or_(owner.owner_id.is_(None), owner.owner_id == actor.user_id)),
    )
    return (
        select(func.count())
        .select_from(newest)
        .outerjoin(owner, owner.id == newest.c.contact_id)
        .outerjoin(seen, and_(seen.conversation_id == newest.c.id, seen.user_id == actor.user_id))
        .where(
            newest.c.last_inbound_at.is_not(None),
            or_(seen.seen_at.is_(None), seen.seen_at < newest.c.last_inbound_at),
            mine,
            contacts.about_visible(actor, newest.c.contact_id),
            ~unless(newest.c.id, newest.c.last_inbound_at),
        )
    )


def conversation(session: Session, actor: Actor, *, conversation_id: UUID) -> ConversationLine:
    """One conversation; raises `NotFoundError`."""
    row = session.execute(_lines(actor).where(Conversation.id == conversation_id)).one_or_none()
    if row is None:
        raise NotFoundError(N_("There is no such conversation."), code="conversation_not_found")
    return _line(row)


def others_of(session: Session, actor: Actor, *, line: ConversationLine) -> list[ConversationLine]:
    """The other threads of the same person, or of the same stranger, the newest first; at most ten."""
    if line.contact_id is None and line.handle_id is None:
        return []
    who = Conversation.contact_id == line.contact_id if line.contact_id else Conversation.handle_id == line.handle_id
    rows = session.execute(
        _lines(actor)
        .where(who, Conversation.id != line.id, Conversation.merged_into_id.is_(None))
        .order_by(Conversation.last_at.desc(), Conversation.id.desc())
        .limit(10)
    )
    return [_line(row) for row in rows]


def _with_words(session: Session, actor: Actor, lines: list[ConversationLine]) -> list[ConversationLine]:
    """The lines with their last words and their complaints: two statements, however many lines."""
    if not lines:
        return lines
    words = _last_words(session, actor, [line.id for line in lines])
    people = {line.contact_id for line in lines if line.contact_id is not None}
    unhappy = open_complaints(session, actor, contact_ids=people) if people else {}
    found = []
    for line in lines:
        last = words.get(line.id)
        since = unhappy.get(line.contact_id) if line.contact_id is not None else None
        if last is not None:
            is_ours = last.direction == MessageDirection.OUTBOUND
            text = _plain(last.body or "", is_markdown=is_ours and line.channel is ChannelKind.EMAIL)
            found.append(
                replace(
                    line,
                    last_words=text,
                    last_by=(last.name or "") if is_ours else "",
                    last_by_id=last.created_by_id if is_ours else None,
                    is_last_ours=is_ours,
                    negative_since=since,
                )
            )
        else:
            found.append(replace(line, negative_since=since))
    return found


def _last_words(session: Session, actor: Actor, conversation_ids: Collection[UUID]) -> dict[UUID, Any]:
    """The newest message of each conversation, each found by its index."""
    asked = values(column("id", Uuid()), name="asked").data([(key,) for key in conversation_ids])
    newest = (
        select(Message.id, Message.direction, Message.created_by_id)
        .where(
            Message.conversation_id == asked.c.id,
            Message.state.in_([MessageState(state) for state in _SAID]),
            contacts.about_visible(actor, Message.contact_id),
        )
        .order_by(Message.created_at.desc())
        .limit(1)
        .lateral("newest")
    )
    rows = session.execute(
        select(
            asked.c.id.label("asked_id"),
            newest.c.direction,
            newest.c.created_by_id,
            func.left(MessageText.body, PREVIEW * 2).label("body"),
            User.name,
        )
        .select_from(asked)
        .join(newest, true())
        .outerjoin(MessageText, MessageText.message_id == newest.c.id)
        .outerjoin(User, User.id == newest.c.created_by_id)
    )
    return {row.asked_id: row for row in rows}


def _plain(text: str, *, is_markdown: bool) -> str:
    words = write_out(text)[0] if is_markdown else text
    return " ".join(words.split())[:PREVIEW]
