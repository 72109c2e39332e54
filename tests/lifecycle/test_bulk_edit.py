"""One change to many people: set-based, bounded, noted with its source, and taken back without touching later work."""

import pytest
from factories import accounts as factory
from factories import outreach
from factories.contacts import contact, handle
from sqlalchemy import event, func, select, text

from crm.accounts.kinds import ActorKind, RecordAccess, Role
from crm.accounts.models import AuditEntry, Membership
from crm.accounts.rules import Actor
from crm.contacts import queries, services
from crm.contacts.kinds import FactState, Lifecycle
from crm.contacts.models import Contact, ContactTag, Fact, Handle
from crm.contacts.queries import ContactFilter
from crm.errors import ForbiddenError, InvalidInputError
from crm.lifecycle.kinds import BulkField
from crm.lifecycle.queries.changes import bulk_edits
from crm.lifecycle.services import bulk_edit as service
from crm.lifecycle.services.bulk_edit import BulkChange, Chosen, bulk_edit
from crm.lifecycle.services.changes import ChangeSetNotFoundError, undo
from crm.outreach.models import Message


@pytest.fixture
def people(session, actor):
    return [contact(session, actor, f"Person {n}", city="Genova" if n % 2 else "Siena") for n in range(6)]


def colleague(session, actor, role=Role.SALES, *, sees=RecordAccess.ALL):
    user = factory.user(session)
    session.add(Membership(user_id=user.id, role=role))
    session.flush()
    return Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=role, user_id=user.id, sees=sees)


def those(people):
    return Chosen(contact_ids=[person.id for person in people])


def edit(session, actor, now, people, field, value=""):
    chosen = people if isinstance(people, Chosen) else those(people)
    return bulk_edit(session, actor, chosen=chosen, change=BulkChange(field=field, value=value), now=now)


def values(session, people, column):
    session.expire_all()
    return [getattr(session.get_one(Contact, person.id), column) for person in people]


def test_a_value_of_many_is_set_with_its_source_and_goes_back_but_for_later_edits(session, actor, people, now):
    services.update(session, actor, contact_id=people[0].id, changes={"lifecycle": "customer"}, now=now)
    done = edit(session, actor, now, people, BulkField.LIFECYCLE, "customer")
    assert done.changed == 5
    assert set(values(session, people, "lifecycle")) == {"customer"}
    current = select(Fact.value, Fact.version, Fact.user_id).where(
        Fact.contact_id == people[1].id, Fact.field == "lifecycle", Fact.state == FactState.CURRENT
    )
    assert session.execute(current).all() == [("customer", 2, actor.user_id)]

    services.update(session, actor, contact_id=people[1].id, changes={"lifecycle": "partner"}, now=now)
    undone = undo(session, actor, change_set_id=done.change_set_id, now=now)
    assert (undone.restored, undone.kept_because_later) == (4, 1)
    assert values(session, people, "lifecycle") == ["customer", "partner", *[Lifecycle.LEAD] * 4]


def test_everybody_whom_a_filter_finds_and_the_actor_may_see_changes(session, actor, people, now):
    seller = colleague(session, actor, sees=RecordAccess.OWN)
    people[1].owner_id = people[2].owner_id = seller.user_id
    session.flush()
    chosen = Chosen(where=ContactFilter(also=(Contact.city == "Genova",)))
    assert service.meant(session, seller, chosen=chosen) == 1
    change = BulkChange(field=BulkField.IMPORTANCE, value="key")
    assert service.preview(session, seller, chosen=chosen, change=change).names == ["Person 1"]
    assert edit(session, seller, now, chosen, BulkField.IMPORTANCE, "key").changed == 1
    assert values(session, people, "importance") == ["normal", "key", *["normal"] * 4]
    assert edit(session, seller, now, people, BulkField.IMPORTANCE, "high").changed == 2


def test_tags_go_on_and_off_and_back(session, actor, people, now):
    services.set_tags(session, actor, contact_id=people[0].id, names=["Fiera"], now=now)
    put = edit(session, actor, now, people, BulkField.ADD_TAG, "FIERA")
    assert put.changed == 5
    taken = edit(session, actor, now, people[:3], BulkField.REMOVE_TAG, "fiera")
    assert taken.changed == 3
    tagged = select(func.count()).select_from(ContactTag)
    assert session.scalar(tagged) == 3
    undo(session, actor, change_set_id=taken.change_set_id, now=now)
    assert session.scalar(tagged) == 6
    undo(session, actor, change_set_id=put.change_set_id, now=now)
    assert list(queries.tags_of(session, actor, contact_ids=[one.id for one in people])) == [people[0].id]


def test_the_owner_of_many_is_set_by_who_may_assign(session, actor, people, now):
    mate, seller = colleague(session, actor), colleague(session, actor)
    with pytest.raises(ForbiddenError):
        edit(session, seller, now, people, BulkField.OWNER, str(mate.user_id))
    done = edit(session, actor, now, people, BulkField.OWNER, str(mate.user_id))
    assert set(values(session, people, "owner_id")) == {mate.user_id}
    undo(session, actor, change_set_id=done.change_set_id, now=now)
    assert set(values(session, people, "owner_id")) == {actor.user_id}
    edit(session, actor, now, people, BulkField.OWNER, "")
    assert set(values(session, people, "owner_id")) == {None}


