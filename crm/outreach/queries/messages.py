"""Reads messages: lists by key, one with its words, what is uncertain, and what is planned for a person."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle
from crm.errors import NotFoundError
from crm.outreach.kinds import DeliveryState, MessageState
from crm.outreach.links import hide_tokens
from crm.outreach.models import (
    Attempt,
    AttemptOutcome,
    BudgetUse,
    FrozenContent,
    Message,
    MessageText,
    SenderAccount,
)
from crm.outreach.moments import is_moved, leaves_at
from crm.outreach.queries.files import FileLine, files_of, with_letter
from crm.outreach.queries.gate import among, policy
from crm.outreach.rules import BUDGET_SPAN, budget_free_at
from crm.web.paging import Page, decode_cursor, page_of

#: States in which a message still waits for its moment or for a person.
OPEN_STATES = (
    MessageState.DRAFT,
    MessageState.IN_REVIEW,
    MessageState.APPROVED,
    MessageState.SCHEDULED,
    MessageState.HELD,
    MessageState.CLAIMED,
    MessageState.SENDING,
    MessageState.UNCERTAIN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLine:
    """One message as lists show it."""

    id: UUID
    contact_id: UUID | None
    contact_name: str
    address: str
    channel: ChannelKind
    purpose: Purpose
    state: MessageState
    reason: str
    subject: str
    planned_at: datetime | None
    due_at: datetime | None
    held_until: datetime | None
    sent_at: datetime | None
    delivery: DeliveryState
    is_assisted: bool
    is_edited: bool
    needs_look: str
    missing: tuple[str, ...]
    batch_id: UUID | None
    conversation_id: UUID | None
    version: int
    created_at: datetime

    @property
    def message_state(self) -> MessageState:
        """The state, by the name that lists of people use."""
        return self.state

    @property
    def leaves_at(self) -> datetime | None:
        """When it left or will leave, after what the gate made of the plan."""
        return leaves_at(self)

    @property
    def is_moved(self) -> bool:
        """Whether it leaves later than agreed; `reason` says why."""
        return is_moved(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """One message with everything its page shows; `frozen` is what was approved, None before."""

    line: MessageLine
    message: Message
    subject: str
    body: str
    why: Mapping[str, Any]
    frozen: FrozenContent | None
    account_name: str
    #: The account's server keeps a copy of whatever it sends, so that a missing one means something.
    files_sent: bool
    has_letter: bool = False
    files: Sequence[FileLine] = ()

    @property
    def shown_text(self) -> str:
        """The words as colleagues may read them: what was approved, without the person's own link."""
        return hide_tokens(self.frozen.text if self.frozen else self.body)


