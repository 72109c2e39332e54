"""Who sees whom: own, team, all, restricted people, and the words that say why."""

from dataclasses import replace

import pytest
from factories import accounts as factory
from factories.contacts import contact
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from crm.accounts.kinds import ActorKind, Permission, RecordAccess, Role
from crm.accounts.models import AuditEntry, Membership
from crm.accounts.queries import team_of
from crm.accounts.rules import Actor
from crm.contacts import queries, services
from crm.contacts.kinds import AccessReason
from crm.contacts.models import Contact, ContactAccess
from crm.errors import ForbiddenError, InvalidInputError


def colleague(session, actor, role=Role.SALES, *, team="", sees=RecordAccess.ALL, name="Luca Verdi"):
    user = factory.user(session, name=name)
    session.add(Membership(user_id=user.id, role=role, team=team))
    session.flush()
    return Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=role, user_id=user.id, name=name, sees=sees)


@settings(max_examples=60)
@given(
    role=st.sampled_from(list(Role)),
    reach=st.sampled_from(list(RecordAccess)),
    owner=st.sampled_from(["me", "mate", "stranger", "left", "nobody"]),
    is_named=st.booleans(),
    restricted=st.booleans(),
    in_team=st.booleans(),
)
def test_the_list_the_search_and_the_words_agree(session, house, role, reach, owner, is_named, restricted, in_team):
    with session.begin_nested() as one_example:
        actor = house.actor
        actor_sees = reach if role in {Role.SALES, Role.COMMUNITY, Role.VIEWER} else RecordAccess.ALL
        house.workspace.record_access = {role.value: reach.value}
        me = colleague(session, actor, role, team="North" if in_team else "", sees=actor_sees)
        others = {
            "mate": colleague(session, actor, team="North"),
            "stranger": colleague(session, actor, team="South"),
            "left": colleague(session, actor, team="North"),
            "me": me,
        }
        if in_team and reach is RecordAccess.TEAM:
            me = replace(me, team=team_of(session, user_id=me.user_id))
        gone = session.scalars(select(Membership).where(Membership.user_id == others["left"].user_id)).one()
        gone.ended_at = house.workspace.created_at
        person = contact(session, actor, "Zeno Zanotti")
        person.owner_id = others[owner].user_id if owner in others else None
        person.restricted = restricted
        if is_named:
            session.add(ContactAccess(contact_id=person.id, user_id=me.user_id))
        session.flush()

        line = next(line for line in queries.access_of(session, actor, person=person) if line.user_id == me.user_id)
        seen = session.scalar(select(Contact.id).where(Contact.id == person.id, queries.visible(me))) is not None
        assert seen == line.sees, line.reason
        assert seen == (person.id in queries.search_contacts(session, me, text="zanotti"))
        assert seen == (person.id in queries.search_contacts(session, me, text="zanoti"))
        assert seen == (person.id in queries.search_contacts(session, me, text="za"))
        one_example.rollback()
    session.expire_all()


def test_a_restricted_person_is_seen_by_the_owner_the_named_and_managers_alone(session, actor, now):
    seller, friend, manager = (
        colleague(session, actor),
        colleague(session, actor),
        colleague(session, actor, Role.MANAGER),
    )
    person = contact(session, seller, "Zeno Zanotti")
    assert queries.contact(session, friend, contact_id=person.id)

    services.set_access(session, seller, contact_id=person.id, restricted=True, user_ids=[], now=now)
    with pytest.raises(queries.ContactNotFoundError):
        queries.contact(session, friend, contact_id=person.id)
    assert queries.contact(session, manager, contact_id=person.id)

    services.set_access(session, seller, contact_id=person.id, restricted=True, user_ids=[friend.user_id], now=now)
    assert queries.contact(session, friend, contact_id=person.id)
    reasons = {line.user_id: line.reason for line in queries.access_of(session, actor, person=person)}
    assert reasons[friend.user_id] is AccessReason.NAMED
    assert reasons[seller.user_id] is AccessReason.OWNER
    assert session.scalars(select(AuditEntry.action).where(AuditEntry.object_id == person.id)).all() == [
        "contact.access_changed",
        "contact.access_changed",
    ]


def test_a_token_of_a_narrowed_role_sees_nobody_and_one_that_sees_all_no_restricted_people(session, actor):
    contact(session, actor, "Zeno Zanotti").restricted = True
    free = contact(session, actor, "Ada Neri")
    free.owner_id = None
    session.execute(delete(ContactAccess))
    session.flush()

    def seen(reach):
        token = Actor(workspace_id=actor.workspace_id, kind=ActorKind.TOKEN, role=Role.SALES, sees=reach)
        return [row.display_name for row in queries.list_contacts(session, token).items]

    assert seen(RecordAccess.ALL) == ["Ada Neri"]
    assert seen(RecordAccess.TEAM) == seen(RecordAccess.OWN) == []


def test_only_the_owner_and_who_may_assign_decide(session, actor, now):
    seller, other, viewer = colleague(session, actor), colleague(session, actor), colleague(session, actor, Role.VIEWER)
    person = contact(session, seller, "Zeno Zanotti")
    for stranger in (other, viewer):
        with pytest.raises(ForbiddenError):
            services.set_access(session, stranger, contact_id=person.id, restricted=True, user_ids=[], now=now)
    assert actor.may(Permission.ASSIGN)
    services.set_access(session, actor, contact_id=person.id, restricted=True, user_ids=[], now=now)
    assert person.restricted


def test_nobody_from_elsewhere_is_named(session, house, other_house, now):
    person = contact(session, house.actor, "Zeno Zanotti")
    with pytest.raises(InvalidInputError):
        services.set_access(
            session, house.actor, contact_id=person.id, restricted=False, user_ids=[other_house.user.id], now=now
        )
    assert not session.scalars(select(ContactAccess)).all()


def test_the_page_says_why_and_changes_it(session, client, house):
    friend = colleague(session, house.actor, name="Marta Blu")
    person = contact(session, house.actor, "Zeno Zanotti")
    session.flush()
    page = client.get(f"/contacts/{person.id}/access").text
    assert "Marta Blu" in page
    assert "the role sees everybody" in page

    given = {"restricted": "1", "user": str(friend.user_id)}
    assert client.post(f"/contacts/{person.id}/access", data=given).status_code == 303
    assert "named for this person" in client.get(f"/contacts/{person.id}/access").text
    assert "Restricted" in client.get(f"/contacts/{person.id}").text
    assert client.post(f"/contacts/{person.id}/access", data={"user": "nonsense"}).status_code == 422


def test_the_api_tells_and_changes_who_sees_a_person(session, client, house):
    friend = colleague(session, house.actor)
    person = contact(session, house.actor, "Zeno Zanotti")
    session.flush()
    path = f"/api/v1/contacts/{person.id}/access"
    changed = client.put(path, json={"restricted": True, "user_ids": [str(friend.user_id)]}).get_json()
    assert changed == client.get(path).get_json()
    reasons = {line["user_id"]: line["reason"] for line in changed["colleagues"]}
    assert reasons[str(friend.user_id)] == "named"
    assert reasons[str(house.user.id)] == "owner"
    assert client.get(f"/api/v1/contacts/{person.id}").get_json()["restricted"] is True
