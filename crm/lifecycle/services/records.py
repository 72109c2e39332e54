"""Owns what a workspace writes itself into its records of processing activities."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.db import new_id
from crm.errors import InvalidInputError, worded
from crm.lifecycle.privacy_models import ProcessingRecord
from crm.lifecycle.rules.records import LONGEST, OwnText


def write_record(session: Session, actor: Actor, *, texts: Mapping[OwnText, str], now: datetime) -> ProcessingRecord:
    """Take over own texts; those that are not named stay. Raises `InvalidInputError` for one that is too long."""
    actor.require(Permission.MANAGE_WORKSPACE)
    clean = {name.value: text.strip() for name, text in texts.items()}
    sentence = worded("Write at most %(most)s letters.", most=LONGEST)
    wrong = {name: sentence for name, text in clean.items() if len(text) > LONGEST}
    if wrong:
        raise InvalidInputError(sentence, fields=wrong)
    made = insert(ProcessingRecord).values(id=new_id(), workspace_id=actor.workspace_id)
    session.execute(made.on_conflict_do_nothing(index_elements=["workspace_id"]))
    wanted = select(ProcessingRecord).with_for_update().execution_options(populate_existing=True)
    row = session.scalars(wanted).one()
    before = {name: getattr(row, name) for name in clean}
    old, new = audit.changes(before, clean)
    if new:
        for name, text in new.items():
            setattr(row, name, text)
        row.updated_at = now
        session.flush()
        audit.record(session, actor, action="record.changed", object_kind="workspace", before=old, after=new)
    return row
