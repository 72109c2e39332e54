"""Owns the templates that a network approved: keeping what it says of them, and filling one for a message."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.base import OutboundTemplate
from crm.channels.sentences import N_
from crm.channels.whatsapp import ApprovedTemplate, TemplatesError, WhatsAppAdapter
from crm.db import new_id
from crm.errors import InvalidInputError, worded
from crm.outreach.adapters import connect, spec_of
from crm.outreach.models import SenderAccount
from crm.outreach.network_models import NetworkTemplate
from crm.outreach.queries.network_templates import may_be_sent
from crm.outreach.reasons import sentence
from crm.outreach.services.accounts import load
from crm.outreach.services.compose import Words

#: Templates of one account that are kept, and characters that one gap may be filled with.
MOST: Final = 500
MAX_GAP: Final = 1000
#: A form shows a field for each gap; Meta's reviewers refuse templates that are mostly gaps.
MOST_GAPS: Final = 10
_GAP: Final = re.compile(r"\{\{\s*(\d{1,2})\s*\}\}")


def gaps_of(body: str) -> int:
    """How many values a template wants: its gaps are numbered from 1."""
    return max((int(found[1]) for found in _GAP.finditer(body)), default=0)


def read_templates(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> int:
    """Ask the network for the account's templates and keep what it says; returns how many it has.

    Dials: close the transaction first, or accept that it waits. Raises `InvalidInputError` where it can't be asked.
    """
    actor.require(Permission.MANAGE_CHANNELS)
    adapter = connect(spec_of(load(session, account_id)))
    if not isinstance(adapter, WhatsAppAdapter):
        raise InvalidInputError(N_("This channel has no templates to read."), code="no_templates")
    try:
        found = adapter.templates()
    except TemplatesError as error:
        raise InvalidInputError(sentence(error.code), code=error.code) from None
    return keep_templates(session, actor, account_id=account_id, found=found, now=now)


def keep_templates(
    session: Session, actor: Actor, *, account_id: UUID, found: Sequence[ApprovedTemplate], now: datetime
) -> int:
    """Replace what is known of the account's templates by what the network says now; returns how many are kept."""
    actor.require(Permission.MANAGE_CHANNELS)
    load(session, account_id, lock=True)
    session.execute(
        delete(NetworkTemplate)
        .where(NetworkTemplate.account_id == account_id)
        .execution_options(synchronize_session=False)
    )
    rows = [
        {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "account_id": account_id,
            "name": one.name,
            "language": one.language,
            "category": one.category,
            "status": one.status,
            "body": one.body,
            "is_plain": one.is_plain and gaps_of(one.body) <= MOST_GAPS and _GAP.sub("", one.body).count("{{") == 0,
            "read_at": now,
        }
        for one in {(each.name, each.language): each for each in found[:MOST]}.values()
    ]
    if rows:
        session.execute(insert(NetworkTemplate), rows)
    session.flush()
    return len(rows)


@dataclass(frozen=True, slots=True)
class ChosenTemplate:
    """A template that somebody chose for a message, and what they wrote into its gaps, in order."""

    template_id: UUID
    values: Sequence[str] = ()


def approved_words(session: Session, *, account: SenderAccount | None, chosen: ChosenTemplate) -> Words:
    """`fill_template` of what was chosen; raises `InvalidInputError` for one that may not be sent from `account`."""
    found = session.get(NetworkTemplate, chosen.template_id)
    if found is None or account is None or found.account_id != account.id or not may_be_sent(found):
        sentence_ = N_("This template can’t be sent from this account. Choose another one.")
        raise InvalidInputError(sentence_, code="no_such_template", fields={"approved_id": sentence_})
    return fill_template(found, chosen.values)


def previewed(template: NetworkTemplate, chosen: ChosenTemplate) -> str:
    """The template as it will read, with the gaps that are still empty shown as they are."""
    values = [value.strip() for value in chosen.values]

    def filled(found: re.Match[str]) -> str:
        at = int(found[1]) - 1
        return (values[at] if 0 <= at < len(values) else "") or found[0]

    return _GAP.sub(filled, template.body)


def fill_template(template: NetworkTemplate, values: Sequence[str]) -> Words:
    """The words that the network will send: the approved text with its gaps filled.

    Raises `InvalidInputError` by field (`gap_1`, ...) for an empty gap or one with a line break, which WhatsApp
    refuses.
    """
    wanted = gaps_of(template.body)
    given = [values[number].strip() if number < len(values) else "" for number in range(wanted)]
    fields: dict[str, str] = {}
    for number, value in enumerate(given, start=1):
        if not value:
            fields[f"gap_{number}"] = worded("Fill in gap %(number)s of the template.", number=number)
        elif len(value) > MAX_GAP or re.search(r"[\n\t]| {5}", value):
            fields[f"gap_{number}"] = N_("Write this on one line, at most 1,000 characters.")
    if fields:
        raise InvalidInputError(next(iter(fields.values())), fields=fields)
    body = _GAP.sub(lambda found: given[int(found[1]) - 1] if 0 < int(found[1]) <= wanted else found[0], template.body)
    chosen = OutboundTemplate(name=template.name, language=template.language, parameters=tuple(given))
    return Words(subject="", body=body, template=chosen)
