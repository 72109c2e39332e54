"""The reports page adds up: weeks in the reader's zone, net points, every message in one state."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import campaigns, loyalty, outreach
from factories.contacts import contact, interaction

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.db import database_now, enter_workspace
from crm.desk.figures import WEEKS, figures
from crm.interactions.kinds import Direction, Visibility
from crm.loyalty import services as loyalty_services
from crm.outreach.kinds import MessageState

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
"""A Monday: the running week began some hours ago."""


@pytest.fixture
def ann(session, actor):
    return contact(session, actor, "Ann Bo", email="ann@example.com")


def sent(session, actor, person, at, **fields):
    return interaction(
        session, actor, person.id, "message.sent", direction=Direction.OUTBOUND, happened_at=at, **fields
    )


def test_the_weeks_are_mondays_and_the_last_one_runs(session, actor):
    weeks = figures(session, actor, now=NOW).weeks

    assert (len(weeks), weeks[-1].isoformat(), {week.weekday() for week in weeks}) == (WEEKS, "2026-11-23", {0})


def test_what_happened_is_counted_in_its_local_week(session, actor, ann):
    sent(session, actor, ann, NOW)
    # Sunday 23:30 in UTC is Monday 00:30 in Rome: the running week.
    sent(session, actor, ann, datetime(2026, 11, 22, 23, 30, tzinfo=UTC))
    sent(session, actor, ann, datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    interaction(session, actor, ann.id, "call", direction=Direction.OUTBOUND, happened_at=NOW - timedelta(weeks=3))

    found = figures(session, actor, now=NOW)

    assert found.sent[-2:] == (1, 2)
    assert (sum(found.sent), sum(found.received), sum(found.calls)) == (3, 0, 1)


def test_what_is_older_removed_private_or_automatic_is_left_out(session, actor, ann):
    sent(session, actor, ann, NOW - timedelta(weeks=WEEKS))
    sent(session, actor, ann, NOW, visibility=Visibility.PRIVATE)
    sent(session, actor, ann, NOW).removed_at = NOW
    interaction(session, actor, ann.id, "message.received", direction=Direction.INBOUND, happened_at=NOW,
                is_automatic=True)  # fmt: skip
    session.flush()

    found = figures(session, actor, now=NOW)

    assert (sum(found.sent), sum(found.received)) == (0, 0)


def test_points_are_net_of_what_was_taken_back(session, actor):
    member = loyalty.member(session, actor)
    loyalty.earn(session, actor, member.id, 100, now=NOW)
    wrong = loyalty.earn(session, actor, member.id, 40, now=NOW)
    loyalty.spend(session, actor, member.id, 30, now=NOW)
    loyalty_services.reverse(
        session, actor, entry_id=wrong.id, reason="a mistake", idempotency_key=loyalty.key(), now=NOW
    )

    found = figures(session, actor, now=NOW)

    assert (found.issued[-1], found.spent[-1]) == (100, 30)


def test_redemptions_and_their_money_are_counted_unless_undone(session, actor, ann):
    bea = contact(session, actor, "Bea Conti")
    offer = loyalty.offer(session, actor)
    codes = [loyalty.voucher(session, actor, offer_id=offer.id, contact_id=person.id) for person in (ann, bea)]
    kept, undone = (
        loyalty_services.redeem(
            session, actor, code=code.code, idempotency_key=loyalty.key(), purchase_minor=10_000, now=NOW
        )
        for code in codes
    )
    undone.undone_at = NOW
    session.flush()

    found = figures(session, actor, now=NOW)

    assert (sum(found.redeemed), found.purchases_minor, found.discount_minor) == (1, 10_000, kept.discount_minor)


def test_every_planned_message_is_in_one_state(session, actor, ann):
    outreach.account(session, actor)
    rows = [outreach.message(session, actor, ann.id, send_at=NOW + timedelta(minutes=n + 1)) for n in range(4)]
    for row, state in zip(rows, (MessageState.SENT, MessageState.SENT, MessageState.FAILED), strict=False):
        row.state = state.value
    session.flush()

    found = figures(session, actor, now=NOW + timedelta(hours=1))

    assert found.states == {MessageState.SENT: 2, MessageState.FAILED: 1, MessageState.SCHEDULED: 1}


def test_another_workspace_has_its_own_figures(session, actor, other_actor, ann):
    sent(session, actor, ann, NOW)

    enter_workspace(session, other_actor.workspace_id)

    assert sum(figures(session, other_actor, now=NOW).sent) == 0


def test_the_page_leads_to_the_report_of_a_campaign(client, session, actor):
    outreach.account(session, actor)
    begun = campaigns.scheduled(session, actor, 2, name="Preview")
    waiting = campaigns.prepared(session, actor, 1, name="Next")

    page = client.get("/reports").text

    assert f"/campaigns/{begun.id}/report" in page
    assert f'href="/campaigns/{waiting.id}"' in page


def test_every_chart_has_its_table(client, session, actor):
    today = database_now(session)
    loyalty.program(session, actor, now=today)
    bea, made = contact(session, actor, "Bea Conti"), loyalty.offer(session, actor, now=today)
    code = loyalty.voucher(session, actor, offer_id=made.id, contact_id=bea.id, now=today)
    loyalty_services.redeem(session, actor, code=code.code, idempotency_key=loyalty.key(), now=today)

    page = client.get("/reports").text

    for name in ("exchanges", "points", "redemptions"):
        assert f'id="{name}-data"' in page
    assert page.count("<details") >= 3


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 200), (Role.TILL, 403)])
def test_who_sees_people_sees_reports(client, session, house, role, status):
    session.query(Membership).filter_by(user_id=house.user.id).update({"role": role.value})
    session.flush()

    assert client.get("/reports").status_code == status
