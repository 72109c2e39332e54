"""The report adds up after whatever happened, and every number opens the people behind it."""

from collections import Counter
from datetime import timedelta

import pytest
from factories import campaigns, loyalty
from factories.accounts import member
from factories.contacts import consent, contact, interaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from crm.accounts.kinds import Role
from crm.campaigns import queries, services
from crm.campaigns.inputs import PeopleInput, ScheduleInput
from crm.campaigns.kinds import Outcome, Reaction, ScheduleKind
from crm.campaigns.models import Recipient
from crm.channels.base import Outcome as Answer
from crm.channels.base import OutcomeKind
from crm.consent.kinds import ConsentAction
from crm.errors import AppError
from crm.loyalty import services as loyalty_services
from crm.loyalty.models import Redemption, Voucher
from crm.outreach import services as outreach
from crm.outreach.services import Decision

HOUR = timedelta(hours=1)

OPERATIONS = (
    "edit",
    "approve_one",
    "approve_all",
    "skip",
    "reject",
    "schedule",
    "send",
    "lose",
    "refuse",
    "settle",
    "pause",
    "resume",
    "release",
    "opt_out",
    "redeem",
    "undo",
    "withdraw",
    "discard",
    "prepare",
    "cancel",
)


class Life:
    """A campaign to which things happen; whatever is not possible just now is refused and changes nothing."""

    def __init__(self, session, actor, account) -> None:
        self.session, self.actor, self.account = session, actor, account
        self.now = campaigns.NOW
        self.offer = loyalty.offer(session, actor)
        people = [*campaigns.people(session, actor, 6), contact(session, actor, "Zita Neri").id]
        self.campaign = campaigns.campaign(
            session, actor, people, body="{{ contact.city | default: 'x' }} {{ voucher.code }}", offer_id=self.offer.id
        )
        services.choose_people(
            session, actor, campaign_id=self.campaign.id, data=PeopleInput(holdout_percent=20), now=self.now
        )
        services.prepare(session, actor, campaign_id=self.campaign.id, now=self.now)

    def happens(self, operation: str, place: int) -> None:
        self.now += timedelta(minutes=1)
        savepoint = self.session.begin_nested()
        try:
            getattr(self, operation)(place)
        except AppError:
            savepoint.rollback()
        else:
            savepoint.commit()

    def _common(self) -> dict:
        return {"session": self.session, "actor": self.actor, "campaign_id": self.campaign.id, "now": self.now}

    def _do(self, service, **more):
        common = self._common()
        return service(common.pop("session"), common.pop("actor"), **common, **more)

    def _one(self, place: int) -> list:
        found = queries.queue(self.session, self.actor, campaign=self.campaign)
        return [found[place % len(found)].id] if found else []

    def _message(self, place: int):
        found = campaigns.messages(self.session, self.campaign)
        return found[place % len(found)] if found else None

    def edit(self, place: int) -> None:
        for recipient_id in self._one(place):
            self._do(services.edit, recipient_id=recipient_id, subject="S", body="Other")

    def approve_one(self, place: int) -> None:
        self._do(services.approve, recipient_ids=self._one(place))

    def approve_all(self, _place: int) -> None:
        self._do(services.approve)

    def skip(self, place: int) -> None:
        self._do(services.skip, recipient_ids=self._one(place))

    def reject(self, place: int) -> None:
        self._do(services.reject, recipient_ids=self._one(place))

    def schedule(self, _place: int) -> None:
        self._do(services.schedule, data=ScheduleInput())

    def _send(self, answer: Answer, place: int) -> None:
        moment = self.now + timedelta(minutes=5)
        campaigns.send(self.session, self.actor, self.account.id, now=moment, answer=answer, most=place % 3 + 1)

    def send(self, place: int) -> None:
        self._send(campaigns.ACCEPTED, place)

    def lose(self, place: int) -> None:
        self._send(Answer(kind=OutcomeKind.UNKNOWN, code="connection_lost"), place)

    def refuse(self, place: int) -> None:
        self._send(Answer(kind=OutcomeKind.CONTENT, code="content_554"), place)

    def settle(self, place: int) -> None:
        message = self._message(place)
        if message is not None and message.state == "uncertain":
            outreach.resolve_uncertain(
                self.session, self.actor, message_id=message.id, decision=Decision.ARRIVED, now=self.now
            )

    def pause(self, _place: int) -> None:
        self._do(services.pause)

    def resume(self, _place: int) -> None:
        self._do(services.resume)

    def release(self, place: int) -> None:
        message = self._message(place)
        if message is not None:
            outreach.release(self.session, self.actor, message_ids=[message.id], now=self.now)

    def opt_out(self, place: int) -> None:
        message = self._message(place)
        if message is not None:
            consent(
                self.session,
                self.actor,
                message.contact_id,
                action=ConsentAction.WITHDRAWN,
                happened_at=self.now,
                now=self.now,
            )

    def redeem(self, place: int) -> None:
        message = self._message(place)
        if message is not None:
            voucher = self.session.get_one(Voucher, message.voucher_id)
            loyalty_services.redeem(
                self.session,
                self.actor,
                code=voucher.code,
                idempotency_key=loyalty.key(),
                purchase_minor=10_000,
                now=self.now,
            )

    def undo(self, place: int) -> None:
        found = self.session.scalars(select(Redemption).where(Redemption.undone_at.is_(None))).all()
        if found:
            loyalty_services.undo_redemption(
                self.session, self.actor, redemption_id=found[place % len(found)].id, now=self.now
            )

    def withdraw(self, _place: int) -> None:
        loyalty_services.withdraw_offer(self.session, self.actor, offer_id=self.offer.id, now=self.now)

    def discard(self, _place: int) -> None:
        self._do(services.discard)

    def prepare(self, _place: int) -> None:
        self._do(services.prepare)

    def cancel(self, _place: int) -> None:
        self._do(services.cancel)


