"""The gate with what is in the database: complaints, colleagues, calls, pauses, and one budget for two senders."""

import threading
from datetime import timedelta

import pytest
from factories import outreach
from factories.contacts import interaction
from sqlalchemy import select, text, update

from crm.accounts.models import Workspace
from crm.accounts.rules import system_actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.db import database_now, new_id
from crm.interactions.kinds import Direction, InteractionKind, Sentiment
from crm.interactions.models import Interaction
from crm.outreach import queries, services
from crm.outreach.models import BudgetUse, Message
from crm.outreach.rules import Reason
from crm.outreach.services.claim import claim
from crm.outreach.services.wave import wave

LEASE = timedelta(seconds=120)


def promotion(desk, now):
    return outreach.message(desk.session, desk.actor, desk.contact_id, purpose=Purpose.PROMOTIONAL, now=now)


def try_to_send(desk, now):
    """Claim and begin what is due; the messages that were begun."""
    claimed = claim(desk.session, desk.actor, account_id=desk.account.id, worker="test", lease=LEASE, now=now)
    result = wave(desk.session, desk.actor, claimed=claimed, finished=[], following=claimed.items, now=now)
    return [each.item.message_id for each in result.started]


def asked(desk, now, purpose=Purpose.PROMOTIONAL, **more):
    return queries.verdict(
        desk.session,
        desk.actor,
        contact_id=desk.contact_id,
        purpose=purpose,
        channel=ChannelKind.EMAIL,
        now=now,
        **more,
    )


def both_say(desk, message, reason, now):
    """The page's answer and the sender's are the same."""
    assert asked(desk, now).reason is reason
    assert try_to_send(desk, now + timedelta(seconds=2)) == []
    row = desk.session.get_one(Message, message.id, populate_existing=True)
    assert (row.state, row.reason) == ("held", reason.value)
    return row


def test_an_open_complaint_keeps_promotions_away_until_it_is_answered(desk, now):
    message = promotion(desk, now)
    complaint = interaction(
        desk.session,
        desk.actor,
        desk.contact_id,
        kind=InteractionKind.NOTE,
        direction=Direction.INBOUND,
        happened_at=now - timedelta(days=20),
        now=now,
    )
    desk.session.execute(update(Interaction).where(Interaction.id == complaint.id).values(sentiment=Sentiment.NEGATIVE))
    held = both_say(desk, message, Reason.COMPLAINT, now)
    assert held.held_until == now + timedelta(days=1, seconds=2)
    assert [each.reason for each in asked(desk, now, Purpose.PERSONAL).warnings] == [Reason.COMPLAINT]
    desk.session.execute(update(Interaction).where(Interaction.id == complaint.id).values(answered_at=now))
    assert asked(desk, now).allowed


def test_what_a_colleague_planned_by_hand_keeps_promotions_away(desk, now):
    message = promotion(desk, now)
    planned = outreach.message(desk.session, desk.actor, desk.contact_id, send_at=now + timedelta(days=2), now=now)
    held = both_say(desk, message, Reason.COLLISION, now)
    assert held.held_until == now + timedelta(days=5)
    services.cancel(desk.session, desk.actor, message_ids=[planned.id], now=now)
    assert asked(desk, now).allowed


def test_another_promotion_in_the_plan_is_no_collision(desk, now):
    promotion(desk, now)
    outreach.message(
        desk.session, desk.actor, desk.contact_id, purpose=Purpose.PROMOTIONAL, send_at=now + timedelta(days=1), now=now
    )
    assert asked(desk, now).allowed
    assert len(try_to_send(desk, now + timedelta(seconds=2))) == 1


def test_a_hand_written_message_is_warned_of_a_colleague_s(desk, now):
    own = asked(desk, now, Purpose.PERSONAL)
    assert own.warnings == ()
    message = outreach.message(desk.session, desk.actor, desk.contact_id, send_at=now + timedelta(days=1), now=now)
    assert asked(desk, now, Purpose.PERSONAL).warnings == ()
    desk.session.execute(update(Message).where(Message.id == message.id).values(created_by_id=None))
    assert [each.reason for each in asked(desk, now, Purpose.PERSONAL).warnings] == [Reason.COLLISION]


def test_a_call_of_yesterday_is_an_exchange(desk, now):
    message = promotion(desk, now)
    interaction(
        desk.session,
        desk.actor,
        desk.contact_id,
        kind=InteractionKind.CALL,
        direction=Direction.INBOUND,
        happened_at=now - timedelta(days=1),
        now=now,
    )
    held = both_say(desk, message, Reason.CONVERSATION, now)
    assert held.held_until == now + timedelta(days=2)


