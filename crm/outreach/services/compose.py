"""Makes the words of a message final: values for templates, the way out, and the frozen content with its hash."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.models import User, Workspace
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind, OutboundTemplate
from crm.channels.lengths import MAX_TEXT, excess
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose
from crm.contacts.models import Company, Contact, Handle
from crm.db import new_id
from crm.errors import InvalidInputError, worded
from crm.files.models import StoredFile
from crm.outreach.content import MAX_SUBJECT, MAX_TEMPLATE, Trusted, escape_markdown, is_one_line, write_out
from crm.outreach.links import PreferenceToken
from crm.outreach.models import FrozenContent, Message, SenderAccount
from crm.outreach.queries.gate import among
from crm.outreach.rules import PURPOSES
from crm.outreach.services.letters import listed
from crm.outreach.setup import links

#: Channels whose text is Markdown and becomes HTML beside plain text.
RICH: Final = frozenset({ChannelKind.EMAIL})
#: The longest thread that is named in the References header.
MAX_REFERENCES: Final = 20

# What the reader of a promotion needs to say no, in the reader's language; these are words of a message, not of a page.
_WAY_OUT: Final = {
    "en": "To choose what you receive, or to receive nothing more:",
    "it": "Per scegliere che cosa ricevere, o per non ricevere più nulla:",
}
_WAY_OUT_CHAT: Final = {
    "en": "Answer STOP if you don't want messages like this.",
    "it": "Risponda STOP se non desidera messaggi come questo.",
}
_PREFERENCES: Final = {"en": "Your choices", "it": "Le Sue scelte"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One person with what templates may say about them."""

    contact: Contact
    company: Company | None


def recipients(session: Session, *, contact_ids: Collection[UUID]) -> dict[UUID, Recipient]:
    """People with their companies, by id."""
    rows = session.execute(
        select(Contact, Company)
        .outerjoin(Company, Company.id == Contact.company_id)
        .where(among(Contact.id, contact_ids))
    )
    return {contact.id: Recipient(contact=contact, company=company) for contact, company in rows}


