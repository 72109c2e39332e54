"""Owns what happens when two people change the same record: different fields merge, the same field asks."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.channels.sentences import N_
from crm.contacts.kinds import FactState
from crm.contacts.models import Company, Contact, Fact
from crm.errors import AppError, ConflictError


class EditConflictError(ConflictError):
    """Somebody changed the same field meanwhile; `theirs` holds their value by field."""

    code = "changed_meanwhile"

    def __init__(self, theirs: dict[str, str]) -> None:
        sentence = N_("Somebody else changed this meanwhile. Look at their value and decide.")
        super().__init__(sentence, fields=dict.fromkeys(theirs, sentence))
        self.theirs = theirs


class VersionMismatchError(AppError):
    """The record is not the version that was asked for (RFC 9110, If-Match)."""

    status = 412
    code = "version_mismatch"


def check_version(
    session: Session, *, subject: Contact | Company, fields: Iterable[str], expected_version: int | None, merge: bool
) -> None:
    """Refuse a change made on an older version of a locked record.

    With `merge` only when somebody changed one of the same `fields` since (`EditConflictError`); without it whenever
    the versions differ (`VersionMismatchError`).
    """
    if expected_version is None or expected_version == subject.version:
        return
    if not merge:
        raise VersionMismatchError(N_("This was changed meanwhile. Read it again."))
    mine = Fact.contact_id == subject.id if isinstance(subject, Contact) else Fact.company_id == subject.id
    wanted = select(Fact.field, Fact.value).where(
        mine,
        Fact.field.in_(list(fields)),
        Fact.state == FactState.CURRENT,
        Fact.version > expected_version,
    )
    theirs = {row.field: row.value for row in session.execute(wanted)}
    if theirs:
        raise EditConflictError(theirs)
