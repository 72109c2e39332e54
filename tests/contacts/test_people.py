"""People: making them, changing them together, and who sees them."""

from datetime import timedelta

import pytest
from factories.contacts import company, contact
from sqlalchemy import select

from crm.accounts.kinds import ActorKind, Permission, Role
from crm.accounts.models import AuditEntry, Membership, User
from crm.accounts.rules import Actor
from crm.contacts import queries, services
from crm.contacts.kinds import FactOrigin
from crm.db import enter_workspace, new_id
from crm.errors import ForbiddenError, InvalidInputError


def colleague(session, actor, role=Role.SALES, **scopes):
    """Another user of the actor's workspace, as an actor."""
    address = f"{new_id().hex}@example.com"
    user = User(email=address, email_norm=address, name="Marco Bini", fs_uniquifier=new_id().hex, locale="en")
    session.add(user)
    session.flush()
    session.add(Membership(user_id=user.id, role=role))
    session.flush()
    return Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=role, user_id=user.id, **scopes)


def test_a_person_is_kept_with_names_folded_for_sorting(session, actor):
    person = contact(session, actor, "Niccolò D’Èlia")
    assert (person.display_name, person.sort_name) == ("Niccolò D’Èlia", "d'elia niccolo")
    assert person.owner_id == actor.user_id
    assert person.version == 1


def test_a_person_without_a_name_is_known_by_the_address(session, actor):
    person = contact(session, actor, "", email="Ann@Example.com")
    assert person.display_name == "Ann@Example.com"
    assert person.email == "Ann@example.com"


def test_a_person_without_name_and_address_is_refused(session, actor):
    with pytest.raises(InvalidInputError) as refused:
        contact(session, actor, "")
    assert "first_name" in refused.value.fields


@pytest.mark.parametrize("day", ["--02-29", "2000-02-29", "1980-04-21"])
def test_birthdays_need_no_year_and_may_be_the_29th_of_february(session, actor, day):
    person = contact(session, actor, birthday=day)
    assert queries.facts_of(session, actor, contact_id=person.id)[0]["birthday"].value == day


