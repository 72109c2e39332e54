import sys
from datetime import timedelta

import pytest
from factories import contacts as people
from sqlalchemy import func, select

from crm.accounts.kinds import Role
from crm.accounts.rules import Actor
from crm.contacts import services as contact_services
from crm.contacts.queries import ContactNotFoundError
from crm.errors import ConflictError, ForbiddenError, InvalidInputError
from crm.filters.schema import RuleError, parse
from crm.segments import queries, services
from crm.segments.kinds import PickMode, SegmentKind
from crm.segments.models import SegmentChange, SegmentMember

CUSTOMERS = parse({"field": "lifecycle", "op": "is", "value": "customer"})
LEADS = parse({"field": "lifecycle", "op": "is", "value": "lead"})


@pytest.fixture
def anna(session, actor, now):
    return people.contact(session, actor, "Anna Rossi", lifecycle="customer", now=now)


@pytest.fixture
def bruno(session, actor, now):
    return people.contact(session, actor, "Bruno Neri", lifecycle="lead", now=now)


@pytest.fixture
def customers(session, actor, now, anna, bruno):
    return services.create(session, actor, name="Customers", rule=CUSTOMERS, now=now)


def inside(session, actor, segment, now):
    return [member.name for member in queries.members(session, actor, segment=segment, now=now).items]


def stored(session, segment):
    return set(session.scalars(select(SegmentMember.contact_id).where(SegmentMember.segment_id == segment.id)))


def history(session, actor, segment):
    page = queries.changes(session, actor, segment_id=segment.id)
    return [(view.name, view.change, view.cause) for view in page.items]


def test_a_new_segment_knows_its_members_at_once(session, actor, now, customers, anna):
    assert inside(session, actor, customers, now) == ["Anna Rossi"]
    assert stored(session, customers) == {anna.id}
    assert customers.members == 1
    assert customers.refreshed_at == now
    assert history(session, actor, customers) == [("Anna Rossi", "entered", "created")]


def test_the_page_of_members_follows_the_rule_before_the_next_refresh(session, actor, now, customers, bruno):
    contact_services.update(session, actor, contact_id=bruno.id, changes={"lifecycle": "customer"}, now=now)
    assert inside(session, actor, customers, now) == ["Bruno Neri", "Anna Rossi"]


def test_a_refresh_writes_down_who_entered_and_by_which_condition_somebody_left(
    session, actor, now, customers, anna, bruno
):
    contact_services.update(session, actor, contact_id=anna.id, changes={"lifecycle": "past"}, now=now)
    contact_services.update(session, actor, contact_id=bruno.id, changes={"lifecycle": "customer"}, now=now)
    later = now + timedelta(minutes=5)
    assert services.refresh(session, segment_id=customers.id, now=later) == 2
    assert sorted(history(session, actor, customers)[:2]) == [
        ("Anna Rossi", "left", "field:lifecycle"),
        ("Bruno Neri", "entered", "rule"),
    ]
    assert customers.members == 1
    assert customers.refreshed_at == later


def test_a_second_refresh_changes_nothing_and_writes_nothing(session, actor, now, customers):
    before = session.scalar(select(func.count()).select_from(SegmentChange))
    assert services.refresh(session, segment_id=customers.id, now=now) == 0
    assert session.scalar(select(func.count()).select_from(SegmentChange)) == before


def test_a_refresh_is_no_edit(session, actor, now, customers):
    version = customers.version
    services.refresh(session, segment_id=customers.id, now=now)
    assert customers.version == version


def test_who_is_deleted_leaves_and_the_history_says_so(session, actor, now, customers, anna):
    contact_services.delete(session, actor, contact_id=anna.id, now=now)
    services.refresh(session, segment_id=customers.id, now=now)
    changes = session.scalars(select(SegmentChange.cause).where(SegmentChange.change == "left")).all()
    assert changes == ["deleted"]


def test_editing_the_rule_moves_the_members_at_once(session, actor, now, customers, bruno):
    services.edit_rule(session, actor, segment_id=customers.id, rule=LEADS, version=customers.version, now=now)
    assert stored(session, customers) == {bruno.id}
    assert ("Bruno Neri", "entered", "edited") in history(session, actor, customers)


