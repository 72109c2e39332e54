"""Owns reading a workspace's own words: kinds of entry, labels, keyword rules."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select, union_all
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries as contact_queries
from crm.db import among
from crm.errors import NotFoundError
from crm.files.models import StoredFile
from crm.interactions.keywords import Rule
from crm.interactions.kinds import Sentiment, Tone
from crm.interactions.timeline_models import EntryFile, EntryLabel, KeywordRule, LabelledEntry, OwnKind

T = TypeVar("T")

#: So many of each a workspace may have; a page shows them whole.
MOST = 200


class OwnKindNotFoundError(NotFoundError):
    """No such kind in this workspace."""

    code = "kind_not_found"


class LabelNotFoundError(NotFoundError):
    """No such label in this workspace."""

    code = "label_not_found"


class RuleNotFoundError(NotFoundError):
    """No such keyword rule in this workspace."""

    code = "rule_not_found"


@dataclass(frozen=True, slots=True)
class LabelView:
    """A label of an entry."""

    id: UUID
    key: str
    name: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class FileView:
    """A file that lies with an entry; `size` in bytes, `id` is what the download's address names."""

    id: UUID
    name: str
    size: int


def own_kinds(session: Session, actor: Actor, *, with_archived: bool = False) -> list[OwnKind]:
    """The kinds that this workspace added, by name."""
    wanted = select(OwnKind).where(_open(actor)).order_by(OwnKind.name, OwnKind.id).limit(MOST)
    return list(session.scalars(wanted if with_archived else wanted.where(OwnKind.archived_at.is_(None))))


def own_kind(session: Session, actor: Actor, *, key: str) -> OwnKind:
    """One kind, archived or not; raises `OwnKindNotFoundError`."""
    row = session.scalars(select(OwnKind).where(OwnKind.key == key, _open(actor))).one_or_none()
    if row is None:
        raise OwnKindNotFoundError(N_("There is no such kind."))
    return row


def labels(session: Session, actor: Actor, *, with_archived: bool = False) -> list[EntryLabel]:
    """The labels of this workspace, by name."""
    wanted = select(EntryLabel).where(_open(actor)).order_by(EntryLabel.name, EntryLabel.id).limit(MOST)
    return list(session.scalars(wanted if with_archived else wanted.where(EntryLabel.archived_at.is_(None))))


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the workspace's own, as a choice; `is_archived` is one that is no longer given."""

    id: UUID
    key: str
    name: str
    is_archived: bool


def vocabulary(session: Session, actor: Actor) -> tuple[list[Word], list[Word]]:
    """The workspace's own kinds, archived ones too, and the labels that are given, by name, with one statement."""
    kinds = select(literal("kind"), OwnKind.id, OwnKind.key, OwnKind.name, OwnKind.archived_at.is_not(None))
    open_labels = select(literal("label"), EntryLabel.id, EntryLabel.key, EntryLabel.name, literal(value=False))
    open_labels = open_labels.where(EntryLabel.archived_at.is_(None))
    rows = session.execute(union_all(*(each.where(_open(actor)).limit(MOST) for each in (kinds, open_labels)))).all()
    words = sorted(((row[0], Word(*row[1:])) for row in rows), key=lambda found: (found[1].name, found[1].id))
    return [word for what, word in words if what == "kind"], [word for what, word in words if what == "label"]


def label(session: Session, actor: Actor, *, label_id: UUID) -> EntryLabel:
    """One label, archived or not; raises `LabelNotFoundError`."""
    row = session.scalars(select(EntryLabel).where(EntryLabel.id == label_id, _open(actor))).one_or_none()
    if row is None:
        raise LabelNotFoundError(N_("There is no such label."))
    return row


def keyword_rows(session: Session, actor: Actor) -> list[tuple[KeywordRule, EntryLabel | None]]:
    """The keyword rules with the label each gives, by phrase."""
    wanted = (
        select(KeywordRule, EntryLabel)
        .outerjoin(EntryLabel, EntryLabel.id == KeywordRule.label_id)
        .where(_open(actor))
        .order_by(KeywordRule.phrase_norm)
        .limit(MOST)
    )
    return [(rule, found) for rule, found in session.execute(wanted)]


def keyword_rule(session: Session, actor: Actor, *, rule_id: UUID) -> KeywordRule:
    """One rule; raises `RuleNotFoundError`."""
    row = session.scalars(select(KeywordRule).where(KeywordRule.id == rule_id, _open(actor))).one_or_none()
    if row is None:
        raise RuleNotFoundError(N_("There is no such rule."))
    return row


def keyword_rules(session: Session) -> list[Rule]:
    """What `crm.interactions.keywords.judge` compares words with."""
    rows = session.execute(
        select(KeywordRule.phrase_norm, KeywordRule.sentiment, KeywordRule.label_id)
        .order_by(KeywordRule.phrase_norm)
        .limit(MOST)
    )
    return [Rule(phrase, Sentiment(mood) if mood else None, label_id) for phrase, mood, label_id in rows]


def beside_entries(
    session: Session, entry_ids: Collection[UUID]
) -> tuple[dict[UUID, tuple[LabelView, ...]], dict[UUID, tuple[FileView, ...]]]:
    """The labels of each entry, by name, and its files, in the order in which they came, with one statement.

    Who asks has read the entries already.
    """
    labelled = (
        select(LabelledEntry.interaction_id, EntryLabel.id, EntryLabel.key, EntryLabel.name, EntryLabel.tone)
        .add_columns(literal(0))
        .join(EntryLabel, EntryLabel.id == LabelledEntry.label_id)
        .where(among(LabelledEntry.interaction_id, entry_ids))
    )
    filed = (
        select(EntryFile.interaction_id, EntryFile.id, literal(""), StoredFile.name, literal(""), StoredFile.size)
        .join(StoredFile, StoredFile.id == EntryFile.file_id)
        .where(among(EntryFile.interaction_id, entry_ids))
    )
    rows = session.execute(union_all(labelled, filed)).all()
    labels = sorted((row for row in rows if row[2]), key=lambda row: (row[3], row[1]))
    files = sorted((row for row in rows if not row[2]), key=lambda row: row[1])
    return (
        _grouped((entry, LabelView(key, word, name, Tone(tone))) for entry, key, word, name, tone, _size in labels),
        _grouped((entry, FileView(key, name, size)) for entry, key, _word, name, _tone, size in files),
    )


def _grouped(rows: Iterable[tuple[UUID, T]]) -> dict[UUID, tuple[T, ...]]:
    found: dict[UUID, list[T]] = {}
    for key, value in rows:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def stored(session: Session, actor: Actor) -> tuple[int, int]:
    """(how many, bytes) of the files that lie with entries of this workspace, removed entries' included."""
    row = session.execute(
        select(func.count(), func.coalesce(func.sum(StoredFile.size), 0))
        .select_from(EntryFile)
        .join(StoredFile, StoredFile.id == EntryFile.file_id)
        .where(_open(actor))
    ).one()
    return int(row[0]), int(row[1])


def _open(actor: Actor) -> ColumnElement[bool]:
    """Who sees no person sees none of the workspace's words either."""
    return literal(contact_queries.scope(actor) is not contact_queries.Scope.NOTHING)