@pytest.mark.parametrize("day", ["2001-02-29", "--02-30", "1980-13-01", "1980-00-10", "21/04/1980", "1810-01-01"])
def test_a_day_that_does_not_exist_is_refused_beside_its_field(session, actor, day):
    with pytest.raises(InvalidInputError) as refused:
        contact(session, actor, birthday=day)
    assert list(refused.value.fields) == ["birthday"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", "Ann\nBcc: all@example.com"),
        ("first_name", "A" * 201),
        ("country", "Italy"),
        ("time_zone", "Mars/Olympus"),
        ("language", "it_IT!"),
        ("importance", "enormous"),
        ("shoe_size", "42"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_beside_its_field(session, actor, field, value):
    with pytest.raises(InvalidInputError) as refused:
        services.parsed(services.ContactInput, {field: value})
    assert list(refused.value.fields) == [field]


def test_each_typed_value_knows_who_typed_it(session, actor, now):
    person = contact(session, actor, title="Buyer", city="Prato")
    current, suggested = queries.facts_of(session, actor, contact_id=person.id)
    assert current["title"].origin == FactOrigin.TYPED
    assert current["title"].user_name == "Giulia Ferri"
    assert suggested == []


def test_a_new_company_name_makes_the_company_once(session, actor):
    one = contact(session, actor, company_name="Studio Caruso")
    two = contact(session, actor, "Silvia Caruso", company_name="studio  CARUSO")
    assert one.company_id == two.company_id
    found = queries.contact(session, actor, contact_id=one.id)
    assert found.company.name == "Studio Caruso"


def test_edits_of_different_fields_on_one_version_merge(session, actor, now):
    person = contact(session, actor)
    services.update(session, actor, contact_id=person.id, changes={"title": "Buyer"}, expected_version=1, now=now)
    services.update(session, actor, contact_id=person.id, changes={"city": "Lucca"}, expected_version=1, now=now)
    assert (person.title, person.city, person.city_norm, person.version) == ("Buyer", "Lucca", "lucca", 3)


def test_an_edit_of_the_same_field_on_an_old_version_asks(session, actor, now):
    person = contact(session, actor, title="Clerk")
    services.update(session, actor, contact_id=person.id, changes={"title": "Buyer"}, expected_version=1, now=now)
    with pytest.raises(services.EditConflictError) as asked:
        services.update(session, actor, contact_id=person.id, changes={"title": "Owner"}, expected_version=1, now=now)
    assert asked.value.theirs == {"title": "Buyer"}
    assert person.title == "Buyer"


def test_the_same_edit_twice_is_no_conflict_and_no_new_version(session, actor, now):
    person = contact(session, actor)
    services.update(session, actor, contact_id=person.id, changes={"title": "Buyer"}, expected_version=1, now=now)
    services.update(session, actor, contact_id=person.id, changes={"title": "Buyer"}, expected_version=1, now=now)
    assert person.version == 2


def test_a_strict_edit_of_an_old_version_is_refused(session, actor, now):
    person = contact(session, actor)
    services.update(session, actor, contact_id=person.id, changes={"title": "Buyer"}, now=now)
    with pytest.raises(services.VersionMismatchError) as refused:
        services.update(
            session, actor, contact_id=person.id, changes={"city": "Lucca"}, expected_version=1, merge=False, now=now
        )
    assert refused.value.status == 412


def test_changing_the_company_ends_the_former_place(session, actor, now):
    first, second = company(session, actor, "Uno"), company(session, actor, "Due")
    person = contact(session, actor, company_id=first.id)
    services.update(session, actor, contact_id=person.id, changes={"company_id": second.id}, now=now)
    places = queries.affiliations_of(session, actor, contact_id=person.id)
    assert [(place.company_name, place.ended_on) for place in places] == [("Due", None), ("Uno", now.date())]
    assert person.company_id == second.id


def test_the_last_name_can_not_go_without_an_address(session, actor, now):
    person = contact(session, actor, "Ann")
    with pytest.raises(InvalidInputError):
        services.update(session, actor, contact_id=person.id, changes={"first_name": ""}, now=now)


def test_deleting_frees_the_addresses_and_restoring_brings_back_the_free_ones(session, actor, now):
    person = contact(session, actor, email="ann@example.com")
    services.add_handle(session, actor, channel="phone", address="+39 347 1234567", contact_id=person.id, now=now)
    services.delete(session, actor, contact_id=person.id, now=now)
    with pytest.raises(queries.ContactNotFoundError):
        queries.contact(session, actor, contact_id=person.id)
    contact(session, actor, "Bea Sun", email="ann@example.com")
    deleted = session.scalars(select(AuditEntry.action).where(AuditEntry.object_id == person.id)).all()
    assert deleted == ["contact.deleted"]
    back = services.restore(session, actor, contact_id=person.id, now=now)
    assert (back.taken, back.contact.email) == (("ann@example.com",), "")
    found = queries.handles_of(session, actor, contact_ids=[person.id])[person.id]
    assert [row.channel for row in found] == ["phone"]


def test_another_workspaces_person_is_as_unknown_as_none(session, actor, other_actor, now):
    person = contact(session, actor)
    enter_workspace(session, other_actor.workspace_id)
    with pytest.raises(queries.ContactNotFoundError):
        queries.contact(session, other_actor, contact_id=person.id)


def test_own_team_and_all_see_what_they_may(session, actor):
    seller = colleague(session, actor)
    mate = colleague(session, actor)
    outsider = colleague(session, actor)
    for person in (seller, mate):
        session.scalars(select(Membership).where(Membership.user_id == person.user_id)).one().team = "North"
    session.flush()
    mine = contact(session, actor, "Mia Mia", owner_id=seller.user_id)
    theirs = contact(session, actor, "Tea Tea", owner_id=mate.user_id)
    free = contact(session, actor, "Lia Lia")
    services.update(session, actor, contact_id=free.id, changes={"owner_id": None}, now=free.created_at)
    far = contact(session, actor, "Far Far", owner_id=outsider.user_id)

    def seen(*rights):
        narrowed = Actor(
            workspace_id=actor.workspace_id,
            kind=ActorKind.USER,
            role=Role.SALES,
            user_id=seller.user_id,
            scopes=frozenset(rights),
            team=frozenset({seller.user_id, mate.user_id}),
        )
        listed = {row.id for row in queries.list_contacts(session, narrowed).items}
        found = {
            name: set(queries.search_contacts(session, narrowed, text=name)) for name in ("mia", "tea", "lia", "far")
        }
        assert set().union(*found.values()) == listed
        return listed

    assert seen(Permission.VIEW_OWN) == {mine.id}
    assert seen(Permission.VIEW_TEAM) == {mine.id, theirs.id, free.id}
    assert seen(Permission.VIEW_ALL) == {mine.id, theirs.id, free.id, far.id}
    assert seen(Permission.REDEEM) == set()


def test_giving_a_person_to_others_needs_the_right_to_assign(session, actor, now):
    seller, mate = colleague(session, actor), colleague(session, actor)
    person = contact(session, seller)
    with pytest.raises(ForbiddenError):
        services.update(session, seller, contact_id=person.id, changes={"owner_id": mate.user_id}, now=now)
    services.update(session, actor, contact_id=person.id, changes={"owner_id": mate.user_id}, now=now)
    assert person.owner_id == mate.user_id


def test_an_owner_must_work_here(session, actor, now):
    person = contact(session, actor)
    with pytest.raises(InvalidInputError) as refused:
        services.update(session, actor, contact_id=person.id, changes={"owner_id": new_id()}, now=now)
    assert "owner_id" in refused.value.fields


def test_a_viewer_may_look_and_not_touch(session, actor, now):
    viewer = colleague(session, actor, role=Role.VIEWER)
    person = contact(session, actor)
    assert queries.contact(session, viewer, contact_id=person.id).id == person.id
    with pytest.raises(ForbiddenError):
        services.update(session, viewer, contact_id=person.id, changes={"title": "x"}, now=now)


@pytest.mark.parametrize("sort", list(queries.ContactSort))
def test_every_sort_pages_through_everybody_once(session, actor, now, sort):
    people = [contact(session, actor, f"P{n} Same", now=now + timedelta(seconds=n)) for n in range(7)]
    for n, person in enumerate(people[:4]):
        person.last_interaction_at = now - timedelta(days=n // 2)
    session.flush()
    seen, after = [], None
    while True:
        page = queries.list_contacts(session, actor, sort=sort, after=after, limit=2)
        seen += [row.id for row in page.items]
        after = page.next
        if after is None:
            break
    assert len(seen) == 7
    assert set(seen) == {person.id for person in people}


def test_a_page_marker_that_was_not_ours_is_refused(session, actor):
    with pytest.raises(InvalidInputError):
        queries.list_contacts(session, actor, after="bogus")
