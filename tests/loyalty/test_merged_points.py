"""Points of two people who became one: old entries act where the points are, and an undo gives everybody their own."""

from contextlib import suppress

import pytest
from factories import contacts as make
from factories import loyalty as club
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from crm.contacts.models import Contact
from crm.lifecycle.services import merging
from crm.loyalty import services
from crm.loyalty.errors import NotEnoughPointsError, NotReversibleError
from crm.loyalty.queries.verify import verify

NOW = club.NOW


@pytest.fixture
def two(session, actor):
    """Two members of one programme."""
    return club.member(session, actor, name="Ann"), club.member(session, actor, name="Bob")


def merge(session, actor, kept, other):
    return merging.merge(session, actor, kept_id=kept.contact_id, other_id=other.contact_id, now=NOW)


def undo(session, actor, merged):
    return merging.undo_merge(session, actor, change_set_id=merged.change_set.id, now=NOW)


def reverse(session, actor, entry, points=None):
    return services.reverse(
        session, actor, entry_id=entry.id, points=points, reason="mistake", idempotency_key=club.key(), now=NOW
    )


def confirm(session, actor, entry):
    return services.confirm(session, actor, entry_id=entry.id, idempotency_key=club.key(), now=NOW)


def held(session, *members):
    """(balance, pending) of each, with every law of the ledger checked."""
    for row in members:
        session.refresh(row)
    return [(row.balance, row.pending) for row in members]


def lawful(session, actor):
    return verify(session, actor).discrepancies == []


def test_an_earning_of_who_went_up_is_taken_back_from_who_remains(session, actor, two):
    ann, bob = two
    club.earn(session, actor, ann.id, 100)
    earned = club.earn(session, actor, bob.id, 40)
    merged = merge(session, actor, ann, bob)
    entry = reverse(session, actor, earned)
    assert (entry.member_id, held(session, ann, bob)) == (ann.id, [(100, 0), (0, 0)])
    assert lawful(session, actor)
    assert undo(session, actor, merged).missing_points == 0
    assert held(session, ann, bob) == [(100, 0), (0, 0)]
    assert lawful(session, actor)


def test_a_spending_of_who_went_up_comes_back_to_who_remains_and_by_the_undo_to_its_owner(session, actor, two):
    ann, bob = two
    club.earn(session, actor, bob.id, 40)
    spent = club.spend(session, actor, bob.id, 30)
    merged = merge(session, actor, ann, bob)
    reverse(session, actor, spent, 10)
    reverse(session, actor, spent)
    with pytest.raises(NotReversibleError):
        reverse(session, actor, spent)
    assert held(session, ann, bob) == [(40, 0), (0, 0)]
    undo(session, actor, merged)
    assert held(session, ann, bob) == [(0, 0), (40, 0)]
    assert lawful(session, actor)


def test_waiting_points_are_confirmed_where_they_are_and_stay_confirmed(session, actor, two):
    ann, bob = two
    earned = club.earn(session, actor, bob.id, 40, pending=True)
    merged = merge(session, actor, ann, bob)
    confirm(session, actor, earned)
    assert held(session, ann, bob) == [(40, 0), (0, 0)]
    assert lawful(session, actor)
    undo(session, actor, merged)
    assert held(session, ann, bob) == [(0, 0), (40, 0)]
    assert lawful(session, actor)


def test_an_entry_is_followed_through_several_merges_and_back(session, actor, two):
    ann, bob = two
    cal = club.member(session, actor, name="Cal")
    earned = club.earn(session, actor, cal.id, 40)
    first = merge(session, actor, bob, cal)
    second = merge(session, actor, ann, bob)
    assert reverse(session, actor, earned, 15).member_id == ann.id
    assert held(session, ann, bob, cal) == [(25, 0), (0, 0), (0, 0)]
    undo(session, actor, second)
    assert held(session, ann, bob, cal) == [(0, 0), (25, 0), (0, 0)]
    undo(session, actor, first)
    assert held(session, ann, bob, cal) == [(0, 0), (0, 0), (25, 0)]
    assert lawful(session, actor)


