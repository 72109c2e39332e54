"""Owns changing a workspace's own words: kinds of entry, labels and keyword rules."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.inputs import Input, Line
from crm.db import new_id
from crm.errors import InvalidInputError
from crm.filters.text import normalise
from crm.interactions import queries
from crm.interactions.keywords import EXAMPLES, MAX_PHRASE
from crm.interactions.kinds import Sentiment, StandardLabel, Tone
from crm.interactions.queries.vocabulary import MOST
from crm.interactions.services.judging import put_labels
from crm.interactions.timeline_models import EntryLabel, KeywordRule, LabelledEntry, OwnKind

#: The icons that an own kind may have; all of them are in the sprite.
ICONS: Final = (
    *("point", "flag", "star", "heart", "gift", "calendar-event", "building-store", "briefcase", "users", "phone"),
    *("mail", "message-circle", "file-import", "ticket", "shopping-bag", "world", "tag", "sparkles"),
)
_TONES: Final = {StandardLabel.FEEDBACK.value: Tone.ACCENT, StandardLabel.COMPLAINT.value: Tone.BAD}


class KindInput(Input):
    """A kind of the user's own."""

    name: Annotated[Line, Field(min_length=1, max_length=40)]
    icon: str = "point"
    tone: Tone = Tone.PLAIN


class LabelInput(Input):
    """A label."""

    name: Annotated[Line, Field(min_length=1, max_length=40)]
    tone: Tone = Tone.PLAIN


class KeywordInput(Input):
    """A word or phrase and what it says: a sentiment, a label, or both."""

    phrase: Annotated[Line, Field(min_length=1, max_length=MAX_PHRASE)]
    sentiment: Sentiment | None = None
    label_id: UUID | None = None


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", normalise(name)).strip("_")[:40] or f"n{new_id().hex[-8:]}"


def _room(session: Session, table: Any) -> None:
    if (session.scalar(select(func.count()).select_from(table)) or 0) >= MOST:
        raise InvalidInputError(N_("There are as many as there may be. Remove or rename one first."))


def add_kind(session: Session, actor: Actor, *, data: KindInput, now: datetime) -> OwnKind:
    """A new kind; its key follows from its first name and stays. Raises `InvalidInputError`."""
    actor.require(Permission.BULK_EDIT)
    _check_icon(data.icon)
    _room(session, OwnKind)
    key = f"own.{_slug(data.name)}"
    _free(session, OwnKind.key == key, N_("There is already a kind with this name."))
    row = OwnKind(key=key, name=data.name, icon=data.icon, tone=data.tone.value, created_at=now)
    session.add(row)
    session.flush()
    return row


def _check_icon(icon: str) -> None:
    if icon not in ICONS:
        sentence = N_("Choose one of the icons.")
        raise InvalidInputError(sentence, fields={"icon": sentence})


def _free(session: Session, condition: Any, sentence: str) -> None:
    if session.scalar(select(condition).where(condition)) is not None:
        raise InvalidInputError(sentence, fields={"name": sentence})


def change_kind(session: Session, actor: Actor, *, key: str, data: KindInput) -> OwnKind:
    """Another name, icon or colour; entries of this kind show it at once."""
    actor.require(Permission.BULK_EDIT)
    row = queries.own_kind(session, actor, key=key)
    _check_icon(data.icon)
    row.name, row.icon, row.tone = data.name, data.icon, data.tone.value
    session.flush()
    return row


def archive_kind(session: Session, actor: Actor, *, key: str, is_archived: bool, now: datetime) -> OwnKind:
    """Offer a kind no longer, or again; what was logged with it stays as it is."""
    actor.require(Permission.BULK_EDIT)
    row = queries.own_kind(session, actor, key=key)
    row.archived_at = (row.archived_at or now) if is_archived else None
    session.flush()
    return row


def standard_label(session: Session, actor: Actor, *, kind: StandardLabel, name: str = "", now: datetime) -> EntryLabel:
    """The label that every workspace has; made when it is asked for the first time, called `name` then."""
    tone = _TONES[kind.value]
    row = {"id": new_id(), "workspace_id": actor.workspace_id, "key": kind.value, "name": name or kind.value}
    session.execute(insert(EntryLabel).values(**row, tone=tone.value, created_at=now).on_conflict_do_nothing())
    return session.scalars(select(EntryLabel).where(EntryLabel.key == kind.value)).one()


