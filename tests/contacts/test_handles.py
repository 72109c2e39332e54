"""Handles: one address is one row, of somebody or of nobody yet."""

import pytest
from factories.contacts import company, contact, handle, interaction
from sqlalchemy import select

from crm.channels.base import ChannelKind
from crm.contacts import queries, services
from crm.contacts.kinds import HandleState
from crm.contacts.models import HandleChange
from crm.errors import InvalidInputError
from crm.interactions import queries as timeline


def test_the_same_address_twice_is_one_row(session, actor, now):
    person = contact(session, actor, email="ann@example.com")
    again = handle(session, actor, person.id, address="  ANN@Example.COM ")
    assert [row.id for row in queries.handles_of(session, actor, contact_ids=[person.id])[person.id]] == [again.id]


def test_the_first_address_of_a_channel_is_primary_until_another_is_chosen(session, actor, now):
    person = contact(session, actor, email="ann@example.com")
    second = handle(session, actor, person.id, address="ann@work.example.com")
    assert (second.is_primary, person.email) == (False, "ann@example.com")
    services.make_primary(session, actor, handle_id=second.id, now=now)
    assert person.email == "ann@work.example.com"
    found = queries.handles_of(session, actor, contact_ids=[person.id])[person.id]
    assert [row.is_primary for row in found] == [True, False]


def test_removing_the_primary_address_promotes_the_next(session, actor, now):
    person = contact(session, actor, email="ann@example.com")
    handle(session, actor, person.id, address="ann@work.example.com")
    first = queries.handle_by_address(session, actor, channel=ChannelKind.EMAIL, address_norm="ann@example.com")
    services.remove_handle(session, actor, handle_id=first.id, now=now)
    assert person.email == "ann@work.example.com"
    assert queries.handle_by_address(session, actor, channel=ChannelKind.EMAIL, address_norm="ann@example.com") is None


def test_somebody_elses_address_is_refused_with_whose_it_is(session, actor):
    person = contact(session, actor, email="ann@example.com")
    with pytest.raises(services.HandleTakenError) as refused:
        contact(session, actor, "Bea Sun", email="ann@example.com")
    assert refused.value.contact_id == person.id
    assert list(refused.value.fields) == ["handles.0.address"]


def test_an_address_that_is_none_is_refused_beside_its_field(session, actor):
    with pytest.raises(InvalidInputError) as refused:
        handle(session, actor, address="ann.example.com")
    assert refused.value.fields == {"address": "An e-mail address needs an @, like anna@example.com."}


def test_a_phone_number_is_read_with_the_workspaces_country(session, actor, workspace):
    assert handle(session, actor, channel=ChannelKind.PHONE, address="347 1234567").address_norm == "+393471234567"


def test_a_strangers_history_becomes_the_persons_when_linked(session, actor, now):
    stranger = handle(session, actor, channel=ChannelKind.INSTAGRAM, address="@lanterna.fan")
    interaction(session, actor, None, "comment", channel="instagram", handle_id=stranger.id, body="Bello!")
    person = contact(session, actor)
    services.link_handle(session, actor, handle_id=stranger.id, contact_id=person.id, now=now)
    entries = timeline.timeline(session, actor, contact_id=person.id).items
    assert [(entry.kind, entry.body) for entry in entries] == [("comment", "Bello!")]
    session.refresh(person)
    assert person.last_inbound_at == now


def test_a_company_can_have_addresses_of_its_own(session, actor, now):
    firm = company(session, actor)
    services.add_handle(
        session, actor, channel=ChannelKind.EMAIL, address="info@bo.example.com", company_id=firm.id, now=now
    )
    found = queries.handles_of(session, actor, company_id=firm.id)[firm.id]
    assert [row.address for row in found] == ["info@bo.example.com"]


def test_a_renamed_account_keeps_its_former_name_and_forgets_a_bounce(session, actor, now):
    person = contact(session, actor, email="ann@example.com")
    row = queries.handles_of(session, actor, contact_ids=[person.id])[person.id][0]
    services.set_handle_state(session, actor, handle_id=row.id, state=HandleState.BOUNCED, reason="rcpt_550", now=now)
    services.rename_handle(session, actor, handle_id=row.id, address="anna@example.com", now=now)
    assert (row.address_norm, row.state, person.email) == ("anna@example.com", "active", "anna@example.com")
    assert session.scalars(select(HandleChange.address)).all() == ["ann@example.com"]


def test_a_rename_to_somebody_elses_address_is_refused(session, actor, now):
    person = contact(session, actor, email="ann@example.com")
    contact(session, actor, "Bea Sun", email="bea@example.com")
    row = queries.handles_of(session, actor, contact_ids=[person.id])[person.id][0]
    with pytest.raises(services.HandleTakenError):
        services.rename_handle(session, actor, handle_id=row.id, address="bea@example.com", now=now)
