"""Earning rules: which events give points, how many, and what a removed event takes back."""

from datetime import UTC, datetime, timedelta

import pytest
from factories.loyalty import member, program, spend
from sqlalchemy import select

from crm.events import InteractionLogged, publish
from crm.interactions import services as interactions
from crm.interactions.kinds import InteractionKind
from crm.loyalty import queries, services
from crm.loyalty.errors import BadRuleError, NoProgramError
from crm.loyalty.models import LedgerTransaction
from crm.loyalty.services import RuleInput

HOUR = timedelta(hours=1)


@pytest.fixture
def rule(session, actor, now):
    program(session, actor, now=now - 90 * 24 * HOUR)
    return make_rule(session, actor, now=now - 60 * 24 * HOUR)


def make_rule(session, actor, *, now, **values):
    given = {"name": "Helpful comment", "interaction_kind": "comment", "points": 10, **values}
    return services.create_rule(session, actor, data=RuleInput.model_validate(given), now=now)


def comment(session, actor, holder, *, at, **more):
    return interactions.log(
        session, actor, kind=InteractionKind.COMMENT, contact_id=holder.contact_id, happened_at=at,
        now=more.pop("now", at), **more,
    )  # fmt: skip


def balance(session, actor, holder, at):
    standing = queries.member_standing(session, actor, member_id=holder.id, now=at)
    return standing.balance - standing.debt


def test_an_event_of_the_kind_earns_the_points_and_says_why(session, actor, now, rule):
    holder = member(session, actor, now=now - HOUR)
    comment(session, actor, holder, at=now)
    assert balance(session, actor, holder, now) == 10
    line = queries.statement(session, actor, member_id=holder.id).items[0]
    assert (line.rule_name, line.points, line.cause_kind) == ("Helpful comment", 10, "interaction")


@pytest.mark.parametrize("kind", [InteractionKind.MENTION, InteractionKind.NOTE])
def test_another_kind_earns_nothing(session, actor, now, rule, kind):
    holder = member(session, actor, now=now - HOUR)
    interactions.log(session, actor, kind=kind, contact_id=holder.contact_id, happened_at=now, now=now)
    assert balance(session, actor, holder, now) == 0


def test_what_happened_before_joining_or_before_the_rule_earns_nothing(session, actor, now, rule):
    holder = member(session, actor, now=now - HOUR)
    comment(session, actor, holder, at=now - 2 * HOUR, now=now)
    early = member(session, actor, name="Bea Ci", now=now - 80 * 24 * HOUR)
    comment(session, actor, early, at=now - 70 * 24 * HOUR, now=now)
    assert (balance(session, actor, holder, now), balance(session, actor, early, now)) == (0, 0)


def test_a_retired_rule_gives_nothing_more_and_takes_nothing_back(session, actor, now, rule):
    holder = member(session, actor, now=now - HOUR)
    comment(session, actor, holder, at=now)
    services.retire_rule(session, actor, rule_id=rule.id, now=now)
    comment(session, actor, holder, at=now + HOUR)
    assert balance(session, actor, holder, now + HOUR) == 10


def test_the_same_interaction_told_twice_earns_once(session, actor, now, rule):
    holder = member(session, actor, now=now - HOUR)
    row = comment(session, actor, holder, at=now, channel="mastodon", external_id="c1")
    comment(session, actor, holder, at=now, channel="mastodon", external_id="c1")
    event = InteractionLogged(
        workspace_id=actor.workspace_id, now=now, interaction_id=row.id, contact_id=holder.contact_id,
        kind="comment", channel="mastodon", direction="inbound", happened_at=now,
    )  # fmt: skip
    publish(session, event)
    assert balance(session, actor, holder, now) == 10


def test_the_cap_counts_by_the_local_day_of_the_programme(session, actor, now):
    program(session, actor, now=now)
    make_rule(session, actor, now=now, cap_per_day=25)
    holder = member(session, actor, now=now)
    # In Rome it is half past eleven at night, and an hour later another day.
    night = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
    for minutes in range(4):
        comment(session, actor, holder, at=night + timedelta(minutes=minutes))
    assert balance(session, actor, holder, night) == 25
    comment(session, actor, holder, at=night + HOUR)
    assert balance(session, actor, holder, night + HOUR) == 35


def test_the_day_on_which_summer_time_ends_is_one_day_of_twenty_five_hours(session, actor):
    start = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    program(session, actor, now=start)
    make_rule(session, actor, now=start, cap_per_day=10)
    holder = member(session, actor, now=start)
    # From 00:00 to 23:59 in Rome on 25 October, the hour from two to three twice.
    for hours in range(25):
        comment(session, actor, holder, at=start + hours * HOUR)
    assert balance(session, actor, holder, start + 24 * HOUR) == 10
    comment(session, actor, holder, at=start + 25 * HOUR)
    assert balance(session, actor, holder, start + 25 * HOUR) == 20


def test_a_removed_event_takes_its_points_back_and_frees_the_cap(session, actor, now):
    program(session, actor, now=now)
    make_rule(session, actor, now=now, cap_per_day=10)
    holder = member(session, actor, now=now)
    row = comment(session, actor, holder, at=now)
    interactions.remove(session, actor, interaction_id=row.id, now=now)
    assert balance(session, actor, holder, now) == 0
    comment(session, actor, holder, at=now)
    assert balance(session, actor, holder, now) == 10
    assert queries.verify(session, actor).discrepancies == []


def test_points_of_a_removed_event_that_were_spent_are_owed(session, actor, now, rule):
    holder = member(session, actor, now=now - HOUR)
    row = comment(session, actor, holder, at=now)
    spend(session, actor, holder.id, 8, now=now)
    interactions.remove(session, actor, interaction_id=row.id, now=now)
    assert balance(session, actor, holder, now) == -8


def test_a_rule_for_one_channel_hears_that_channel_only(session, actor, now):
    program(session, actor, now=now)
    make_rule(session, actor, now=now, channel="mastodon")
    holder = member(session, actor, now=now)
    comment(session, actor, holder, at=now, channel="instagram")
    assert balance(session, actor, holder, now) == 0
    comment(session, actor, holder, at=now, channel="mastodon")
    assert balance(session, actor, holder, now) == 10


def test_the_rule_s_own_validity_beats_the_programme_s(session, actor, now):
    program(session, actor, now=now, validity_months=12)
    make_rule(session, actor, now=now, validity_months=1)
    holder = member(session, actor, now=now)
    comment(session, actor, holder, at=now)
    standing = queries.member_standing(session, actor, member_id=holder.id, now=now)
    # The end of 23 December in Rome.
    assert (standing.next_expiry, standing.next_expiry_points) == (datetime(2026, 12, 23, 23, 0, tzinfo=UTC), 10)


@pytest.mark.parametrize("kind", ["points.earned", "offer.given", "message.sent", "like", "share", "follow"])
def test_a_rule_that_can_not_be_is_refused(session, actor, now, kind):
    program(session, actor, now=now)
    with pytest.raises(BadRuleError):
        make_rule(session, actor, now=now, interaction_kind=kind)


def test_a_rule_needs_a_programme(session, actor, now):
    with pytest.raises(NoProgramError):
        make_rule(session, actor, now=now)


def test_points_for_points_never_begin(session, actor, now, rule):
    holder = member(session, actor, now=now - HOUR)
    comment(session, actor, holder, at=now)
    assert len(session.scalars(select(LedgerTransaction)).all()) == 1