def adds_up(life: Life) -> int:
    """Compare every number with the people behind it; returns how many were planned."""
    session, actor, campaign = life.session, life.actor, life.campaign
    found = queries.report(session, actor, campaign=campaign)
    rows = session.scalar(select(func.count()).select_from(Recipient).where(Recipient.campaign_id == campaign.id))
    assert set(found.outcomes) == set(Outcome)
    assert found.planned == sum(found.outcomes.values()) == rows
    line = queries.line(session, actor, campaign_id=campaign.id, now=life.now)
    assert dict(line.outcomes) == {kind: count for kind, count in found.outcomes.items() if count}
    everybody = queries.recipients(session, actor, campaign=campaign, limit=200).items
    assert Counter(person.outcome for person in everybody) == Counter(line.outcomes)
    for outcome, count in found.outcomes.items():
        behind = queries.recipients(session, actor, campaign=campaign, outcome=outcome, limit=200).items
        assert [person.outcome for person in behind] == [outcome] * count
    for reaction, count in found.reactions.items():
        behind = queries.recipients(session, actor, campaign=campaign, reaction=reaction, limit=200).items
        assert len(behind) == count
        assert {person.outcome for person in behind} <= {Outcome.SENT}
    redeemed = queries.recipients(session, actor, campaign=campaign, reaction=Reaction.REDEEMED, limit=200).items
    assert found.revenue_minor == sum(person.revenue_minor for person in redeemed)
    return found.planned


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 6)), max_size=14))
def test_the_report_adds_up_after_whatever_happened(session, actor, account, steps):
    savepoint = session.begin_nested()
    life = Life(session, actor, account)
    planned = adds_up(life)
    for operation, place in steps:
        life.happens(operation, place)
        # Throwing the drafts away leaves nobody planned; nothing else changes how many there are.
        assert adds_up(life) in {0, planned}
    savepoint.rollback()
    session.expire_all()


def test_a_whole_life_ends_in_every_number(session, actor, account, now):
    life = Life(session, actor, account)
    for operation, place in (("approve_all", 0), ("skip", 0), ("schedule", 0), ("send", 1), ("lose", 0), ("refuse", 0)):
        life.happens(operation, place)
    found = queries.report(session, actor, campaign=life.campaign)
    assert {kind: count for kind, count in found.outcomes.items() if count} == {
        Outcome.SENT: 2,
        Outcome.UNCERTAIN: 1,
        Outcome.FAILED: 1,
        Outcome.SKIPPED: 2,
        Outcome.HOLDOUT: 1,
    }
    assert found.reactions[Reaction.DELIVERED] == 2
    assert found.first_sent_at is not None


