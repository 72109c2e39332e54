"""Owns merging two people into one, the preview of it, and taking it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session, joinedload

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.contacts.change_models import ChangeSet
from crm.contacts.kinds import ChangeSetKind, CustomSubject
from crm.contacts.models import Contact, Handle
from crm.contacts.rules import CONTACT_FIELDS
from crm.contacts.services.handles import sync_email
from crm.contacts.services.owners import check_owner
from crm.contacts.values import set_values, text_of, typed
from crm.errors import ConflictError, InvalidInputError, worded
from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers import MOVERS, Pair, counted, loyalty
from crm.lifecycle.services import changes
from crm.lifecycle.services.changes import RowChange, Undone

#: What can be chosen field by field, beside own fields: the fields of a person, and the main e-mail address.
FIELDS: Final = (*CONTACT_FIELDS, "email")
_EXCHANGES: Final = ("last_outbound_at", "last_inbound_at", "last_interaction_at")
_UNTOLD: Final = frozenset({"id", "workspace_id", "version", "created_at", "updated_at", "search"})


class Side(StrEnum):
    """Whose value of a field stays."""

    KEPT = "kept"
    OTHER = "other"


class NotMergeableError(ConflictError):
    """These two can't be merged, or this merge can't be undone; `code` says why."""

    code = "not_mergeable"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChoice:
    """A field in which two records differ: both values as text, and whose stays unless somebody chooses.

    `is_open` when both have one; an empty value never wins.
    """

    field: str
    kept: str
    other: str
    side: Side
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a merge would do: who stays, who goes, the fields that differ, and what goes over."""

    kept: Contact
    other: Contact
    fields: Sequence[FieldChoice]
    effects: Mapping[Effect, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A merge that was done: its change set, by which it is undone, and what it touched."""

    change_set: ChangeSet
    effects: Mapping[Effect, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneMerge:
    """A merge that was taken back: both people, what went back, and the points that were spent meanwhile."""

    kept_id: UUID
    other_id: UUID
    undone: Undone
    missing_points: int


def preview(
    session: Session,
    actor: Actor,
    *,
    kept_id: UUID,
    other_id: UUID,
    choices: Mapping[str, str] | None = None,
    now: datetime,
) -> Preview:
    """What `merge` would do, without doing it; raises what `merge` raises."""
    actor.require(Permission.MERGE)
    kept, other = _two(session, actor, kept_id=kept_id, other_id=other_id, lock=False)
    fields = _fields(session, actor, kept, other, choices or {})
    pair = Pair(session=session, actor=actor, kept_id=kept_id, other_id=other_id, now=now, taken=_taken(fields))
    return Preview(kept=kept, other=other, fields=fields, effects=counted(pair, MOVERS))


def merge(
    session: Session,
    actor: Actor,
    *,
    kept_id: UUID,
    other_id: UUID,
    choices: Mapping[str, str] | None = None,
    now: datetime,
) -> Merged:
    """Let `other_id` go up in `kept_id`, in the caller's transaction, with a bounded number of statements.

    `choices` says whose value stays, by field of `FIELDS` or by `custom.<key>`: "kept" (also when nothing is said) or
    "other"; an empty value never wins. The other record stays as a signpost to the kept one. Nothing is sent because
    of it.

    Raises `NotMergeableError` (the same person, deleted, erased, merged already), `InvalidInputError` for a strange
    choice, `ContactNotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.MERGE)
    session.flush()
    _wait_for_others(session, actor)
    kept, other = _two(session, actor, kept_id=kept_id, other_id=other_id, lock=True)
    fields = _fields(session, actor, kept, other, choices or {})
    taken = _taken(fields)
    if "owner_id" in taken and kept.owner_id is not None:
        check_owner(session, actor, current=kept.owner_id, wanted=other.owner_id)
    change_set = changes.open_change_set(session, actor, kind=ChangeSetKind.MERGE, title="", source_id=kept_id, now=now)
    pair = Pair(
        session=session,
        actor=actor,
        kept_id=kept_id,
        other_id=other_id,
        now=now,
        taken=taken,
        change_set_id=change_set.id,
    )
    effects = counted(pair, MOVERS)
    before = _columns(kept), _columns(other)
    for mover in MOVERS:
        mover.move(pair)
    session.expire_all()
    _settle(session, pair, kept, other)
    _record_people(pair, before, (_columns(kept), _columns(other)), taken & set(FIELDS))
    change_set.result = {"other_id": str(other_id), "effects": {effect.value: n for effect, n in effects.items()}}
    changes.close_change_set(session, change_set_id=change_set.id)
    session.flush()
    session.refresh(change_set)
    audit.record(
        session,
        actor,
        action="contact.merged",
        object_kind="contact",
        object_id=kept_id,
        after={"other_id": str(other_id)},
    )
    return Merged(change_set=change_set, effects=effects)


def _wait_for_others(session: Session, actor: Actor) -> None:
    """Let one merge or undo after the other work in a workspace.

    A merge also turns the signposts of who went up in its people before, so that the order of ids alone doesn't keep
    merges in a ring from waiting for each other.
    """
    session.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"merges:{actor.workspace_id}"}
    )


def _two(session: Session, actor: Actor, *, kept_id: UUID, other_id: UUID, lock: bool) -> tuple[Contact, Contact]:
    """Both people, locked in the order of ids on request; raises what keeps them from being merged."""
    if kept_id == other_id:
        raise NotMergeableError(N_("Choose somebody else: these are the same record."), code="same_person")
    wanted = select(Contact).where(Contact.id.in_([kept_id, other_id]), contacts.visible(actor)).order_by(Contact.id)
    if lock:
        wanted = wanted.with_for_update(of=Contact, key_share=True).execution_options(populate_existing=True)
    else:
        wanted = wanted.options(joinedload(Contact.company))
    found = {row.id: row for row in session.scalars(wanted)}
    people = [found.get(kept_id), found.get(other_id)]
    for person in people:
        if person is None:
            raise contacts.ContactNotFoundError(N_("There is no such person, or you may not see them."))
        if person.erased_at is not None:
            raise NotMergeableError(N_("This person’s data was erased."), code="erased")
        if person.merged_into_id is not None:
            raise NotMergeableError(N_("This contact was merged into another one."), code="merged")
        if person.deleted_at is not None:
            raise NotMergeableError(N_("This contact was deleted. Restore it first."), code="deleted")
    return found[kept_id], found[other_id]


def _fields(
    session: Session, actor: Actor, kept: Contact, other: Contact, choices: Mapping[str, str]
) -> list[FieldChoice]:
    """The fields in which both differ, those of the workspace's own behind the others, with what was chosen."""
    own = contacts.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    strange = {
        name: worded("Choose the value of one of the two.")
        for name, side in choices.items()
        if (name not in FIELDS and name not in {field.name for field in own}) or side not in set(Side)
    }
    if strange:
        raise InvalidInputError(worded("Choose the value of one of the two."), fields=strange)
    values = contacts.custom_values_of(session, actor, fields=own, contact_ids=[kept.id, other.id])
    texts = {
        person.id: {key: value.text for key, value in values.get(person.id, {}).items()} for person in (kept, other)
    }
    pairs = [(name, text_of(kept, name), text_of(other, name)) for name in FIELDS]
    pairs += [(field.name, texts[kept.id].get(field.key, ""), texts[other.id].get(field.key, "")) for field in own]
    found: list[FieldChoice] = []
    for name, mine, theirs in pairs:
        if mine == theirs or not theirs:
            continue
        side = Side(choices.get(name, Side.KEPT)) if mine else Side.OTHER
        found.append(FieldChoice(field=name, kept=mine, other=theirs, side=side, is_open=bool(mine)))
    return found


def _taken(fields: Sequence[FieldChoice]) -> frozenset[str]:
    return frozenset(one.field for one in fields if one.side is Side.OTHER)


def _settle(session: Session, pair: Pair, kept: Contact, other: Contact) -> None:
    """Give the kept person the chosen values and the later exchanges, and let the other one lead to them."""
    chosen = pair.taken & set(FIELDS) - {"company_id", "email"}
    plain = {name: typed(name, text_of(other, name)) for name in sorted(chosen)}
    set_values(kept, plain)
    if "company_id" in pair.taken:
        kept.company_id = other.company_id
    for name in _EXCHANGES:
        setattr(kept, name, max(filter(None, (getattr(kept, name), getattr(other, name))), default=None))
    # Who was not to be seen by everybody is not from now on either.
    kept.restricted = kept.restricted or other.restricted
    # Of two limits on processing the earlier one, and either of them binds the person who is left.
    kept.limited_at = min(filter(None, (kept.limited_at, other.limited_at)), default=None)
    kept.updated_at = other.updated_at = pair.now
    other.deleted_at, other.merged_into_id = pair.now, kept.id
    session.flush()
    if "email" in pair.taken:
        _make_first(session, kept, other.email)
    sync_email(session, kept, now=pair.now)


def _make_first(session: Session, kept: Contact, address: str) -> None:
    """The other one's main address is still the only primary one of e-mail, unless it never was one."""
    wanted = select(Handle).where(
        Handle.contact_id == kept.id, Handle.channel == ChannelKind.EMAIL, Handle.deleted_at.is_(None)
    )
    rows = session.scalars(wanted).all()
    if rows and not any(row.is_primary for row in rows):
        chosen = next((row for row in rows if row.address == address), rows[0])
        chosen.is_primary = True
        session.flush()


def _columns(person: Contact) -> dict[str, Any]:
    return {
        column.name: getattr(person, column.name) for column in Contact.__table__.columns if column.name not in _UNTOLD
    }


def _record_people(
    pair: Pair,
    before: tuple[dict[str, Any], dict[str, Any]],
    after: tuple[dict[str, Any], dict[str, Any]],
    taken: frozenset[str],
) -> None:
    """Write down the columns of both that changed; of the other one also what was taken, for its provenance."""
    rows: list[RowChange] = []
    for person_id, was, now, also in (
        (pair.kept_id, before[0], after[0], frozenset[str]()),
        (pair.other_id, before[1], after[1], taken - {"birthday"} | ({"birth_day"} if "birthday" in taken else set())),
    ):
        names = [name for name in was if was[name] != now[name] or name in also]
        if names:
            rows.append(
                RowChange.update(
                    "contact",
                    person_id,
                    before={name: was[name] for name in names},
                    after={name: now[name] for name in names},
                )
            )
    assert pair.change_set_id is not None, "a merge has a change set"  # noqa: S101 - opened by the caller.
    changes.record_changes(pair.session, change_set_id=pair.change_set_id, changes=rows)


def undo_merge(session: Session, actor: Actor, *, change_set_id: UUID, now: datetime) -> UndoneMerge:
    """Make two people of one again: everybody has what they had, but for what somebody changed later.

    Points go back by reversing entries as far as they are there. Of two undos at once the second is refused.
    Raises `NotUndoableError`, `NotMergeableError` (one of them was merged on, deleted or erased since),
    `ChangeSetNotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.MERGE)
    _wait_for_others(session, actor)
    row = changes.undoable(session, actor, change_set_id=change_set_id, now=now)
    if row.kind != ChangeSetKind.MERGE or row.source_id is None:
        raise changes.ChangeSetNotFoundError(N_("There is no such change."))
    kept_id, other_id = row.source_id, UUID(row.result["other_id"])
    wanted = select(Contact).where(Contact.id.in_([kept_id, other_id]), contacts.visible(actor)).order_by(Contact.id)
    locked = wanted.with_for_update(of=Contact, key_share=True).execution_options(populate_existing=True)
    found = {person.id: person for person in session.scalars(locked)}
    kept, other = found.get(kept_id), found.get(other_id)
    if kept is None:
        raise changes.ChangeSetNotFoundError(N_("There is no such change."))
    if kept.erased_at is not None or other is None or other.erased_at is not None:
        raise NotMergeableError(N_("This person’s data was erased."), code="erased")
    if kept.merged_into_id is not None or other.merged_into_id != kept_id:
        raise NotMergeableError(N_("There was another merge since. Undo that one first."), code="merged")
    if kept.deleted_at is not None:
        raise NotMergeableError(N_("This contact was deleted. Restore it first."), code="deleted")
    pair = Pair(session=session, actor=actor, kept_id=kept_id, other_id=other_id, now=now, change_set_id=change_set_id)
    effects = row.result
    missing = loyalty.shortfall(pair)
    undone = changes.undo(session, actor, change_set_id=change_set_id, now=now)
    for mover in MOVERS:
        mover.back(pair)
    row.result = {**effects, **row.result, "missing_points": missing}
    for person in (kept, other):
        sync_email(session, person, now=now)
    audit.record(session, actor, action="contact.unmerged", object_kind="contact", object_id=kept_id)
    return UndoneMerge(kept_id=kept_id, other_id=other_id, undone=undone, missing_points=missing)
