"""Deleting and restoring: unique values are freed, waiting messages cancelled, and what was taken meanwhile is said."""

from datetime import timedelta

import pytest
from factories.contacts import company, contact, handle
from factories.outreach import account, message
from sqlalchemy import select

from crm.contacts import queries, services
from crm.contacts.models import Contact
from crm.errors import ConflictError
from crm.outreach.models import Message
from crm.segments.models import SegmentChange, SegmentMember


def test_deleting_cancels_what_waits_and_says_why(session, actor, now):
    person = contact(session, actor, email="ann@example.com")
    sender = account(session, actor, is_sandbox=True, now=now)
    waiting = message(session, actor, person.id, account_id=sender.id, send_at=now + timedelta(days=1), now=now)
    services.delete(session, actor, contact_id=person.id, now=now)
    state = select(Message.state, Message.reason).where(Message.id == waiting.id)
    assert session.execute(state).one() == ("cancelled", "deleted")
    services.restore(session, actor, contact_id=person.id, now=now)
    assert session.execute(state).one() == ("cancelled", "deleted")


def test_deleting_leaves_segments_and_their_history_says_so(session, actor, now):
    from factories.campaigns import segment

    person = contact(session, actor, email="ann@example.com")
    found = segment(session, actor, {"all": [{"field": "lifecycle", "op": "any_of", "value": ["lead"]}]}, now=now)
    assert found.members == 1
    services.delete(session, actor, contact_id=person.id, now=now)
    session.refresh(found)
    assert found.members == 0
    assert session.scalars(select(SegmentMember.id)).all() == []
    changes = select(SegmentChange.change, SegmentChange.cause).order_by(SegmentChange.at, SegmentChange.id)
    assert session.execute(changes).all()[-1] == ("left", "deleted")


def test_the_list_of_deleted_people_holds_those_one_may_see_and_can_restore(session, actor, now):
    people = [contact(session, actor, f"Ann {letter}") for letter in "abc"]
    for row in people:
        services.delete(session, actor, contact_id=row.id, now=now)
    people[0].merged_into_id, people[1].erased_at = people[2].id, now
    session.flush()
    assert [row.id for row in queries.deleted_contacts(session, actor).items] == [people[2].id]
    with pytest.raises(ConflictError):
        services.restore(session, actor, contact_id=people[0].id, now=now)
    with pytest.raises(queries.ContactNotFoundError):
        services.restore(session, actor, contact_id=people[1].id, now=now)


def test_deleted_people_are_paged_latest_first(session, actor, now):
    people = [contact(session, actor, f"Ann {index}") for index in range(5)]
    for index, row in enumerate(people):
        services.delete(session, actor, contact_id=row.id, now=now + timedelta(minutes=index // 2))
    first = queries.deleted_contacts(session, actor, limit=3)
    rest = queries.deleted_contacts(session, actor, after=first.next, limit=3)
    assert {row.id for row in (*first.items, *rest.items)} == {row.id for row in people}
    assert rest.next is None


def test_a_restored_address_is_the_first_one_again(session, actor, now):
    person = contact(session, actor, email="ann@example.com")
    handle(session, actor, person.id, address="second@example.com", now=now)
    services.delete(session, actor, contact_id=person.id, now=now)
    contact(session, actor, "Bea Sun", email="ann@example.com")
    services.restore(session, actor, contact_id=person.id, now=now)
    rows = queries.handles_of(session, actor, contact_ids=[person.id])[person.id]
    assert [(row.address, row.is_primary) for row in rows] == [("second@example.com", True)]
    assert session.get_one(Contact, person.id).email == "second@example.com"


def test_a_company_comes_back_with_its_people_and_what_is_still_free(session, actor, now):
    firm = company(session, actor, "Bo Ceramiche", website="https://bo.example", now=now)
    person = contact(session, actor, company_id=firm.id)
    services.add_handle(session, actor, channel="email", address="info@bo.example", company_id=firm.id, now=now)
    services.delete_company(session, actor, company_id=firm.id, now=now)
    assert [row.id for row in queries.deleted_companies(session, actor).items] == [firm.id]
    company(session, actor, "Bo Nuova", website="https://bo.example", now=now)
    contact(session, actor, "Bea Sun", email="info@bo.example")
    back = services.restore_company(session, actor, company_id=firm.id, now=now)
    assert back.taken == ("info@bo.example", "bo.example")
    session.refresh(person)
    assert person.company_id == firm.id
    again = services.restore_company(session, actor, company_id=firm.id, now=now)
    assert again.taken == ()


def test_the_pages_tell_what_was_deleted_and_what_did_not_come_back(client, session, actor, now):
    person = contact(session, actor, "Ann Bo", email="ann@example.com")
    session.commit()
    client.post(f"/contacts/{person.id}/delete")
    page = client.get("/contacts/deleted")
    assert "Ann Bo" in page.text
    contact(session, actor, "Bea Sun", email="ann@example.com")
    session.commit()
    answer = client.post(f"/contacts/{person.id}/restore", follow_redirects=True)
    assert "ann@example.com belongs to somebody else by now" in answer.text