def test_revenue_is_what_was_paid_with_the_codes_and_follows_an_undo(session, actor, account, now):
    offer = loyalty.offer(session, actor)
    campaign = campaigns.scheduled(session, actor, 2, body="{{ voucher.code }}", offer_id=offer.id)
    campaigns.send(session, actor, account.id, now=now + HOUR)
    voucher = session.get_one(Voucher, campaigns.message(session, campaign).voucher_id)
    redemption = loyalty_services.redeem(
        session,
        actor,
        code=voucher.code,
        idempotency_key=loyalty.key(),
        purchase_minor=10_000,
        now=now + 2 * HOUR,
    )
    found = queries.report(session, actor, campaign=campaign)
    assert (found.reactions[Reaction.REDEEMED], found.purchases, found.revenue_minor) == (1, 1, 8_000)
    (line,) = queries.recipients(session, actor, campaign=campaign, reaction=Reaction.REDEEMED).items
    assert (line.revenue_minor, line.redeemed_at) == (8_000, now + 2 * HOUR)
    loyalty_services.undo_redemption(session, actor, redemption_id=redemption.id, now=now + 3 * HOUR)
    found = queries.report(session, actor, campaign=campaign)
    assert (found.reactions[Reaction.REDEEMED], found.purchases, found.revenue_minor) == (0, 0, 0)


def test_who_says_no_after_it_left_is_counted_and_who_said_it_before_is_not(session, actor, account, now):
    campaign = campaigns.scheduled(session, actor, 2)
    campaigns.send(session, actor, account.id, now=now + HOUR)
    person = campaigns.recipient(session, campaign)
    consent(
        session,
        actor,
        person.contact_id,
        action=ConsentAction.WITHDRAWN,
        happened_at=now + 2 * HOUR,
        now=now + 2 * HOUR,
    )
    assert queries.report(session, actor, campaign=campaign).reactions[Reaction.OPTED_OUT] == 1


def test_the_held_out_people_are_compared_by_what_they_bought(session, actor, account, now):
    campaign = campaigns.campaign(session, actor, campaigns.people(session, actor, 4))
    data = PeopleInput(holdout_percent=50)
    services.choose_people(session, actor, campaign_id=campaign.id, data=data, now=now)
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    services.approve(session, actor, campaign_id=campaign.id, now=now)
    schedule = ScheduleInput(kind=ScheduleKind.AT, at=now + HOUR)
    services.schedule(session, actor, campaign_id=campaign.id, data=schedule, now=now)
    assert queries.report(session, actor, campaign=campaign).lift is None
    campaigns.send(session, actor, account.id, now=now + HOUR)
    written = queries.recipients(session, actor, campaign=campaign, outcome=Outcome.SENT).items
    kept = queries.recipients(session, actor, campaign=campaign, outcome=Outcome.HOLDOUT).items
    later = now + timedelta(days=3)
    interaction(session, actor, written[0].contact_id, "purchase", happened_at=later, now=later)
    interaction(session, actor, kept[0].contact_id, "purchase", happened_at=now - HOUR)
    too_late = now + timedelta(days=20)
    interaction(session, actor, kept[1].contact_id, "purchase", happened_at=too_late, now=too_late)
    lift = queries.report(session, actor, campaign=campaign).lift
    assert lift is not None
    assert (lift.written, lift.written_bought, lift.kept, lift.kept_bought) == (2, 1, 2, 0)
    assert not lift.is_clear


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_lists_page_by_key_and_lose_nobody(session, actor, account, now, limit):
    campaign = campaigns.prepared(session, actor, 5)
    seen, after = [], None
    while True:
        page = queries.recipients(session, actor, campaign=campaign, after=after, limit=limit)
        seen += [line.position for line in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [0, 1, 2, 3, 4]


def test_a_till_sees_no_campaigns(session, house, actor, account, now):
    campaigns.prepared(session, actor, 1)
    _, _, till = member(session, house, role=Role.TILL)
    assert queries.campaigns(session, till, now=now).items == []