def test_a_rule_that_somebody_changed_meanwhile_is_not_overwritten(session, actor, now, customers):
    old = customers.version
    services.edit_rule(session, actor, segment_id=customers.id, rule=LEADS, now=now)
    with pytest.raises(ConflictError):
        services.edit_rule(session, actor, segment_id=customers.id, rule=CUSTOMERS, version=old, now=now)


def test_hand_picks_are_kept_apart_from_the_rule_and_win(session, actor, now, customers, anna, bruno):
    services.pick(session, actor, segment_id=customers.id, contact_ids=[bruno.id], mode=PickMode.ADDED, now=now)
    services.pick(session, actor, segment_id=customers.id, contact_ids=[anna.id], mode=PickMode.REMOVED, now=now)
    assert inside(session, actor, customers, now) == ["Bruno Neri"]
    assert customers.rule == CUSTOMERS.dump()
    services.pick(session, actor, segment_id=customers.id, contact_ids=[anna.id, bruno.id], mode=None, now=now)
    assert inside(session, actor, customers, now) == ["Anna Rossi"]


def test_a_hand_picked_segment_holds_who_was_added(session, actor, now, anna, bruno):
    row = services.create(session, actor, name="Dinner", kind=SegmentKind.PICKED, now=now)
    services.pick(session, actor, segment_id=row.id, contact_ids=[anna.id, bruno.id], mode=PickMode.ADDED, now=now)
    services.pick(session, actor, segment_id=row.id, contact_ids=[anna.id], mode=PickMode.REMOVED, now=now)
    assert inside(session, actor, row, now) == ["Bruno Neri"]
    assert history(session, actor, row)[0] == ("Anna Rossi", "left", "picked")


def test_nobody_unknown_can_be_picked(session, actor, now, customers):
    with pytest.raises(ContactNotFoundError):
        services.pick(session, actor, segment_id=customers.id, contact_ids=[customers.id], mode=PickMode.ADDED, now=now)


def test_a_frozen_segment_stays_as_it_was(session, actor, now, customers, anna, bruno):
    frozen = services.freeze(session, actor, segment_id=customers.id, now=now)
    services.edit_rule(session, actor, segment_id=customers.id, rule=LEADS, now=now)
    assert frozen.name == "Customers · 2026-11-23"
    assert frozen.frozen_from_id == customers.id
    assert inside(session, actor, frozen, now) == ["Anna Rossi"]
    assert services.refresh(session, segment_id=frozen.id, now=now) == 0
    with pytest.raises(services.FrozenSegmentError):
        services.pick(session, actor, segment_id=frozen.id, contact_ids=[bruno.id], mode=PickMode.ADDED, now=now)
    with pytest.raises(services.FrozenSegmentError):
        services.edit_rule(session, actor, segment_id=frozen.id, rule=LEADS, now=now)


def within(*segments, op="any_of"):
    return parse({"field": "segment", "op": op, "value": [str(segment.id) for segment in segments]})


def test_a_segment_can_ask_for_another_one(session, actor, now, customers, bruno):
    others = services.create(session, actor, name="The others", rule=within(customers, op="none_of"), now=now)
    assert stored(session, others) == {bruno.id}


def test_a_circle_of_segments_is_refused(session, actor, now, customers):
    second = services.create(session, actor, name="Second", rule=within(customers), now=now)
    third = services.create(session, actor, name="Third", rule=within(second), now=now)
    for rule in (within(customers), within(third)):
        with pytest.raises(services.CircularSegmentError):
            services.edit_rule(session, actor, segment_id=customers.id, rule=rule, now=now)
    assert customers.rule == CUSTOMERS.dump()


def test_a_segment_that_another_one_asks_for_is_not_deleted(session, actor, now, customers):
    asking = services.create(session, actor, name="Asking", rule=within(customers), now=now)
    with pytest.raises(ConflictError, match="Asking"):
        services.remove(session, actor, segment_id=customers.id, now=now)
    services.remove(session, actor, segment_id=asking.id, now=now)
    services.remove(session, actor, segment_id=customers.id, now=now)
    with pytest.raises(queries.SegmentNotFoundError):
        queries.segment(session, actor, segment_id=customers.id)
    services.restore(session, actor, segment_id=customers.id, now=now)
    assert inside(session, actor, customers, now) == ["Anna Rossi"]