def test_the_account_is_asked_about_when_it_is_named(desk, now):
    assert asked(desk, now, account=queries.AnyAccount.ANY).allowed
    assert asked(desk, now, account=desk.account.id).allowed
    services.pause_account(desk.session, desk.actor, account_id=desk.account.id)
    assert asked(desk, now, account=desk.account.id).reason is Reason.ACCOUNT_PAUSED
    message = promotion(desk, now)
    found = queries.message_verdicts(desk.session, desk.actor, message_ids=[message.id], now=now)
    assert found[message.id].reason is Reason.ACCOUNT_PAUSED
    services.delete_account(desk.session, desk.actor, account_id=desk.account.id, now=now)
    assert asked(desk, now, account=queries.AnyAccount.ANY).reason is Reason.NO_ACCOUNT


def test_an_exhausted_day_is_free_again_at_midnight_of_the_account_s_zone(desk, now):
    desk.account.per_day, desk.account.time_zone = 1, "Pacific/Kiritimati"
    desk.session.flush()
    promotion(desk, now)
    assert len(try_to_send(desk, now + timedelta(seconds=2))) == 1
    verdict = asked(desk, now + timedelta(seconds=3), Purpose.PERSONAL, account=desk.account.id)
    # Noon of UTC minus two hours is midnight there, fourteen hours ahead.
    assert (verdict.reason, verdict.until) == (Reason.DAILY_CAP, now.replace(hour=10) + timedelta(days=1))


# Two senders at once


class Pair:
    """One person, two accounts with one promotion each, a budget of one."""

    def __init__(self, database) -> None:
        self.database, self.workspace_id = database, new_id()
        self.actor = system_actor(self.workspace_id)
        with database.scope(self.workspace_id) as session:
            now = database_now(session)
            session.add(
                Workspace(
                    id=self.workspace_id,
                    name="Lanterna",
                    slug=f"w-{self.workspace_id.hex}",
                    promotional_per_week=1,
                    **outreach.ALWAYS_OPEN,
                )
            )
            session.flush()
            person = outreach.person(session, self.actor, now=now)
            self.accounts = [outreach.account(session, self.actor, name, now=now).id for name in ("One", "Two")]
            self.messages = [
                outreach.message(
                    session, self.actor, person, purpose=Purpose.PROMOTIONAL, account_id=key, send_at=now, now=now
                ).id
                for key in self.accounts
            ]

    def begin(self, session, account_id):
        now = database_now(session)
        claimed = claim(session, self.actor, account_id=account_id, worker="test", lease=LEASE, now=now)
        return wave(session, self.actor, claimed=claimed, finished=[], following=claimed.items, now=now)


def test_whoever_sends_by_hand_waits_for_the_budget_of_a_sender(fresh_database):
    pair = Pair(fresh_database.database)
    by_hand = pair.messages[1]
    refused = []
    with pair.database.scope(pair.workspace_id) as session:
        session.execute(update(Message).where(Message.id == by_hand).values(is_assisted=True))

    def second() -> None:
        with pair.database.scope(pair.workspace_id) as session:
            try:
                services.open_assisted(session, pair.actor, message_id=by_hand, now=database_now(session))
            except services.BlockedError as error:
                refused.append(error.verdict.reason)

    with pair.database.scope(pair.workspace_id) as session:
        assert len(pair.begin(session, pair.accounts[0]).started) == 1
        other = threading.Thread(target=second)
        other.start()
        stand_in_line(pair.database, other)
    other.join(30)
    assert refused == [Reason.BUDGET_PERSON]


def stand_in_line(database, other: threading.Thread) -> None:
    """Wait until the other one waits for a lock that this transaction holds."""
    waiting = text("select count(*) from pg_locks where not granted")
    with database.scope() as watch:
        while other.is_alive() and not watch.scalar(waiting):
            other.join(0.01)
    assert other.is_alive(), "the second one must wait for the first one's commit"


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_senders_with_one_person_and_a_budget_of_one_exactly_one_sends(fresh_database, first):
    pair = Pair(fresh_database.database)
    results = {}

    def second() -> None:
        with pair.database.scope(pair.workspace_id) as session:
            results["second"] = pair.begin(session, pair.accounts[1 - first])

    with pair.database.scope(pair.workspace_id) as session:
        results["first"] = pair.begin(session, pair.accounts[first])
        other = threading.Thread(target=second)
        other.start()
        stand_in_line(pair.database, other)
    other.join(30)
    assert len(results["first"].started) == 1
    assert results["second"].started == []
    assert [verdict.reason for verdict in results["second"].refused.values()] == [Reason.BUDGET_PERSON]
    with pair.database.scope(pair.workspace_id) as session:
        assert len(session.scalars(select(BudgetUse)).all()) == 1
        states = dict(session.execute(select(Message.id, Message.state)).all())
    assert [states[key] for key in pair.messages] == (["sending", "held"] if first == 0 else ["held", "sending"])
