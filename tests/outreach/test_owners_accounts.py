"""Letters from the account of whoever looks after the person: never the wrong one, its signature once."""

import pytest
from factories import accounts as people
from factories import outreach
from sqlalchemy import select

from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.models import Contact
from crm.outreach import services
from crm.outreach.models import FrozenContent, Message

from .conftest import NOW


@pytest.fixture
def cast(desk):
    """Two colleagues, of whom one has an account, and three people: one of each, one of nobody."""
    session, actor = desk.session, desk.actor
    desk.account.signature = "Lo studio"
    mario, lia = people.user(session), people.user(session)
    own = outreach.account(
        session, actor, "Mario", address="mario@lanterna.example.com", owner_id=mario.id, signature="Mario", now=NOW
    )
    found = {}
    for name, owner in (("mario", mario.id), ("lia", lia.id), ("nobody", None)):
        person = outreach.person(session, actor, f"P {name}", email=f"{name}@example.com", now=NOW)
        session.get_one(Contact, person).owner_id = owner
        found[name] = person
    session.flush()
    return own, found


def drafted(desk, found, **options) -> dict[str, Message]:
    made = services.draft_many(
        desk.session,
        desk.actor,
        batch_id=None,
        drafts=[
            services.DraftInput(contact_id=person, subject="Ciao", body="Le scrive {{ sender.address }}.")
            for person in found.values()
        ],
        purpose=Purpose.PERSONAL,
        channel=ChannelKind.EMAIL,
        now=NOW,
        **options,
    )
    return {name: desk.session.get_one(Message, made[person]) for name, person in found.items()}


def test_each_leaves_from_the_owner_and_the_others_from_the_usual_account(desk, cast):
    own, found = cast
    made = drafted(desk, found, from_owner=True)
    assert made["mario"].account_id == own.id
    assert made["lia"].account_id == made["nobody"].account_id == desk.account.id


def test_who_is_not_asked_for_owners_uses_one_account(desk, cast):
    _own, found = cast
    assert {row.account_id for row in drafted(desk, found, account_id=desk.account.id).values()} == {desk.account.id}


def test_the_signature_and_the_sender_are_those_of_the_account_once(desk, cast):
    _own, found = cast
    made = drafted(desk, found, from_owner=True)
    services.approve(desk.session, desk.actor, message_ids=[row.id for row in made.values()], now=NOW)
    frozen = {row.message_id: row for row in desk.session.scalars(select(FrozenContent))}
    mario, lia = frozen[made["mario"].id], frozen[made["lia"].id]
    assert mario.from_address == "mario@lanterna.example.com"
    assert "Le scrive mario@lanterna.example.com." in mario.text
    assert mario.text.count("\nMario") == 1
    assert "Lo studio" not in mario.text
    assert lia.from_address == desk.account.address
    assert lia.text.count("Lo studio") == 1
    assert "Mario" not in lia.text


def test_a_retired_account_of_an_owner_is_not_used(desk, cast):
    own, found = cast
    services.delete_account(desk.session, desk.actor, account_id=own.id, now=NOW)
    assert drafted(desk, found, from_owner=True)["mario"].account_id == desk.account.id


def test_the_preview_speaks_for_the_owner(desk, cast):
    _own, found = cast
    shown = services.preview(
        desk.session,
        desk.actor,
        contact_id=found["mario"],
        subject="Ciao",
        body="Le scrive {{ sender.address }}.",
        channel=ChannelKind.EMAIL,
        from_owner=True,
    )
    assert "mario@lanterna.example.com" in shown.text
