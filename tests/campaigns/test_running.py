"""The run: when each one leaves, pause and resume without a burst, cancel, replies, and the end."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from factories import campaigns, loyalty
from factories.contacts import consent, contact
from sqlalchemy import select

from crm.accounts.models import Notification
from crm.campaigns import queries, services
from crm.campaigns.inputs import ScheduleInput
from crm.campaigns.kinds import CampaignState, Outcome, ScheduleKind
from crm.campaigns.models import Campaign
from crm.db import new_id
from crm.errors import InvalidInputError
from crm.events import ReplyReceived, publish
from crm.loyalty.kinds import VoucherState
from crm.loyalty.models import Voucher
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message

HOUR = timedelta(hours=1)


def at(moment: datetime, **more) -> ScheduleInput:
    return ScheduleInput(kind=ScheduleKind.AT, at=moment, **more)


def ready(session, actor, count=3, **fields) -> Campaign:
    campaign = campaigns.prepared(session, actor, count, **fields)
    services.approve(session, actor, campaign_id=campaign.id, now=campaigns.NOW)
    return campaign


def state(session, actor, campaign, now) -> CampaignState:
    return queries.line(session, actor, campaign_id=campaign.id, now=now).state


def due(session, campaign) -> list[datetime]:
    return [message.due_at for message in campaigns.messages(session, campaign)]


def test_now_leaves_after_the_time_to_take_it_back(session, actor, account, now):
    campaign = ready(session, actor)
    done = services.schedule(session, actor, campaign_id=campaign.id, data=ScheduleInput(), now=now)
    assert (done.scheduled, done.waiting) == (3, 0)
    assert set(due(session, campaign)) == {now + timedelta(seconds=15)}


def test_one_moment_is_the_same_for_all(session, actor, account, now):
    campaign = ready(session, actor)
    services.schedule(session, actor, campaign_id=campaign.id, data=at(now + HOUR), now=now)
    assert set(due(session, campaign)) == {now + HOUR}
    assert {message.planned_at for message in campaigns.messages(session, campaign)} == {now + HOUR}
    assert state(session, actor, campaign, now) is CampaignState.SCHEDULED


def test_the_same_hour_where_each_person_lives(session, actor, account, now):
    zones = {"Ann Bo": "", "Bea Conti": "America/New_York", "Carl Dini": "Asia/Tokyo"}
    people = []
    for number, (name, tz) in enumerate(zones.items()):
        person = contact(session, actor, name, email=f"p{number}@example.com", time_zone=tz)
        consent(session, actor, person.id)
        people.append(person.id)
    campaign = campaigns.campaign(session, actor, people)
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    services.approve(session, actor, campaign_id=campaign.id, now=now)
    tomorrow = datetime(2026, 11, 24, 10, 30, tzinfo=ZoneInfo("Europe/Rome"))
    services.schedule(session, actor, campaign_id=campaign.id, data=at(tomorrow, in_recipient_zone=True), now=now)
    local = [
        moment.astimezone(ZoneInfo(tz or "Europe/Rome"))
        for moment, tz in zip(due(session, campaign), zones.values(), strict=True)
    ]
    assert {(moment.day, moment.hour, moment.minute) for moment in local} == {(24, 10, 30)}
    assert len(set(due(session, campaign))) == 3


def test_an_hour_that_has_passed_where_somebody_lives_is_refused_beside_the_field(session, actor, account, now):
    person = contact(session, actor, "Carl Dini", email="carl@example.com", time_zone="Asia/Tokyo")
    consent(session, actor, person.id)
    campaign = campaigns.campaign(session, actor, [person.id])
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    services.approve(session, actor, campaign_id=campaign.id, now=now)
    with pytest.raises(InvalidInputError) as caught:
        services.schedule(session, actor, campaign_id=campaign.id, data=at(now + HOUR, in_recipient_zone=True), now=now)
    assert list(caught.value.fields) == ["at"]


def test_spread_leaves_one_after_the_other_over_the_window(session, actor, account, now):
    campaign = ready(session, actor, 5)
    data = ScheduleInput(kind=ScheduleKind.SPREAD, at=now + HOUR, until=now + 3 * HOUR)
    services.schedule(session, actor, campaign_id=campaign.id, data=data, now=now)
    assert due(session, campaign) == [now + HOUR + n * HOUR / 2 for n in range(5)]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"kind": "at"}, "at"),
        ({"kind": "at", "at": campaigns.NOW - HOUR}, "at"),
        ({"kind": "spread", "at": campaigns.NOW + HOUR}, "until"),
        ({"kind": "spread", "at": campaigns.NOW + 2 * HOUR, "until": campaigns.NOW + HOUR}, "until"),
        ({"kind": "spread", "at": campaigns.NOW + HOUR, "until": campaigns.NOW + HOUR}, "until"),
    ],
)
def test_a_time_that_can_t_be_is_refused_beside_its_field_and_nothing_is_scheduled(
    session, actor, account, now, data, field
):
    campaign = ready(session, actor)
    with pytest.raises(InvalidInputError) as caught:
        services.schedule(session, actor, campaign_id=campaign.id, data=ScheduleInput.model_validate(data), now=now)
    assert list(caught.value.fields) == [field]
    assert {message.state for message in campaigns.messages(session, campaign)} == {"approved"}


def test_nothing_is_scheduled_before_something_is_approved_and_the_rest_follows_later(session, actor, account, now):
    campaign = campaigns.prepared(session, actor, 3)
    with pytest.raises(services.WrongStageError):
        services.schedule(session, actor, campaign_id=campaign.id, data=ScheduleInput(), now=now)
    ids = [campaigns.recipient(session, campaign, n).id for n in range(3)]
    services.approve(session, actor, campaign_id=campaign.id, recipient_ids=ids[:1], now=now)
    done = services.schedule(session, actor, campaign_id=campaign.id, data=at(now + HOUR), now=now)
    assert (done.scheduled, done.waiting) == (1, 2)
    services.approve(session, actor, campaign_id=campaign.id, recipient_ids=ids[1:], now=now)
    done = services.schedule(session, actor, campaign_id=campaign.id, data=at(now + 2 * HOUR), now=now)
    assert (done.scheduled, done.waiting) == (3, 0)


def test_it_runs_from_its_first_message_to_its_last_and_rings_the_bell_once(session, house, actor, account, now):
    campaign = campaigns.scheduled(session, actor, 3)
    later = now + HOUR
    assert campaigns.send(session, actor, account.id, now=later, most=2)
    assert state(session, actor, campaign, later) is CampaignState.RUNNING
    assert services.tend(session, actor, now=later) == 0
    campaigns.send(session, actor, account.id, now=later)
    assert state(session, actor, campaign, later) is CampaignState.FINISHED
    assert (services.tend(session, actor, now=later), services.tend(session, actor, now=later)) == (1, 0)
    bell = session.scalars(select(Notification)).one()
    assert (bell.kind, bell.params["sent"], bell.user_id) == ("campaign.finished", 3, house.user.id)


def test_a_pause_stops_it_and_resuming_keeps_the_distances(session, actor, account, now):
    campaign = ready(session, actor, 3)
    data = ScheduleInput(kind=ScheduleKind.SPREAD, at=now + HOUR, until=now + 2 * HOUR)
    services.schedule(session, actor, campaign_id=campaign.id, data=data, now=now)
    services.pause(session, actor, campaign_id=campaign.id, now=now)
    assert state(session, actor, campaign, now) is CampaignState.PAUSED
    later = now + 4 * HOUR
    assert campaigns.send(session, actor, account.id, now=later) == []
    services.resume(session, actor, campaign_id=campaign.id, now=later)
    assert due(session, campaign) == [later, later + HOUR / 2, later + HOUR]


def test_cancelling_takes_the_unsent_codes_back_and_leaves_the_sent_ones(session, actor, account, now):
    offer = loyalty.offer(session, actor)
    campaign = campaigns.scheduled(session, actor, 3, body="{{ voucher.code }}", offer_id=offer.id)
    later = now + HOUR
    sent = campaigns.send(session, actor, account.id, now=later, most=1)
    assert services.cancel(session, actor, campaign_id=campaign.id, now=later) == 2
    assert state(session, actor, campaign, later) is CampaignState.CANCELLED
    states = {}
    for message in campaigns.messages(session, campaign):
        voucher = session.get_one(Voucher, message.voucher_id, populate_existing=True)
        states[message.id] = (message.state, voucher.state)
    assert states.pop(sent[0]) == ("sent", VoucherState.ACTIVE)
    assert set(states.values()) == {("cancelled", VoucherState.RELEASED)}
    assert campaigns.send(session, actor, account.id, now=later) == []


def test_a_stage_that_is_over_can_t_be_paused_or_scheduled_again(session, actor, account, now):
    campaign = campaigns.scheduled(session, actor, 1)
    services.cancel(session, actor, campaign_id=campaign.id, now=now)
    for action in (services.pause, services.resume, services.cancel):
        with pytest.raises(services.WrongStageError):
            action(session, actor, campaign_id=campaign.id, now=now)
    with pytest.raises(services.WrongStageError):
        services.schedule(session, actor, campaign_id=campaign.id, data=ScheduleInput(), now=now)


def reply(session, actor, contact_id, now, *, in_reply_to=None) -> None:
    """An answer as the inbound path tells of it."""
    message = Message(
        id=new_id(),
        direction="inbound",
        channel="email",
        purpose="reply",
        state=MessageState.RECEIVED.value,
        contact_id=contact_id,
        in_reply_to_id=in_reply_to,
        created_at=now,
    )
    session.add(message)
    session.flush()
    publish(
        session,
        ReplyReceived(
            workspace_id=actor.workspace_id,
            now=now,
            contact_id=contact_id,
            conversation_id=new_id(),
            message_id=message.id,
        ),
    )


def test_an_answer_counts_for_what_it_answers_and_ends_what_still_waits(session, actor, account, now):
    people = campaigns.people(session, actor, 1)
    first = campaigns.campaign(session, actor, people)
    second = campaigns.campaign(session, actor, people, name="Another")
    for campaign in (first, second):
        services.prepare(session, actor, campaign_id=campaign.id, now=now)
    services.approve(session, actor, campaign_id=first.id, now=now)
    services.schedule(session, actor, campaign_id=first.id, data=ScheduleInput(), now=now)
    sent = campaigns.send(session, actor, account.id, now=now + HOUR)
    answered = now + 2 * HOUR
    reply(session, actor, people[0], answered, in_reply_to=sent[0])
    assert campaigns.recipient(session, first).replied_at == answered
    assert campaigns.recipient(session, second).replied_at is None
    waiting = campaigns.message(session, second)
    assert (waiting.state, waiting.reason) == ("skipped", "replied")
    reply(session, actor, people[0], answered + HOUR)
    assert campaigns.recipient(session, first).replied_at == answered


def test_an_answer_that_names_nothing_counts_for_the_newest_one_that_was_sent(session, actor, account, now):
    campaign = campaigns.scheduled(session, actor, 2)
    campaigns.send(session, actor, account.id, now=now + HOUR)
    person = campaigns.recipient(session, campaign, 1)
    reply(session, actor, person.contact_id, now + 2 * HOUR)
    assert campaigns.recipient(session, campaign, 1).replied_at == now + 2 * HOUR
    assert campaigns.recipient(session, campaign, 0).replied_at is None
    stranger = contact(session, actor, "Zita Neri")
    reply(session, actor, stranger.id, now)


def test_an_answer_months_later_counts_for_nothing(session, actor, account, now):
    campaign = campaigns.scheduled(session, actor, 1)
    campaigns.send(session, actor, account.id, now=now + HOUR)
    person = campaigns.recipient(session, campaign)
    reply(session, actor, person.contact_id, now + timedelta(days=40))
    assert campaigns.recipient(session, campaign).replied_at is None
    assert queries.report(session, actor, campaign=campaign).outcomes[Outcome.SENT] == 1