#: The stage of what a look into the mailbox has shown, long after the try.
READ_BACK: Final = "read_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertainMessage:
    """A message that may have left, with the evidence of its last attempt."""

    line: MessageLine
    attempt_at: datetime | None
    code: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine:
    """One try and how it ended; `kind` is empty while it runs."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    kind: str
    code: str
    stage: str
    decided_by_id: UUID | None


@dataclass(frozen=True, slots=True)
class Budget:
    """How many promotions a person had in the span, of how many, and when the next one fits."""

    used: int
    limit: int
    next_free_at: datetime


def selected_lines() -> Select[*tuple[Any, ...]]:
    """Messages with what a line of a list needs, for `line_of`; the contact is joined as `Contact`."""
    return (
        select(Message, Contact.display_name, Handle.address, Handle.display_name, MessageText)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .outerjoin(Handle, Handle.id == Message.handle_id)
        .outerjoin(MessageText, MessageText.message_id == Message.id)
    )


def line_of(row: Any) -> MessageLine:
    """The line of a row of `selected_lines`."""
    message, contact_name, address, handle_name, text = row
    return MessageLine(
        id=message.id,
        contact_id=message.contact_id,
        contact_name=contact_name or handle_name or address or "",
        address=address or "",
        channel=ChannelKind(message.channel),
        purpose=Purpose(message.purpose),
        state=MessageState(message.state),
        reason=message.reason,
        subject=text.subject if text else "",
        planned_at=message.planned_at,
        due_at=message.due_at,
        held_until=message.held_until,
        sent_at=message.sent_at,
        delivery=DeliveryState(message.delivery),
        is_assisted=message.is_assisted,
        is_edited=bool(text and text.is_edited),
        needs_look=message.needs_look,
        missing=tuple(text.missing) if text else (),
        batch_id=message.batch_id,
        conversation_id=message.conversation_id,
        version=message.version,
        created_at=message.created_at,
    )


def messages(
    session: Session,
    actor: Actor,
    *,
    states: Collection[MessageState] = (),
    contact_id: UUID | None = None,
    batch_id: UUID | None = None,
    account_id: UUID | None = None,
    only_assisted: bool = False,
    due_before: datetime | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[MessageLine]:
    """A page of messages, the newest first; `states` empty means all of them."""
    wanted = selected_lines().where(visible_to(actor))
    if states:
        wanted = wanted.where(Message.state.in_([state.value for state in states]))
    if contact_id is not None:
        wanted = wanted.where(Message.contact_id == contact_id)
    if batch_id is not None:
        wanted = wanted.where(Message.batch_id == batch_id)
    if account_id is not None:
        wanted = wanted.where(Message.account_id == account_id)
    if only_assisted:
        wanted = wanted.where(Message.is_assisted)
    if due_before is not None:
        wanted = wanted.where(Message.due_at <= due_before)
    if after:
        at, last_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(Message.created_at, Message.id) < (at, last_id))
    wanted = wanted.order_by(Message.created_at.desc(), Message.id.desc()).limit(limit + 1)
    rows = [line_of(row) for row in session.execute(wanted)]
    return page_of(rows, limit=limit, key=lambda line: (line.created_at, line.id))


def planned_for(session: Session, actor: Actor, *, contact_ids: Collection[UUID]) -> dict[UUID, list[MessageLine]]:
    """What else waits for each person, whoever planned it."""
    wanted = (
        selected_lines()
        .where(
            visible_to(actor),
            among(Message.contact_id, contact_ids),
            Message.state.in_([state.value for state in OPEN_STATES]),
        )
        .order_by(Message.planned_at.nulls_last(), Message.id)
    )
    found: dict[UUID, list[MessageLine]] = {contact_id: [] for contact_id in contact_ids}
    for line in map(line_of, session.execute(wanted)):
        if line.contact_id is not None:
            found[line.contact_id].append(line)
    return found


def message(session: Session, actor: Actor, *, message_id: UUID) -> MessageView:
    """One message with its words; raises `NotFoundError`."""
    row = session.execute(selected_lines().where(visible_to(actor), Message.id == message_id)).one_or_none()
    if row is None:
        raise NotFoundError(N_("There is no such message."), code="message_not_found")
    found, text = row[0], row[4]
    frozen = None
    if found.approved_hash is not None:
        frozen = session.scalars(
            select(FrozenContent).where(
                FrozenContent.message_id == message_id, FrozenContent.hash == found.approved_hash
            )
        ).one_or_none()
    account = session.get(SenderAccount, found.account_id) if found.account_id else None
    return MessageView(
        line=line_of(row),
        message=found,
        subject=text.subject if text else "",
        body=text.body if text else "",
        why=text.why if text else {},
        frozen=frozen,
        account_name=account.name if account else "",
        files_sent=bool(account and account.config.get("files_sent")),
        has_letter=bool(with_letter(session, message_ids=[message_id])),
        files=files_of(session, message_ids=[message_id])[message_id],
    )


def counts(session: Session, actor: Actor, *, batch_id: UUID | None = None) -> dict[MessageState, int]:
    """How many messages are in each state, of the workspace or of one batch; only those the actor may see."""
    wanted = (
        select(Message.state, func.count())
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .where(visible_to(actor))
        .group_by(Message.state)
    )
    if batch_id is not None:
        wanted = wanted.where(Message.batch_id == batch_id)
    return {MessageState(state): count for state, count in session.execute(wanted)}


def uncertain(session: Session, actor: Actor, *, limit: int = 50) -> list[UncertainMessage]:
    """Messages that may have left, oldest first: a person decides about each."""
    wanted = (
        selected_lines()
        .where(visible_to(actor), Message.state == MessageState.UNCERTAIN)
        .order_by(Message.updated_at, Message.id)
        .limit(limit)
    )
    lines = [line_of(row) for row in session.execute(wanted)]
    last = _last_attempts(session, [line.id for line in lines])
    return [
        UncertainMessage(
            line=line,
            attempt_at=last[line.id][0] if line.id in last else None,
            code=last[line.id][1] if line.id in last else line.reason,
            stage=last[line.id][2] if line.id in last else "",
        )
        for line in lines
    ]


def _last_attempts(session: Session, message_ids: Collection[UUID]) -> dict[UUID, tuple[datetime, str, str]]:
    rows = session.execute(
        select(Attempt.message_id, Attempt.started_at, AttemptOutcome.code, AttemptOutcome.stage)
        .outerjoin(AttemptOutcome, AttemptOutcome.attempt_id == Attempt.id)
        .where(among(Attempt.message_id, message_ids))
        .order_by(Attempt.number, AttemptOutcome.at)
    )
    return {message_id: (at, code or "", stage or "") for message_id, at, code, stage in rows}


def attempts(session: Session, actor: Actor, *, message_id: UUID) -> list[AttemptLine]:
    """Every try of a message in order, each with its outcomes: a person's decision, a look into the mailbox.

    Of looks that have shown the same one after the other, the last one stands for all.
    """
    message(session, actor, message_id=message_id)
    rows = session.execute(
        select(Attempt, AttemptOutcome)
        .outerjoin(AttemptOutcome, AttemptOutcome.attempt_id == Attempt.id)
        .where(Attempt.message_id == message_id)
        .order_by(Attempt.number, AttemptOutcome.at)
    )
    lines = [
        AttemptLine(
            number=attempt.number,
            started_at=attempt.started_at,
            ended_at=outcome.at if outcome else None,
            kind=outcome.kind if outcome else "",
            code=outcome.code if outcome else "",
            stage=outcome.stage if outcome else "",
            decided_by_id=outcome.decided_by_id if outcome else None,
        )
        for attempt, outcome in rows
    ]
    following = [*lines, None][1:]
    return [line for line, after in zip(lines, following, strict=True) if not _is_repeated(line, after)]


def _is_repeated(line: AttemptLine, after: AttemptLine | None) -> bool:
    same = after is not None and (line.number, line.stage, line.code) == (after.number, after.stage, after.code)
    return same and line.stage == READ_BACK


def budgets(session: Session, actor: Actor, *, contact_ids: Iterable[UUID], now: datetime) -> dict[UUID, Budget]:
    """How much of the contact budget is used, over all campaigns, channels and colleagues."""
    ids = list(contact_ids)
    limit = policy(session, actor).promotional_per_week
    uses: dict[UUID, list[datetime]] = {contact_id: [] for contact_id in ids}
    rows = session.execute(
        select(BudgetUse.contact_id, BudgetUse.at).where(
            among(BudgetUse.contact_id, ids),
            BudgetUse.purpose == Purpose.PROMOTIONAL,
            BudgetUse.at > now - BUDGET_SPAN,
        )
    )
    for contact_id, at in rows:
        uses[contact_id].append(at)
    return {
        contact_id: Budget(len(found), limit, budget_free_at(tuple(found), limit=limit, at=now) or now)
        for contact_id, found in uses.items()
    }


def visible_to(actor: Actor) -> Any:
    """Messages to people the actor may see, and to strangers."""
    return contacts.about_visible(actor, Message.contact_id)
