"""Erases a person: one transaction empties every table; texts of others and files follow from the traces it leaves."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, or_, select, text, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.consent import erased
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle, HandleChange
from crm.db import among
from crm.errors import ConflictError, InvalidInputError
from crm.events import ContactDeleted, publish
from crm.files.models import StoredFile
from crm.filters.text import normalise
from crm.lifecycle.erasure import taking
from crm.lifecycle.erasure.traces import Traces
from crm.lifecycle.kinds import ErasureCause
from crm.lifecycle.privacy_models import Erasure
from crm.loyalty import services as loyalty
from crm.loyalty.models import Member, Voucher
from crm.loyalty.services.offers import LIVE
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message
from crm.outreach.services.transitions import PENDING, move
from crm.segments.kinds import SegmentKind
from crm.segments.models import Segment, SegmentMember

#: Why messages to an erased person do not go; the gate says the same of the person.
REASON: Final = "erased"
#: A chain of merges longer than this is a circle.
MAX_MERGES: Final = 50
_LEAVING: Final = (MessageState.CLAIMED.value, MessageState.SENDING.value)


class MessageLeavingError(ConflictError):
    """A message to the person is being handed over just now; a minute later it is not."""

    code = "message_leaving"


def erase(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    confirm: str | None,
    cause: ErasureCause = ErasureCause.ASKED,
    is_standing: bool = False,
    now: datetime,
) -> Erasure:
    """Remove a person from every table, with everybody who was merged into them; it can't be undone.

    `confirm` is the person's name as somebody typed it; None when a machine asks. `is_standing` says that no sender
    runs, so that a message on its way is none. Erasing twice is erasing once. What
    is found by `crm.lifecycle.erasure.sweep` later (texts of others, files) is noted on the erasure, which the edge
    wakes a worker for. Raises `ContactNotFoundError`, `MessageLeavingError`, and `InvalidInputError` on `confirm`.
    """
    actor.require(Permission.ERASE)
    people = _locked(session, actor, contact_id=contact_id)
    known = session.scalars(select(Erasure).where(among(Erasure.subject_id, [row.id for row in people]))).first()
    if known is not None and all(row.erased_at is not None for row in people):
        return known
    head = next(row for row in people if row.merged_into_id is None)
    if confirm is not None and normalise(confirm) != normalise(head.display_name):
        sentence = N_("This is not the person's name.")
        raise InvalidInputError(sentence, fields={"confirm": sentence})
    ids = [row.id for row in people]
    _stop_messages(session, actor, ids, is_standing=is_standing, now=now)
    addresses = _addresses(session, ids)
    files = session.scalars(select(StoredFile.id).where(taking.theirs(StoredFile.__tablename__, ids))).all()
    traces = Traces.of(people, addresses, files=files, is_namesake=_has_namesake(session, people))
    counted = taking.counts(session, ids)
    _leave(session, actor, people, now=now)
    erased.remember(session, actor, pairs=_only_theirs(session, ids, addresses), now=now)
    session.execute(
        update(Contact)
        .where(among(Contact.id, ids))
        .values(erased_at=now, deleted_at=now, updated_at=now, version=Contact.version + 1)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Handle)
        .where(among(Handle.contact_id, ids))
        .values(deleted_at=func.coalesce(Handle.deleted_at, now))
        .execution_options(synchronize_session=False)
    )
    taking.take(session, ids)
    row = Erasure(
        workspace_id=actor.workspace_id,
        subject_id=head.id,
        at=now,
        user_id=actor.user_id,
        cause=cause.value,
        counts=counted,
        traces=traces.as_json(),
    )
    session.add(row)
    audit.record(session, actor, action="contact.erased", object_kind="contact", object_id=head.id)
    return row


def _locked(session: Session, actor: Actor, *, contact_id: UUID) -> Sequence[Contact]:
    """Everybody who is this person by merges, locked in one order; looked at again when a merge came between."""
    seen = session.scalar(select(Contact.id).where(Contact.id == contact_id, contacts.visible(actor)))
    if seen is None:
        raise contacts.ContactNotFoundError(N_("There is no such person, or you may not see them."))
    for _ in range(MAX_MERGES):
        ids = same_person(session, contact_id)
        wanted = select(Contact).where(among(Contact.id, ids)).order_by(Contact.id)
        rows = session.scalars(wanted.with_for_update(of=Contact).execution_options(populate_existing=True)).all()
        if same_person(session, contact_id) == ids:
            return rows
    raise ConflictError(N_("This person is being merged just now. Try again in a minute."), code="merging")


#: From the contact up to the one who is left, and down to all who were merged into that one.
_SAME: Final = text(
    "with recursive up as (select id, merged_into_id, 0 as step from contact where id = :id"
    " union all select c.id, c.merged_into_id, up.step + 1 from contact c join up on c.id = up.merged_into_id"
    " where up.step < :most), down as (select id, 0 as step from up where merged_into_id is null"
    " union all select c.id, down.step + 1 from contact c join down on c.merged_into_id = down.id"
    " where down.step < :most) select distinct id from down order by id"
)


def same_person(session: Session, contact_id: UUID) -> list[UUID]:
    """The ids of everybody who is this person by merges."""
    return list(session.scalars(_SAME, {"id": contact_id, "most": MAX_MERGES})) or [contact_id]


def _stop_messages(session: Session, actor: Actor, ids: Collection[UUID], *, is_standing: bool, now: datetime) -> None:
    """Cancel what waits and what nobody knows the end of; refuse while one is on its way.

    A sender that claims at this moment either has the row (it is seen as claimed behind the update) or comes too late.
    """
    move(
        session,
        actor,
        message_ids=None,
        when=[*PENDING, MessageState.UNCERTAIN, *(map(MessageState, _LEAVING) if is_standing else ())],
        to=MessageState.CANCELLED,
        now=now,
        where=[among(Message.contact_id, ids)],
        reason=REASON,
        held_until=None,
    )
    leaving = select(Message.id).where(among(Message.contact_id, ids), Message.state.in_(_LEAVING)).limit(1)
    if session.scalar(leaving) is not None:
        raise MessageLeavingError(N_("A message to this person is just leaving. Try again in a minute."))


def _addresses(session: Session, ids: Collection[UUID]) -> list[tuple[str, str, str]]:
    """(channel, address, normalised address) of all that the people have or had."""
    mine = select(Handle.channel, Handle.address, Handle.address_norm).where(among(Handle.contact_id, ids))
    before = (
        select(Handle.channel, HandleChange.address, HandleChange.address_norm)
        .join(Handle, Handle.id == HandleChange.handle_id)
        .where(among(Handle.contact_id, ids))
    )
    return [(row[0], row[1], row[2]) for wanted in (mine, before) for row in session.execute(wanted)]


def _only_theirs(
    session: Session, ids: Collection[UUID], addresses: Iterable[tuple[str, str, str]]
) -> list[tuple[str, str]]:
    """The addresses that belong to nobody else by now: a freed one may have got a new owner, who was not erased."""
    pairs = {(channel, norm) for channel, _address, norm in addresses if norm}
    others = select(Handle.channel, Handle.address_norm).where(
        among(Handle.address_norm, {norm for _, norm in pairs}),
        Handle.deleted_at.is_(None),
        or_(Handle.contact_id.is_(None), ~among(Handle.contact_id, ids)),
        or_(Handle.contact_id.is_not(None), Handle.company_id.is_not(None)),
    )
    return sorted(pairs - {(channel, norm) for channel, norm in session.execute(others)})


def _has_namesake(session: Session, people: Sequence[Contact]) -> bool:
    """Whether somebody else has the same name: then a name in a text may mean them, and stays."""
    names = {row.sort_name for row in people if row.sort_name}
    wanted = exists().where(
        among(Contact.sort_name, names), Contact.deleted_at.is_(None), ~among(Contact.id, [row.id for row in people])
    )
    return bool(names) and bool(session.scalar(select(wanted)))


def _leave(session: Session, actor: Actor, people: Sequence[Contact], *, now: datetime) -> None:
    """Leave segments and the programme, and take codes back: what a deletion does, and what only an end does."""
    ids = [row.id for row in people]
    still_here = tuple(row.id for row in people if row.deleted_at is None)
    if still_here:
        publish(session, ContactDeleted(workspace_id=actor.workspace_id, now=now, contact_ids=still_here))
    frozen = select(SegmentMember.segment_id, func.count().label("gone")).where(among(SegmentMember.contact_id, ids))
    left = frozen.group_by(SegmentMember.segment_id).subquery()
    session.execute(
        update(Segment)
        .where(Segment.id == left.c.segment_id, Segment.kind == SegmentKind.FROZEN)
        .values(members=Segment.members - left.c.gone)
        .execution_options(synchronize_session=False)
    )
    live = select(Voucher.id).where(among(Voucher.contact_id, ids), Voucher.state.in_([state.value for state in LIVE]))
    loyalty.release_vouchers(session, voucher_ids=list(session.scalars(live)), now=now)
    session.execute(
        update(Member)
        .where(among(Member.contact_id, ids), Member.left_at.is_(None))
        .values(left_at=now)
        .execution_options(synchronize_session=False)
    )


def preview(session: Session, actor: Actor, *, contact_id: UUID) -> dict[str, int]:
    """{table: rows about the person}: what `erase` would take or empty; raises `ContactNotFoundError`."""
    actor.require(Permission.ERASE)
    seen = session.scalar(select(Contact.id).where(Contact.id == contact_id, contacts.visible(actor)))
    if seen is None:
        raise contacts.ContactNotFoundError(N_("There is no such person, or you may not see them."))
    return taking.counts(session, same_person(session, contact_id))


def person_of(session: Session, actor: Actor, *, contact_id: UUID) -> Contact:
    """The one who is left of all merged ones, also when deleted; raises `ContactNotFoundError` for an erased one."""
    wanted = select(Contact).where(
        among(Contact.id, same_person(session, contact_id)),
        Contact.merged_into_id.is_(None),
        Contact.erased_at.is_(None),
        contacts.visible(actor),
    )
    found = session.scalars(wanted).one_or_none()
    if found is None:
        raise contacts.ContactNotFoundError(N_("There is no such person, or you may not see them."))
    return found