def values_of(
    session: Session,
    actor: Actor,
    recipient: Recipient,
    *,
    account: SenderAccount | None,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """What a template may use for one person; empty values are left out, so that `default` and the check see them.

    `extra` adds groups of the caller's (offer, voucher, points).
    """
    contact, company = recipient.contact, recipient.company
    house = session.get(Workspace, actor.workspace_id)
    groups: dict[str, dict[str, Any]] = {
        "contact": {
            "first_name": contact.first_name,
            "last_name": contact.last_name,
            "name": contact.display_name,
            "title": contact.title,
            "email": contact.email,
            "city": contact.city,
            "language": language_of(contact, house),
        },
        "company": {"name": company.name, "city": company.city, "website": company.website} if company else {},
        "sender": {
            "name": (account.display_name if account else "") or _name_of(session, actor),
            "address": account.address if account else "",
        },
        "house": {"name": house.name, "address": house.postal_address} if house else {},
        "links": {"preferences": Trusted(links().stand_in_url)},
    }
    for name, group in (extra or {}).items():
        groups[name] = {**groups.get(name, {}), **group}
    return {
        name: {key: value for key, value in group.items() if value not in {"", None}} for name, group in groups.items()
    }


def _name_of(session: Session, actor: Actor) -> str:
    user = session.get(User, actor.user_id) if actor.user_id else None
    return user.name if user else actor.name


def language_of(contact: Contact | None, house: Workspace | None) -> str:
    """The language in which a person is written to: theirs, else the workspace's."""
    wanted = (contact.language if contact else "") or (house.locale if house else "")
    return "it" if wanted.startswith("it") else "en"


class TextTooLongError(InvalidInputError):
    """More than the channel's network takes, counted as it counts."""

    code = "text_too_long"

    def __init__(self, channel: ChannelKind, text: str) -> None:
        sentence = worded(
            "This is %(count)s characters too long: %(limit)s at most, and an emoji may count as two.",
            count=excess(channel, text),
            limit=MAX_TEXT[channel],
        )
        super().__init__(sentence, fields={"body": sentence})


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Subject and body (Markdown on rich channels) as a person left them."""

    subject: str
    body: str
    template: OutboundTemplate | None = None
    """The approved text of the network that `body` reads as, with the values of its gaps."""


def check_words(channel: ChannelKind, *, subject: str, body: str) -> None:
    """Raise `InvalidInputError` by field for words that can't become a message."""
    fields: dict[str, str] = {}
    if not body.strip():
        fields["body"] = N_("Write a text.")
    elif len(body) > MAX_TEMPLATE:
        fields["body"] = N_("The text is too long.")
    if channel is ChannelKind.EMAIL:
        if not subject.strip():
            fields["subject"] = N_("Write a subject.")
        elif len(subject) > MAX_SUBJECT or not is_one_line(subject):
            fields["subject"] = N_("Write the subject on one line, at most 250 characters.")
    if fields:
        raise InvalidInputError(next(iter(fields.values())), fields=fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What a message answers: Message-IDs, oldest first."""

    in_reply_to: str | None = None
    references: Sequence[str] = ()


def freeze(
    session: Session,
    actor: Actor,
    *,
    message: Message,
    words: Words,
    handle: Handle,
    contact: Contact | None,
    account: SenderAccount | None,
    thread: Thread | None = None,
    files: Sequence[StoredFile] = (),
    now: datetime,
) -> FrozenContent:
    """What will leave, to the letter, with its hash, which is set on the message; the caller adds it after the message.

    The hash covers the words, the address, the sender, the code, every header and the bytes of the files, so that
    nothing of it can change after the approval. Raises `TextTooLongError` for more than the network takes.
    """
    house = session.get(Workspace, actor.workspace_id)
    purpose, channel = Purpose(message.purpose), ChannelKind(message.channel)
    text, html = finished_text(words, purpose=purpose, channel=channel, contact=contact, account=account, house=house)
    if account is not None and excess(channel, text) > 0:
        raise TextTooLongError(channel, text)
    frozen = FrozenContent(
        id=new_id(),
        message_id=message.id,
        from_address=account.address if account else "",
        from_name=(account.display_name or (house.name if house else "")) if account else "",
        # A person reads the address before they send by hand; a machine compares it.
        to_address=handle.address if account is None else handle.address_norm,
        to_name=contact.display_name if contact else handle.display_name,
        subject=words.subject,
        text=text,
        html=html,
        headers=_headers(message, account, contact, thread or Thread(), files)
        if channel is ChannelKind.EMAIL
        else _fields(account, handle, thread or Thread(), words.template),
        created_at=now,
        hash="",
    )
    frozen.hash = content_hash(frozen, handle_id=handle.id, voucher_id=message.voucher_id)
    message.approved_hash = frozen.hash
    if account is not None:
        # Chosen before the first attempt, and the same in every further one.
        own = f"<{message.id.hex}@{account.address.partition('@')[2]}>"
        message.reference = message.reference or (own if channel is ChannelKind.EMAIL else str(message.id))
    return frozen


def content_hash(frozen: FrozenContent, *, handle_id: UUID, voucher_id: UUID | None) -> str:
    """SHA-256 over everything that was approved, in a form that doesn't depend on the order of keys."""
    approved = {
        "from": [frozen.from_name, frozen.from_address],
        "to": [frozen.to_name, frozen.to_address, str(handle_id)],
        "subject": frozen.subject,
        "text": frozen.text,
        "html": frozen.html,
        "headers": frozen.headers,
        "voucher": str(voucher_id or ""),
    }
    return hashlib.sha256(json.dumps(approved, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def finished_text(
    words: Words,
    *,
    purpose: Purpose,
    channel: ChannelKind,
    contact: Contact | None,
    account: SenderAccount | None,
    house: Workspace | None,
) -> tuple[str, str]:
    """(plain text, HTML) with signature and way out; the HTML is empty on plain channels."""
    language = language_of(contact, house)
    needs_way_out = PURPOSES[purpose].way_out and contact is not None
    body = _with_own_links(words.body, channel, contact)
    if words.template is not None:
        # The network sends the words that it approved: nothing can be added to them.
        return body, ""
    if channel not in RICH:
        return body + (f"\n\n{_WAY_OUT_CHAT[language]}" if needs_way_out else ""), ""
    parts = [body]
    if account is not None and account.signature:
        parts.append(account.signature)
    if needs_way_out and contact is not None and house is not None:
        url = links().preference_url(PreferenceToken(workspace_id=house.id, contact_id=contact.id, channel=channel))
        imprint = ", ".join(part for part in (house.name, house.postal_address.replace("\n", ", ")) if part)
        parts += ["---", f"{_WAY_OUT[language]} [{_PREFERENCES[language]}]({url})"]
        parts.append(escape_markdown(imprint, is_trusted=True))
    return write_out("\n\n".join(parts))


def _with_own_links(text: str, channel: ChannelKind, contact: Contact | None) -> str:
    """The text with the person's preference link where the draft only has the stand-in for one."""
    if contact is None:
        return text
    stand_in, token = links().stand_in_url, PreferenceToken(contact.workspace_id, contact.id, channel)
    own = links().preference_url(token)
    if channel not in RICH:
        return text.replace(stand_in, own)
    written, wanted = escape_markdown(stand_in, is_trusted=True), escape_markdown(own, is_trusted=True)
    return text.replace(written, wanted).replace(stand_in, wanted)


def _fields(
    account: SenderAccount | None, handle: Handle, thread: Thread, template: OutboundTemplate | None
) -> dict[str, Any]:
    """What the API of a network needs beside the words."""
    if account is None:
        return {}
    frozen: dict[str, Any] = {}
    if handle.platform_id:
        frozen["platform_id"] = handle.platform_id
    if thread.in_reply_to:
        frozen["in_reply_to"] = thread.in_reply_to
    if template is not None:
        frozen["template"] = {
            "name": template.name,
            "language": template.language,
            "parameters": list(template.parameters),
        }
    return frozen


def _headers(
    message: Message,
    account: SenderAccount | None,
    contact: Contact | None,
    thread: Thread,
    files: Sequence[StoredFile],
) -> dict[str, Any]:
    if account is None:
        return {}
    frozen: dict[str, Any] = {"headers": {}, "references": list(thread.references[-MAX_REFERENCES:])}
    if files:
        frozen["files"] = listed(files)
    if thread.in_reply_to:
        frozen["in_reply_to"] = thread.in_reply_to
    if PURPOSES[Purpose(message.purpose)].way_out and contact is not None:
        token = PreferenceToken(
            workspace_id=account.workspace_id, contact_id=contact.id, channel=ChannelKind(message.channel)
        )
        frozen["headers"] = links().unsubscribe_headers(token)
    if account.config.get("plus_address"):
        local, _, domain = account.address.partition("@")
        frozen["reply_to"] = f"{local}+{links().reply_token(message.id)}@{domain}"
    return frozen