def add_label(session: Session, actor: Actor, *, data: LabelInput, now: datetime) -> EntryLabel:
    """A new label. Raises `InvalidInputError` when there is one of this name."""
    actor.require(Permission.EDIT)
    _room(session, EntryLabel)
    key = _slug(data.name)
    _free(session, EntryLabel.key == key, N_("There is already a label with this name."))
    row = EntryLabel(key=key, name=data.name, tone=data.tone.value, created_at=now)
    session.add(row)
    session.flush()
    return row


def change_label(session: Session, actor: Actor, *, label_id: UUID, data: LabelInput) -> EntryLabel:
    """Another name or colour, on all entries that carry it."""
    actor.require(Permission.BULK_EDIT)
    row = queries.label(session, actor, label_id=label_id)
    row.name, row.tone = data.name, data.tone.value
    session.flush()
    return row


def archive_label(session: Session, actor: Actor, *, label_id: UUID, is_archived: bool, now: datetime) -> EntryLabel:
    """Offer a label no longer, or again; entries keep it."""
    actor.require(Permission.BULK_EDIT)
    row = queries.label(session, actor, label_id=label_id)
    row.archived_at = (row.archived_at or now) if is_archived else None
    session.flush()
    return row


def set_labels(session: Session, actor: Actor, *, interaction_id: UUID, label_ids: Collection[UUID]) -> None:
    """Give an entry exactly these labels; raises the entry's and the labels' not-found errors."""
    actor.require(Permission.EDIT)
    row = queries.interaction(session, actor, interaction_id=interaction_id, lock=True)
    wanted = set(label_ids)
    for label_id in wanted:
        queries.label(session, actor, label_id=label_id)
    session.execute(
        delete(LabelledEntry).where(LabelledEntry.interaction_id == row.id, LabelledEntry.label_id.not_in(wanted))
    )
    put_labels(session, actor, [(row.id, label_id) for label_id in sorted(wanted)])


def add_rule(session: Session, actor: Actor, *, data: KeywordInput, now: datetime) -> KeywordRule:
    """A new keyword rule, or what an existing phrase says from now on; entries that are there stay as they are."""
    actor.require(Permission.BULK_EDIT)
    _room(session, KeywordRule)
    norm = normalise(data.phrase)
    if not any(letter.isalnum() for letter in norm):
        sentence = N_("Write a word or a phrase.")
        raise InvalidInputError(sentence, fields={"phrase": sentence})
    if data.sentiment is None and data.label_id is None:
        sentence = N_("Say what the word means: a mood, a label, or both.")
        raise InvalidInputError(sentence, fields={"sentiment": sentence})
    if data.label_id is not None:
        queries.label(session, actor, label_id=data.label_id)
    said: dict[str, Any] = {"sentiment": data.sentiment, "label_id": data.label_id}
    session.execute(
        insert(KeywordRule)
        .values(
            id=new_id(), workspace_id=actor.workspace_id, phrase=data.phrase, phrase_norm=norm, created_at=now, **said
        )
        .on_conflict_do_update(index_elements=["workspace_id", "phrase_norm"], set_={"phrase": data.phrase, **said})
    )
    return session.scalars(
        select(KeywordRule).where(KeywordRule.phrase_norm == norm).execution_options(populate_existing=True)
    ).one()


def delete_rule(session: Session, actor: Actor, *, rule_id: UUID) -> None:
    """The phrase says nothing any more; what it said about earlier entries stays."""
    actor.require(Permission.BULK_EDIT)
    session.delete(queries.keyword_rule(session, actor, rule_id=rule_id))
    session.flush()


def add_examples(session: Session, actor: Actor, *, names: dict[StandardLabel, str], now: datetime) -> int:
    """The Italian and English phrases to start with, where there is no rule for them yet; how many were new."""
    actor.require(Permission.BULK_EDIT)
    ids = {
        kind: standard_label(session, actor, kind=kind, name=names.get(kind, ""), now=now).id for kind in StandardLabel
    }
    rows = [
        {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "phrase": phrase,
            "phrase_norm": normalise(phrase),
            "sentiment": mood.value,
            "label_id": ids[kind] if kind else None,
            "created_at": now,
        }
        for phrase, mood, kind in EXAMPLES
    ]
    made = session.execute(insert(KeywordRule).values(rows).on_conflict_do_nothing().returning(KeywordRule.id)).all()
    return len(made)