def test_a_tag_that_does_not_exist_is_refused_beside_its_value(session, actor, now, customers):
    rule = parse({"all": [{"field": "tag", "op": "any_of", "value": [str(customers.id)]}]})
    with pytest.raises(RuleError) as caught:
        services.create(session, actor, name="Ghosts", rule=rule, now=now)
    assert set(caught.value.fields) == {"all.0.value"}


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
def test_a_segment_needs_a_name_of_sensible_length(session, actor, now, name):
    with pytest.raises(InvalidInputError) as caught:
        services.create(session, actor, name=name, rule=CUSTOMERS, now=now)
    assert "name" in caught.value.fields


def test_who_may_only_look_changes_nothing(session, actor, now, customers):
    viewer = Actor(workspace_id=actor.workspace_id, kind=actor.kind, role=Role.VIEWER, user_id=actor.user_id)
    with pytest.raises(ForbiddenError):
        services.edit_rule(session, viewer, segment_id=customers.id, rule=LEADS, now=now)
    with pytest.raises(ForbiddenError):
        services.create(session, viewer, name="Mine", rule=LEADS, now=now)


def test_a_till_sees_no_segment_and_nobody_in_it(session, actor, now, customers):
    till = Actor(workspace_id=actor.workspace_id, kind=actor.kind, role=Role.TILL, user_id=actor.user_id)
    assert queries.segments(session, till).items == []
    with pytest.raises(queries.SegmentNotFoundError):
        queries.audience(session, till, segment_id=customers.id, now=now)


def test_the_audience_is_the_rule_and_what_the_actor_may_see(session, actor, now, customers, anna):
    assert session.scalars(queries.audience(session, actor, segment_id=customers.id, now=now)).all() == [anna.id]


def test_why_names_each_condition_with_the_value_seen(session, actor, now, customers, anna, bruno):
    found = queries.why(session, actor, segment_id=customers.id, contact_id=bruno.id, now=now)
    assert (found.inside, found.explained.holds, found.explained.seen) == (False, False, "lead")
    found = queries.why(session, actor, segment_id=customers.id, contact_id=anna.id, now=now)
    assert (found.inside, found.since) == (True, now)


def test_a_preview_says_who_would_enter_and_leave(session, actor, now, customers, bruno):
    found = queries.preview(session, actor, rule=LEADS, now=now, against=customers)
    assert (found.count, found.total, found.entering, found.leaving) == (1, 2, 1, 1)
    assert [face.name for face in found.faces] == ["Bruno Neri"]
    assert (found.reach.now, found.reach.later, found.reach.never) == (0, 0, 1)
    same = queries.preview(session, actor, rule=CUSTOMERS, now=now, against=customers)
    assert (same.count, same.entering, same.leaving) == (1, None, None)


def test_the_faces_of_a_preview_go_round_without_repeating_anybody(session, actor, now, anna, bruno):
    everybody = parse({"all": []})
    for seed in range(5):
        found = queries.preview(session, actor, rule=everybody, now=now, seed=seed)
        assert sorted(face.name for face in found.faces) == ["Anna Rossi", "Bruno Neri"]


def test_the_stored_members_answer_where_the_rule_is_too_slow(session, actor, now, customers, monkeypatch):
    monkeypatch.setattr(sys.modules["crm.segments.queries.audience"], "QUICK", -1)
    people.contact(session, actor, "Carla Verdi", lifecycle="customer", now=now)
    assert inside(session, actor, customers, now) == ["Anna Rossi"]


def test_another_workspace_sees_nothing_of_a_segment(session, house, other_house, other_actor, actor, now, customers):
    from crm.db import enter_workspace

    enter_workspace(session, other_house.workspace.id)
    with pytest.raises(queries.SegmentNotFoundError):
        queries.segment(session, other_actor, segment_id=customers.id)
    assert services.refresh(session, segment_id=customers.id, now=now) == 0