def test_a_debt_that_the_others_points_paid_is_owed_again_after_the_undo(session, actor, two):
    ann, bob = two
    earned = club.earn(session, actor, ann.id, 50)
    club.spend(session, actor, ann.id, 50)
    club.earn(session, actor, bob.id, 20)
    merged = merge(session, actor, ann, bob)
    reverse(session, actor, earned)
    assert held(session, ann, bob) == [(-30, 0), (0, 0)]
    undo(session, actor, merged)
    assert held(session, ann, bob) == [(-50, 0), (20, 0)]
    assert lawful(session, actor)


acts = st.lists(
    st.tuples(
        st.sampled_from(["earn", "wait", "spend", "reverse", "reverse", "part", "confirm"]),
        st.booleans(),
        st.integers(1, 30),
    ),
    max_size=6,
)


class Owners:
    """Whose points should be how many, had everybody kept a book of their own; who merged acts as who remains."""

    def __init__(self, session, actor, ann, bob):
        self.session, self.actor, self.members = session, actor, {True: ann, False: bob}
        self.points, self.entries, self.is_one, self.is_spent = {True: 0, False: 0}, [], False, False

    def act(self, what, is_ann, number):
        session, actor = self.session, self.actor
        mine = is_ann or self.is_one
        member = self.members[mine]
        if what in {"earn", "wait"}:
            entry = club.earn(session, actor, member.id, number, pending=what == "wait")
            self.points[mine] += number
            self.entries.append((mine, entry, number))
        elif what == "spend":
            with suppress(NotEnoughPointsError):
                entry = club.spend(session, actor, member.id, number)
                self.points[mine] -= number
                self.is_spent |= self.is_one
                self.entries.append((mine, entry, -number))
        elif self.entries:
            whose, entry, _points = self.entries[number % len(self.entries)]
            with suppress(NotReversibleError):
                if what == "confirm":
                    confirm(session, actor, entry)
                else:
                    made = reverse(session, actor, entry, 1 if what == "part" else None)
                    moved = text("select sum(points) from posting where transaction_id = :id and member_id is not null")
                    self.points[whose] += int(session.scalar(moved, {"id": made.id}))

    def held(self):
        ann, bob = held(self.session, self.members[True], self.members[False])
        return {True: sum(ann), False: sum(bob)}

    def totals(self):
        return dict(self.session.execute(text("select account, sum(points) from posting group by account")).all())


@given(before=acts, between=acts, after=acts)
@settings(max_examples=8, phases=[Phase.generate])
def test_points_are_conserved_at_each_step_and_end_with_their_owners(session, actor, two, before, between, after):
    nested = session.begin_nested()
    try:
        world = Owners(session, actor, *two)
        for act in before:
            world.act(*act)
        totals = world.totals()
        merged = merge(session, actor, *two)
        assert world.totals() == totals
        world.is_one = True
        for act in between:
            world.act(*act)
            assert sum(world.held().values()) == sum(world.points.values())
        assert world.held()[False] == 0
        assert lawful(session, actor)
        totals = world.totals()
        undone = undo(session, actor, merged)
        world.is_one = False
        assert world.totals() == totals
        assert sum(world.held().values()) == sum(world.points.values())
        if not world.is_spent:
            assert undone.missing_points == 0
            assert world.held() == world.points
        for act in after:
            world.act(*act)
        assert sum(world.held().values()) == sum(world.points.values())
        assert lawful(session, actor)
    finally:
        nested.rollback()
        session.expire_all()


def test_an_interaction_that_is_removed_after_a_merge_takes_its_points_from_who_remains(session, actor, two):
    from crm.interactions import services as interactions

    ann, bob = two
    visit = make.interaction(session, actor, bob.contact_id, "visit")
    club.earn(session, actor, bob.id, 10, cause_kind="interaction", cause_id=visit.id)
    club.earn(session, actor, ann.id, 5)
    merge(session, actor, ann, bob)
    interactions.remove(session, actor, interaction_id=visit.id, now=NOW)
    assert held(session, ann, bob) == [(5, 0), (0, 0)]
    assert session.get_one(Contact, ann.contact_id).merged_into_id is None
    assert lawful(session, actor)