def test_deleted_people_free_their_addresses_and_messages_and_come_back_with_the_addresses(session, actor, people, now):
    address = handle(session, actor, people[0].id, address="person.0@example.com")
    account = outreach.account(session, actor, now=now)
    waiting = outreach.message(session, actor, people[0].id, account_id=account.id, now=now)
    done = edit(session, actor, now, people[:2], BulkField.DELETE)
    assert done.changed == 2
    assert {one.id for one in queries.list_contacts(session, actor).items} == {one.id for one in people[2:]}
    session.expire_all()
    assert session.get_one(Message, waiting.id).state == "cancelled"
    assert session.get_one(Handle, address.id).deleted_at is not None
    undo(session, actor, change_set_id=done.change_set_id, now=now)
    assert {one.id for one in queries.list_contacts(session, actor).items} == {one.id for one in people}
    assert session.get_one(Handle, address.id).deleted_at is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (BulkField.LIFECYCLE, "nonsense"),
        (BulkField.IMPORTANCE, ""),
        (BulkField.ADD_TAG, "  "),
        (BulkField.ADD_TAG, "x" * 201),
        (BulkField.OWNER, "nonsense"),
        (BulkField.OWNER, "01900000-0000-7000-8000-000000000000"),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nobody(session, actor, people, now, field, value):
    with pytest.raises(InvalidInputError):
        edit(session, actor, now, people, field, value)
    assert {person.version for person in people} == {1}


def test_too_many_people_at_once_are_refused(session, actor, people, now, monkeypatch):
    monkeypatch.setattr(service, "MOST", 5)
    with pytest.raises(InvalidInputError):
        edit(session, actor, now, people, BulkField.IMPORTANCE, "key")


def test_one_entry_of_the_audit_log_tells_of_all(session, actor, people, now):
    edit(session, actor, now, people, BulkField.IMPORTANCE, "key")
    told = select(AuditEntry.action).where(AuditEntry.action.like("people.%"))
    assert session.scalars(told).all() == ["people.bulk_edited"]


def test_somebody_who_only_looks_changes_nobody(session, actor, people, now):
    with pytest.raises(ForbiddenError):
        edit(session, colleague(session, actor, Role.VIEWER), now, people, BulkField.IMPORTANCE, "key")


MANY = text("""
    insert into contact (id, workspace_id, first_name, display_name, sort_name, owner_id)
    select gen_random_uuid(), :workspace, 'P' || n, 'P' || n, 'p' || n, :owner from generate_series(1, 3000) as n
""")


def test_the_number_of_statements_does_not_depend_on_how_many_they_are(session, actor, people, now):
    heard = []

    def hear(*args):
        heard.append(args[2])

    def counted(chosen, field, value=""):
        heard.clear()
        event.listen(session.get_bind(), "before_cursor_execute", hear)
        done = edit(session, actor, now, chosen, field, value)
        event.remove(session.get_bind(), "before_cursor_execute", hear)
        return done, len(heard)

    cases = [
        (BulkField.LIFECYCLE, "partner"),
        (BulkField.ADD_TAG, "Fiera"),
        (BulkField.REMOVE_TAG, "Fiera"),
        (BulkField.DELETE, ""),
    ]
    few = [counted(those(people[:2]), field, value)[1] for field, value in cases]
    session.execute(MANY, {"workspace": actor.workspace_id, "owner": actor.user_id})
    everybody = Chosen(where=ContactFilter())
    many = [counted(everybody, field, value) for field, value in cases]
    assert [done.changed for done, _count in many] == [3004] * 4
    assert [count for _done, count in many] <= [count + 1 for count in few]
    assert max(few) < 25
    undo(session, actor, change_set_id=many[-1][0].change_set_id, now=now)
    assert service.meant(session, actor, chosen=everybody) == 3004


def test_whoever_does_not_see_the_people_does_not_take_a_colleague_s_change_back(session, actor, people, now):
    seller = colleague(session, actor, sees=RecordAccess.OWN)
    people[0].owner_id = seller.user_id
    session.flush()
    theirs = edit(session, actor, now, people, BulkField.IMPORTANCE, "high")
    mine = edit(session, actor, now, people[:1], BulkField.LIFECYCLE, "partner")

    assert [row.id for row in bulk_edits(session, seller, now=now).items] == []
    with pytest.raises(ChangeSetNotFoundError):
        undo(session, seller, change_set_id=theirs.change_set_id, now=now)
    assert set(values(session, people, "importance")) == {"high"}
    assert undo(session, seller, change_set_id=mine.change_set_id, now=now).restored == 1


def test_a_change_to_restricted_people_is_not_taken_back_by_those_who_see_all_others(session, actor, people, now):
    seller = colleague(session, actor)
    done = edit(session, actor, now, people, BulkField.IMPORTANCE, "high")
    people[3].restricted = True
    session.flush()

    with pytest.raises(ChangeSetNotFoundError):
        undo(session, seller, change_set_id=done.change_set_id, now=now)
