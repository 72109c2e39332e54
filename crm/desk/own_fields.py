"""The workspace's own fields of a person or company, as the pages of both show them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.custom_words import custom_rows
from crm.contacts.kinds import CustomSubject
from crm.contacts.words import FactRow


def own_rows(
    session: Session, actor: Actor, *, subject: CustomSubject, owner_id: UUID, facts: Mapping[str, contacts.FactView]
) -> list[FactRow]:
    """The values with their origin, in the order of the fields."""
    fields = contacts.custom_fields(session, actor, subject=subject)
    owner: dict[str, Any] = {f"{subject}_ids": [owner_id]}
    values = contacts.custom_values_of(session, actor, fields=fields, **owner).get(owner_id, {})
    return custom_rows(fields, values, facts, names=contacts.custom_names(session, actor, values=[values]))
