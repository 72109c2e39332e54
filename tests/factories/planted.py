"""A person with words of their own in every field that the use cases reach, and in rows of others."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from factories import campaigns, contacts, loyalty, outreach

from crm.accounts.models import IdempotencyKey, Notification
from crm.accounts.services import audit, progress
from crm.channels.base import ChannelKind
from crm.channels.sandbox import SandboxStore
from crm.contacts import services as contact_services
from crm.enrichment.models import EnrichmentRun
from crm.loyalty import queries as loyalty_queries
from crm.loyalty import services as loyalty_services
from crm.outreach import services as messages
from crm.outreach.models import Message

FIRST, LAST = "Zyxqua", "Wvutsrq"
NAME = f"{FIRST} {LAST}"
EMAIL, OTHER = "zyxqua.wvutsrq@planted.example", "former-zyx@planted.example"
PHONE = "+39 347 7654321"
#: What must be found nowhere, in any case: parts of names and addresses.
PLANTED = ("zyxqua", "wvutsrq", "former-zyx", "7654321", "plantedword")
WORD = "plantedword"


def planted(session, actor, *, home: Path, now) -> UUID:
    """A person with something of theirs in every field that the use cases reach, and in the rows of others."""
    person = contacts.contact(
        session,
        actor,
        NAME,
        email=EMAIL,
        tags=["fair"],
        title=f"Head of {WORD}",
        company_name="Bo Ceramiche",
        street=f"Via {WORD} 1",
        city=f"{WORD}",
        interests=f"likes {WORD}",
        came_from=f"{WORD} fair",
        birthday="1980-04-21",
        now=now,
    )
    contact_services.update(
        session, actor, contact_id=person.id, changes={"interests": f"more {WORD}"}, now=now + timedelta(minutes=1)
    )
    contact_services.suggest_fact(session, actor, contact_id=person.id, field="city", value=WORD, source=WORD, now=now)
    phone = contacts.handle(session, actor, person.id, channel=ChannelKind.PHONE, address=PHONE, label=WORD, now=now)
    old = contacts.handle(session, actor, person.id, address=OTHER, now=now)
    contact_services.rename_handle(session, actor, handle_id=old.id, address="zyxqua.new@planted.example", now=now)
    contact_services.remove_handle(session, actor, handle_id=phone.id, now=now)
    friend = contacts.contact(session, actor, "Ann Bo", email="ann@example.com", now=now)
    contact_services.link(session, actor, contact_id=friend.id, other_id=person.id, kind="knows", now=now)
    contacts.interaction(
        session, actor, person.id, subject=WORD, body=f"spoke of {WORD}", post_url=f"https://x.example/{WORD}", now=now
    )
    contacts.interaction(session, actor, friend.id, body=f"{NAME} introduced us, write to {EMAIL}", now=now)
    contacts.task(session, actor, f"Call {NAME}", contact_id=person.id, now=now)
    contacts.task(session, actor, f"Ask about {NAME.upper()}", contact_id=friend.id, now=now)
    contacts.consent(
        session, actor, person.id, source=f"card of {WORD}", wording=WORD, note=WORD, happened_at=now, now=now
    )
    _points(session, actor, person.id, now=now)
    _letters(session, actor, person.id, home=home, now=now)
    _helps_of_the_day(session, actor, person.id, now=now)
    made = campaigns.segment(
        session, actor, {"all": [{"field": "lifecycle", "op": "any_of", "value": ["lead"]}]}, now=now
    )
    made.name, made.rule = f"Friends of {NAME}", {"all": [{"field": "title", "op": "contains", "value": NAME}]}
    return person.id


def _points(session, actor, contact_id, *, now) -> None:
    if loyalty_queries.default_program(session, actor) is None:
        loyalty.program(session, actor, now=now)
    member = loyalty_services.join(session, actor, contact_id=contact_id, now=now)
    loyalty.earn(session, actor, member.id, 340, reason=f"for {WORD}", idempotency_key=f"order of {NAME}", now=now)
    offer = loyalty.offer(session, actor, now=now)
    loyalty.voucher(session, actor, offer_id=offer.id, contact_id=contact_id, now=now)


def _letters(session, actor, contact_id, *, home: Path, now) -> None:
    account = outreach.account(session, actor, is_sandbox=True, now=now)
    kept = outreach.message(
        session, actor, contact_id, account_id=account.id, subject=WORD, body=f"Dear {NAME}", now=now
    )
    message = session.get_one(Message, kept.id)
    message.reason = f"because {WORD}"
    raw = (
        f"From: {NAME} <{EMAIL}>\r\nTo: {account.address}\r\nSubject: {WORD}\r\n"
        f"Message-ID: <{WORD}@planted.example>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n\r\nYes, {NAME}\r\n"
    )
    assert messages.receive(session, account, raw.encode(), now) is not None
    store = SandboxStore(home)
    store.prepare()
    for recipient in (EMAIL, "ann@example.com"):
        content = f"To: {recipient}\r\nSubject: {WORD if recipient == EMAIL else 'News'}\r\n\r\nHello\r\n"
        store.keep(account=account.public_id, sender=account.address, recipients=[recipient], content=content.encode())


def _helps_of_the_day(session, actor, contact_id, *, now) -> None:
    audit.record(
        session, actor, action="contact.changed", object_kind="contact", object_id=contact_id, after={"city": WORD}
    )
    audit.record(session, actor, action="export.made", after={"of": NAME})
    session.add(
        Notification(user_id=actor.user_id, kind="mention", params={"who": NAME}, url=f"/contacts/{contact_id}")
    )
    progress.start(session, actor, kind="import", title=f"{NAME}.csv", now=now)
    answer = {"body": {"display_name": NAME}, "headers": {}}
    session.add(IdempotencyKey(route="POST", key=EMAIL, body_hash="0", status=201, answer=answer))
    session.add(EnrichmentRun(source="website", contact_id=contact_id, address=f"https://{WORD}.example"))
    session.flush()
